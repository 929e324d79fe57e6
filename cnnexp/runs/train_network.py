"""Untrained model -> trained network: the head alone on cached features, then everything that is not frozen."""

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import keras
import numpy as np

from cnnexp import training
from cnnexp.config import AUTO, ExperimentConfig, Extended, FocalLossConfig, ScheduleConfig, TrainingConfig
from cnnexp.config.columns import extensions_of
from cnnexp.datasets import Splits
from cnnexp.datasets.cache.folder import cache_folder
from cnnexp.errors import MemoryShortageError, ModelError
from cnnexp.models import copy_of_head, load_head, rate_factors, trained_variables
from cnnexp.records import NO_AUGMENTATION, Augmentation, EpochValues, FoundAccumulation, History, LearningRateCurve
from cnnexp.runs.batch_trials import divisors, largest_that_fits
from cnnexp.runs.cached_features import CachedFeatures
from cnnexp.runs.resolved_settings import ResolvedSettings
from cnnexp.runs.split_outputs import OutputsOfFeatures, OutputsOfImages, SplitOutputs
from cnnexp.system.text import first_line
from cnnexp.training import (
    NOT_SAVED,
    Checkpoint,
    Examples,
    FitConfig,
    GraphCache,
    Machines,
    MicroBatch,
    Network,
    Trainer,
)

# Of the first stage. A head is one layer, whose loss is convex: Adam comes near its minimum at any moderate rate, and a
# rate that suits a whole network says nothing about it. A sweep of learning rates with training.freeze=backbone shows
# whether it is too low for some data.
HEAD_LEARNING_RATE = 0.005


@dataclass(frozen=True, slots=True)
class TrainedNetwork:
    """A network as it is evaluated and saved, computing in float32, and how it came about."""

    network: Network
    history: History
    outputs: SplitOutputs


