from cnnexp.config.defaults import from_variables
from cnnexp.config.setting import one_of, setting, settings
from cnnexp.errors import ConfigError
from cnnexp.system.store_uri import StoreUri

MODELS = ("all", "best", "none")  # best: of a sweep the best run alone


@settings
class TrackingConfig:
    """Where runs are recorded."""

    uri: str = setting(affects="report")  # any MLflow tracking URI
    artifacts: str | None = setting(affects="report")  # of a new experiment; None: the server decides
    experiment: str = setting(affects="sweep")  # name of the MLflow experiment
    run_name: str | None = setting(affects="report")  # None: made from what was chosen
    outbox: str = setting(affects="report")  # folder of records that wait for `cnnexp send`
    models: str = setting(affects="report", neutral="all")  # which runs keep the model that they trained: MODELS

    def __post_init__(self) -> None:
        require_store(self.uri)
        one_of("tracking.models", self.models, MODELS)


def require_store(uri: str) -> None:
    """Require the address of a store.

    Raises:
        ConfigError: it is none; the message names the variable it comes from.

    """
    try:
        StoreUri.parse(uri)
    except ConfigError as error:
        if from_variables(uri=uri) is None:
            raise
        raise ConfigError(
            f"{error} It comes from the variable MLFLOW_TRACKING_URI; tracking.uri=sqlite:///mlflow.db in the command "
            "goes before it."
        ) from error
