"""Linear regression with known noise: the network's own draws against closed form."""

import numpy as np
import pymc as pm
from _c2st import c2st
from _report import at_most, report, within

import pymc_amortized as pma

X = (np.arange(1952, 2008, 5) - 1979.5) / 10
PRIOR_MEAN, PRIOR_SD, NOISE = np.array([60.0, 0.0]), np.array([15.0, 5.0]), 3.0
DATASETS = 100
CLASSIFIED = 10


def model() -> pm.Model:
    with pm.Model() as line:
        b0 = pm.Normal("b0", PRIOR_MEAN[0], PRIOR_SD[0])
        b1 = pm.Normal("b1", PRIOR_MEAN[1], PRIOR_SD[1])
        pm.Normal("y", b0 + b1 * X, NOISE, observed=np.zeros(len(X)))
    return line


def exact(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Posterior means (datasets, 2) and covariance (2, 2); Gelman et al. (2013), section 14.8."""
    design = np.column_stack([np.ones_like(X), X])
    precision = design.T @ design / NOISE**2 + np.diag(PRIOR_SD**-2)
    covariance = np.linalg.inv(precision)
    return (y @ design / NOISE**2 + PRIOR_MEAN * PRIOR_SD**-2) @ covariance, covariance


def main() -> None:
    line, rng = model(), np.random.default_rng(7)
    amortized = pma.fit(line, random_seed=1)
    held_out = pma.simulate(line, draws=DATASETS, random_seed=2).prior_predictive["y"][0].to_numpy()
    idata = amortized.sample({"y": held_out}, draws=2500, refine=None, random_seed=3)
    draws = np.stack([idata.posterior[name].to_numpy() for name in ("b0", "b1")], axis=-1)
    draws = np.moveaxis(draws.reshape(-1, DATASETS, 2), 1, 0)
    means, covariance = exact(held_out)
    sd = np.sqrt(np.diag(covariance))
    errors = np.abs(draws.mean(axis=1) - means) / sd
    ratios = draws.std(axis=1) / sd
    references = [rng.multivariate_normal(means[k], covariance, 10_000) for k in range(CLASSIFIED)]
    accuracy = [c2st(references[k], draws[k]) for k in range(CLASSIFIED)]
    seconds = amortized.history["seconds"].to_numpy()[-1]
    report(
        "known_noise",
        [
            at_most("mean error, posterior sd, average of 100 datasets", errors.mean(), 0.05),
            within("sd ratio b0, average of 100 datasets", ratios[:, 0].mean(), 0.97, 1.03),
            within("sd ratio b1, average of 100 datasets", ratios[:, 1].mean(), 0.97, 1.03),
            at_most("C2ST, average of 10 datasets", np.mean(accuracy), 0.53),
            at_most("C2ST, largest of 10 datasets", np.max(accuracy), 0.53),
            at_most("seconds of training", seconds, 180),
        ],
        "seeds 1 to 3 and 7",
    )


if __name__ == "__main__":
    main()
