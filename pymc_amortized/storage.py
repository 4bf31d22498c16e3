"""Amortized posteriors in safetensors files: numbers and their names, never code."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pymc as pm

from pymc_amortized.discovery import layout_of
from pymc_amortized.exchangeability import Found
from pymc_amortized.factories import MODULES, built_by, recipe_of
from pymc_amortized.familiarity import Familiarity
from pymc_amortized.forward import forward_sampler, varied_sampler
from pymc_amortized.imputation import seen_model
from pymc_amortized.lengths import lengths_of, resampled_lengths
from pymc_amortized.missing import Missing, masks, missing_data, resampled_masks
from pymc_amortized.named_dims import plain_model
from pymc_amortized.parameters import parameters
from pymc_amortized.posterior import AmortizedPosterior
from pymc_amortized.preconditioning import Preconditioner
from pymc_amortized.probes import check_probes, probes
from pymc_amortized.refusals import check_model
from pymc_amortized.sharing import check_not_forked
from pymc_amortized.structure import (
    constant_data,
    free_names,
    observed_names,
    shapes,
    sorted_names,
    varied_names,
)
from pymc_amortized.variation import resampled, varied_model

if TYPE_CHECKING:
    from pymc_amortized.networks import Network

__all__ = ["load", "write"]

FORMAT = "pymc_amortized"
FORMAT_VERSION = 4

VARIED_DRAWS = 2000
"""Draws of varied data that a file keeps, for calibration to draw from."""

MASKS = 2000
"""Masks of missing data that a file keeps, for calibration to draw from."""

Arrays = dict[str, np.ndarray]


def write(
    path: str | PathLike[str],
    model: pm.Model,
    preconditioner: Preconditioner,
    network: "Network",
    familiarity: Familiarity,
    missing: Missing,
    settings: Mapping[str, Any],
    var_names: Sequence[str],
) -> None:
    """Write an amortized posterior, see :meth:`AmortizedPosterior.save`.

    Parameters
    ----------
    path : str or path-like
        File to write.
    model : pm.Model
        What the posterior was trained on.
    preconditioner : Preconditioner
        Its linear part.
    network : Network
        Its networks.
    familiarity : Familiarity
        What simulations are recognized by.
    missing : Missing
        What is missing of simulated data.
    settings : mapping
        What is known of the training run.
    var_names : sequence of str
        The free variables that are inferred.
    """
    from safetensors.numpy import save_file

    if preconditioner.encoder.own:
        raise NotImplementedError(
            "summary: expected a factory of pymc_amortized.summaries alone, got a function too. "
            "A saved file holds no code, so only what factories return can be loaded again."
        )
    header = {
        "version": FORMAT_VERSION,
        "model": _description(model),
        **{argument: _recipe(argument, built) for argument, built in network.factories.items()},
        "settings": dict(settings),
        "var_names": list(var_names),
        "vary": varied_names(model),
        "missing": list(missing.draw),
    }
    arrays = {
        **_prefixed("preconditioner", preconditioner.arrays()),
        **_prefixed("weights", network.weights()),
        **_prefixed("familiarity", familiarity.arrays()),
        **_prefixed("constants", constant_data(model)),
        **_prefixed("probes", probes(model)),
        **_prefixed("vary", varied_sampler(model).draw(VARIED_DRAWS, 0)),
        **_prefixed("lengths", _pools(model)),
        **_prefixed("missing", masks(missing, MASKS, np.random.default_rng(0))),
    }
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    text = json.dumps(header)
    metadata = {FORMAT: text, "sha256": _checksum(arrays, text)}
    if Path(path).is_dir() or not Path(path).absolute().parent.is_dir():
        raise FileNotFoundError(f"path: expected a file in a folder that exists, got {path}.")
    temporary = Path(f"{path}.part")
    try:
        save_file(arrays, temporary, metadata=metadata)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def load(path: str | PathLike[str], model: pm.Model | None = None) -> AmortizedPosterior:
    """Read an amortized posterior that :meth:`AmortizedPosterior.save` wrote.

    Parameters
    ----------
    path : str or path-like
        The file. It holds no code, so that one from anywhere is safe to load.
    model : pm.Model, optional
        The model that the posterior was trained on, by default that of the context. It is checked:
        by names, shapes and data, and by its log density at points that the file holds. What a
        simulator without a density does inside cannot be checked. Data that vary are drawn
        from 2000 draws that the file holds, wherever they have to be simulated.

    Returns
    -------
    AmortizedPosterior
        As it was when saved; the same seed gives the same draws.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is truncated, altered or of another kind, or the model another one.
    RuntimeError
        In a fork of a process that loaded TensorFlow.

    Examples
    --------
    >>> amortized = pma.load("growth.safetensors", model)  # doctest: +SKIP
    """
    from pymc_amortized.networks import Network

    check_not_forked()
    model = seen_model(plain_model(pm.modelcontext(model)))
    header, arrays = _read(path)
    check_model(model)
    rows = _part("vary", arrays)
    vary = {name: resampled(rows[name]) for name in header["vary"]}
    pools = _part("lengths", arrays)
    model = varied_model(model, vary | {dim: resampled_lengths(pools[dim]) for dim in pools})
    _check_description(header["model"], _description(model))
    _check_constants(_part("constants", arrays), constant_data(model))
    example = forward_sampler(model, sort=sorted_names(model)).complete(2, 0)
    every = parameters(model, example)
    names = header.get("var_names", every.names)  # files of before var_names have all
    of_model = every if names == every.names else parameters(model, example, names)
    check_probes(model, every, _part("probes", arrays))
    settings = header["settings"]
    found = Found(settings["exchangeable"], settings["exchangeable_within"])
    rows = _part("missing", arrays)
    missing = missing_data(model, None)
    missing = missing._replace(draw={name: resampled_masks(rows[name]) for name in rows})
    layout = layout_of(model, of_model, found, gaps=bool(missing.draw))
    preconditioner = Preconditioner.from_arrays(layout, _part("preconditioner", arrays))
    inputs, size = preconditioner.encoder.inputs, len(preconditioner.intercept)
    built = (built_by(argument, header[argument]) for argument in ("summary", "flow"))
    network = Network(*built, inputs, size, seed=0)
    network.assign(_part("weights", arrays))
    familiarity = Familiarity.from_arrays(_part("familiarity", arrays))
    return AmortizedPosterior(
        model, of_model, preconditioner, network, familiarity, settings, missing=missing
    )


def _pools(model: pm.Model) -> Arrays:
    lengths = lengths_of(model)
    return {} if lengths is None else lengths.pools


def _read(path: str | PathLike[str]) -> tuple[dict[str, Any], Arrays]:
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise FileNotFoundError(f"path: expected a file, got {str(path)!r}, where there is none.")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(
            f"path: expected a file of AmortizedPosterior.save, got {str(path)!r}, which is "
            f"truncated or of another kind ({error}). Save it again."
        ) from error
    text = metadata.get(FORMAT)
    if text is None:
        raise ValueError(
            f"path: expected a file of AmortizedPosterior.save, got {str(path)!r}, a safetensors "
            "file that something else wrote."
        )
    if metadata.get("sha256") != _checksum(arrays, text):
        raise ValueError(
            f"path: expected {str(path)!r} as AmortizedPosterior.save wrote it, got one that was "
            "altered since: its checksum differs. Save it again."
        )
    header = json.loads(text)
    if header["version"] != FORMAT_VERSION:
        cure = (
            "Install a later pymc_amortized."
            if header["version"] > FORMAT_VERSION
            else ("Train again with pma.fit, or install the pymc_amortized that saved it.")
        )
        raise ValueError(
            f"path: expected a file of format {FORMAT_VERSION}, got {header['version']}. {cure}"
        )
    return header, arrays


def _checksum(arrays: Arrays, text: str) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _prefixed(prefix: str, arrays: Mapping[str, np.ndarray]) -> Arrays:
    return {f"{prefix}/{name}": np.asarray(array) for name, array in arrays.items()}


def _part(prefix: str, arrays: Arrays) -> Arrays:
    start = f"{prefix}/"
    return {n.removeprefix(start): array for n, array in arrays.items() if n.startswith(start)}


def _recipe(argument: str, built: Any) -> dict[str, Any]:
    recipe = recipe_of(argument, built)
    if recipe is None:
        raise NotImplementedError(
            f"{argument}: expected what a factory of {MODULES[argument]} returned, got a network "
            "of your own. A saved file holds no code, so only what factories return can be loaded "
            "again."
        )
    return recipe


def _description(model: pm.Model) -> dict[str, Any]:
    """Names, shapes and transforms of a model's variables, as JSON has them."""
    sizes = shapes(model)
    return {
        "free variables": {n: list(sizes[n]) for n in free_names(model)},
        "observed variables": {n: list(sizes[n]) for n in observed_names(model)},
        "transforms": {
            rv.name: type(transform).__name__ if transform is not None else None
            for rv, transform in ((rv, model.rvs_to_transforms[rv]) for rv in model.free_RVs)
        },
    }


def _check_description(saved: Mapping[str, Any], present: Mapping[str, Any]) -> None:
    for what, expected in saved.items():
        got = present[what]
        if list(expected.items()) != list(got.items()):
            raise ValueError(
                f"model: expected the {what} {expected}, which the file was trained on, got {got}. "
                "Load it with the model of then, or train again with pma.fit."
            )


def _check_constants(saved: Arrays, present: Arrays) -> None:
    for name in saved.keys() | present.keys():
        if not np.array_equal(saved.get(name), present.get(name)):
            raise ValueError(
                f"model: expected the data {name!r} that the file was trained on, got others. Set "
                "them with pm.set_data, or train again with pma.fit."
            )
