import re

from cnnexp.config.setting import one_of, setting, settings, within
from cnnexp.errors import ConfigError


@settings
class TrainingConfig:
    """How long, in what portions, and on what."""

    name: str = setting(affects="label", column="if set")
    epochs: int  # at most
    batch_size: int = setting(short="bs")  # images per step
    patience: int | None  # stop after this many epochs without improvement; None: never
    monitor: str = setting(column="if set")  # what improvement means: val/loss | val/accuracy
    keep: str = setting(column="if set")  # which epoch's weights the model ends with: best | last
    class_weight: str  # none | balanced: weigh each class by the inverse of its frequency
    sampling: str = setting(column="if set", neutral="shuffled")  # shuffled | balanced: of each class as many images
    # Batches whose gradients are averaged into one step; auto: the parts of a batch, as many as memory needs.
    accumulate: int | str = setting(column="if set", neutral=1)
    ema: float | None = setting(column="if set", neutral=None)  # decay of the average of weights; None: no average
    soup: int = setting(column="if set", neutral=1)  # best epochs whose weights may be averaged; 1: those of the best
    freeze: int | str = setting(column="if set", neutral="none")  # none | backbone | how many of the first blocks
    head_epochs: int = setting(column="if set", neutral=0)  # of the head alone, before `epochs`
    threads: int | str = setting(affects="machine", column="if set", short="")  # cores; auto: docs/performance.md
    precision: str = setting(affects="machine", column="if set")  # float32 | tf32 | bfloat16 | auto: docs/devices.md
    # auto | cpu | gpu | gpu:1: see docs/devices.md; a run on the processor is the one that it was without this setting.
    device: str = setting(affects="machine", column="if set", short="", neutral="auto", unhashed="cpu")
    strategy: str = setting(affects="machine", column="if set", neutral="none")  # none | mirrored | multi_worker
    cluster: str = setting(affects="execution", neutral="auto")  # of multi_worker: auto, or host:port of Ray's head
    deterministic: bool = setting(affects="machine", column="if set", neutral=True)  # the same seed, the same numbers
    # Seconds between two states that are saved; auto: each epoch, and each minute of a long one; None: none is saved.
    checkpoint_every: float | int | str | None = setting(affects="execution", neutral="auto")
    resume: str = setting(affects="command", neutral="auto")  # auto: the newest equal run that stopped; never; its id
    finish: bool = setting(affects="command", neutral=False)  # judge the best epoch so far instead of going on

    def __post_init__(self) -> None:
        within("training.epochs", self.epochs, 1, 100_000)
        within("training.batch_size", self.batch_size, 1, 65_536)
        within("training.patience", self.patience, 1)
        one_of("training.monitor", self.monitor, ("val/loss", "val/accuracy"))
        one_of("training.keep", self.keep, ("best", "last"))
        one_of("training.class_weight", self.class_weight, ("none", "balanced"))
        one_of("training.sampling", self.sampling, ("shuffled", "balanced"))
        if self.sampling == "balanced" and self.class_weight == "balanced":
            raise ConfigError(
                "training.sampling=balanced and training.class_weight=balanced would each make up for rare classes, "
                "which then count twice; choose one of them."
            )
        self._check_accumulate()
        within("training.ema", self.ema, 0, 1, above=True, below=True)
        within("training.soup", self.soup, 1, 100)
        if self.soup > 1 and self.keep == "last":
            raise ConfigError(
                f"training.soup={self.soup} averages weights of the best epochs, and training.keep=last keeps those of "
                "the last; remove one of the two."
            )
        within("training.head_epochs", self.head_epochs, 0, 100_000)
        self._check_freeze()
        if isinstance(self.threads, str):
            if self.threads != "auto":
                raise ConfigError(f"training.threads must be auto or a whole number from 1; got {self.threads!r}.")
        else:
            within("training.threads", self.threads, 1, 1024)
        one_of("training.precision", self.precision, ("float32", "tf32", "bfloat16", "auto"))
        if not re.fullmatch(r"auto|cpu|gpu(:\d+)?", self.device):
            raise ConfigError(
                "training.device must be auto, cpu, gpu, or a GPU by its number, such as gpu:1; cnnexp doctor lists "
                f"them. Got {self.device!r}."
            )
        one_of("training.strategy", self.strategy, ("none", "mirrored", "multi_worker"))
        if self.strategy != "none" and ":" in self.device:
            where = "on all GPUs" if self.strategy == "mirrored" else "on the first GPU of each machine"
            raise ConfigError(
                f"training.strategy={self.strategy} trains {where}: with it training.device is auto or gpu, got "
                f"{self.device}."
            )
        if self.precision == "tf32" and self.device == "cpu":
            raise ConfigError(
                "training.precision=tf32 is a GPU's; with training.device=cpu choose float32, bfloat16 or auto."
            )
        if isinstance(self.checkpoint_every, str):
            if self.checkpoint_every != "auto":
                raise ConfigError(
                    "training.checkpoint_every must be auto, null, or seconds from 0 on; "
                    f"got {self.checkpoint_every!r}."
                )
        else:
            within("training.checkpoint_every", self.checkpoint_every, 0)

    def refuse_several_machines(self) -> None:
        """Refuse a run on several machines where there are several runs.

        Raises:
            ConfigError: it is one.

        """
        if self.strategy == "multi_worker":
            raise ConfigError(
                "training.strategy=multi_worker is for a single run, without folds: it has all machines of its "
                "cluster. A sweep gives each run a machine of its own: hydra/launcher=ray."
            )

    @property
    def images_per_step(self) -> int:
        """How many images one step of the optimizer averages over."""
        return self.batch_size * (1 if isinstance(self.accumulate, str) else self.accumulate)

    @property
    def micro_batch(self) -> int | None:
        """How many of them have their gradient computed at a time; None: all."""
        return self.batch_size if self.images_per_step > self.batch_size else None

    @property
    def balances_classes(self) -> bool:
        """Whether rare classes count as much as common ones, by weight or by sampling."""
        return "balanced" in (self.class_weight, self.sampling)

    def _check_accumulate(self) -> None:
        if not isinstance(self.accumulate, str):
            within("training.accumulate", self.accumulate, 1, 65_536)
        elif self.accumulate != "auto":
            raise ConfigError(f"training.accumulate must be auto or a whole number from 1; got {self.accumulate!r}.")

    def _check_freeze(self) -> None:
        counted = isinstance(self.freeze, int) and self.freeze >= 1
        if not counted and self.freeze not in ("none", "backbone"):
            raise ConfigError(
                "training.freeze must be none, backbone, or from 1 on how many of the first blocks keep their weights; "
                f"got {self.freeze!r}."
            )

    @property
    def all_epochs(self) -> int:
        """How many epochs both stages have at most: of the head alone, then of everything that is not frozen."""
        return self.head_epochs + self.epochs
