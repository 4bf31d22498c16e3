"""Train and draw with sbi, in its own environment.

``python _peer_sbi.py IN.npz OUT.npz OPTIONS``
"""

import json
import sys
import time

import numpy as np
import torch
from sbi.inference import NPE
from sbi.neural_nets import posterior_nn
from sbi.utils import BoxUniform


def main(source: str, target: str, options: dict) -> None:
    torch.manual_seed(1)
    arrays = {name: torch.tensor(a, dtype=torch.float32) for name, a in np.load(source).items()}
    prior = BoxUniform(*arrays["bounds"])
    sizes = {"hidden_features": 50, "num_transforms": 5}
    sizes |= {"num_bins": 10} if options["flow"] == "nsf" else {}
    npe = NPE(prior, density_estimator=posterior_nn(options["flow"], **sizes))
    npe.append_simulations(arrays["theta"], arrays["y"])
    start = time.perf_counter()
    npe.train(training_batch_size=200, **options["train"])
    seconds = time.perf_counter() - start
    posterior = npe.build_posterior()
    draws = [drawn(posterior, x, options["draws"]) for x in arrays["observed"]]
    rates = [rate(posterior, arrays["observed"][0], number) for number in options["rates"]]
    epochs = npe.summary["epochs_trained"][0]
    steps = epochs * (len(arrays["theta"]) * 0.9 // 200)
    np.savez(target, draws=draws, seconds=seconds, steps=steps, rates=rates)


def rate(posterior, x: torch.Tensor, number: int) -> float:
    """Draws a second, after a first such call."""
    drawn(posterior, x, number)
    start = time.perf_counter()
    drawn(posterior, x, number)
    return number / (time.perf_counter() - start)


def drawn(posterior, x: torch.Tensor, number: int) -> np.ndarray:
    return posterior.sample((number,), x=x, show_progress_bars=False).numpy()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], json.loads(sys.argv[3]))
