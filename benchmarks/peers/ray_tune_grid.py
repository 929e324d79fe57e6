"""A peer of `sweep_throughput.py`: the grid search of Ray Tune, one trial per core; nothing is logged.

usage: ray_tune_grid.py EPOCHS RATES DROPOUTS BATCHES   (RATES and so on are lists such as 1e-3,1e-2)
"""

import sys
from pathlib import Path

from ray import tune

epochs = int(sys.argv[1])
rates, dropouts, batches = ([float(text) for text in values.split(",")] for values in sys.argv[2:5])
here = str(Path(__file__).parent)


def trial(config):
    sys.path.insert(0, here)
    import tensorflow as tf
    from cnn import build, load

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    train, validation, _ = load(988, 269)
    model = build(config["dropout"], config["learning_rate"])
    history = model.fit(
        *train, batch_size=int(config["batch_size"]), epochs=epochs, validation_data=validation, verbose=0
    )
    tune.report({"val_accuracy": history.history["val_accuracy"][-1]})


space = {
    "learning_rate": tune.grid_search(rates),
    "dropout": tune.grid_search(dropouts),
    "batch_size": tune.grid_search(batches),
}
kept = tune.RunConfig(storage_path=str(Path.cwd() / "tune"))
results = tune.Tuner(tune.with_resources(trial, {"cpu": 1}), param_space=space, run_config=kept).fit()
print("trials", len(results))
