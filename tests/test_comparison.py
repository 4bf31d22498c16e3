"""The table of distances against formulas, on draws whose moments are known."""

from __future__ import annotations

import time
import warnings

import arviz as az
import numpy as np
import pandas as pd
import pymc as pm
import pytest
import xarray as xr
from scipy.special import ndtri
from scipy.stats import wasserstein_distance

from pymc_amortized.comparison import compare
from pymc_amortized.generation import mean_standard_error
from pymc_amortized.inference_data import assemble, group

COLUMNS = [
    "mean", "sd", "reference_mean", "reference_sd",
    "mean_difference", "z", "sd_ratio", "wasserstein",
]  # fmt: skip
JOINT = ["c2st", "c2st_p_value", "mmd", "mmd_p_value"]


def posterior(seed: int, chains: int, draws: int, shift: float = 0.0, scale: float = 1.0):
    """Skewed draws of a scalar, a vector, a matrix and an integer."""
    rng = np.random.default_rng(seed)
    country, size = ["Kenya", "Peru", "Chile"], (chains, draws)
    return xr.Dataset(
        {
            "b0": (("chain", "draw"), shift + scale * rng.gamma(2, 3, size)),
            "theta": (
                ("chain", "draw", "country"),
                np.array([0, 100, -7]) + shift + scale * rng.gamma(2, 1, (*size, 3)),
            ),
            "beta": (("chain", "draw", "row", "column"), rng.normal(shift, scale, (*size, 2, 2))),
            "count": (("chain", "draw"), rng.poisson(4 + shift, size)),
        },
        coords={"country": country, "row": [0, 1], "column": [0.5, 1.5]},
    )


@pytest.fixture
def fits() -> dict[str, object]:
    fit = posterior(1, chains=2, draws=150, shift=0.5, scale=2)
    return {"fit": fit, "truth": assemble({"posterior": posterior(2, chains=4, draws=200)})}


def normal(mean: float, sd: float, draws: int = 100_000) -> xr.Dataset:
    """Exact quantiles of a normal distribution, in random order."""
    quantiles = mean + sd * ndtri((np.arange(draws) + 0.5) / draws)
    draws = np.random.default_rng(3).permutation(quantiles).reshape(4, -1)
    return xr.Dataset({"mu": (("chain", "draw"), draws)})


def test_known_normals() -> None:
    """Sizes, signs and who is divided by whom."""
    row = compare({"fit": normal(3, 1), "truth": normal(1, 4)}).loc["mu"]
    expected = {
        "mean": 3, "sd": 1, "reference_mean": 1, "reference_sd": 4,
        "mean_difference": 0.5, "sd_ratio": 0.25,
    }  # fmt: skip
    assert row[list(expected)].to_dict() == pytest.approx(expected, rel=1e-3)
    error = np.hypot(1, 4) / np.sqrt(100_000)
    assert row["z"] == pytest.approx(2 / error, rel=0.05)
    difference = 2 - 3 * ndtri((np.arange(100_000) + 0.5) / 100_000)
    assert row["wasserstein"] == pytest.approx(np.abs(difference).mean() / 4, rel=1e-3)


def test_reference_can_be_chosen() -> None:
    pair = {"fit": normal(3, 1), "truth": normal(1, 4)}
    row = compare(pair, reference="fit").loc["mu"]
    assert row[["mean_difference", "sd_ratio"]].tolist() == pytest.approx([-2, 4], rel=1e-3)


def test_every_parameter_by_hand(fits: dict) -> None:
    """Unequal chains and draws; groups, dims and labels of both generations."""
    table = compare(fits)
    theirs = posterior(2, chains=4, draws=200)
    assert list(table.columns) == COLUMNS + JOINT
    assert table.loc["jointly", COLUMNS].isna().all()
    assert table.loc["b0":"count", JOINT].isna().all(axis=None)
    assert np.isfinite(table.loc["jointly", JOINT].to_numpy()).all()
    cells = {"b0": {}, "theta[Peru]": {"country": "Peru"}, "count": {}}
    cells["beta[1, 0.5]"] = {"row": 1, "column": 0.5}
    for label, cell in cells.items():
        name = label.split("[")[0]
        a = fits["fit"][name].sel(cell).to_numpy().ravel()
        b = theirs[name].sel(cell).to_numpy().ravel()
        errors = [
            mean_standard_error(data[[name]].sel(cell))[name].item()
            for data in (fits["fit"], theirs)
        ]
        sd = b.std(ddof=1)
        expected = [
            a.mean(), a.std(ddof=1), b.mean(), sd, (a.mean() - b.mean()) / sd,
            (a.mean() - b.mean()) / np.hypot(*errors), a.std(ddof=1) / sd,
            wasserstein_distance(a, b) / sd,
        ]  # fmt: skip
        np.testing.assert_allclose(table.loc[label, COLUMNS], expected, rtol=1e-9)


