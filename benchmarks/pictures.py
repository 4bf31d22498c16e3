"""The pictures of ``docs/benchmarks.md``, drawn from the tables in ``results``."""

import matplotlib.pyplot as plt
import numpy as np
from _report import RESULTS, former

FOLDER = RESULTS.parent.parent / "docs" / "images"
SIZES = ("2 parameters", "10 parameters")
WHO = {"ours": "pymc_amortized", "BayesFlow": "BayesFlow (JAX)", "sbi NSF": "sbi"}


def peers() -> plt.Figure:
    """Seconds of training with each, for each number of parameters."""
    rows = former(RESULTS / "peers-pymc6.md")
    seconds = {
        who: [value(rows, f"{size}, {who}: seconds of 100 epochs") for size in SIZES] for who in WHO
    }
    figure, axes = plt.subplots(figsize=(6.2, 2.8), layout="constrained")
    height = 0.8 / len(WHO)
    for place, (who, of_sizes) in enumerate(seconds.items()):
        bars = axes.barh(np.arange(2) + place * height, of_sizes, 0.9 * height, label=WHO[who])
        axes.bar_label(bars, fmt="%.0f", padding=3)
    axes.set(xlabel="seconds: 100 epochs of 10,000 simulations, compiling included")
    axes.set_yticks(np.arange(2) + height, SIZES)
    axes.invert_yaxis()
    axes.margins(x=0.1)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="upper right", bbox_to_anchor=(1, 1.05))
    return figure


def value(rows: dict[str, str], what: str) -> float:
    return float(rows[what].split(" | ")[1])


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    peers().savefig(FOLDER / "peers.png", dpi=150)


if __name__ == "__main__":
    main()
