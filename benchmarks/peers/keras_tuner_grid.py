"""A peer of `sweep_throughput.py`: the grid search of Keras Tuner, in one process, its default; nothing is logged.

usage: keras_tuner_grid.py EPOCHS RATES DROPOUTS BATCHES   (RATES and so on are lists such as 1e-3,1e-2)
"""

import sys

import keras_tuner
from cnn import build, load

epochs = int(sys.argv[1])
rates, dropouts, batches = ([float(text) for text in values.split(",")] for values in sys.argv[2:5])
train, validation, _ = load(988, 269)


class Grid(keras_tuner.HyperModel):
    def build(self, hp):
        return build(hp.Choice("dropout", dropouts), hp.Choice("learning_rate", rates))

    def fit(self, hp, model, *args, **kwargs):
        return model.fit(*args, batch_size=int(hp.Choice("batch_size", batches)), **kwargs)


trials = len(rates) * len(dropouts) * len(batches)
tuner = keras_tuner.GridSearch(Grid(), objective="val_accuracy", max_trials=trials, overwrite=True, directory="tuner")
tuner.search(*train, epochs=epochs, validation_data=validation, verbose=0)
print("trials", len(tuner.oracle.trials))
