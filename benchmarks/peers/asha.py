"""A peer of `time_to_accuracy.py`: Ray Tune with ASHA, one trial per core; nothing is logged.

usage: asha.py DATA.npz EPOCHS SEED TARGET RATES DROPOUTS BATCHES [FIRST]   (RATES and so on: lists such as 1e-3,1e-2;
FIRST are the rate, the dropout and the batch size of the first trial)
"""

import sys
import time
from pathlib import Path

from ray import tune
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.basic_variant import BasicVariantGenerator

data, epochs, seed, target = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
rates, dropouts, batches = ([float(text) for text in values.split(",")] for values in sys.argv[5:8])
first = [
    dict(zip(("learning_rate", "dropout", "batch_size"), map(float, text.split(",")), strict=True))
    for text in sys.argv[8:]
]
here = str(Path(__file__).parent)


def trial(config):
    sys.path.insert(0, here)
    import keras
    import tensorflow as tf
    from cnn import build, load_file

    class Report(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs):
            tune.report({"val_accuracy": logs["val_accuracy"]})

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    train, validation = load_file(data)
    model = build(config["dropout"], config["learning_rate"], train[0].shape[1:])
    batch_size = int(config["batch_size"])
    model.fit(*train, batch_size=batch_size, epochs=epochs, validation_data=validation, callbacks=[Report()], verbose=0)


class Target(tune.Stopper):
    """Ends the search when one trial has reached the target."""

    def __init__(self):
        self._reached = False

    def __call__(self, trial_id, result):
        if result["val_accuracy"] >= target and not self._reached:
            self._reached = True
            print("reached", time.time(), flush=True)
        return self._reached

    def stop_all(self):
        return self._reached


space = {
    "learning_rate": tune.choice(rates),
    "dropout": tune.choice(dropouts),
    "batch_size": tune.choice(batches),
}
tune.Tuner(
    tune.with_resources(trial, {"cpu": 1}),
    param_space=space,
    tune_config=tune.TuneConfig(
        metric="val_accuracy",
        mode="max",
        num_samples=len(rates) * len(dropouts) * len(batches),
        scheduler=ASHAScheduler(max_t=epochs, grace_period=1, reduction_factor=3),
        search_alg=BasicVariantGenerator(random_state=seed, points_to_evaluate=first),
    ),
    run_config=tune.RunConfig(stop=Target(), storage_path=str(Path.cwd() / "tune"), verbose=0),
).fit()
