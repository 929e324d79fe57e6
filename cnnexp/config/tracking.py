from dataclasses import dataclass

from cnnexp.system.store_uri import StoreUri


@dataclass(kw_only=True, slots=True)
class TrackingConfig:
    """Where runs are recorded."""

    uri: str  # any MLflow tracking URI
    artifacts: str | None  # where a new experiment keeps its files; None: the server decides
    experiment: str  # name of the MLflow experiment
    run_name: str | None  # None: made from what was chosen
    outbox: str  # folder for records that could not be delivered; `cnnexp send` delivers them

    def __post_init__(self) -> None:
        StoreUri.parse(self.uri)
