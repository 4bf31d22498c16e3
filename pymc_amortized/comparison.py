"""How far apart posteriors of the same parameters are, whatever made them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from pymc_amortized.alignment import Parameters, aligned_parameters, check_fits
from pymc_amortized.distances import distances, moments
from pymc_amortized.inference_data import Fit
from pymc_amortized.two_sample import joint_test, spacing

__all__ = ["compare"]


def compare(
    fits: Mapping[str, Fit],
    *,
    reference: str | None = None,
    var_names: str | Sequence[str] | None = None,
) -> pd.DataFrame:
    """Tabulate how far fits of the same model are apart, parameter by parameter and jointly.

    Parameters
    ----------
    fits : mapping of str to arviz.InferenceData, xarray.DataTree or xarray.Dataset
        At least two fits by name, each with a group ``posterior`` of dims ``chain``, ``draw`` and
        any others; a Dataset is taken for the posterior itself. Numbers of chains and draws may
        differ; the other dims are matched by their coordinates.
    reference : str, optional
        Name of the fit that the others are measured against; by default the last one.
    var_names : str or sequence of str, optional
        Variables to compare; by default those that all fits hold.

    Returns
    -------
    pandas.DataFrame
        One row per scalar parameter, labelled as by ``az.summary``, and below them a row
        ``jointly`` of all parameters at once, or ``jointly[label]`` for each dataset: the dims of
        datasets are those of the group ``amortized``, which what
        :meth:`AmortizedPosterior.sample` returns has, and where no fit has it there are none.
        With more than two fits the rows have one more, outer level: the fit. The columns are

        - ``mean``, ``sd`` and ``reference_mean``, ``reference_sd``: of the draws;
        - ``mean_difference``: (mean - reference mean) / reference sd;
        - ``z``: (mean - reference mean) / sqrt(mcse² + reference mcse²), the same in Monte Carlo
          standard errors [1]_: about standard normal if the posteriors are one;
        - ``sd_ratio``: sd / reference sd;
        - ``wasserstein``: the 1-Wasserstein distance of the draws [2]_ / reference sd, which sees
          differences of shape too. It is never below the absolute ``mean_difference``;

        and, jointly,

        - ``c2st``: the cross-validated accuracy of a classifier that has to tell the draws apart
          [3]_ [4]_: 0.5 if it cannot, 1 if nothing is alike;
        - ``mmd``: the squared maximum mean discrepancy for a Gaussian kernel [5]_, without bias:
          about zero, and as often below, if the posteriors are one;
        - ``c2st_p_value`` and ``mmd_p_value``: how probable as much or more is if they are.

        These see what no parameter shows alone, such as another correlation. They are made of
        draws that are as good as independent: chains are thinned by their effective sample sizes.
        The classifier gets at most 2000 draws of each fit and the kernel at most 1000, and of many
        datasets at most 40,000 in all, so that a hundred take half a minute; the same fits give
        the same numbers.

        A number is NaN where it does not exist: what belongs to the other kind of row, all that is
        divided by the sd of a reference that is constant, ``z`` where both fits are constant or a
        chain has fewer than four draws, and everything where draws are NaN or infinite. Jointly
        also where fewer than 20 independent draws are left; constants that the fits share are
        left out.

    Raises
    ------
    ValueError
        If there are fewer than two fits, `reference` or `var_names` are not among them, the fits
        have no variable in common, or the dims or coordinates of a variable differ.
    KeyError
        If a fit has no group ``posterior``.
    TypeError
        If `fits` is no mapping, or a fit is none of the above.

    References
    ----------
    .. [1] Vehtari, Gelman, Simpson, Carpenter and Bürkner (2021). Rank-normalization, folding,
       and localization: an improved R-hat. Bayesian Analysis 16(2).
    .. [2] Ramdas, García Trillos and Cuturi (2017). On Wasserstein two-sample testing and
       related families of nonparametric tests. Entropy 19(2), 47.
    .. [3] Lopez-Paz and Oquab (2017). Revisiting classifier two-sample tests. ICLR.
    .. [4] Lueckmann, Boelts, Greenberg, Gonçalves and Macke (2021). Benchmarking simulation-based
       inference. AISTATS.
    .. [5] Gretton, Borgwardt, Rasch, Schölkopf and Smola (2012). A kernel two-sample test. JMLR 13.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> rng = np.random.default_rng(1)
    >>> draws = {name: rng.normal(mean, 1, (4, 1000)) for name, mean in {"a": 0.5, "b": 0}.items()}
    >>> fits = {name: xr.Dataset({"mu": (("chain", "draw"), x)}) for name, x in draws.items()}
    >>> compare(fits).loc["mu", "mean_difference"].round(1)
    np.float64(0.5)
    """
    check_fits(fits, 2)
    reference = list(fits)[-1] if reference is None else reference
    if reference not in fits:
        raise ValueError(
            f"reference: expected one of {', '.join(fits)}, got {reference!r}. "
            "Name one of the fits, or leave it out for the last one."
        )
    parameters = aligned_parameters(fits, var_names=var_names, reference=reference)
    base = parameters.pop(reference)
    of_base, apart = moments(base.draws), spacing(base.draws)
    tables = {
        name: pd.concat(
            [
                pd.DataFrame(distances(fit.draws, base.draws, of_base), fit.labels),
                _jointly(fit, base, apart),
            ]
        ).rename_axis("parameter")
        for name, fit in parameters.items()
    }
    if len(tables) == 1:
        return next(iter(tables.values()))
    return pd.concat(tables, names=["fit"])


def _jointly(fit: Parameters, base: Parameters, of_base: np.ndarray) -> pd.DataFrame:
    """Tests of all parameters of a dataset, one row for each dataset."""
    owners, datasets = np.array(fit.datasets), list(dict.fromkeys(fit.datasets))
    of_fit = spacing(fit.draws)
    rows = []
    for dataset in datasets:
        own = owners == dataset
        apart = (of_fit[own].max(), of_base[own].max())
        rows.append(joint_test(fit.draws[..., own], base.draws[..., own], apart, len(datasets)))
    labels = [f"jointly[{dataset}]" if dataset else "jointly" for dataset in datasets]
    return pd.DataFrame(rows, labels)