def test_labels_are_those_of_summary(fits: dict) -> None:
    dates = np.array(["1952-01-01", "1957-01-01"], dtype="datetime64[ns]")
    extra = xr.DataArray(
        np.random.default_rng(4).normal(size=(4, 50, 2, 3)),
        dims=("chain", "draw", "date", "unlabelled"),
        coords={"date": dates},
    )
    data = posterior(2, chains=4, draws=50).assign(extra=extra)
    table = compare({"a": data, "b": data})
    assert list(table.index) == [*az.summary(assemble({"posterior": data})).index, "jointly"]
    assert table.index.name == "parameter"


def test_several_fits_have_a_level_of_their_own(fits: dict) -> None:
    table = compare({"one": fits["truth"], "two": fits["fit"], "base": fits["truth"]})
    assert table.index.names == ["fit", "parameter"]
    assert list(table.index.levels[0]) == ["one", "two"]
    assert (table.loc["one", "wasserstein"].dropna() == 0).all()
    assert (table.loc["one", "sd_ratio"].dropna() == 1).all()
    pd.testing.assert_frame_equal(
        table.loc["two"], compare({"two": fits["fit"], "base": fits["truth"]})
    )


def test_coordinates_and_dims_are_matched_by_name(fits: dict) -> None:
    shuffled = fits["fit"].sel(country=["Chile", "Kenya", "Peru"]).isel(column=[1, 0])
    shuffled = shuffled.transpose("country", "column", "draw", "row", "chain")
    table = compare({"fit": shuffled, "truth": fits["truth"]})
    np.testing.assert_allclose(table, compare(fits), rtol=1e-9)


def test_common_variables_in_the_order_of_the_reference(fits: dict) -> None:
    only = fits["fit"][["theta", "b0"]].assign(mine=fits["fit"]["b0"])
    table = compare({"fit": only, "truth": fits["truth"]})
    assert list(table.index) == ["b0", "theta[Kenya]", "theta[Peru]", "theta[Chile]", "jointly"]
    chosen = compare(fits, var_names=["theta", "b0"])
    assert list(chosen.index) == ["theta[Kenya]", "theta[Peru]", "theta[Chile]", "b0", "jointly"]
    assert list(compare(fits, var_names="count").index) == ["count", "jointly"]


def test_what_does_not_exist_is_nan() -> None:
    rng = np.random.default_rng(5)

    def dataset(chains: int, constant: float) -> xr.Dataset:
        draws = rng.normal(size=(chains, 100))
        spoilt = draws.copy()
        spoilt[0, 7] = np.inf
        values = {"x": draws, "spoilt": spoilt, "flag": draws > 0}
        values["constant"] = np.full(draws.shape, constant)
        values["stuck"] = draws if chains == 2 else np.full(draws.shape, 0.1)
        return xr.Dataset({name: (("chain", "draw"), value) for name, value in values.items()})

    table = compare({"fit": dataset(2, 1.5), "truth": dataset(4, 1.0)})
    relative = ["mean_difference", "sd_ratio", "wasserstein"]
    assert table.loc["spoilt", ["mean", "sd", "reference_mean", "z", *relative]].isna().all()
    assert table.loc["constant", ["mean", "reference_mean", "sd"]].tolist() == [1.5, 1, 0]
    assert table.loc["constant", ["z", *relative]].isna().all()
    assert table.loc["stuck", "reference_sd"] == 0
    assert table.loc["stuck", relative].isna().all()
    assert np.isfinite(table.loc["stuck", "z"])
    assert np.isfinite(table.loc[["x", "flag"], COLUMNS].to_numpy()).all()
    assert table.loc["jointly"].isna().all()
    assert not np.isinf(table.to_numpy()).any()


def test_constant_fit_against_a_reference_that_is_not() -> None:
    stuck = xr.Dataset({"mu": (("chain", "draw"), np.full((4, 100), 5.0))})
    row = compare({"stuck": stuck, "truth": normal(1, 2)}).loc["mu"]
    assert row[["mean_difference", "sd_ratio"]].tolist() == pytest.approx([2, 0], rel=1e-3)


def test_few_draws_have_no_standard_error() -> None:
    short = normal(0, 1).isel(chain=[0], draw=slice(3))
    row = compare({"short": short, "truth": normal(0, 1)}).loc["mu"]
    assert np.isnan(row["z"])
    assert np.isfinite(row[COLUMNS].drop("z").to_numpy()).all()


def amortized(posterior: xr.Dataset, *dims: str) -> object:
    """As AmortizedPosterior.sample returns it for datasets of these dims."""
    shape = [posterior.sizes[dim] for dim in dims]
    khat = xr.Dataset({"pareto_k": (dims, np.zeros(shape))}, {dim: posterior[dim] for dim in dims})
    return assemble({"posterior": posterior, "amortized": khat})


