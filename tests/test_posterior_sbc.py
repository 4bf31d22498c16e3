"""Calibration conditional on data: passes for right posteriors, fails for wrong ones."""

from typing import NamedTuple

import numpy as np
import pytest
from models import YEARS
from trained import untrained

import pymc_amortized as pma
from pymc_amortized import calibration, conditioning
from pymc_amortized.conditioning import effective_sample_size, log_weights, normalized
from pymc_amortized.encoding import Encoded, Encoder
from pymc_amortized.inference_data import group
from pymc_amortized.preconditioning import Preconditioner

QUIET = {"progressbar": False, "random_seed": 1}
FEW = {"simulations": 300, "draws": 50, **QUIET}

HIGH = {"y": 5.5 + 0.5 * YEARS + 0.5 * np.cos(7 * YEARS)}
"""Data that one simulation in a hundred of `known_noise` is like."""

OWN = {"line": 1 + 0.5 * YEARS, "counts": np.array([3, 1, 4, 1, 5, 9, 2, 6, 5, 3])}


class Shifted(NamedTuple):
    """A linear part that is wrong by a posterior standard deviation where data are high."""

    linear: Preconditioner
    above: float

    @property
    def encoder(self) -> Encoder:
        return self.linear.encoder

    def restore(self, remainder: np.ndarray, encoded: Encoded) -> tuple[np.ndarray, np.ndarray]:
        high = encoded.features.mean(axis=-1, keepdims=True) > self.above
        return self.linear.restore(remainder + high, encoded)


def with_linear(amortized: pma.AmortizedPosterior, linear: object) -> pma.AmortizedPosterior:
    """The same posterior from another linear part."""
    trained = (linear, amortized._network, amortized._familiarity)
    parts = (amortized.model, amortized._parameters)
    return pma.AmortizedPosterior(*parts, *trained, amortized.settings)


@pytest.mark.parametrize("name", ["line", "counts"])
def test_trained_posterior_is_calibrated(name: str, request: pytest.FixtureRequest) -> None:
    amortized = request.getfixturevalue(name)
    checked = amortized.calibrate({"y": OWN[name]}, **QUIET)
    found = group(checked, "calibration")
    assert (found["p_value"] > 0.001).all()
    assert found["tarp_p_value"] > 0.001
    assert float(abs(found["coverage"].sel(level=0.9) - 0.9).max()) < 4 * np.sqrt(0.09 / 1000)
    assert float(found["importance_ess"].median()) > 100


def test_given_data_far_out_ranks_and_moments_are_those_of_both_data(
    line: pma.AmortizedPosterior,
) -> None:
    """The truth is drawn given the data; replicated data double what is known of it."""
    found = group(line.calibrate(HIGH, **QUIET), "calibration")
    assert (found["p_value"] > 0.001).all()
    assert found["tarp_p_value"] > 0.001
    design = np.column_stack([np.ones(12), YEARS])
    information = design.T @ design / 0.49
    prior = np.diag([1 / 4, 1 / 2.25])
    given = np.linalg.inv(information + prior)
    mean = given @ (design.T @ HIGH["y"] / 0.49 + np.array([1, 0]) / [4, 2.25])
    both = np.sqrt(np.diag(np.linalg.inv(2 * information + prior)))
    truth = found["truth"].sel(quantity=["b0", "b1"]).to_numpy()
    error = np.sqrt(np.diag(given) / 1000)
    np.testing.assert_allclose(truth.mean(axis=0), mean, atol=5 * error.max())
    np.testing.assert_allclose(truth.std(axis=0), np.sqrt(np.diag(given)), rtol=0.12)
    sd = found["sd"].sel(quantity=["b0", "b1"]).to_numpy().mean(axis=0)
    np.testing.assert_allclose(sd, both, rtol=0.03)
    np.testing.assert_allclose(found["contraction"][:2], 0.5, atol=0.1)


