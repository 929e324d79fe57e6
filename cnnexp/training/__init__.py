"""Training: many steps in one graph call, one order of images for each (seed, epoch), the best weights kept."""

from cnnexp.training.batch_memory import fitting_batches, is_memory_shortage, largest_batch_on_device
from cnnexp.training.batches import Examples
from cnnexp.training.checkpoint import NOT_SAVED, Checkpoint, cannot_save
from cnnexp.training.determinism import (
    configure_tensorflow,
    device_names,
    has_no_deterministic_form,
    products_in,
    random_state_kept,
)
from cnnexp.training.device_images import fits_device
from cnnexp.training.feature_split import FeatureSplit, write_features
from cnnexp.training.first_epoch import as_seen, first_of_each_class
from cnnexp.training.fit import FitConfig, fit, loss_and_accuracy
from cnnexp.training.frozen_networks import FrozenNetworks
from cnnexp.training.graph_cache import GraphCache
from cnnexp.training.layer_rates import with_layer_rates
from cnnexp.training.losses import Loss, balanced_class_weights, loss_facts
from cnnexp.training.machine_parallel import Machines
from cnnexp.training.network import Network, fold_temperature, require_zip_date, to_bytes
from cnnexp.training.optimizers import build_optimizer
from cnnexp.training.rate_finder import LOWEST_RATE, find_learning_rate
from cnnexp.training.saved_state import SavedState
from cnnexp.training.schedules import Plateau, learning_rates
from cnnexp.training.soup import Soup, Weights, greedy_soup
from cnnexp.training.trainer import MicroBatch, Trainer

__all__ = [
    "LOWEST_RATE",
    "NOT_SAVED",
    "Checkpoint",
    "Examples",
    "FeatureSplit",
    "FitConfig",
    "FrozenNetworks",
    "GraphCache",
    "Loss",
    "Machines",
    "MicroBatch",
    "Network",
    "Plateau",
    "SavedState",
    "Soup",
    "Trainer",
    "Weights",
    "as_seen",
    "balanced_class_weights",
    "build_optimizer",
    "cannot_save",
    "configure_tensorflow",
    "device_names",
    "find_learning_rate",
    "first_of_each_class",
    "fit",
    "fits_device",
    "fitting_batches",
    "fold_temperature",
    "greedy_soup",
    "has_no_deterministic_form",
    "is_memory_shortage",
    "largest_batch_on_device",
    "learning_rates",
    "loss_and_accuracy",
    "loss_facts",
    "products_in",
    "random_state_kept",
    "require_zip_date",
    "to_bytes",
    "with_layer_rates",
    "write_features",
]
