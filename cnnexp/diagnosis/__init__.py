"""What is wrong with a run, by its own numbers: one module for each cause.

A finding needs an interval that excludes chance *and* a size that matters. Constants at the top of each module set both
limits, with the reason. NumPy and SciPy, no Keras: what needs a network is computed by the caller.
"""

from cnnexp.diagnosis.answers import Answers
from cnnexp.diagnosis.batch_size import detect_huge_batches, detect_tiny_batches
from cnnexp.diagnosis.between_splits import Sample
from cnnexp.diagnosis.breaking_augmentation import detect_breaking_augmentation
from cnnexp.diagnosis.changed_split import changes_not_tried, detect_changed_split
from cnnexp.diagnosis.class_order import detect_class_order
from cnnexp.diagnosis.evidence import (
    LEVEL,
    RunEvidence,
    RunImages,
    SplitsEvidence,
    combination_interval,
    exact_interval,
)
from cnnexp.diagnosis.failed_learning import DIVERGED, divergence, failed_learning, has_diverged, recorded_failure
from cnnexp.diagnosis.few_images import detect_few_images
from cnnexp.diagnosis.few_levels import detect_few_levels
from cnnexp.diagnosis.flipped_class import detect_flipped_class
from cnnexp.diagnosis.hasty_stop import detect_hasty_stop
from cnnexp.diagnosis.judged_labels import detect_judged_labels
from cnnexp.diagnosis.label_noise import detect_label_noise
from cnnexp.diagnosis.leaked_groups import detect_leaked_groups
from cnnexp.diagnosis.learning_rate import detect_failed_learning, learning_not_explained
from cnnexp.diagnosis.loss_faults import detect_loss_mismatch, detect_sharp_loss
from cnnexp.diagnosis.misleading_metrics import detect_misleading_accuracy
from cnnexp.diagnosis.near_copies import detect_near_copies
from cnnexp.diagnosis.neighbours import Neighbours, neighbours
from cnnexp.diagnosis.network_faults import detect_bottleneck, detect_stale_statistics, detect_structure
from cnnexp.diagnosis.over_regularization import detect_over_regularization
from cnnexp.diagnosis.overconfidence import detect_overconfidence, overconfidence_not_assessed
from cnnexp.diagnosis.overfitting import detect_overfitting, overfitting_not_assessed
from cnnexp.diagnosis.own_optimizer import detect_own_optimizer
from cnnexp.diagnosis.past_the_best import detect_past_the_best
from cnnexp.diagnosis.permuted_labels import detect_permuted_labels
from cnnexp.diagnosis.ranking import rank
from cnnexp.diagnosis.shortcut import detect_shortcut
from cnnexp.diagnosis.siblings import LEARNING_RATE, OF_RATES, advised_by_siblings, learning_advice
from cnnexp.diagnosis.small_validation import detect_small_validation
from cnnexp.diagnosis.spent_rate import detect_spent_rate
from cnnexp.diagnosis.split_gap import detect_split_gap
from cnnexp.diagnosis.spoilt_training import detect_spoilt_training
from cnnexp.diagnosis.strong_decay import detect_strong_decay
from cnnexp.diagnosis.strong_dropout import detect_strong_dropout
from cnnexp.diagnosis.twin_classes import detect_twin_classes
from cnnexp.diagnosis.undertraining import detect_undertraining, undertraining_not_assessed
from cnnexp.diagnosis.unlearned import detect_few_epochs, detect_unlearned
from cnnexp.diagnosis.unusual_rate import detect_unusual_rate
from cnnexp.records import Finding

__all__ = [
    "DIVERGED",
    "LEARNING_RATE",
    "LEVEL",
    "OF_RATES",
    "Answers",
    "Neighbours",
    "RunEvidence",
    "RunImages",
    "Sample",
    "SplitsEvidence",
    "advised_by_siblings",
    "combination_interval",
    "diagnose",
    "divergence",
    "exact_interval",
    "failed_learning",
    "has_diverged",
    "learning_advice",
    "neighbours",
    "not_assessed",
    "of_splits",
    "rank",
    "recorded_failure",
]

DETECTORS = (
    detect_permuted_labels,
    detect_label_noise,
    detect_flipped_class,
    detect_twin_classes,
    detect_judged_labels,
    detect_class_order,
    detect_structure,
    detect_bottleneck,
    detect_loss_mismatch,
    detect_sharp_loss,
    detect_stale_statistics,
    detect_few_images,
    detect_small_validation,
    detect_leaked_groups,
    detect_near_copies,
    detect_shortcut,
    detect_spoilt_training,
    detect_changed_split,
    detect_few_levels,
    detect_split_gap,
    detect_overfitting,
    detect_past_the_best,
    detect_breaking_augmentation,
    detect_over_regularization,
    detect_strong_dropout,
    detect_strong_decay,
    detect_tiny_batches,
    detect_huge_batches,
    detect_spent_rate,
    detect_own_optimizer,
    detect_unusual_rate,
    detect_few_epochs,
    detect_hasty_stop,
    detect_unlearned,
    detect_failed_learning,
    detect_undertraining,
    detect_misleading_accuracy,
    detect_overconfidence,
)
OF_SPLITS = (detect_shortcut, detect_spoilt_training, detect_changed_split, detect_few_levels, detect_split_gap)
NOT_ASSESSED = (
    learning_not_explained,
    overfitting_not_assessed,
    undertraining_not_assessed,
    overconfidence_not_assessed,
    changes_not_tried,
)


def diagnose(run: RunEvidence) -> tuple[Finding, ...]:
    """Return what is wrong, the most confident cause first, with the faults of the data check; empty: nothing is."""
    return rank([finding for detect in DETECTORS if (finding := detect(run)) is not None], run.report)


def of_splits(evidence: SplitsEvidence) -> tuple[Finding, ...]:
    """Return what is wrong with one split beside another, in no order."""
    return tuple(finding for detect in OF_SPLITS if (finding := detect(evidence)) is not None)


def not_assessed(run: RunEvidence) -> tuple[str, ...]:
    """Return one sentence for each check that was not possible on this run: the reason."""
    return tuple(reason for reason_of in NOT_ASSESSED if (reason := reason_of(run)) is not None)
