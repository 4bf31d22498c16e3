"""Peers in environments of their own, made where there are none in ``environments``."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pymc as pm
import xarray as xr
from tasks import TASKS, references

from pymc_amortized.forward import forward_sampler
from pymc_amortized.inference_data import labelled
from pymc_amortized.parameters import parameters
from pymc_amortized.structure import free_names, observed_names

FOLDER = Path(__file__).resolve().parent
ENVIRONMENTS = FOLDER / "environments"
REQUIREMENTS = {"sbi": (["torch==2.13.0"], ["sbi"]), "bayesflow": (["bayesflow", "jax"],)}
SIMULATIONS, EPOCHS, DRAWS = 10_000, 100, 10_000

FAR = 1e3
"""Unconstrained values of what no prior draws."""

Found = dict[str, np.ndarray]


def python(peer: str) -> str:
    """That of an environment with a peer in it, made if there is none."""
    path = ENVIRONMENTS / peer / "bin" / "python"
    if not path.exists():
        subprocess.run([sys.executable, "-m", "venv", ENVIRONMENTS / peer], check=True)
        for packages in REQUIREMENTS[peer]:
            subprocess.run([path, "-m", "pip", "install", "--quiet", *packages], check=True)
    return str(path)


def run(peer: str, arrays: Found, **options: object) -> Found:
    """Train and draw in a peer's process."""
    executable = python(peer)
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.npz", Path(folder) / "out.npz"
        np.savez(source, **arrays)
        script = FOLDER / f"_peer_{peer}.py"
        options = json.dumps({"draws": DRAWS, "rates": (), **options})
        command = [executable, script, source, target, options]
        subprocess.run(command, check=True, cwd=folder)  # sbi writes logs where it runs
        return dict(np.load(target))


def drawn(name: str) -> tuple[pm.Model, Found]:
    """A task's model, and the draws of its variables that all are trained on."""
    y, _ = references(name)
    model = TASKS[name].build(y[0])
    return model, forward_sampler(model).draw(SIMULATIONS, 1)


def as_groups(model: pm.Model, draws: Found) -> xr.DataTree:
    """Simulations as `fit` takes them."""
    names = {"prior": free_names(model), "prior_predictive": observed_names(model)}
    leading = {"chain": None, "draw": None}
    groups = {
        group: labelled(model, {name: draws[name][None] for name in of_group}, leading)
        for group, of_group in names.items()
    }
    return xr.DataTree.from_dict(groups)


def as_vectors(name: str) -> Found:
    """Simulations as peers take them: parameters, data, bounds of parameters, what is observed."""
    y, _ = references(name)
    model, draws = drawn(name)
    of_model = parameters(model, forward_sampler(model).complete(2, 1))
    edges = np.full((2, of_model.size), FAR) * [[-1], [1]]
    return {
        "theta": vectors(draws, of_model.names),
        "y": draws["y"].reshape(SIMULATIONS, -1),
        "bounds": np.clip(vectors(of_model.constrain(edges)[0], of_model.names), -(FAR**3), FAR**3),
        "observed": y.reshape(len(y), -1),
    }


def vectors(draws: dict[str, np.ndarray], names: list[str]) -> np.ndarray:
    return np.hstack([draws[name].reshape(len(draws[name]), -1) for name in names])
