"""The classifier two-sample test of sbibm."""

import numpy as np
from sklearn.model_selection import KFold, cross_val_score
from sklearn.neural_network import MLPClassifier


def c2st(reference: np.ndarray, draws: np.ndarray) -> float:
    """Accuracy of a classifier that tells draws apart, as sbibm has it (Lueckmann et al. 2021)."""
    location, scale = reference.mean(axis=0), reference.std(axis=0)
    x = ((np.concatenate([reference, draws]) - location) / scale).astype(np.float32)
    labels = np.repeat([0, 1], [len(reference), len(draws)])
    width = 10 * x.shape[1]
    network = MLPClassifier((width, width), max_iter=1000, solver="adam", random_state=1)
    folds = KFold(5, shuffle=True, random_state=1)
    return float(cross_val_score(network, x, labels, cv=folds, scoring="accuracy", n_jobs=2).mean())


def mean_c2st(reference: np.ndarray, draws: np.ndarray) -> float:
    """Of several datasets, (datasets, draws, parameters)."""
    return float(np.mean([c2st(*pair) for pair in zip(reference, draws, strict=True)]))
