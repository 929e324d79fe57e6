"""Training steps of a network: many in one graph call, which is traced at the first."""

import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cached_property, partial
from typing import Any, TypeAlias

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cnnexp.models import SplitModel, split, with_fast_layers
from cnnexp.records import Augmentation
from cnnexp.training.accumulation import Gradients, accumulated
from cnnexp.training.batches import Examples, label_spec, moves_images
from cnnexp.training.data_parallel import on_devices
from cnnexp.training.device_images import DeviceImages
from cnnexp.training.losses import Loss
from cnnexp.training.machine_parallel import GradientSpec, Machines, on_machines
from cnnexp.training.network import Network, to_bytes
from cnnexp.training.weight_average import WeightAverage

MicroBatch: TypeAlias = int | tf.Variable | None  # images whose gradient is computed at a time; None: all of a batch


class Trainer:
    """A network, its optimizer and its loss; calling it makes training steps."""

    def __init__(
        self,
        network: Network,
        optimizer: keras.Optimizer,
        loss: Loss,
        *,
        trained: Sequence[keras.Variable] | None = None,
        backbone_training: bool = True,
        micro_batch: MicroBatch = None,
        ema: float | None = None,
        mixed: bool = False,
        devices: Sequence[str] = (),
        machines: Machines | None = None,
    ) -> None:
        """Prepare training.

        Args:
            network: It is trained in place; its model ends in a head, see `models.head`.
            optimizer: A new one.
            loss: What is minimized, beside the penalties of the network.
            trained: The variables that change, of the model's trainable ones; None: all of these.
            backbone_training: Whether the backbone computes as training does, see `SplitModel.logits`.
            micro_batch: Images whose gradient is computed at a time; a variable where they are being tried.
            ema: Decay of the average of the weights, see `WeightAverage`; None: there is none.
            mixed: The labels of its batches are mixed, see `augmentation.mixed_labels`.
            devices: The names of those that compute a batch together; none: the one that TensorFlow chooses.
            machines: Others that compute a part of each batch.

        """
        self.trained = list(network.model.trainable_variables if trained is None else trained)
        optimizer.build(self.trained)
        self.network = network
        self._optimizer = optimizer
        self._loss = loss
        self._micro_batch = micro_batch
        self._average = None if ema is None else WeightAverage(network.model.weights, decay=ema)
        parts = split(network.model)
        self._parts = SplitModel(with_fast_layers(parts.features, training=backbone_training), parts.head)
        self._backbone_training = backbone_training
        self._mixed = mixed
        self._devices = tuple(devices)
        self._machines = machines
        inputs, (label_type, label_shape) = network.model.inputs[0], label_spec(mixed=mixed)
        batches = tf.data.IteratorSpec(
            (tf.TensorSpec(inputs.shape, inputs.dtype), tf.TensorSpec(label_shape, label_type))
        )
        self._fed = self._traced(self._run, batches)
        self._on_device: tuple[DeviceImages, Any] | None = None  # the images of the last training there, and its graph
        self._holds = False  # whether the next steps take these

    @staticmethod
    def _traced(run: Callable[..., tuple[tf.Tensor, ...]], batches: tf.data.IteratorSpec) -> Any:  # noqa: ANN401
        learning_rates, sums = tf.TensorSpec((None,), tf.float32), tf.TensorSpec((), tf.float32)
        return tf.function(
            run, input_signature=[batches, learning_rates, sums, sums], jit_compile=False, autograph=False
        )

    @property
    def _graph(self) -> Any:  # noqa: ANN401 - TensorFlow has no types
        """What makes the next steps."""
        return self._on_device[1] if self._on_device is not None and self._holds else self._fed

    @contextmanager
    def holding(self, train: Examples, augmentation: Augmentation) -> Iterator[None]:
        """Keep images on the device within the block; what the trainer is given there are `plans` of batches."""
        size, moves = augmentation.size or train.images.shape[1:3], moves_images(train, augmentation)
        if self._on_device is None or not self._on_device[0].is_like(train, size=size, moves=moves):
            images = DeviceImages(train, size=size, moves=moves)
            plans = tf.data.IteratorSpec((tf.TensorSpec((None,), tf.int64), tf.TensorSpec((None, 8), tf.float32)))
            self._on_device = images, self._traced(partial(self._run_on_device, images), plans)
        else:
            self._on_device[0].load(train)
        self._holds = True
        try:
            yield
        finally:
            self._holds = False
            self._on_device[0].clear()

    @property
    def signature(self) -> str:
        """What the graph depends on, see `graph_cache`; not the learning rate, because every step gets its own."""
        settings = self._optimizer.get_config() | {"learning_rate": None}
        loss = (self._loss.class_weights.tolist(), self._loss.label_smoothing, self._loss.gamma)
        ema = self._average and self._average.decay
        optimizer = (type(self._optimizer).__name__, settings)
        trained = ([variable.path for variable in self.trained], self._backbone_training)
        return json.dumps([self.network.signature, optimizer, loss, trained, self._micro_batch, ema, self._mixed])

    @property
    def variables(self) -> list[keras.Variable | tf.Variable]:
        """All that training changes: of the network, with its random numbers, the optimizer and the average."""
        average = [] if self._average is None else self._average.variables
        return [*self.network.model.variables, *self._optimizer.variables, *average]

    @cached_property
    def size(self) -> int:
        """How many bytes they have."""
        return sum(math.prod(one.shape) * tf.as_dtype(one.dtype).size for one in self.variables)

    def load_state_from(self, other: "Trainer") -> None:
        """Take over the weights, random numbers and optimizer state of `other`, which has the same signature."""
        self.network.load_state_from(other.network)
        for mine, theirs in zip(self._optimizer.variables, other._optimizer.variables, strict=True):
            mine.assign(theirs)
        if self._average is not None and other._average is not None:
            self._average.load_state_from(other._average)

    def averaged(self) -> AbstractContextManager[None]:
        """Return a block in which the network has its averaged weights, where an average is kept."""
        return nullcontext() if self._average is None else self._average.in_network()

    def keep_average(self) -> None:
        """Leave the network with its averaged weights, where an average is kept."""
        if self._average is not None:
            self._average.load_into_network()

    def trace(self) -> None:
        """Trace the graph of the steps, which the first of them would do, for seconds; nothing changes."""
        self._graph.get_concrete_function()

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """Give the network, its average, its random numbers and the optimizer their values back after the block."""
        variables = self.variables
        before = [variable.numpy() for variable in variables]
        try:
            yield
        finally:
            for variable, value in zip(variables, before, strict=True):
                variable.assign(value)

    def __call__(
        self,
        batches: Iterator[object],
        learning_rates: NDArray[np.float64],
        *,
        loss: float = 0.0,
        correct: float = 0.0,
    ) -> tuple[float, float, int, bool]:
        """Make one step for each of `learning_rates` (S,); stop after one whose loss is not finite.

        `loss` and `correct` are what the sums begin with, in float32.

        Returns:
            Summed loss, correct answers, steps made, and whether the last loss was finite.

        """
        sums = tf.constant(loss, tf.float32), tf.constant(correct, tf.float32)
        try:
            if self._machines is not None:
                self._machines.load(self, self._spec)
            done, loss, correct, last = self._graph(batches, tf.constant(learning_rates, tf.float32), *sums)
        except Exception:
            if self._machines is not None:
                self._machines.raise_failure()
            raise
        return float(loss), float(correct), int(done), bool(np.isfinite(last))

    def _run(
        self,
        batches: Iterator[tuple[tf.Tensor, tf.Tensor]],
        learning_rates: tf.Tensor,
        first_loss: tf.Tensor,
        first_correct: tf.Tensor,
    ) -> tuple[tf.Tensor, ...]:
        def body(done: tf.Tensor, loss: tf.Tensor, correct: tf.Tensor, _: tf.Tensor) -> tuple[tf.Tensor, ...]:
            images, labels = next(batches)
            self._optimizer.learning_rate.assign(learning_rates[done])
            batch_loss, batch_correct = self._step(images, labels)
            size = tf.cast(tf.shape(labels)[0], tf.float32)
            return done + 1, loss + batch_loss * size, correct + batch_correct, batch_loss

        def unfinished(done: tf.Tensor, _loss: tf.Tensor, _correct: tf.Tensor, last: tf.Tensor) -> tf.Tensor:
            return tf.logical_and(done < tf.shape(learning_rates)[0], tf.math.is_finite(last))

        state: tuple[tf.Tensor, ...] = tf.while_loop(
            unfinished, body, (0, first_loss, first_correct, 0.0), parallel_iterations=1
        )
        return state

    def _run_on_device(
        self,
        images: DeviceImages,
        plans: Iterator[tuple[tf.Tensor, tf.Tensor]],
        learning_rates: tf.Tensor,
        first_loss: tf.Tensor,
        first_correct: tf.Tensor,
    ) -> tuple[tf.Tensor, ...]:
        """Make all steps, and return after which one the loss was not finite: the host waits for none of them."""

        def body(
            done: tf.Tensor, loss: tf.Tensor, correct: tf.Tensor, last: tf.Tensor, made: tf.Tensor
        ) -> tuple[tf.Tensor, ...]:
            batch, labels = images.batch(*next(plans))
            self._optimizer.learning_rate.assign(learning_rates[done])
            batch_loss, batch_correct = self._step(batch, labels)
            size = tf.cast(tf.shape(labels)[0], tf.float32)
            goes_on = tf.math.is_finite(last)
            last, made = tf.where(goes_on, batch_loss, last), tf.where(goes_on, made + 1, made)
            return done + 1, loss + batch_loss * size, correct + batch_correct, last, made

        count = tf.shape(learning_rates)[0]
        state = (0, first_loss, first_correct, 0.0, tf.constant(0, tf.int64))
        _, loss, correct, last, made = tf.while_loop(lambda done, *_: done < count, body, state, parallel_iterations=1)
        return made, loss, correct, last

    def _step(self, images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        compute: Gradients = self.gradients
        if self._devices:
            compute = on_devices(compute, self.statistics, devices=self._devices)
        if self._machines is not None:
            compute = on_machines(
                compute,
                trained=self.trained,
                statistics=self.statistics,
                random_states=self.random_states,
                machines=self._machines,
            )
        loss, correct, gradients = compute(images, labels)
        self._optimizer.apply(gradients, self.trained)
        if self._average is not None:
            self._average.update(self._optimizer.iterations)
        return loss, correct

    @property
    def statistics(self) -> list[keras.Variable]:
        """What a step changes beside weights and random states: the statistics of batch normalization."""
        return [one for one in self.network.model.non_trainable_variables if tf.as_dtype(one.dtype).is_floating]

    @property
    def random_states(self) -> list[keras.Variable]:
        """What dropout draws from, each a seed and a counter."""
        return [one for one in self.network.model.non_trainable_variables if tf.as_dtype(one.dtype).is_integer]

    def _spec(self) -> GradientSpec:
        """Return what another machine needs to compute gradients alike."""
        assert self._micro_batch is None or isinstance(self._micro_batch, int)
        trainable = [id(one) for one in self.network.model.trainable_variables]
        return GradientSpec(
            model=to_bytes(self.network.model),
            loss=self._loss,
            trained=tuple(trainable.index(id(one)) for one in self.trained),
            backbone_training=self._backbone_training,
            micro_batch=self._micro_batch,
            mixed=self._mixed,
        )

    def gradients(self, images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]:
        """Return the mean loss of a batch, its correct answers, and the gradient by each of `trained`."""
        if self._micro_batch is None:
            return self._gradients(images, labels)
        return accumulated(self._gradients, self.trained, micro_batch=self._micro_batch)(images, labels)

    def _gradients(self, images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]:
        with tf.GradientTape() as tape:
            logits = self._parts.logits(images, backbone_training=self._backbone_training)
            loss = tf.reduce_mean(self._losses(logits, labels))
            if self.network.model.losses:
                loss += tf.add_n(self.network.model.losses)
        gradients = tape.gradient(loss, self.trained)
        own = tf.cast(labels[:, 0], tf.int64) if self._mixed else labels
        correct = tf.reduce_sum(tf.cast(tf.argmax(logits, axis=1) == own, tf.float32))
        return loss, correct, gradients

    def _losses(self, logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """Return the loss of each image (B,); of two images in one, that of each label by its share."""
        if not self._mixed:
            return self._loss.of(logits, labels)
        own, other = (tf.cast(labels[:, column], tf.int64) for column in (0, 1))
        share = labels[:, 2]
        return share * self._loss.of(logits, own) + (1 - share) * self._loss.of(logits, other)
