"""When two runs are the same run: equal in everything that can change what comes out."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence

from cnnexp.compose import INCONSEQUENTIAL, parameters
from cnnexp.config import DataConfig, ExperimentConfig
from cnnexp.records import DataFacts
from cnnexp.system import resources

# The name of an option says which values it brought, and those are compared: `regularization=dropout` is the same
# run as `regularization.dropout=0.5`. Where options have different fields the name is part of what is built. For the
# place of a table's images the digest stands.
_COSMETIC = ("regularization", "augmentation", "training", "data.root")

# Words that change how and where a sweep is carried out, not which runs it has.
MANNERS = (
    "sweep.workers",
    "sweep.retries",
    "sweep.time_limit",
    "sweep.resume",
    "sweep.dry_run",
    "tracking.uri",
    "tracking.artifacts",
    "tracking.run_name",
    "tracking.outbox",
    *INCONSEQUENTIAL,
    "hydra.sweep",
    "hydra.launcher",
    "hydra/launcher",
    "hydra.sweeper.n_trials",
    "hydra.verbose",
)
OF_ONE_COMMAND = ("sweep.resume", "sweep.dry_run", "hydra.sweep")  # those that a later command does not repeat


def settled(config: ExperimentConfig, facts: DataFacts, *, cores: int) -> ExperimentConfig:
    """Return the configuration with threads and precision decided; `cores` are all there are for one run."""
    images = min(config.training.batch_size, _training_images(config.data, facts))
    work = images * facts.height * facts.width * config.model.width
    training = dataclasses.replace(
        config.training,
        threads=resources.resolve_threads(config.training.threads, work=work, cores=cores),
        precision=resources.resolve_precision(config.training.precision, work=work),
    )
    return dataclasses.replace(config, training=training)


def _training_images(data: DataConfig, facts: DataFacts) -> int:
    """Return how many images a run trains on."""
    if data.imbalance is None:
        images = sum(facts.class_counts)
        return images if data.limit is None else min(images, data.limit)
    from cnnexp.datasets import subsampling  # NumPy, for which no other sweep has to wait

    return subsampling.images_left(facts.class_counts, limit=data.limit, imbalance=data.imbalance)


def run_identity(config: ExperimentConfig, facts: DataFacts) -> str:
    """Return a hash of settled settings, data, seed, threads and precision; 32 hexadecimal digits."""
    settings = {name: value for name, value in parameters(config).items() if name not in _COSMETIC}
    return _hash({"settings": settings, "data": facts.digest})


def sweep_identity(words: Sequence[str], *, experiment: str, settings: str, varied: Mapping[str, str]) -> str:
    """Return a hash of what a sweep is, whatever the order of its words and how it is carried out.

    `settings` is what the words come to and `varied` the lists among them: a preset that was edited since is another
    sweep, though its words are the same. A word that is said twice counts once.
    """
    return _hash([experiment, settings, dict(varied), *sorted({word for word in words if not is_manner(word)})])


def is_manner(word: str, manners: Sequence[str] = MANNERS) -> bool:
    """Tell whether a word says how a sweep is carried out."""
    key = word.lstrip("+~").partition("=")[0]
    return any(key == name or key.startswith(f"{name}.") for name in manners)


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]
