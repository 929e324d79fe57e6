"""A run's model in MLflow's registry: a version with an alias, and the digest of its golden samples."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cnnexp.errors import ConfigError
from cnnexp.tracking.recorded_model import RecordedModel
from cnnexp.tracking.store.calls import calling, mlflow_uri
from cnnexp.tracking.store.connection import load_mlflow
from cnnexp.tracking.tags import COMMIT

GOLDEN = "cnnexp.golden"  # tag of a version: digest of the golden samples and the answers to them
_SAMPLES = "cnnexp.golden_samples"
_DATA = "cnnexp.data_digest"
_SCORES = ("test/accuracy", "test/macro_f1", "test/log_loss", "best/val_loss")  # tags of a version
_ALIAS = re.compile(r"(?!v\d+$)(?!latest$)[\w-]{1,255}", re.IGNORECASE | re.ASCII)
_NOT_IN_NAMES = re.compile(r"[/:.%\"']+")


@dataclass(frozen=True, slots=True)
class RegisteredVersion:
    """A version of a registered model."""

    name: str
    version: str
    alias: str | None
    is_new: bool  # False: this run's model was a version before
    golden: str  # sha256 (hex)


def golden_digest(card: Mapping[str, Any]) -> str:
    """Return the sha256 (hex) of a card's golden samples: their files, and the recorded result of every step."""
    content = json.dumps(card.get("golden", []), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()


def default_name(model: RecordedModel) -> str:
    """Return the name of a model that is not given one: that of the experiment."""
    return _NOT_IN_NAMES.sub("-", model.run.experiment).strip("-") or "cnnexp"


def register(model: RecordedModel, card: Mapping[str, Any], *, name: str, alias: str | None) -> RegisteredVersion:
    """Make the model of a run a version of the registered model `name`, and give it the alias; both may be there.

    Raises:
        ConfigError: the registry would refuse the name or the alias.
        TrackingError: the store cannot be reached, or refuses.

    """
    if not name.strip() or _NOT_IN_NAMES.search(name):
        raise ConfigError(f"--name of a registered model has none of / : . % and quotes; got {name!r}.")
    if alias is not None and _ALIAS.fullmatch(alias) is None:
        raise ConfigError(
            f"--alias is letters, digits, _ and -, and neither latest nor v1, v2, ...; got {alias!r}, such as champion."
        )
    load_mlflow()
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    golden = golden_digest(card)
    with calling(model.store):
        client = MlflowClient(mlflow_uri(model.store), registry_uri=mlflow_uri(model.store))
        try:
            client.get_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            client.create_registered_model(name)
        known = [one for one in client.search_model_versions(f"name = '{name}'") if one.run_id == model.run.run_id]
        if known:
            version = max(known, key=lambda one: int(one.version))
        else:
            logged = _model_id(client, model.run.run_id)
            version = client.create_model_version(
                name,
                source=f"models:/{logged}",
                run_id=model.run.run_id,
                model_id=logged,
                tags=_tags(model, card, golden),
            )
        if alias is not None:
            client.set_registered_model_alias(name, alias, version.version)
    return RegisteredVersion(name, str(version.version), alias, not known, golden)


def _model_id(client: Any, run_id: str) -> str:  # noqa: ANN401 - MLflow is imported when it is needed
    experiment = client.get_run(run_id).info.experiment_id
    newest = client.search_logged_models(
        [experiment],
        f"source_run_id = '{run_id}'",
        max_results=1,
        order_by=[{"field_name": "creation_timestamp", "ascending": False}],
    )
    return str(newest[0].model_id)


def _tags(model: RecordedModel, card: Mapping[str, Any], golden: str) -> dict[str, str]:
    run = model.run
    scores = {name: f"{run.metrics[name]:.6g}" for name in _SCORES if name in run.metrics}
    facts = {_DATA: run.data_digest, COMMIT: run.tags.get(COMMIT), _SAMPLES: str(len(card.get("golden", [])))}
    return {GOLDEN: golden, **scores, **{name: value for name, value in facts.items() if value is not None}}