def test_a_network_wrong_near_the_data_passes_given_none_and_fails_given_these(
    line: pma.AmortizedPosterior,
) -> None:
    features = line._preconditioner.encoder.encode(HIGH["y"][None]).features
    wrong = with_linear(line, Shifted(line._preconditioner, features.mean() - 0.5))
    everywhere = group(wrong.calibrate(**QUIET), "calibration")
    assert (everywhere["p_value"] > 0.001).all()
    there = group(wrong.calibrate(HIGH, **QUIET), "calibration")
    assert (there["p_value"].sel(quantity=["b0", "b1"]) < 0.001).all()


@pytest.mark.parametrize("factor", [0.7, 1.6])
def test_wrong_widths_fail(factor: float, line: pma.AmortizedPosterior) -> None:
    """Weights by a likelihood of equal width leave a factor of 0.81 or 1.20 of these."""
    linear = line._preconditioner
    narrow = linear._replace(cholesky=factor * linear.cholesky)
    wrong = with_linear(line, narrow)
    found = group(wrong.calibrate(HIGH, simulations=3000, **QUIET), "calibration")
    assert (found["p_value"].sel(quantity=["b0", "b1"]) < 0.001).all()


@pytest.mark.filterwarnings("ignore:The likelihood of `observed` leaves")
@pytest.mark.parametrize("sign", [0, -1])
def test_other_weights_fail(
    sign: int, line: pma.AmortizedPosterior, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(*args: object) -> np.ndarray:
        return sign * log_weights(*args)

    monkeypatch.setattr(calibration, "log_weights", wrong)
    found = group(line.calibrate(HIGH, **QUIET), "calibration")
    assert found["p_value"].sel(quantity="b0") < 0.001


def test_groups_are_named_as_simuk_names_them(counts: pma.AmortizedPosterior) -> None:
    checked = counts.calibrate({"y": OWN["counts"]}, **FEW)
    ranks = group(checked, "posterior_sbc")
    assert set(ranks.data_vars) == {"rate", "log_likelihood", "log_joint"}
    assert ranks["rate"].dims == ("chain", "draw")
    assert ranks["rate"].shape == (1, 300)
    assert group(checked, "calibration").attrs["conditional_on"] == "y"
    assert calibration.ranks_group(group(checked, "calibration")) == "posterior_sbc"
    with pytest.raises(KeyError):
        group(checked, "prior_sbc")
    everywhere = group(counts.calibrate(**FEW), "calibration")
    assert "conditional_on" not in everywhere.attrs
    assert "importance_ess" not in everywhere


def test_weights_that_leave_little_warn(
    rough: pma.AmortizedPosterior, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conditioning, "MOST_DRAWS", 1)
    with pytest.warns(
        UserWarning, match=r"leaves 1?\d of the network's draws .* Pass more"
    ) as caught:
        rough.calibrate({"y": np.sinh(1.8 * YEARS)}, simulations=100, draws=80, **QUIET)
    assert {each.filename for each in caught} == {__file__}


def test_what_ranks_cannot_be_conditional_on_is_refused(rough: pma.AmortizedPosterior) -> None:
    with pytest.raises(ValueError, match="observed: expected a single dataset, got many along dat"):
        rough.calibrate({"y": np.zeros((2, 12))}, progressbar=False)
    with pytest.raises(ValueError, match=r"observed: .*'y' to have shape"):
        rough.calibrate({"y": np.zeros(3)}, progressbar=False)
    with pytest.raises(ValueError, match=r"observed: expected None, because .* no likelihood"):
        untrained("simulator").calibrate({"y": np.zeros(4)}, progressbar=False)


def test_weights_by_hand() -> None:
    log_weight = np.log([[0.5, 0.25, 0.25], [1e-300, 1e-300, 1e-300]])
    np.testing.assert_allclose(normalized(log_weight), [[0.5, 0.25, 0.25], [1 / 3] * 3])
    np.testing.assert_allclose(effective_sample_size(log_weight), [1 / 0.375, 3])
    none = np.full((1, 4), -np.inf)
    np.testing.assert_array_equal(normalized(none), 0.25)
    np.testing.assert_array_equal(effective_sample_size(none), 0)
