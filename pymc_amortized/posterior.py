"""The amortized posterior of a model: what training leaves behind, and what users call."""

import json
import time
from collections.abc import Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
import pymc as pm
import xarray as xr

from pymc_amortized.arguments import check_count, chosen_names, generator
from pymc_amortized.calibration import FEWEST_SIMULATIONS, calibrate, check_condition, replicate
from pymc_amortized.cores import spared_cores
from pymc_amortized.data import Datasets, Observed, read_datasets
from pymc_amortized.density import Density
from pymc_amortized.familiarity import Familiarity
from pymc_amortized.inference_data import assemble
from pymc_amortized.lengthening import lengthened, too_long
from pymc_amortized.machinery import Machinery
from pymc_amortized.missing import Missing, missing_data
from pymc_amortized.parameters import Parameters
from pymc_amortized.points import read_points
from pymc_amortized.preconditioning import Preconditioner
from pymc_amortized.progress import progress_bar
from pymc_amortized.refinement import check_refine
from pymc_amortized.results import (
    labelled_groups,
    warn_of_chains,
    warn_of_lengths,
    warn_of_nothing,
    warn_of_ranges,
    warn_of_surprise,
    warn_of_weights,
)
from pymc_amortized.sharing import Turns
from pymc_amortized.structure import (
    check_unchanged,
    observed_names,
    varied_names,
)
from pymc_amortized.structure import constant_data as constant_values

if TYPE_CHECKING:
    from arviz import InferenceData

    from pymc_amortized.networks import Network

__all__ = ["AmortizedPosterior"]

HISTORY = ("simulations", "loss", "held_out_loss", "learning_rate", "seconds")
"""What is kept of each round of training."""


class _Default(str):
    """A default that can be told from the same value passed by a user."""

    __slots__ = ()


PSIS = _Default("psis")


