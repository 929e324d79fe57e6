"""The gradient of a part of a batch, on another machine than the one that trains; see `machine_parallel`."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from numpy.typing import NDArray

from cnnexp.training.batches import label_spec
from cnnexp.training.machine_parallel import Arrays, GradientSpec, random_state_of
from cnnexp.training.network import Network
from cnnexp.training.trainer import Trainer


class GradientPart:
    """Computes gradients by a spec, as machine `number`, from 1 on."""

    def __init__(self, spec: GradientSpec, *, number: int) -> None:
        self._number = number
        model = _loaded(spec.model)
        trainer = Trainer(
            Network(model),
            keras.optimizers.SGD(),  # which makes no step here
            spec.loss,
            trained=[model.trainable_variables[place] for place in spec.trained],
            backbone_training=spec.backbone_training,
            micro_batch=spec.micro_batch,
            mixed=spec.mixed,
        )
        self._plain = [*trainer.trained, *trainer.statistics]
        self._random = trainer.random_states
        statistics = trainer.statistics

        def part(images: tf.Tensor, labels: tf.Tensor) -> list[tf.Tensor]:
            loss, correct, gradients = trainer.gradients(images, labels)
            return [loss, correct, *gradients, *(tf.identity(one.value) for one in statistics)]

        inputs, (label_type, label_shape) = model.inputs[0], label_spec(mixed=spec.mixed)
        specs = [tf.TensorSpec(inputs.shape, inputs.dtype), tf.TensorSpec(label_shape, label_type)]
        self._part: Any = tf.function(part, input_signature=specs, jit_compile=False, autograph=False)

    def __call__(self, values: Sequence[NDArray[Any]], images: NDArray[Any], labels: NDArray[Any]) -> Arrays:
        """Return loss, correct answers, gradients and statistics for these values of the variables."""
        for variable, value in zip(self._plain, values[: len(self._plain)], strict=True):
            variable.assign(value)
        for variable, value in zip(self._random, values[len(self._plain) :], strict=True):
            variable.assign(random_state_of(value, number=self._number))
        return [one.numpy() for one in self._part(tf.constant(images), tf.constant(labels))]


def _loaded(file: bytes) -> keras.Model:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        path.write_bytes(file)
        return keras.models.load_model(path, compile=False, safe_mode=True)
