"""Factories of summary networks: standardized data -> a vector that the flow is conditioned on.

A factory takes sizes only and returns a function ``(inputs, rng) -> network``, which training calls
once the structure of the data is known (``pymc_amortized.layout.Inputs``). A network maps
tensors of shape (datasets, features), NaN where there are no data, to (datasets, features of the
summary) and has ``trainable_variables``.

Each factory but the perceptron's is for one kind of structure; data of another kind get the default
of theirs. All parts, statistics and whatever has no structure go through a residual perceptron.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from pymc_amortized.fusion import Encode, Fused
from pymc_amortized.layout import Block, Inputs
from pymc_amortized.series_networks import Convolution, Recurrent, Transformer
from pymc_amortized.set_networks import DeepSet, SetTransformer

__all__ = [
    "convolution",
    "deep_set",
    "recurrent",
    "residual_mlp",
    "set_transformer",
    "structured",
    "transformer",
]

Factory = Callable[[Inputs, np.random.Generator], Fused]

MOST_LEARNED = 512
"""Values of a set, series or plane that the default has a network for; beyond, it would take most
of the time of training, and statistics of many values tell more than those of few."""

FEWEST_LEARNED = 128
"""Values of a series or plane of fixed shape that the default has a network for: of 80 values of an
epidemic a perceptron alone learned more in the same time."""

POOLED = {"set": DeepSet, "row": DeepSet}
DEFAULTS = {**POOLED, "series": Convolution, "grid": Convolution}


def structured(*, width: int = 128, blocks: int = 3, features: int = 32) -> Factory:
    """Summarize each part of the data by what its structure calls for: the default.

    A deep set for exchangeable elements, sets of sets included; a convolution for series and
    planes; a residual perceptron for everything else. Series and planes of a fixed shape and up to
    128 values go to the perceptron; of sets, series and planes of more than 512 values it sees
    statistics alone, or values one by one where their number is fixed. Pass another factory to have
    networks for these.

    Parameters
    ----------
    width : int, default 128
        Length of the perceptron's hidden vectors.
    blocks : int, default 3
        Its residual blocks of one dense layer each.
    features : int, default 32
        Length of the summary. Twice the number of parameters or more is safe.

    Returns
    -------
    callable
        For the argument `summary` of :func:`pymc_amortized.fit`.
    """
    return partial(_structured, width=width, blocks=blocks, features=features)


def residual_mlp(*, width: int = 128, blocks: int = 3, features: int = 32) -> Factory:
    """Summarize data by a residual multilayer perceptron alone.

    Of sets that are pooled, and where data may be missing, it sees statistics alone.

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


def deep_set(*, width: int = 32, layers: int = 1, features: int = 32) -> Factory:
    """Summarize exchangeable elements by the mean of what a network makes of each.

    Parameters
    ----------
    width : int, default 32
        Length of the vectors that are averaged.
    layers : int, default 1
        Residual layers before the mean.
    features : int, default 32
        Length of the summary.

    Returns
    -------
    callable
        For the argument `summary` of :func:`pymc_amortized.fit`.

    References
    ----------
    Zaheer, Kottur, Ravanbakhsh, Póczos, Salakhutdinov and Smola (2017), Deep sets, NeurIPS.
    """
    return partial(_deep_set, width=width, layers=layers, features=features)


def set_transformer(
    *, width: int = 64, heads: int = 4, inducing: int = 16, layers: int = 2, features: int = 32
) -> Factory:
    """Summarize exchangeable elements by attention among them.

    Parameters
    ----------
    width : int, default 64
        Length of the hidden vectors, a multiple of `heads`.
    heads : int, default 4
        Heads of attention.
    inducing : int, default 16
        Points that elements exchange what they know through, so that time grows no faster than
        their number.
    layers : int, default 2
        Rounds of exchange.
    features : int, default 32
        Length of the summary.

    Returns
    -------
    callable
        For the argument `summary` of :func:`pymc_amortized.fit`.

    References
    ----------
    Lee, Lee, Kim, Kosiorek, Choi and Teh (2019), Set transformer, ICML.
    """
    sizes = {"width": width, "heads": heads, "inducing": inducing, "layers": layers}
    return partial(_set_transformer, **sizes, features=features)