class AmortizedPosterior:
    """The posterior of a model for any dataset, trained once.

    Made by :func:`pymc_amortized.fit` or :func:`pymc_amortized.load`. Threads may share it: their
    calls wait for each other. Processes have to be spawned, not forked, and to load it each.

    Parameters
    ----------
    model : pm.Model
        The model, which is not changed.
    parameters : Parameters
        Its free variables as one vector.
    preconditioner : Preconditioner
        The linear part of the posterior.
    network : Network
        The rest of it, trained.
    familiarity : Familiarity
        What simulations are recognized by.
    settings : dict
        What is known of the training run.
    missing : Missing, optional
        What is missing of simulated data; by default nothing is.
    log_joint : Density, optional
        The model's, where it has been compiled.
    """

    def __init__(
        self,
        model: pm.Model,
        parameters: Parameters,
        preconditioner: Preconditioner,
        network: "Network",
        familiarity: Familiarity,
        settings: Mapping[str, Any],
        *,
        missing: Missing | None = None,
        log_joint: Density | None = None,
    ) -> None:
        self.model = model
        self.settings = dict(settings)
        self._parameters, self._preconditioner = parameters, preconditioner
        self._network, self._familiarity = network, familiarity
        vectorized = self.settings["vectorized"]
        trained = (preconditioner, network, familiarity)
        self._missing = missing_data(model, None) if missing is None else missing
        gaps = self._missing.draw
        self._parts = Machinery(model, parameters, *trained, vectorized, gaps, log_joint)
        self._constants = constant_values(model)
        self._longer: dict[tuple[Any, ...], AmortizedPosterior] = {}
        self._turns = Turns()

    def __repr__(self) -> str:
        """Name what is inferred from what, and the dims whose order is of no account."""
        free, observed = self._parameters.names, observed_names(self.model)
        dims = ", ".join(self.settings.get("exchangeable", []))
        found = f", exchangeable: {dims}" if dims else ""
        return f"AmortizedPosterior({', '.join(free)} | {', '.join(observed)}{found})"

    @property
    def history(self) -> xr.Dataset:
        """The training run: ``simulations``, ``loss`` and more, each of dims ``(round,)``."""
        rounds = np.reshape(self.settings["rounds"], (-1, len(HISTORY)))
        columns = {name: ("round", rounds[:, k]) for k, name in enumerate(HISTORY)}
        return xr.Dataset(columns).assign(simulations=("round", rounds[:, 0].astype(int)))

    def sample(
        self,
        observed: Observed | None = None,
        *,
        draws: int = 1000,
        chains: int = 4,
        var_names: Sequence[str] | None = None,
        refine: str | None = PSIS,
        predictive: bool = False,
        random_seed: Any = None,
        progressbar: bool = True,
    ) -> "InferenceData | xr.DataTree":
        """Draw from the posterior of one dataset, or of many at once.

        Parameters
        ----------
        observed : mapping of str to array_like, or xarray.Dataset, optional
            Values of all observed variables, and of the ``pm.Data`` that the posterior was trained
            to let vary; by default the model's own, as they are at the call. A list of mappings is
            many datasets, of different lengths where these vary. NaN, or masked, where
            values are missing that it was trained to go without. One leading axis more
            than a variable has (the dim ``dataset``), or xarray dims that it does not have, are
            many datasets, which are matched by their labels where they have any. Where data vary,
            values without such dims are those of every dataset.
        draws : int, default 1000
            Draws in each chain, at least 1.
        chains : int, default 4
            Chains that the draws are split over, at least 1. All draws are independent; chains
            are for ArviZ's sake.
        var_names : sequence of str, optional
            Free variables and deterministics to return; by default all that the posterior was
            trained for, and the deterministics that follow from these.
        refine : {"psis", "auto", None}, default "psis"
            ``"psis"`` draws from the network more than is asked for, weights these draws by the
            model's density over the network's, smooths the weights and chooses by them.
            ``"auto"`` does the same, and draws by NUTS for the datasets whose weights then cannot
            be trusted or are worth few draws: nutpie's where that is installed, else PyMC's,
            started from the weighted draws with the metric that they tell. None returns the
            network's own draws: the only way, and the default, for models without a likelihood and
            where some free variables are integrated out.
        predictive : bool, default False
            Also draw the observed variables anew, once for each draw of the parameters: the group
            ``posterior_predictive``, as ``pm.sample_posterior_predictive`` has it.
        random_seed : int, sequence of int or numpy.random.Generator, optional
            The same seed gives the same draws.
        progressbar : bool, default True
            Show the progress.

        Returns
        -------
        arviz.InferenceData or xarray.DataTree
            What ``pm.sample`` of the installed PyMC returns, with the dims of the datasets behind
            ``(chain, draw)``. Where the model has a likelihood and no free variable is integrated
            out, ``sample_stats`` holds ``lp``, its log joint, ``log_q``, the amortized posterior's
            log density, both of the unconstrained parameters, as ``pm.sample`` has ``lp``, and
            ``log_weight``: ``lp`` minus the log density that was drawn from, which is ``log_q`` but
            for the wider noise of refined draws; else ``log_q`` alone. Discrete variables are
            unconstrained too, by a uniform added to each: both densities then hold the
            log-determinant of the way back. The group ``amortized`` has one value a dataset:
            ``pareto_k`` of the weights, below 0.7 where they can be trusted, ``importance_ess`` of
            the proposals, ``log_marginal_likelihood`` and its standard error; and in any case
            ``refined_by`` ("psis", "nuts" or "none") and ``surprise``, the probability that data
            made by the model lie as far or further from those that the network was trained on;
            with ``"auto"`` the largest ``r_hat``, the smallest bulk ``ess`` and the
            ``divergences`` of the chains of NUTS, NaN elsewhere.

        Raises
        ------
        TypeError, ValueError
            If `observed` does not fit the model's observed variables, or lies outside the support
            of their distributions, or another argument is out of range; if `refine` asks for
            weights and the model has no likelihood, or if it or `predictive` needs free variables
            that are integrated out.

        Warns
        -----
        UserWarning
            Naming the datasets whose Pareto k is too large, or that have no weights at all, or
            whose weights are worth few draws, or whose chains of NUTS do not agree, or that are
            unlike all that was trained on; and where NUTS was interrupted: the datasets that it
            had finished are kept.

        References
        ----------
        Vehtari, Simpson, Gelman, Yao and Gabry (2024), Pareto smoothed importance sampling, JMLR
        25. Dax, Green, Gair, Pürrer, Wildberger, Macke, Buonanno and Schölkopf (2023), Neural
        importance sampling for rapid and reliable gravitational-wave inference, PRL 130.

        Examples
        --------
        >>> idata = amortized.sample(draws=500, random_seed=2)  # doctest: +SKIP
        """
        started = time.perf_counter()
        every = [*self._parameters.names, *self._parameters.derived]
        names = chosen_names(var_names, every)
        check_count("draws", draws)
        check_count("chains", chains)
        refined = self._refines(refine)
        with self._turns, spared_cores():
            if longest := too_long(self.model, observed):
                options = {
                    "draws": draws,
                    "chains": chains,
                    "var_names": var_names,
                    "refine": refined,
                }
                options |= {"predictive": predictive, "random_seed": random_seed}
                return self._lengthened(longest).sample(
                    observed, **options, progressbar=progressbar
                )
            datasets = self._read(observed)
            drawn = self._parts.draw(
                datasets.values,
                names,
                (chains, draws),
                generator(random_seed),
                refine=refined,
                predictive=predictive,
                progressbar=progressbar,
            )
            if refined == "auto":
                warn_of_chains(drawn, draws, datasets)
            warn_of_nothing(datasets, self._missing.draw)
            warn_of_lengths(self.settings.get("lengths", {}), self._parts.ends, datasets)
            warn_of_ranges(self.settings.get("varied", {}), datasets)
            warn_of_surprise(drawn.diagnosis["surprise"], datasets)
            if refined:
                warn_of_weights(drawn, draws * chains, datasets)
            groups = labelled_groups(self.model, drawn, (chains, draws), datasets)
            return assemble(groups, self._attributes(time.perf_counter() - started))

    def log_prob(
        self,
        parameters: Mapping[str, Any] | xr.Dataset,
        observed: Observed | None = None,
    ) -> xr.DataArray:
        """Log density of the amortized posterior, in the model's own, constrained parameters.

        Parameters
        ----------
        parameters : mapping of str to array_like, or xarray.Dataset
            Values of all free variables that the posterior was trained for. Leading axes that a
            variable does not have are points: one is called ``draw``, two ``(chain, draw)``; xarray
            dims keep their names.
        observed : mapping of str to array_like, or xarray.Dataset, optional
            As in :meth:`sample`. A dim of datasets that `parameters` have too is matched, any
            other is combined with all points.

        Returns
        -------
        xarray.DataArray
            With the dims of the points and of the datasets; -inf outside the support. The density
            is by the variables' values; of a simplex and the like by all but the last component,
            as PyMC's own densities are. Of discrete variables it is the probability mass, -inf
            between integers: the network's density averaged over 251 points of each integer's
            cell, which was right to three digits with one discrete element, to a hundredth with
            two and to four hundredths with six; with many it is rough.

        Raises
        ------
        TypeError, ValueError
            If names, shapes or coords are not those of the model's variables.
        """
        with self._turns, spared_cores():
            datasets = self._read(observed)
            points = read_points(self.model, self._parameters.names, parameters, datasets)
            return points.labelled(self._parts.sampler.log_prob(points, datasets.values))

    def calibrate(
        self,
        observed: Observed | None = None,
        *,
        simulations: int = 1000,
        draws: int = 200,
        random_seed: Any = None,
        progressbar: bool = True,
    ) -> "InferenceData | xr.DataTree":
        """Check the network alone on data that the model simulates: simulation-based calibration.

        Parameters and data are simulated anew; where the network's posteriors are right, the rank
        of each parameter among its posterior draws is uniform. By default parameters come from the
        prior, so that the network is checked for all data that the model makes. With `observed`
        they come from the posterior given these, so that it is checked for data alike: posterior
        SBC. The network's draws are then weighted by the likelihood of `observed`, which makes
        them draws given both data, and so does nothing to hide that they are wrong for one.

        Parameters
        ----------
        observed : mapping of str to array_like, or xarray.Dataset, optional
            A single dataset, as in :meth:`sample`, of a model that has a likelihood.
        simulations : int, default 1000
            Simulated datasets, at least 20: fewer say nothing.
        draws : int, default 200
            Posterior draws for each, at least 1. With `observed` up to 20 times as many are drawn
            for the weights to leave so many.
        random_seed : int, sequence of int or numpy.random.Generator, optional
            The same seed gives the same result.
        progressbar : bool, default True
            Show the progress.

        Returns
        -------
        arviz.InferenceData or xarray.DataTree
            Group ``prior_sbc``, with `observed` ``posterior_sbc``: ranks of the free variables,
            and (where ``sample`` gives ``lp``) of the log densities of the simulated data and of
            data and parameters, scaled into [0, 1], of dims ``(chain, draw, *variable dims)`` with
            one chain and a draw for each simulation, as ArviZ's ``plot_ecdf_pit`` takes them.
            Group ``calibration``, by ``quantity``: ``p_value`` and the verdict ``calibrated`` (not
            below 0.05), ``coverage`` of central intervals by ``level``, ``contraction`` of
            parameters (1 - posterior variance / variance of the truth), and by ``simulation``
            ``truth``, ``mean``, ``sd`` and ``z_score``; ``tarp_coverage`` and ``tarp_p_value`` of
            all parameters jointly; and the simultaneous 95 % ``band`` of the ranks' distribution
            function minus the uniform one. With `observed` also ``importance_ess`` by
            ``simulation``, the draws that the weights leave, and the attribute ``conditional_on``,
            which names the variables of `observed`.

        Raises
        ------
        TypeError, ValueError
            If an argument is out of range; if `observed` does not fit the model, holds several
            datasets, or is passed although the model has no likelihood.

        Warns
        -----
        UserWarning
            If the posterior given `observed` is not to be trusted, as in :meth:`sample`, or the
            weights leave less than a quarter of `draws`, so that the check sees little.

        References
        ----------
        Talts, Betancourt, Simpson, Vehtari and Gelman (2018), Validating Bayesian inference
        algorithms with simulation-based calibration, arXiv:1804.06788. Modrák, Moon, Kim, Bürkner,
        Huurre, Faltejsková, Gelman and Vehtari (2023), Simulation-based calibration checking for
        Bayesian computation: the choice of test quantities shapes sensitivity, Bayesian Analysis.
        Lemos, Coogan, Hezaveh and Perreault-Levasseur (2023), Sampling-based accuracy testing of
        posterior estimators for general inference, ICML. Säilynoja, Schmitt, Bürkner and Vehtari
        (2025), Posterior SBC: simulation-based calibration checking conditional on data,
        arXiv:2502.03279.
        """
        check_count("simulations", simulations, least=FEWEST_SIMULATIONS)
        check_count("draws", draws)
        with self._turns, spared_cores():
            check_unchanged(self.model, self._parameters.free, self._constants)
            datasets = None if observed is None else self._read(observed)
            check_condition(self._parts.unweighted, datasets)
            rng = generator(random_seed)
            total = simulations * draws
            with progress_bar("Calibrating", total, disable=not progressbar) as advance:
                given = None if datasets is None else datasets.values
                if given is None:
                    simulated = self._parts.forward.draw(simulations, int(rng.integers(2**31)))
                else:
                    drawn = replicate(
                        self._parts.sampler, self._parts.predict, given, simulations, rng
                    )
                    warn_of_surprise(drawn.diagnosis["surprise"], datasets)
                    warn_of_weights(drawn, simulations, datasets)
                    simulated = {n: v[0] for n, v in {**drawn.values, **drawn.predicted}.items()}
                    varied = varied_names(self.model)
                    simulated |= {n: np.repeat(given[n], simulations, axis=0) for n in varied}
                missing = self._missing if given is None else self._missing.like(given)
                parts = (self.model, self._parts.sampler, missing)
                groups = calibrate(*parts, simulated, draws, rng, given=given)
                advance(total)
            return assemble(groups)

    def save(self, path: str | PathLike[str]) -> None:
        """Write everything to one safetensors file, which holds numbers and no code.

        Parameters
        ----------
        path : str or path-like
            File to write; an existing one is replaced.

        Raises
        ------
        NotImplementedError
            If `summary` or `flow` did not come from this package's factories.
        """
        from pymc_amortized.storage import write

        parts = (self._preconditioner, self._network, self._familiarity, self._missing)
        write(path, self.model, *parts, self.settings, self._parameters.names)

    def __reduce__(self) -> Any:
        """Refuse to be pickled or copied."""
        raise TypeError(
            "AmortizedPosterior: cannot be pickled or copied. Write it with its method `save`, "
            "and read it with pma.load."
        )

    def _read(self, observed: Observed | None) -> Datasets:
        check_unchanged(self.model, self._parameters.free, self._constants)
        datasets = read_datasets(self.model, observed, self._missing)
        if self._parts.support is not None:
            self._parts.support.check(datasets)
        return datasets

    def _lengthened(self, longest: Mapping[str, int]) -> "AmortizedPosterior":
        """The same posterior, of data that may be longer than any it was trained on."""
        key = tuple(longest.items())
        if key not in self._longer:
            trained = (self._preconditioner, self._network)
            longer = lengthened(self._parts, longest, trained, self.settings)
            self._longer[key] = AmortizedPosterior(
                *longer, self._familiarity, self.settings, missing=self._missing
            )
        return self._longer[key]

    def _refines(self, refine: str | None) -> str | None:
        """How draws are refined, checked."""
        if self._parts.unweighted and refine is PSIS:
            return None
        check_refine(refine, self._parts.unweighted, self._parameters.discrete)
        return refine

    def _attributes(self, seconds: float) -> dict[str, Any]:
        return {
            "sampling_time": seconds,
            "inference_library_settings": json.dumps(self.settings),
        }
