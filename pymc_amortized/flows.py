"""Factories of conditional flows: a context vector -> a TFP distribution of the parameters.

A factory takes sizes only and returns a function ``(size, features, rng) -> flow``, which training
calls once the model is known. A flow maps a context tensor of shape (datasets, features) to a
distribution with that batch shape and event shape (size,), and has ``trainable_variables``, objects
of ``keras.Variable``. If that is a distribution of transformed standard normal noise, a method
``bijector``, of the same context, may return what transforms it: draws are then made faster, and
proposals defensive.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from pymc_amortized.arguments import check_count
from pymc_amortized.backend import tf, tfb, tfd
from pymc_amortized.conditioner import Conditioner
from pymc_amortized.coupling import Coupling
from pymc_amortized.layers import Hidden, dense, joint_dense

__all__ = ["spline_coupling"]

FEW = 4
"""Parameters for which a small network learns more in the same time, and draws twice as fast."""

LEAST = {"couplings": 0, "width": 1, "blocks": 0, "bins": 1}
"""The smallest sizes."""

MOST_BINS = 500
"""Each has a least width, and these take half of the whole at most."""

STEEPEST = 5.0
"""Bound of the log scales, which keeps data unlike any in training from overflowing."""


def spline_coupling(
    *, couplings: int | None = None, width: int | None = None, blocks: int = 1, bins: int = 8
) -> Callable[[int, int, np.random.Generator], "SplineCouplingFlow"]:
    """Conditional location and scale around coupling layers of rational-quadratic splines.

    Parameters
    ----------
    couplings : int, optional
        Coupling layers. Each transforms half of the parameters given the other half and the
        context; a single parameter is transformed given the context alone. By default 3 for up to
        four parameters, 4 for more.
    width : int, optional
        Length of the hidden vectors, by default 32 for up to four parameters, 64 for more.
    blocks : int, default 1
        Residual blocks of one dense layer each, in each coupling.
    bins : int, default 8
        Bins of each spline, 500 at most. Compiling takes some 8 seconds for 100, and minutes for
        500.

    Returns
    -------
    callable
        For the argument `flow` of :func:`pymc_amortized.fit`.

    Raises
    ------
    ValueError
        If one of these is no integer, or too small, or `bins` too large.

    References
    ----------
    Durkan, Bekasov, Murray and Papamakarios (2019), Neural spline flows, NeurIPS.
    """
    sizes = {"couplings": couplings, "width": width, "blocks": blocks, "bins": bins}
    for name, value in sizes.items():
        if value is not None or name in ("blocks", "bins"):
            check_count(name, value, least=LEAST[name])
    if bins > MOST_BINS:
        raise ValueError(f"bins: expected at most {MOST_BINS}, got {bins}.")
    return partial(SplineCouplingFlow, **sizes)


class SplineCouplingFlow:
    """What :func:`spline_coupling` builds.

    Parameters
    ----------
    size, features : int
        Number of parameters, length of the context.
    rng : numpy.random.Generator
        Of the initial weights.
    couplings, width : int or None
        As in :func:`spline_coupling`.
    blocks, bins : int
        As there.
    """

    def __init__(
        self,
        size: int,
        features: int,
        rng: np.random.Generator,
        *,
        couplings: int | None,
        width: int | None,
        blocks: int,
        bins: int,
    ) -> None:
        self.size = size
        few = size <= FEW
        if couplings is None:
            couplings = 3 if few else 4
        if width is None:
            width = 32 if few else 64
        self.contexts = joint_dense(features, width, 1 + couplings, rng)
        self.hidden = Hidden(width, 1, rng)
        self.affine = dense(width, 2 * size, rng, zero=True)
        self.orders = [_order(size, k) for k in range(couplings)]
        kept = [size // 2 if k % 2 == 0 else size - max(1, size // 2) for k in range(couplings)]
        self.conditioners = [Conditioner(k, size - k, width, blocks, bins, rng) for k in kept]

    @property
    def trainable_variables(self) -> list[Any]:
        """All weights."""
        parts = [self.contexts, self.hidden, self.affine, *self.conditioners]
        return [variable for part in parts for variable in part.trainable_variables]

    def __call__(self, context: tf.Tensor) -> tfd.Distribution:
        """Condition on contexts of shape (datasets, features)."""
        base = tfd.MultivariateNormalDiag(tf.zeros([self.size]))
        return tfd.TransformedDistribution(base, self.bijector(context))

    def bijector(self, context: tf.Tensor) -> tfb.Bijector:
        """Map standard normal noise to parameters, given contexts of shape (datasets, features)."""
        number = 1 + len(self.conditioners)
        of_affine, *of_couplings = tf.split(self.contexts(context), number, axis=-1)
        shift, log_scale = tf.split(self.affine(self.hidden(of_affine)), 2, axis=-1)
        log_scale = STEEPEST * tf.tanh(log_scale / STEEPEST)
        bijectors = [tfb.Shift(shift), tfb.Scale(log_scale=log_scale)]
        layers = zip(self.orders, self.conditioners, of_couplings, strict=True)
        for order, conditioner, own in layers:
            coupling = Coupling(conditioner.kept, partial(conditioner, context=own))
            bijectors += [tfb.Invert(tfb.Permute(order)), coupling, tfb.Permute(order)]
        return tfb.Chain(bijectors)


def _order(size: int, coupling: int) -> np.ndarray:
    """Order of the parameters for a coupling: a random one, and its halves swapped at the next."""
    order = np.random.default_rng(coupling // 2).permutation(size)
    return order if coupling % 2 == 0 else np.roll(order, size - size // 2)