def convolution(
    *, width: int = 32, layers: int = 3, kernel: int = 5, features: int = 32
) -> Factory:
    """Summarize series and planes by convolutions, each at half the resolution of the one before.

    Parameters
    ----------
    width : int, default 32
        Channels.
    layers : int, default 3
        Convolutions.
    kernel : int, default 5
        Their length, in steps.
    features : int, default 32
        Length of the summary.

    Returns
    -------
    callable
        For the argument `summary` of :func:`pymc_amortized.fit`.

    References
    ----------
    Bai, Kolter and Koltun (2018), An empirical evaluation of generic convolutional and recurrent
    networks for sequence modeling, arXiv:1803.01271.
    """
    return partial(_convolution, width=width, layers=layers, kernel=kernel, features=features)


def recurrent(*, width: int = 64, features: int = 32) -> Factory:
    """Summarize series by a gated recurrent unit, step by step.

    Parameters
    ----------
    width : int, default 64
        Length of its state.
    features : int, default 32
        Length of the summary.

    Returns
    -------
    callable
        For the argument `summary` of :func:`pymc_amortized.fit`.

    References
    ----------
    Cho, van Merriënboer, Gulcehre, Bahdanau, Bougares, Schwenk and Bengio (2014), Learning phrase
    representations using RNN encoder-decoder for statistical machine translation, EMNLP.
    """
    return partial(_recurrent, width=width, features=features)


def transformer(*, width: int = 64, heads: int = 4, layers: int = 2, features: int = 32) -> Factory:
    """Summarize series by attention among their steps, which know their positions.

    Parameters
    ----------
    width : int, default 64
        Length of the hidden vectors, a multiple of `heads`.
    heads : int, default 4
        Heads of attention.
    layers : int, default 2
        Layers; time grows with the square of the number of steps.
    features : int, default 32
        Length of the summary.

    Returns
    -------
    callable
        For the argument `summary` of :func:`pymc_amortized.fit`.

    References
    ----------
    Vaswani, Shazeer, Parmar, Uszkoreit, Jones, Gomez, Kaiser and Polosukhin (2017), Attention is
    all you need, NeurIPS.
    """
    return partial(_transformer, width=width, heads=heads, layers=layers, features=features)


# What factories return must be functions of this module that a file can name.


def _fused(
    inputs: Inputs, rng: np.random.Generator, encoders: Mapping[str, Encode], **sizes: int
) -> Fused:
    return Fused(inputs, rng, {**DEFAULTS, **encoders}, **{"width": 128, "blocks": 3, **sizes})


def _structured(inputs: Inputs, rng: np.random.Generator, **sizes: int) -> Fused:
    learned = tuple(block for block in inputs.blocks if _is_learned(block, inputs.gaps))
    return _fused(inputs._replace(blocks=learned), rng, {}, **sizes)


def _is_learned(block: Block, gaps: bool) -> bool:
    """Whether a block has a network by default: the perceptron sees short series one by one."""
    seen = block.kind in ("series", "grid") and not gaps
    return (FEWEST_LEARNED if seen else 0) < block.index.size <= MOST_LEARNED


def _residual_mlp(inputs: Inputs, rng: np.random.Generator, **sizes: int) -> Fused:
    return Fused(inputs._replace(blocks=()), rng, {}, **sizes)


def _deep_set(inputs: Inputs, rng: np.random.Generator, features: int, **sizes: Any) -> Fused:
    encode = partial(DeepSet, **sizes)
    return _fused(inputs, rng, dict.fromkeys(POOLED, encode), features=features)


def _set_transformer(
    inputs: Inputs, rng: np.random.Generator, features: int, **sizes: Any
) -> Fused:
    encode = partial(SetTransformer, **sizes)
    return _fused(inputs, rng, dict.fromkeys(POOLED, encode), features=features)


def _convolution(inputs: Inputs, rng: np.random.Generator, features: int, **sizes: Any) -> Fused:
    encode = partial(Convolution, **sizes)
    return _fused(inputs, rng, {"series": encode, "grid": encode}, features=features)


def _recurrent(inputs: Inputs, rng: np.random.Generator, features: int, **sizes: Any) -> Fused:
    return _fused(inputs, rng, {"series": partial(Recurrent, **sizes)}, features=features)


def _transformer(inputs: Inputs, rng: np.random.Generator, features: int, **sizes: Any) -> Fused:
    return _fused(inputs, rng, {"series": partial(Transformer, **sizes)}, features=features)