def test_each_dataset_has_a_joint_row_of_its_own(fits: dict) -> None:
    """As if it were compared alone; whichever fit knows what a dataset is."""
    theta = {name: group(fit)[["theta"]] for name, fit in fits.items()}
    theta = {name: fit.assign(square=fit["theta"] ** 2) for name, fit in theta.items()}
    table = compare({**theta, "fit": amortized(theta["fit"], "country")})
    countries = ["Kenya", "Peru", "Chile"]
    assert list(table.index[6:]) == [f"jointly[{country}]" for country in countries]
    for country in countries:
        alone = compare({name: fit.sel(country=[country]) for name, fit in theta.items()})
        pd.testing.assert_series_equal(
            table.loc[f"jointly[{country}]"], alone.loc["jointly"], check_names=False
        )
    other = compare({**theta, "truth": amortized(theta["truth"], "country")})
    pd.testing.assert_frame_equal(table, other)
    assert list(compare(theta).index[6:]) == ["jointly"]


def test_datasets_of_several_dims_beside_what_they_share(fits: dict) -> None:
    names = ["beta", "b0"]
    beta = {name: group(fit)[names] for name, fit in fits.items()}
    table = compare({**beta, "fit": amortized(beta["fit"], "column", "row")}, var_names=names)
    cells = ["[0.5, 0]", "[1.5, 0]", "[0.5, 1]", "[1.5, 1]", ""]
    assert list(table.index[5:]) == [f"jointly{cell}" for cell in cells]


def test_the_same_table_twice(fits: dict) -> None:
    pd.testing.assert_frame_equal(compare(fits), compare(fits))


def test_fits_of_any_sampler() -> None:
    """Two parameters with a strong correlation, which mean-field ADVI alone does not have."""
    quiet = {"random_seed": 1, "progressbar": False}
    with warnings.catch_warnings(), pm.Model():
        warnings.simplefilter("ignore")  # of PyMC, on short chains
        a, b = pm.Normal("a"), pm.Normal("b")
        pm.Normal("y", a + b, 0.3, observed=1.0)
        fits = {
            "ADVI": pm.fit(8000, **quiet).sample(1000, random_seed=1),
            "SMC": pm.sample_smc(1000, chains=2, cores=1, **quiet),
            "NUTS": pm.sample(1000, tune=500, chains=2, cores=1, **quiet),
        }
    jointly = compare(fits).xs("jointly", level="parameter")
    assert jointly.loc["ADVI", "c2st"] > 0.6
    assert (jointly.loc["ADVI", ["c2st_p_value", "mmd_p_value"]] < 0.01).all()
    assert jointly.loc["SMC", "c2st"] < 0.56
    assert (jointly.loc["SMC", ["c2st_p_value", "mmd_p_value"]] > 0.01).all()


def test_many_datasets_within_seconds() -> None:
    rng = np.random.default_rng(6)
    shape, dims = (4, 1000, 142), ("chain", "draw", "dataset")
    fits = {
        fit: xr.Dataset({name: (dims, rng.normal(size=shape)) for name in ("b0", "b1", "sigma")})
        for fit in ("fit", "truth")
    }
    start = time.process_time()
    table = compare(fits)
    assert time.process_time() - start < 20
    assert len(table) == 427
    assert table["z"].std() == pytest.approx(1, abs=4 / np.sqrt(2 * 426))


def test_errors_say_what_was_expected(fits: dict) -> None:
    fit, truth = fits["fit"], fits["truth"]
    with pytest.raises(ValueError, match="at least two fits by name, got fit"):
        compare({"fit": fit})
    with pytest.raises(TypeError, match=r"fits: expected a mapping.*got list"):
        compare([fit, truth])
    with pytest.raises(ValueError, match=r"reference: expected one of fit, truth, got 'NUTS'"):
        compare(fits, reference="NUTS")
    with pytest.raises(ValueError, match=r"var_names.*variables of 'fit' \(b0.*got b9"):
        compare(fits, var_names=["b0", "b9"])
    with pytest.raises(ValueError, match="var_names: expected at least one name"):
        compare(fits, var_names=[])
    with pytest.raises(ValueError, match=r"all fits hold, got fit: b0; truth: b0, theta"):
        compare({"fit": fit[["b0"]], "truth": truth, "other": fit[["count"]]})
    with pytest.raises(KeyError, match=r"fits\['empty'\].*group 'posterior'"):
        compare({"fit": fit, "empty": assemble({"prior": fit})})
    with pytest.raises(TypeError, match=r"fits\['fit'\].*got builtins\.int"):
        compare({"fit": 3, "truth": truth})


def test_errors_name_what_does_not_match(fits: dict) -> None:
    fit, truth = fits["fit"], fits["truth"]
    with pytest.raises(ValueError, match=r"'fit' lacks Peru of.*the reference lacks none"):
        compare({"fit": fit.sel(country=["Kenya", "Chile"]), "truth": truth})
    with pytest.raises(ValueError, match=r"'truth' lacks none of.*the reference lacks Peru"):
        compare({"fit": fit.sel(country=["Kenya", "Chile"]), "truth": truth}, reference="fit")
    with pytest.raises(ValueError, match=r"dims \(chain, draw, country\).*got \(chain, draw\) in"):
        compare({"fit": fit.isel(country=0, drop=True), "truth": truth}, var_names="theta")
    with pytest.raises(ValueError, match=r"dims \(chain, draw\).*got \(draw\) in 'fit'"):
        compare({"fit": fit.isel(chain=0), "truth": truth}, var_names="b0")