@dataclass(frozen=True, kw_only=True)
class NetworkTraining:
    """The training of one network, in one stage or in two."""

    config: ExperimentConfig
    splits: Splits
    settings: ResolvedSettings
    starts_from_weights: bool  # of an earlier training, be it elsewhere
    build: Callable[[str], keras.Model]  # the untrained model that computes in a precision
    graphs: GraphCache  # of earlier runs in this process
    machines: Machines | None  # others that compute a part of each batch
    on_epoch: Callable[[EpochValues], bool]
    on_progress: Callable[[str, int, int], None]
    checkpoint: Checkpoint = NOT_SAVED
    accumulation: FoundAccumulation | None = None  # None: it was set by hand; the config has what was found

    def train(self, model: keras.Model) -> TrainedNetwork:
        """Train an untrained model, or one with the weights of another training.

        Raises:
            NonFiniteLossError: at the first step whose loss is not finite.
            ConfigError: more blocks are to be frozen than the network has.
            DataError: the cache folder cannot keep the features of the images.

        """
        with training.products_in(self.settings.precision):
            return self._train(model)

    def _train(self, model: keras.Model) -> TrainedNetwork:
        if self.config.training.freeze == "backbone":
            return self._train_frozen(self._in_float32(model))
        history = None
        if self.config.training.head_epochs:
            head, history = self._train_head(self._features(self._in_float32(model)))
            load_head(model, source=head.model)
        network, history = self._train_unfrozen(model, history)
        return TrainedNetwork(network, history, OutputsOfImages(network, self.splits))

    def range_test(self, model: keras.Model) -> LearningRateCurve:
        """Try growing rates of the last stage, at the weights that training begins with; they stay as they are."""
        with training.random_state_kept():  # copying a head draws initial weights
            if self.config.training.freeze == "backbone":
                features = self._features(self._in_float32(model))
                return self._range_test(copy_of_head(model), features.examples("train"))
            return self._range_test(model, self.splits.train.to_crop)

    def _range_test(self, model: keras.Model, train: Examples) -> LearningRateCurve:
        augmentation = self.settings.augmentation
        trainer = self.graphs.reuse(self._trainer(model, self.config.training.micro_batch))
        with self._with_advice(trainer, train, augmentation):
            return training.find_learning_rate(
                trainer,
                train,
                batch_size=self.config.training.images_per_step,
                sampling=self.config.training.sampling,
                augmentation=augmentation,
                seed=self.config.seed,
                on_steps=partial(self.on_progress, "finding the learning rate"),
            )

    def fitting_batches(self, model: keras.Model, sizes: Sequence[int]) -> Iterator[int]:
        """Yield those of `sizes` whose gradient fits into memory at a time, see `training.fitting_batches`."""
        return training.fitting_batches(
            partial(self._trainer, model),
            self.splits.train.to_crop,
            sizes,
            batch_size=self.config.training.images_per_step,
            sampling=self.config.training.sampling,
            augmentation=self.settings.augmentation,
            seed=self.config.seed,
        )

    def _train_unfrozen(self, model: keras.Model, before: History | None) -> tuple[Network, History]:
        """Train all that is not frozen, on images."""
        if before is not None and before.pruned:
            return self._in_float32(model), before
        trainer = self.graphs.reuse(self._trainer(model, self.config.training.micro_batch))
        history = self._fit(trainer, self._fit_config, self.splits.train.to_crop, self.splits.validation, before=before)
        if self.settings.precision != "bfloat16":
            return trainer.network, history
        return self._in_float32(trainer.network.model), history

    def _train_frozen(self, network: Network) -> TrainedNetwork:
        """Train the head alone, in both stages; nothing runs the backbone but to compute features that are not cached.

        The network gets the trained head.
        """
        features = self._features(network)
        head, history = Network(copy_of_head(network.model)), None
        if self.config.training.head_epochs:
            head, history = self._train_head(features)
        if history is None or not history.pruned:
            trainer = self.graphs.reuse(self._trainer(copy_of_head(head.model), self.config.training.micro_batch))
            head, history = self._fit_head(trainer, self._fit_config, features, before=history)
        load_head(network.model, source=head.model)
        return TrainedNetwork(network, history, OutputsOfFeatures(head, features.of))

    def _train_head(self, features: CachedFeatures) -> tuple[Network, History]:
        """First stage: train a copy of the head at a rate of its own."""
        optimizer = keras.optimizers.Adam(HEAD_LEARNING_RATE, name="head")
        head = copy_of_head(features.network.model)
        config = dataclasses.replace(
            self._fit_config,
            learning_rates=np.full(
                (self.config.training.head_epochs, self.settings.steps_per_epoch), HEAD_LEARNING_RATE
            ),
            plateau=training.Plateau(ScheduleConfig(name="constant"), learning_rate=HEAD_LEARNING_RATE),
            patience=None,
            soup=1,
            epochs_after=self.config.training.epochs,
            stage="head",
        )
        return self._fit_head(self.graphs.reuse(Trainer(Network(head), optimizer, self.loss)), config, features)

    def _fit_head(
        self, trainer: Trainer, config: FitConfig, features: CachedFeatures, before: History | None = None
    ) -> tuple[Network, History]:
        config = dataclasses.replace(config, augmentation=NO_AUGMENTATION)
        train, validation = features.examples("train"), features.examples("validation")
        return trainer.network, self._fit(trainer, config, train, validation, before=before)

    def _fit(
        self, trainer: Trainer, config: FitConfig, train: Examples, validation: Examples, *, before: History | None
    ) -> History:
        config = dataclasses.replace(config, on_device=self._keeps_on_device(train, config))
        with self._with_advice(trainer, train, config.augmentation):
            return training.fit(
                trainer,
                config,
                train=train,
                validation=validation,
                on_epoch=self.on_epoch,
                on_steps=partial(self.on_progress, "training"),
                before=before,
                checkpoint=self.checkpoint,
            )

    @contextmanager
    def _with_advice(self, trainer: Trainer, train: Examples, augmentation: Augmentation) -> Iterator[None]:
        """Raise an error that says what to do where memory runs out within the block, or an operation is refused."""
        try:
            yield
        except Exception as error:
            if training.has_no_deterministic_form(error):
                raise ModelError(
                    "With training.deterministic=true every operation must have a deterministic form, and one of this "
                    f"network has none here: {first_line(error)} Leave it out, or set training.deterministic=false."
                ) from error
            if not training.is_memory_shortage(error):
                raise
            fitting = self._largest_batch(trainer, train, augmentation)
            raise memory_shortage(self.config.training, fitting) from error

    def _keeps_on_device(self, train: Examples, config: FitConfig) -> bool:
        """Return whether a GPU has room for the training images, and makes the batches of them."""
        gpus = self.settings.device.gpus
        return len(gpus) == 1 and training.fits_device(train, config.augmentation, memory=gpus[0].memory)

    def _largest_batch(self, trainer: Trainer, train: Examples, augmentation: Augmentation) -> int | None:
        """Return the largest batch that fits, below that of the settings; 0: none; None: it cannot be tried."""
        settings = self.config.training
        below = min(settings.batch_size, len(train))
        if below == 1:
            return 0
        on_device = training.largest_batch_on_device(
            trainer, train, below=below, augmentation=augmentation, seed=self.config.seed
        )
        if on_device is not None:
            return on_device
        if train.images is not self.splits.train.to_crop.images:  # but features, of which any batch is small
            return None
        self.on_progress("trying what fits into memory", 0, 1)
        return largest_that_fits(self.config, [size for size in divisors(settings.images_per_step) if size < below])

    def _trainer(self, model: keras.Model, micro_batch: MicroBatch) -> Trainer:
        """Return the trainer of the second stage, of a whole model or of a head."""
        settings, optimizer = self.config.training, self.config.optimizer
        freeze = "none" if settings.freeze == "backbone" else settings.freeze  # then `model` is a head
        searched = optimizer.learning_rate == AUTO
        first_rate = training.LOWEST_RATE if searched else self.settings.learning_rate  # each step gets its own
        made = training.build_optimizer(optimizer, learning_rate=first_rate)
        if optimizer.layer_decay != 1:
            made = training.with_layer_rates(made, rate_factors(model, decay=optimizer.layer_decay))
        return Trainer(
            Network(model),
            made,
            self.loss,
            trained=trained_variables(model, freeze=freeze),
            # Batches are small and few: the statistics of a trained backbone are better than theirs.
            backbone_training=freeze == "none" and not self.starts_from_weights,
            micro_batch=micro_batch,
            ema=settings.ema,
            mixed=self.settings.augmentation.mixes,
            devices=[] if settings.freeze == "backbone" else training.device_names(self.settings.device),
            machines=self.machines,
        )

    @property
    def loss(self) -> training.Loss:
        """What is minimized, beside the penalties of the network."""
        classes, config = len(self.splits.class_names), self.config
        balanced = config.training.class_weight == "balanced"
        return training.Loss(
            class_weights=training.balanced_class_weights(self.splits.train.labels, classes)
            if balanced
            else np.ones(classes, np.float32),
            label_smoothing=config.regularization.label_smoothing,
            gamma=config.loss.gamma if isinstance(config.loss, FocalLossConfig) else 0.0,
            own=config.loss if isinstance(config.loss, Extended) else None,
        )

    @property
    def _fit_config(self) -> FitConfig:
        config, settings = self.config, self.settings
        return FitConfig(
            batch_size=config.training.images_per_step,
            sampling=config.training.sampling,
            learning_rates=training.learning_rates(
                config.schedule,
                learning_rate=settings.learning_rate,
                epochs=config.training.epochs,
                steps_per_epoch=settings.steps_per_epoch,
            ),
            set_learning_rate=float(config.optimizer.learning_rate),
            plateau=training.Plateau(config.schedule, learning_rate=settings.learning_rate),
            patience=config.training.patience,
            monitor=config.training.monitor,
            keep=config.training.keep,
            soup=config.training.soup,
            augmentation=settings.augmentation,
            seed=config.seed,
        )

    def _features(self, network: Network) -> CachedFeatures:
        return CachedFeatures(
            network=network,
            splits=self.splits,
            code=[f"{one} {one.code.digest}" for one in extensions_of(self.config)],
            threads=self.settings.threads,
            folder=cache_folder(self.config.data.cache),
            on_progress=partial(self.on_progress, "computing features"),
        )

    def _in_float32(self, model: keras.Model) -> Network:
        """Return a network of the same weights that computes in float32, as networks are evaluated and saved."""
        if self.settings.precision != "bfloat16":
            return self.graphs.reuse(Network(model))
        network = self.graphs.reuse(Network(self.build("float32")))
        network.model.set_weights(model.get_weights())
        return network


def memory_shortage(settings: TrainingConfig, fitting: int | None) -> MemoryShortageError:
    """Return the error that says which batches fit; 0: none; None: it is not known."""
    ran_out = f"Memory ran out in training, with training.batch_size={settings.batch_size}."
    if fitting == 0:
        return MemoryShortageError(
            f"{ran_out} Not even one image at a time fits, which was tried. Try smaller images (data.size), a smaller "
            "network, or a machine with more memory."
        )
    found = f"Batches of {fitting} fit, which was tried."
    if fitting is None:
        fitting, found = max(1, settings.batch_size // 2), "Half of that takes about half the memory."
    parts = math.ceil(settings.images_per_step / fitting)
    size = math.ceil(settings.images_per_step / parts)
    images = "as many images as now" if parts * size == settings.images_per_step else f"{parts * size} images"
    return MemoryShortageError(
        f"{ran_out} {found} training.batch_size={size} training.accumulate={parts} averages over {images}, in "
        "smaller batches; training.accumulate=auto tries what fits before a run begins."
    )
