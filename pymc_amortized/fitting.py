"""From a PyMC model to an amortized posterior."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pymc as pm

from pymc_amortized.arguments import chosen_names, generator
from pymc_amortized.cores import spared_cores
from pymc_amortized.data import read_datasets
from pymc_amortized.density import Density, density
from pymc_amortized.discovery import check_exchangeable, discovered, honoured
from pymc_amortized.ends import DensityByLength, ends_of, seen_density
from pymc_amortized.exchangeability import Found
from pymc_amortized.factories import is_factory
from pymc_amortized.familiarity import REFERENCES, Familiarity, fit_familiarity, traits
from pymc_amortized.feeding import Pairs, feed, prepared
from pymc_amortized.fit_warnings import (
    warn_of_covariates,
    warn_of_loop,
    warn_of_no_density,
    warn_of_no_likelihood,
    warn_of_training,
)
from pymc_amortized.forward import forward_sampler
from pymc_amortized.imputation import seen_model
from pymc_amortized.interrupts import uninterrupted
from pymc_amortized.lengths import lengths_of
from pymc_amortized.missing import Missing, missing_data, unknown_density
from pymc_amortized.named_dims import plain_model
from pymc_amortized.own_summaries import read_summary
from pymc_amortized.parameters import parameters, split
from pymc_amortized.posterior import AmortizedPosterior
from pymc_amortized.preconditioning import Preconditioner, fit_preconditioner
from pymc_amortized.progress import progress_bar
from pymc_amortized.refusals import check_model, check_prior
from pymc_amortized.sharing import check_not_forked
from pymc_amortized.simulation import Simulator
from pymc_amortized.sources import FEWEST_SIMULATIONS, Source, simulation_source
from pymc_amortized.structure import (
    dims_of,
    free_names,
    has_likelihood,
    observed_names,
    shapes,
    sorted_names,
    varied_names,
)
from pymc_amortized.support import data_support, support_draws
from pymc_amortized.variation import varied_model

if TYPE_CHECKING:
    from pymc_amortized.networks import Network
    from pymc_amortized.training import History

__all__ = ["fit"]

ASKED = 10
"""Draws at which the log joint is asked what it does not tell apart."""

EXAMPLES = {"flow": "pma.flows.spline_coupling()"}

Factory = Callable[..., Any]


def fit(
    model: pm.Model | None = None,
    *,
    var_names: Sequence[str] | None = None,
    vary: Mapping[str, Any] | None = None,
    missing: Mapping[str, Any] | None = None,
    exchangeable: str | Sequence[str] = "auto",
    simulations: Any = None,
    max_seconds: float | None = None,
    vectorized: bool = False,
    summary: Any = None,
    flow: Factory | None = None,
    random_seed: Any = None,
    progressbar: bool = True,
) -> AmortizedPosterior:
    """Train a model's amortized posterior.

    Simulates parameters and data from the model and trains a conditional normalizing flow to give
    the distribution of the parameters that made given data, until the loss on held-out
    simulations stops improving; the learning rate then falls to zero, from which the loss gains
    once more.

    Parameters
    ----------
    model : pm.Model, optional
        By default the model of the context. Its observed variables are what changes from dataset
        to dataset; everything else stays as it is, but for what `vary` names.
    var_names : sequence of str, optional
        Free variables to infer, by default all. The others are integrated out: they vary in the
        simulations, and the network learns the marginal posterior of those named, whose density
        the model does not give, so that draws are not refined.
    vary : mapping of str to distribution or callable, optional
        The ``pm.Data`` that change from dataset to dataset too (covariates, exposures, trial
        counts, scales of priors, ...), and what they are drawn from in simulations: a distribution
        made by ``.dist``, such as ``pm.Normal.dist(0, 1)``, independent along the leading axes that
        it lacks, or a function ``(rng, shape) -> array`` of a ``numpy.random.Generator``. Each
        independently of the others. Or dims whose lengths vary, and what these are drawn from, such
        as ``pm.DiscreteUniform.dist(5, 200)``; data along them have to vary too. Of lengths 10,000
        are drawn, once; the longest is the longest that `sample` takes. The posterior is that given
        all these: what they are drawn from only tells where it is accurate.
    missing : mapping of str to float or callable, optional
        The observed variables whose values may be missing, NaN in what is passed to `sample`, and
        what is missing in simulations: a part of all values, each on its own, such as 0.2, or a
        function ``(rng, shape) -> mask``, True where missing. What is missing must not depend on
        the values; then the posterior is that given what is seen.
    exchangeable : "auto" or sequence of str, default "auto"
        Dims of the data along which elements, with the parameters that go with them, may be
        permuted. By default the model is asked: where that leaves its log joint as it is, they are
        exchangeable, and the posterior does not depend on their order. Models without a likelihood
        have to be told. Axes without a dim are called as ArviZ calls them, such as ``y_dim_0``.
    simulations : int, InferenceData, DataTree, str or Path, optional
        By default fresh simulations are drawn throughout, the next while the present ones train.
        An int, at least 100, is a fixed budget for a costly simulator. What
        :func:`pymc_amortized.simulate` returned, or a netCDF file of it, is trained on as it is.
        Of a fixed number a tenth is held out, and the network's weights decay as much as lowers
        the held-out loss, so that less of the rest is learned by heart.
    max_seconds : float, optional
        Time for training in seconds, by default without limit. One round of steps is always
        finished, compiling it takes some 5 seconds. A warning says if time ran out before the
        held-out loss stopped improving. An interrupt after the first round ends training, and what
        was learned so far is kept.
    vectorized : bool, default False
        Whether the random functions of ``pm.Simulator`` and ``pm.CustomDist`` take parameters
        with a leading axis of draws, see :func:`pymc_amortized.simulate`.
    summary : callable, keras.layers.Layer, or list of these, optional
        What data are summarized by: from a factory of :mod:`pymc_amortized.summaries`, by default
        ``structured()``; a Keras layer, of the standardized data and statistics (datasets,
        features), with masks behind them where data may be missing; a function from a dict of
        arrays, datasets along their first axis and NaN where data are missing or have ended, to
        statistics (datasets, some), which then take the place of all others; or a list, of which
        all are used together. Layers are trained together with the flow: themselves, not copies,
        from the weights that they have, and called as in inference, so that dropout drops nothing.
    flow : callable, optional
        From a factory of :mod:`pymc_amortized.flows`; ``spline_coupling()`` by default.
    random_seed : int, sequence of int or numpy.random.Generator, optional
        The same seed on the same machine trains the same posterior, `max_seconds` and the initial
        weights of Keras layers aside.
    progressbar : bool, default True
        Show the progress.

    Returns
    -------
    AmortizedPosterior
        The posterior of any dataset like the model's own.

    Raises
    ------
    UnsupportedModelError
        If the model has no free or no observed variable; if a variable cannot be simulated
        (``pm.Flat``), or stands for something that simulations leave out (``pm.Minibatch``, a
        ``pm.Potential`` of data, a transform that restricts), or a free one is discrete and
        multivariate, or has no density by coordinates of its own (a prior with point masses).
    RuntimeError
        In a fork of a process that loaded TensorFlow.
    TypeError, ValueError
        If `vary` names what is no ``pm.Data`` that distributions depend on and no dim, or what they
        are drawn from does not fit, or the model fixes the length of a dim; if `missing`,
        `exchangeable` or `summary` is not as described; if data are not finite or outside the
        support of their distribution, or more than half of the model's simulations are NaN or
        infinite; if `var_names` holds what is no free variable, or lacks one that bounds of another
        depend on; if a random function is called vectorized, and is not.

    References
    ----------
    Papamakarios and Murray (2016), Fast epsilon-free inference of simulation models with Bayesian
    conditional density estimation, NeurIPS. Cranmer, Brehmer and Louppe (2020), The frontier of
    simulation-based inference, PNAS 117.

    Examples
    --------
    >>> import pymc as pm, pymc_amortized as pma
    >>> with pm.Model():
    ...     rate = pm.Gamma("rate", 2, 1)
    ...     _ = pm.Poisson("y", rate, observed=[3, 1, 2])
    ...     amortized = pma.fit(simulations=1000, random_seed=1, progressbar=False)
    >>> amortized
    AmortizedPosterior(rate | y)
    """
    check_not_forked()
    model = seen_model(plain_model(pm.modelcontext(model)))
    check_model(model)
    names = chosen_names(var_names, free_names(model))
    _check_options(simulations, max_seconds, flow=flow)
    plain, model = model, varied_model(model, vary)
    check_exchangeable(model, exchangeable)
    start = time.perf_counter()
    gaps = missing_data(model, missing)
    seeds = generator(random_seed).integers(2**31, size=4).tolist()
    _check_parameters(model, names)
    simulator = _simulator(model, names, gaps, vectorized, seeds[0])
    summaries = read_summary(summary, _example(simulator))
    _check_own_data(model, simulator)
    warn_of_covariates(model)
    warn_of_no_likelihood(model, plain)
    warn_of_no_density(model, gaps)
    source = simulation_source(model, simulator, simulations, seeds[0], progressbar)
    warn_of_loop(simulator.sampler.reason, source)
    log_joint = _log_joint(model, simulator)
    found = _discovered(model, exchangeable, log_joint, simulator)
    found, layout = honoured(model, simulator.parameters, found, gaps=bool(gaps.draw))
    pairs = source.training
    preconditioner = fit_preconditioner(pairs.vector, pairs.data, layout, summaries.statistics)
    network = _network(summaries.network, flow, preconditioner, seeds[2])
    history, dropped = _train(network, preconditioner, source, seeds[3], max_seconds, progressbar)
    with uninterrupted():  # which would lose what was learned
        amortized = AmortizedPosterior(
            model,
            simulator.parameters,
            preconditioner,
            network,
            _familiarity(network, preconditioner, source),
            settings={
                "simulations": _used(source, history),
                "dropped_simulations": dropped,
                "vectorized": simulator.sampler.vectorized,
                "training_seconds": time.perf_counter() - start,
                "converged": history.converged,
                "rounds": [list(r) for r in history.rounds],
                "varied": _ranges(model, source),
                "lengths": _length_ranges(model),
                "exchangeable": found.dims,
                "exchangeable_within": found.within,
            },
            missing=gaps,
            log_joint=log_joint,
        )
    warn_of_training(history, dropped, _used(source, history), max_seconds)
    return amortized


def _check_options(simulations: Any, max_seconds: Any, **factories: Any) -> None:
    number = isinstance(simulations, int | float | np.number | np.bool_)
    if number and (
        isinstance(simulations, bool)
        or not isinstance(simulations, int | np.integer)
        or simulations < FEWEST_SIMULATIONS
    ):
        raise ValueError(
            f"simulations: expected an integer of at least {FEWEST_SIMULATIONS}, got "
            f"{simulations!r}. Leave it out to draw fresh simulations throughout."
        )
    seconds = isinstance(max_seconds, int | float | np.number) and not isinstance(max_seconds, bool)
    if max_seconds is not None and not (seconds and max_seconds > 0):
        raise ValueError(f"max_seconds: expected a positive number, got {max_seconds!r}.")
    for name, factory in factories.items():
        own = is_factory(name, factory)
        if factory is not None and (own or not callable(factory)):
            got = f"{factory.__name__} itself" if own else repr(factory)
            raise TypeError(
                f"{name}: expected what a factory returns, such as {EXAMPLES[name]}, got {got}."
            )


def _check_parameters(model: pm.Model, names: list[str]) -> None:
    """Refuse parameters whose number would vary."""
    lengths = lengths_of(model)
    for name, dims in dims_of(model).items() if lengths else ():
        if name in names and (own := [dim for dim in dims if dim in lengths.pools]):
            raise ValueError(
                f"vary: expected dims of data alone, got {own[0]!r}, along which {name!r} has as "
                "many parameters. Leave it out, or name other free variables in var_names: "
                f"{name!r} is then integrated out."
            )


def _example(simulator: Simulator) -> dict[str, np.ndarray]:
    """A few simulations of the data."""
    draws = simulator.sampler.draw(ASKED, 0)
    observed = {name: draws[name] for name in simulator.observed}
    return simulator.missing.apply(observed, np.random.default_rng(0))


def _check_own_data(model: pm.Model, simulator: Simulator) -> None:
    """Refuse own data that are impossible, before the training that has no use for them."""
    datasets = read_datasets(model, None, simulator.missing)
    if has_likelihood(model):
        data_support(model, support_draws(model, simulator.sampler)).check(datasets)


def _simulator(
    model: pm.Model, names: list[str], gaps: Missing, vectorized: bool, seed: int
) -> Simulator:
    sort = sorted_names(model)
    sampler = forward_sampler(model, sort=sort, trusted=vectorized)
    of_model = parameters(model, sampler.complete(2, seed), names)
    check_prior(model, sort, of_model)
    return Simulator(sampler, of_model, observed_names(model), gaps)


def _log_joint(model: pm.Model, simulator: Simulator) -> Density | DensityByLength | None:
    """The log joint, where it is a function of what is inferred and seen."""
    gaps = simulator.missing.draw
    if simulator.parameters.integrated_out or unknown_density(model, gaps):
        return None
    if not has_likelihood(model):
        return None
    complete = simulator.sampler.complete(ASKED, 0)
    ends = ends_of(model, complete, coupled=simulator.sampler.coupled)
    return seen_density(model, simulator.parameters, list(gaps), ends, complete)


def _discovered(
    model: pm.Model,
    exchangeable: str | Sequence[str],
    log_joint: Density | DensityByLength | None,
    simulator: Simulator,
) -> Found:
    draws = simulator.sampler.complete(ASKED, 0)
    of_model = simulator.parameters
    if not isinstance(log_joint, Density) and has_likelihood(model):
        of_model = parameters(model, draws)
        log_joint = density(model, of_model.shapes)
    within = of_model.dequantized(draws, np.random.default_rng(0))
    observed = {name: draws[name] for name in simulator.observed}
    return discovered(model, exchangeable, log_joint, of_model.unconstrain(within)[0], observed)


def _network(
    summary: Factory | None, flow: Factory | None, preconditioner: Preconditioner, seed: int
) -> "Network":
    from pymc_amortized import flows, summaries
    from pymc_amortized.networks import Network

    inputs, size = preconditioner.encoder.inputs, len(preconditioner.intercept)
    return Network(
        summary or summaries.structured(), flow or flows.spline_coupling(), inputs, size, seed
    )


def _train(
    network: "Network",
    preconditioner: Preconditioner,
    source: Source,
    seed: int,
    max_seconds: float | None,
    progressbar: bool,
) -> tuple["History", int]:
    """Train; also counts the simulations that were dropped on the way."""
    from pymc_amortized.training import train

    dropped = [source.dropped]
    bar = progress_bar("Training", unit="steps", columns={"loss": ".3f"}, disable=not progressbar)
    with spared_cores(), bar as advance, feed(source, preconditioner, seed) as rounds:

        def batches() -> Pairs:
            lost, arrays = next(rounds)
            dropped.append(lost)
            return arrays

        history = train(
            network,
            batches,
            prepared(preconditioner, source.held_out),
            steps=source.steps,
            batch=source.batch,
            epoch=source.epoch,
            max_seconds=max_seconds,
            advance=advance,
        )
    return history, sum(dropped)


def _used(source: Source, history: "History") -> int:
    """How many simulations were trained on or held out."""
    first = len(source.training) + len(source.held_out)
    return first + (history.rounds[-1].simulations if source.fresh else 0)


def _familiarity(network: "Network", preconditioner: Preconditioner, source: Source) -> Familiarity:
    data = np.concatenate([source.training.data, source.held_out.data])
    features = preconditioner.encoder.encode(data).features
    found = traits(network.summaries(features), features)
    references = min(REFERENCES, len(data) // 2)
    return fit_familiarity(found[:references], found[references:])


def _ranges(model: pm.Model, source: Source) -> dict[str, list[float]]:
    """Smallest and largest value of each varied ``pm.Data`` in simulations."""
    sizes = {name: shapes(model)[name] for name in observed_names(model)}
    data = split(np.concatenate([source.training.data, source.held_out.data]), sizes)
    values = dict(zip(sizes, data, strict=True))
    ranges = {n: (np.nanmin(values[n]), np.nanmax(values[n])) for n in varied_names(model)}
    return {name: list(map(float, both)) for name, both in ranges.items()}


def _length_ranges(model: pm.Model) -> dict[str, list[int]]:
    """Smallest and largest length of each dim that varies in simulations."""
    lengths = lengths_of(model)
    pools = {} if lengths is None else lengths.pools
    return {dim: [int(pool.min()), int(pool.max())] for dim, pool in pools.items()}
