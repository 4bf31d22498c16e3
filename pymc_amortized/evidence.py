"""Which of several models made the data: posterior probabilities from marginal likelihoods."""

import warnings
from collections.abc import Mapping

import numpy as np
import xarray as xr

from pymc_amortized.inference_data import Fit, group

__all__ = ["compare_models"]

NEEDED = ("log_marginal_likelihood", "log_marginal_likelihood_error")


def compare_models(
    fits: Mapping[str, Fit], *, prior: Mapping[str, float] | None = None
) -> xr.Dataset:
    """Posterior probabilities of models, for one dataset or for many at once.

    Parameters
    ----------
    fits : mapping of str to arviz.InferenceData or xarray.DataTree
        By the name of each model, what :meth:`AmortizedPosterior.sample` returned for the same
        data; at least two.
    prior : mapping of str to float, optional
        Prior probability of each model, up to a common factor; by default all are equal.

    Returns
    -------
    xarray.Dataset
        Of dims ``(model, *datasets)``: ``log_marginal_likelihood`` and its Monte Carlo standard
        error ``log_marginal_likelihood_error``, ``probability``, and ``probability_error``, its
        standard error to first order, NaN where the weights behind a marginal likelihood cannot be
        trusted. Its ``to_dataframe()`` is a table.

    Raises
    ------
    KeyError
        If a fit does not come from :meth:`AmortizedPosterior.sample`, or its model has no
        likelihood.
    ValueError
        If there are fewer than two fits, their datasets or data differ, or `prior` does not have
        one positive number a model.

    Warns
    -----
    UserWarning
        Naming the models whose marginal likelihood is not known.

    References
    ----------
    Kass and Raftery (1995), Bayes factors, JASA 90.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> fits = {
    ...     name: xr.DataTree.from_dict({"amortized": xr.Dataset({
    ...         "log_marginal_likelihood": value, "log_marginal_likelihood_error": 0.01})})
    ...     for name, value in {"line": -3.0, "curve": -3.0 + np.log(3)}.items()
    ... }
    >>> compare_models(fits)["probability"].round(2).to_numpy()
    array([0.25, 0.75])
    """
    from scipy.special import softmax  # 0.1 s that PyMC 6 does not spend

    names = _names(fits)
    evidence = [_evidence(name, fits[name]) for name in names]
    _check_data(fits)
    try:
        joined = xr.concat(evidence, xr.Variable("model", names), join="exact")
    except ValueError as error:
        raise ValueError(
            f"fits: expected the same datasets in every fit, got others: {error}"
        ) from error
    _warn_of_unknown(joined[NEEDED[1]])
    log_prior = xr.DataArray(np.log(_prior(names, prior)), dims="model")
    log_weight = joined["log_marginal_likelihood"] + log_prior
    axis = log_weight.get_axis_num("model")
    probability = log_weight.copy(data=softmax(log_weight.to_numpy(), axis=axis))
    return joined.assign(
        probability=probability, probability_error=_error(probability, joined[NEEDED[1]])
    )


def _warn_of_unknown(error: xr.DataArray) -> None:
    """Name the models whose evidence rests on weights that cannot be trusted."""
    others = [dim for dim in error.dims if dim != "model"]
    known = np.isfinite(error).all(others)
    if not known.all():
        names = ", ".join(map(str, error["model"].to_numpy()[~known.to_numpy()]))
        warnings.warn(
            f"The marginal likelihood by {names} is not known for every dataset, because Pareto k "
            "of the weights that tell it is too large, or unknown because there are fewer than 25 "
            "draws: do not trust the probabilities there, whose error is NaN. Train longer, draw "
            "more, or look whether these data are like those that the model simulates.",
            stacklevel=3,
        )


def _error(probability: xr.DataArray, error: xr.DataArray) -> xr.DataArray:
    """Of p_i, whose derivative by the log evidence of j is p_i ((i = j) - p_j)."""
    error = error.where(np.isfinite(error).all("model"))
    others = (probability**2 * error**2).sum("model", skipna=False) - probability**2 * error**2
    return probability * np.sqrt((1 - probability) ** 2 * error**2 + others)


def _names(fits: Mapping[str, Fit]) -> list[str]:
    if not isinstance(fits, Mapping) or len(fits) < 2:
        got = f"{len(fits)}" if isinstance(fits, Mapping) else type(fits).__name__
        raise ValueError(
            f"fits: expected a mapping from the names of at least two models to fits, got {got}."
        )
    return list(fits)


def _evidence(name: str, fit: Fit) -> xr.Dataset:
    try:
        return group(fit, "amortized")[list(NEEDED)]
    except (KeyError, TypeError):
        raise KeyError(
            f"fits[{name!r}]: expected {NEEDED[0]!r} in a group 'amortized'. Pass what "
            "AmortizedPosterior.sample returns for a model that has a likelihood."
        ) from None


def _check_data(fits: Mapping[str, Fit]) -> None:
    """Refuse fits of other data, where they hold data of the same names."""
    held = {}
    for name, fit in fits.items():
        try:
            observed = group(fit, "observed_data")
        except KeyError:
            continue
        for variable, values in observed.items():
            first, known = held.setdefault(variable, (name, values.to_numpy()))
            if not np.array_equal(known, values.to_numpy()):
                raise ValueError(
                    f"fits: expected the same data in every fit, got other values of {variable!r} "
                    f"in {first!r} and {name!r}. Sample both for the same data."
                )


def _prior(names: list[str], prior: Mapping[str, float] | None) -> np.ndarray:
    if prior is None:
        return np.ones(len(names))
    good = set(prior) == set(names) and all(value > 0 for value in prior.values())
    if not good:
        raise ValueError(
            f"prior: expected a positive number for each of {', '.join(names)}, got {dict(prior)}."
        )
    return np.array([float(prior[name]) for name in names])
