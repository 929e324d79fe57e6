"""Shared by the peers: the reference CNN and the data, in plain Keras."""

import keras
import numpy as np
from keras import layers
from sklearn.datasets import load_digits


def load(images, validation):
    """Return (images, labels) for training, validation and test."""
    digits = load_digits()
    x = (digits.images / 16).astype(np.float32)[..., None]
    y = digits.target
    cut = images + validation
    return (x[:images], y[:images]), (x[images:cut], y[images:cut]), (x[cut:], y[cut:])


def load_file(path):
    """Return (images, labels) for training and validation, from a file that `time_to_accuracy.py` wrote."""
    with np.load(path) as arrays:
        return tuple(
            ((arrays[f"{split}_images"] / 255).astype(np.float32), arrays[f"{split}_labels"])
            for split in ("train", "validation")
        )


def build(dropout, learning_rate, shape=(8, 8, 1)):
    model = keras.Sequential(
        [
            keras.Input(shape),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(128, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dropout(dropout),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate), loss="sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return model
