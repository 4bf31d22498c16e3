"""Factories of summary networks: standardized data -> a vector that the flow is conditioned on.

A factory takes sizes only and returns a function ``(elements, rng) -> network``, which training
calls once the data are known. A network maps tensors of shape (datasets, elements) to (datasets,
features) and has ``trainable_variables``.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from pymc_amortized.layers import Residual

__all__ = ["residual_mlp"]


def residual_mlp(
    *, width: int = 128, blocks: int = 3, features: int = 32
) -> Callable[[int, np.random.Generator], Residual]:
    """Summarize data of a fixed layout by a residual multilayer perceptron.

    Parameters
    ----------
    width : int, default 128
        Length of the hidden vectors.
    blocks : int, default 3
        Residual blocks of one dense layer each.
    features : int, default 32
        Length of the summary. Twice the number of parameters or more is safe.

    Returns
    -------
    callable
        For the argument `summary` of :func:`pymc_amortized.fit`.

    References
    ----------
    He, Zhang, Ren and Sun (2016), Identity mappings in deep residual networks, ECCV.
    """
    return partial(_residual_mlp, width=width, blocks=blocks, features=features)


def _residual_mlp(
    elements: int, rng: np.random.Generator, *, width: int, blocks: int, features: int
) -> Residual:
    return Residual(elements, width, features, blocks, rng)
