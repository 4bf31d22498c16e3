"""A posterior between threads, processes and copies."""

import copy
import os
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from threads import check_threads

import pymc_amortized as pma
from pymc_amortized import sharing
from pymc_amortized.inference_data import group

DATASETS = 6


def test_threads_get_what_each_would_get_alone(line: pma.AmortizedPosterior) -> None:
    simulated = pma.simulate(line.model, draws=DATASETS, random_seed=1, progressbar=False)
    y = group(simulated, "prior_predictive")["y"].to_numpy()[0]

    def drawn(k: int) -> list[np.ndarray]:
        options = {"draws": 100, "predictive": True, "random_seed": k, "progressbar": False}
        idata = line.sample({"y": y[k]}, **options)
        posterior = group(idata, "posterior").data_vars
        density = line.log_prob(group(idata, "posterior"), {"y": y[k]})
        predicted = group(idata, "posterior_predictive")["y"]
        weight = group(idata, "sample_stats")["log_weight"]
        return [v.to_numpy() for v in (*posterior.values(), predicted, weight, density)]

    check_threads(drawn, DATASETS)


CALLS = {
    "sample": lambda posterior: posterior.sample(draws=10, progressbar=False),
    "calibrate": lambda posterior: posterior.calibrate(simulations=100, progressbar=False),
    "log_prob": lambda posterior: posterior.log_prob({}),
    "fit": lambda posterior: pma.fit(posterior.model, progressbar=False),
    "load": lambda posterior: pma.load("not asked for", posterior.model),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_forked_process_is_refused(
    line: pma.AmortizedPosterior, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "_loaded_by", {os.getpid() + 1})
    with pytest.raises(RuntimeError, match=r"expected the process .* got a fork .*spawn"):
        CALLS[name](line)


@pytest.mark.parametrize("copied", [pickle.dumps, copy.copy, copy.deepcopy])
def test_copies_are_refused(line: pma.AmortizedPosterior, copied: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError, match=r"cannot be pickled or copied.*save.*load"):
        copied(line)
