from cnnexp.config.setting import setting, settings
from cnnexp.system.store_uri import StoreUri


@settings
class TrackingConfig:
    """Where runs are recorded."""

    uri: str = setting(affects="report")  # any MLflow tracking URI
    artifacts: str | None = setting(affects="report")  # of a new experiment; None: the server decides
    experiment: str = setting(affects="sweep")  # name of the MLflow experiment
    run_name: str | None = setting(affects="report")  # None: made from what was chosen
    outbox: str = setting(affects="report")  # folder of records that wait for `cnnexp send`

    def __post_init__(self) -> None:
        StoreUri.parse(self.uri)
