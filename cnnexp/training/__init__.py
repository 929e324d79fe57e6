"""Training: whole stretches of updates as one graph call, one order a (seed, epoch), the best weights kept."""

from cnnexp.training.fit import Plan, fit, loss_and_accuracy
from cnnexp.training.trainer import Loss, Trainer, balanced_class_weights

__all__ = ["Loss", "Plan", "Trainer", "balanced_class_weights", "fit", "loss_and_accuracy"]
