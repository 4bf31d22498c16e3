"""Peers in environments of their own, made where there are none in ``environments``."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from tasks import TASKS, references

from pymc_amortized.forward import forward_sampler
from pymc_amortized.parameters import parameters

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


def simulations(name: str) -> Found:
    """Of a task, as peers take them: parameters and data as vectors, bounds of parameters."""
    y, _ = references(name)
    sampler = forward_sampler(TASKS[name].build(y[0]))
    draws = sampler.draw(SIMULATIONS, 1)
    of_model = parameters(TASKS[name].build(y[0]), sampler.complete(2, 1))
    edges = np.full((2, of_model.size), FAR) * [[-1], [1]]
    return {
        "theta": vectors(draws, of_model.names),
        "y": draws["y"].reshape(SIMULATIONS, -1),
        "bounds": np.clip(vectors(of_model.constrain(edges)[0], of_model.names), -(FAR**3), FAR**3),
        "observed": y.reshape(len(y), -1),
    }


def vectors(draws: dict[str, np.ndarray], names: list[str]) -> np.ndarray:
    return np.hstack([draws[name].reshape(len(draws[name]), -1) for name in names])
