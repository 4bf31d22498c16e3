"""Amortized Bayesian inference for PyMC: train once, then get any later posterior at once."""

from typing import Any

from pymc_amortized.calibration_plots import plot_calibration, plot_recovery
from pymc_amortized.comparison import compare
from pymc_amortized.comparison_plots import plot_compare
from pymc_amortized.evidence import compare_models
from pymc_amortized.exceptions import UnsupportedModelError
from pymc_amortized.fitting import fit
from pymc_amortized.khat_plots import plot_khat
from pymc_amortized.plots import plot_training
from pymc_amortized.posterior import AmortizedPosterior
from pymc_amortized.simulation import simulate
from pymc_amortized.storage import load

__version__ = "0.1.0"

__all__ = [
    "AmortizedPosterior",
    "UnsupportedModelError",
    "compare",
    "compare_models",
    "fit",
    "flows",
    "load",
    "plot_calibration",
    "plot_compare",
    "plot_khat",
    "plot_recovery",
    "plot_training",
    "simulate",
    "summaries",
]


def __getattr__(name: str) -> Any:
    # what needs TensorFlow is imported when it is first asked for
    if name in ("flows", "summaries"):
        from importlib import import_module

        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
