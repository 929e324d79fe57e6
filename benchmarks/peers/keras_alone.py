"""The peer of `whole_process.py`: plain Keras, as most tutorials write it; nothing is logged.

usage: keras_alone.py IMAGES VALIDATION_IMAGES EPOCHS
"""

import sys

import keras
import numpy as np
from keras import layers
from sklearn.datasets import load_digits

train, validation, epochs = map(int, sys.argv[1:])
digits = load_digits()
images = (digits.images / 16).astype(np.float32)[..., None]
labels = digits.target
model = keras.Sequential(
    [
        keras.Input((8, 8, 1)),
        layers.Conv2D(32, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(64, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(128, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dense(128, activation="relu"),
        layers.Dense(10, activation="softmax"),
    ]
)
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
held_out = (images[train : train + validation], labels[train : train + validation])
model.fit(images[:train], labels[:train], batch_size=32, epochs=epochs, validation_data=held_out, verbose=0)
print("test", model.evaluate(images[train + validation :], labels[train + validation :], verbose=0)[1])
