"""Labels that out-of-fold predictions dispute: confident learning (Northcutt, Jiang & Chuang 2021, section 3.1).

An image is a candidate where a model that has not seen it finds another class more convincing than that class's own
images are on average, and its label less likely than chance. About half of such candidates are errors, so they are a
list to look through and nothing else.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.kernel_approximation import Nystroem
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cnnexp.data_check.facts import Facts, Rows, counted
from cnnexp.records import DataIssue, Images, Labels

FOLDS = 5
SIDE = 16  # pixels an image is averaged to
COMPONENTS = 50  # principal components of those pixels
LANDMARKS = 500  # of the radial kernel on them
LEAST_LIFT = 0.5  # of the way from chance to perfection that the model has to come, or its opinion counts for little

Probabilities = NDArray[np.float64]  # (n, K), out of fold


def disputed_labels(facts: Facts, images: Images) -> Iterator[DataIssue]:
    """Report images whose label a model of all the others disputes, the clearest first."""
    rows = facts.used()
    rows = rows[facts.copies[rows] == rows]  # a copy in another fold would answer for its original
    counts = np.bincount(facts.labels[rows])
    rows = rows[counts[facts.labels[rows]] >= 2 * FOLDS]
    if len(np.unique(facts.labels[rows])) < 2:
        return
    classes, labels = np.unique(facts.labels[rows], return_inverse=True)
    probabilities = out_of_fold(images, rows, labels)
    accuracy = float((probabilities.argmax(axis=1) == labels).mean())
    chance = float(np.bincount(labels).max() / len(labels))
    if accuracy < chance + LEAST_LIFT * (1 - chance):
        return
    places, better = candidates(probabilities, labels)
    if len(places):
        yield DataIssue(
            id="L1",
            title="disputed labels",
            sentence=f"The labels of {counted(len(places))} are disputed by predictions out of fold, of which "
            f"{accuracy:.1%} are right over all images: candidates to look at, not errors.",
            stops=False,
            evidence={"images": len(places), "out-of-fold accuracy": accuracy},
            groups=tuple(
                (facts.image(rows[place], f"looks like {facts.class_names[classes[other]]}"),)
                for place, other in zip(places, better, strict=True)
            ),
            repair="look at them and correct what is wrong",
        )


def out_of_fold(images: Images, rows: Rows, labels: Labels) -> Probabilities:
    """Predict each image by a discriminant analysis, on a radial kernel of its pixels, of the other folds."""
    features = _averaged(images, rows)
    components = min(COMPONENTS, features.shape[1], len(rows) * (FOLDS - 1) // FOLDS)
    model = make_pipeline(
        PCA(components, whiten=True, random_state=0),
        Nystroem(gamma=0.5 / components, n_components=min(LANDMARKS, len(rows) // 4), random_state=0),
        StandardScaler(),
        LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"),
    )
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    return np.asarray(cross_val_predict(model, features, labels, cv=folds, method="predict_proba"))


def _averaged(images: Images, rows: Rows) -> NDArray[np.float32]:
    """Average blocks of pixels, so that at most SIDE × SIDE are left of each channel."""
    step = max(1, -(-max(images.shape[1:3]) // SIDE))
    kept = images[rows, : images.shape[1] // step * step, : images.shape[2] // step * step]
    count, height, width, channels = kept.shape
    blocks = kept.reshape(count, height // step, step, width // step, step, channels)
    averaged: NDArray[np.float32] = blocks.mean(axis=(2, 4), dtype=np.float32).reshape(count, -1)
    return averaged


def candidates(probabilities: Probabilities, labels: Labels) -> tuple[Rows, Labels]:
    """Find the disputed labels, and the class that is more convincing; the largest difference first."""
    count, classes = probabilities.shape
    own = probabilities[np.arange(count), labels]
    convincing = np.array([own[labels == label].mean() for label in range(classes)])
    claims = np.where(probabilities >= convincing, probabilities, 0)
    claims[np.arange(count), labels] = 0
    better = claims.argmax(axis=1)
    claim = claims[np.arange(count), better]
    places = np.flatnonzero((claim > own) & (own < 1 / classes))
    order = places[np.argsort(own[places] - claim[places], kind="stable")]
    return order, better[order]
