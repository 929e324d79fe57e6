"""Probabilities for images by models of the other folds, from features or from pixels."""

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.kernel_approximation import Nystroem
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from cnnexp.portable.reference import normalized
from cnnexp.records import Labels

FOLDS = 5
LEAST_IMAGES = 2 * FOLDS  # of a class, so that each fold has two
_COMPONENTS = 128  # principal components of features
_NOISE = 1e-5  # standard deviation of what is added to features of length 1
_OF_PIXELS = 50  # and of pixels
_LANDMARKS = 500  # of the radial kernel on those

Probabilities = NDArray[np.float64]  # (n, K)


def by_features(features: NDArray[np.floating], labels: Labels) -> Probabilities:
    """Predict each image by a discriminant analysis of the features (n, F) of the other folds.

    Each of the K classes has at least `LEAST_IMAGES` images, no two of which are the same: a copy in another fold
    would give the label away. The features must not have been learned from these labels; those of a network trained on
    them have partly learned the wrong ones.
    """
    components = _components(features, most=_COMPONENTS)
    analysis = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    values = normalized(features).astype(np.float64)
    # units that never respond have no variance, by which the shrinkage divides
    values += _NOISE * np.random.default_rng(0).standard_normal(values.shape)
    return _cross_validated(make_pipeline(PCA(components, random_state=0), analysis), values, labels)


def by_pixels(pixels: NDArray[np.float32], labels: Labels) -> Probabilities:
    """Predict each image by the same analysis on a radial kernel of pixels (n, D), which are no linear features."""
    components = _components(pixels, most=_OF_PIXELS)
    model = make_pipeline(
        PCA(components, whiten=True, random_state=0),
        Nystroem(gamma=0.5 / components, n_components=min(_LANDMARKS, len(labels) // 4), random_state=0),
        StandardScaler(),
        LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"),
    )
    return _cross_validated(model, pixels, labels)


def _components(values: NDArray[np.floating], *, most: int) -> int:
    return min(most, int(values.shape[1]), len(values) * (FOLDS - 1) // FOLDS)


def _cross_validated(model: Pipeline, values: NDArray[np.floating], labels: Labels) -> Probabilities:
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    return np.asarray(cross_val_predict(model, values, labels, cv=folds, method="predict_proba"))
