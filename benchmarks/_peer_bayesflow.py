"""Train and draw with BayesFlow, in its own environment.

``python _peer_bayesflow.py IN.npz OUT.npz OPTIONS``
"""

import json
import os
import sys
import time

os.environ["KERAS_BACKEND"] = "jax"

import bayesflow as bf
import keras
import numpy as np


def main(source: str, target: str, options: dict) -> None:
    keras.utils.set_random_seed(1)
    arrays = dict(np.load(source))
    pairs = {name: arrays[name].astype("float32") for name in ("theta", "y")}
    adapter = (
        bf.Adapter().rename("theta", "inference_variables").rename("y", "inference_conditions")
    )
    network = bf.networks.CouplingFlow(**options["network"])
    workflow = bf.BasicWorkflow(
        adapter=adapter,
        inference_network=network,
        standardize=["inference_variables", "inference_conditions"],
    )
    start = time.perf_counter()
    workflow.fit_offline(pairs, epochs=options["epochs"], batch_size=options["batch"], verbose=0)
    seconds = time.perf_counter() - start
    observed = arrays["observed"].astype("float32")
    draws = drawn(workflow, observed, options["draws"])
    rates = [rate(workflow, observed[:1], number) for number in options["rates"]]
    np.savez(target, draws=draws, seconds=seconds, rates=rates)


def rate(workflow, one: np.ndarray, number: int) -> float:
    """Draws a second, after a first such call."""
    drawn(workflow, one, number)
    start = time.perf_counter()
    drawn(workflow, one, number)
    return number / (time.perf_counter() - start)


def drawn(workflow, observed: np.ndarray, number: int) -> np.ndarray:
    return workflow.sample(num_samples=number, conditions={"y": observed})["theta"]


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], json.loads(sys.argv[3]))
