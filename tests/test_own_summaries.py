"""Summaries that users write."""

import numpy as np
import pymc as pm
import pytest
from models import build
from trained import small

import pymc_amortized as pma
from pymc_amortized.backend import keras
from pymc_amortized.inference_data import group
from pymc_amortized.own_summaries import read_summary

QUIET = {"random_seed": 1, "progressbar": False}
QUICK = {"flow": small()["flow"], "simulations": 4000} | QUIET
EXAMPLE = {"y": np.arange(40.0).reshape(4, 10), "x": np.ones(4)}

pytestmark = pytest.mark.filterwarnings("ignore:max_seconds")


def spread() -> None:
    """A scale, of which sums of squares tell everything and means nothing."""
    pm.Normal("y", 0, pm.LogNormal("sd", 0, 0.5), observed=np.ones(10), dims="obs")


def squares(data):
    return np.log(np.nansum(data["y"] ** 2, axis=1) + 1e-3)


def means(data):
    return np.nan_to_num(data["y"]).mean(axis=1, keepdims=True)


def layer() -> keras.layers.Layer:
    return keras.Sequential([keras.layers.Dense(8, "tanh"), keras.layers.Dense(3)])


def fitted(summary, **options) -> pma.AmortizedPosterior:
    return pma.fit(build(spread, obs=range(10)), summary=summary, **QUICK, **options)


def widths(amortized: pma.AmortizedPosterior) -> np.ndarray:
    """Standard deviations of the network's own draws of the log scale, for small and large data."""
    y = np.random.default_rng(2).normal(size=(2, 10)) * np.array([[0.3], [3.0]])
    draws = group(amortized.sample({"y": y}, refine=None, **QUIET))["sd"]
    return np.log(draws).std(("chain", "draw")).to_numpy()


def test_a_function_takes_the_place_of_all_other_statistics() -> None:
    """What it leaves out is not learned: the prior is as wide as before."""
    knows = fitted(squares, exchangeable=[])
    assert (widths(knows) < 0.3).all()  # the exact posterior is about 0.2 wide
    inputs = knows._preconditioner.encoder.inputs
    assert len(inputs.own) == 1
    assert knows._network.summary.inputs.plain.tolist() == inputs.own.tolist()


def test_layers_are_trained() -> None:
    own = layer()
    amortized = fitted(own)
    assert (widths(amortized) < 0.35).all()
    weights = {id(v) for v in amortized._network.trainable_variables}
    assert {id(v) for v in own.trainable_variables} <= weights


def test_a_layer_of_another_posterior_is_warned_of() -> None:
    """Training is nothing that matters here."""
    own = layer()
    options = {"summary": own, "max_seconds": 1e-3}
    with pytest.warns(UserWarning, match="max_seconds"):
        pma.fit(build(spread, obs=range(10)), **QUICK | options)
    with (
        pytest.warns(UserWarning, match="max_seconds"),
        pytest.warns(UserWarning, match=f"summary: '{own.name}' was trained in a fit before"),
    ):
        pma.fit(build(spread, obs=range(10)), **QUICK | options)


def test_a_list_is_used_together() -> None:
    parts = [pma.summaries.residual_mlp(width=16, blocks=1, features=4), layer(), squares, means]
    amortized = fitted(parts, missing={"y": 0.2})
    assert amortized._network.features == 4 + 3
    assert len(amortized._preconditioner.encoder.inputs.own) == 2
    assert (widths(amortized) < 0.35).all()
    with pytest.raises(NotImplementedError, match="summary: expected"):
        amortized.save("file.safetensors")


def test_functions_that_see_the_order_of_a_set_see_the_same_in_training() -> None:
    def first(data):
        return data["y"][:, :3]

    amortized = pma.fit(build(spread, obs=range(10)), summary=first, **QUICK)
    encoder = amortized._preconditioner.encoder
    y = np.random.default_rng(3).normal(size=(5, 10))
    one, other = (encoder.encode(y, training=training).features for training in (True, False))
    np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def wrong_rows(data):
    return np.zeros(3)


def not_finite(data):
    return np.full(4, np.nan)


@pytest.mark.parametrize(
    ("summary", "error", "message"),
    [
        (wrong_rows, ValueError, r"4 rows for 4 datasets, got float64 of shape \(3, 1\)"),
        (not_finite, ValueError, "expected finite statistics"),
        (pma.summaries.deep_set, TypeError, "got deep_set itself"),
        ("deep set", TypeError, "summary: expected what a factory returns"),
        ([layer()] * 2, ValueError, "expected different layers, got one of them twice"),
        ([means, 3], TypeError, "summary: expected what a factory returns.*got 3"),
    ],
)
def test_other_summaries_are_refused(summary, error, message) -> None:
    with pytest.raises(error, match=message):
        read_summary(summary, EXAMPLE)


def test_layers_that_keep_an_axis_are_refused() -> None:
    own = keras.Sequential([keras.layers.Reshape((-1, 1)), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match=r"returns \(datasets, some\).*Flatten"):
        fitted(own)
