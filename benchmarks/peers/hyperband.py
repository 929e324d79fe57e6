"""A peer of `time_to_accuracy.py`: Hyperband of Keras Tuner, in one process, its default; nothing is logged.

usage: hyperband.py DATA.npz EPOCHS SEED TARGET RATES DROPOUTS BATCHES   (RATES and so on are lists such as 1e-3,1e-2)
"""

import sys
import time

import keras
import keras_tuner
from cnn import build, load_file

epochs, seed, target = int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
rates, dropouts, batches = ([float(text) for text in values.split(",")] for values in sys.argv[5:8])
train, validation = load_file(sys.argv[1])


class StopAtTarget(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs):
        if logs["val_accuracy"] >= target:
            print("reached", time.time(), flush=True)
            raise SystemExit


class Space(keras_tuner.HyperModel):
    def build(self, hp):
        shape = train[0].shape[1:]
        return build(hp.Choice("dropout", dropouts), hp.Choice("learning_rate", rates), shape)

    def fit(self, hp, model, *args, **kwargs):
        return model.fit(*args, batch_size=int(hp.Choice("batch_size", batches)), **kwargs)


tuner = keras_tuner.Hyperband(
    Space(), objective="val_accuracy", max_epochs=epochs, factor=3, seed=seed, overwrite=True, directory="tuner"
)
tuner.search(*train, validation_data=validation, callbacks=[StopAtTarget()], verbose=0)
