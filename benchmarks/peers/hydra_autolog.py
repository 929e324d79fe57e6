"""A peer of `sweep_throughput.py`: a Keras script under Hydra with mlflow.autolog, as usually written.

python hydra_autolog.py -m learning_rate=1e-3,1e-2 dropout=0,0.5
python hydra_autolog.py -m hydra/launcher=joblib hydra.launcher.n_jobs=2 learning_rate=1e-3,1e-2 dropout=0,0.5
"""

from dataclasses import dataclass

import hydra
import keras
import mlflow
from cnn import build, load
from hydra.core.config_store import ConfigStore


@dataclass
class Config:
    learning_rate: float = 1e-3
    dropout: float = 0.5
    batch_size: int = 32
    epochs: int = 10
    seed: int = 0
    images: int = 988
    validation: int = 269


ConfigStore.instance().store("config", Config)


@hydra.main(version_base=None, config_path=None, config_name="config")
def main(cfg: Config) -> float:
    mlflow.set_tracking_uri("sqlite:///mlflow.db")
    mlflow.autolog()
    keras.utils.set_random_seed(cfg.seed)
    train, validation, test = load(cfg.images, cfg.validation)
    model = build(cfg.dropout, cfg.learning_rate)
    with mlflow.start_run():
        mlflow.log_params(dict(cfg))
        model.fit(*train, batch_size=cfg.batch_size, epochs=cfg.epochs, validation_data=validation, verbose=0)
        loss, accuracy = model.evaluate(*test, verbose=0)
        mlflow.log_metrics({"test_loss": loss, "test_accuracy": accuracy})
    return accuracy


if __name__ == "__main__":
    main()
