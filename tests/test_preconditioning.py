import numpy as np
import pytest

from pymc_amortized.layout import Layout
from pymc_amortized.preconditioning import Preconditioner, fit_preconditioner
from pymc_amortized.standardization import fit_standardization

RNG = np.random.default_rng(4)
COLUMNS = {
    "normal": RNG.normal(3, 2, 4000),
    "cauchy": RNG.standard_cauchy(4000),
    "huge": RNG.normal(1e6, 1e8, 4000),
    "tiny": RNG.normal(0, 1e-6, 4000),
    "constant": np.full(4000, 7.0),
    "rare counts": RNG.poisson(0.1, 4000),
    "lognormal": RNG.lognormal(0, 3, 4000),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_standardization_brings_anything_to_the_scale_of_one(name):
    values = COLUMNS[name].astype(float)[:, None]
    standardization = fit_standardization(values)
    z = standardization.forward(values)
    assert np.isfinite(z).all()
    assert np.abs(z).max() < 60
    np.testing.assert_allclose(standardization.inverse(z), values, rtol=1e-9, atol=1e-12)
    step = 1e-5
    slope = (standardization.inverse(z + step) - standardization.inverse(z - step)) / (2 * step)
    np.testing.assert_allclose(standardization.log_det(z), np.log(slope[:, 0]), atol=1e-4)


def flat(data, vector):
    """Data without structure."""
    return Layout(data.shape[1], (), {}, vector.shape[1])


def line(n, seed=0):
    rng = np.random.default_rng(seed)
    theta = rng.normal([1, 0], [2, 1.5], (n, 2))
    design = np.column_stack([np.ones(12), np.linspace(-1.5, 1.5, 12)])
    return theta, theta @ design.T + 0.7 * rng.normal(size=(n, 12)), design


def test_linear_part_is_the_exact_posterior_of_a_conjugate_model():
    theta, y, design = line(20_000)
    preconditioner = fit_preconditioner(theta, y, flat(y, theta))
    _, new, _ = line(200, seed=1)
    features = preconditioner.encoder.encode(new)
    mean, _ = preconditioner.restore(np.zeros((200, 2)), features)
    covariance = np.linalg.inv(design.T @ design / 0.49 + np.diag([1 / 4, 1 / 2.25]))
    exact = (new @ design / 0.49 + np.array([1, 0]) / [4, 2.25]) @ covariance
    sd = np.sqrt(np.diag(covariance))
    # coefficients have a relative standard error of 1 / sqrt(n), and there are twelve
    assert np.abs((mean - exact) / sd).max() < 5 * np.sqrt(12 / 20_000)
    shift, _ = preconditioner.restore(np.eye(2), features.take(slice(1)))
    factor = shift - mean[0]
    np.testing.assert_allclose(factor.T @ factor, covariance, atol=5 * sd.max() ** 2 / 100)


def test_remainder_inverts_and_log_determinant_is_that_of_the_way_back():
    rng = np.random.default_rng(1)
    theta, y, _ = line(5000)
    theta[:, 1] = rng.standard_cauchy(5000)
    preconditioner = fit_preconditioner(theta, y, flat(y, theta))
    features = preconditioner.encoder.encode(y[:7])
    remainder, log_det = preconditioner.remainder(theta[:7], features)
    back, same = preconditioner.restore(remainder, features)
    np.testing.assert_allclose(back, theta[:7], rtol=1e-9)
    np.testing.assert_allclose(log_det, same)
    step = 1e-5 * np.eye(2)
    moved = [(preconditioner.restore(remainder + e, features)[0] - back) / 1e-5 for e in step]
    jacobian = np.stack(moved, axis=-1)
    np.testing.assert_allclose(log_det, np.log(np.abs(np.linalg.det(jacobian))), atol=1e-3)
    copy = Preconditioner.from_arrays(flat(y, theta), preconditioner.arrays())
    np.testing.assert_array_equal(copy.restore(remainder, features)[0], back)


def test_fewer_simulations_than_elements_do_not_overfit():
    rng = np.random.default_rng(2)
    theta, data = rng.normal(size=(80, 3)), rng.normal(size=(80, 200))
    preconditioner = fit_preconditioner(theta, data, flat(data, theta))
    new = preconditioner.encoder.encode(rng.normal(size=(500, 200)))
    mean, _ = preconditioner.restore(np.zeros((500, 3)), new)
    assert mean.std() < 0.7  # nothing is to be learned: 1 would be as wide as the prior


def test_features_that_depend_on_each_other_are_no_better_predictors():
    """Of a mean and three values that differ by a thousandth of their spread."""
    rng = np.random.default_rng(6)
    for n in (180, 5000):
        common = rng.normal(size=(2 * n, 1))
        y = common + 1e-3 * rng.normal(size=(2 * n, 3))
        y = np.column_stack([y, y.mean(axis=1)])
        theta = common + 0.1 * rng.normal(size=(2 * n, 1))
        preconditioner = fit_preconditioner(theta[:n], y[:n], flat(y, theta))
        new = preconditioner.encoder.encode(y[n:])
        mean, _ = preconditioner.restore(np.zeros((n, 1)), new)
        # of a residual sd of 0.1, and the variance of four coefficients besides
        expected = 0.1 * np.sqrt(1 + 4 / n)
        assert np.std(mean - theta[n:]) == pytest.approx(expected, rel=4 / np.sqrt(2 * n))
