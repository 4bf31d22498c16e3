"""The pictures of ``docs/benchmarks.md``, drawn from the tables in ``results``."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from _tables import RESULTS

FOLDER = RESULTS.parent.parent / "docs" / "images"
SIZES = ("2 parameters", "10 parameters")
WHO = {
    "ours": "pymc_amortized, as sbi",
    "sbi NSF": "sbi",
    "ours as BayesFlow": "pymc_amortized, as BayesFlow",
    "BayesFlow": "BayesFlow (JAX)",
}
COLORS = ("C0", "C1", "#9fc5e0", "C2")
MARKERS = {
    "ours": ("pymc_amortized", "o", "C0"),
    "sbi NSF": ("sbi, NSF", "s", "C1"),
    "sbi MAF": ("sbi, MAF", "d", "#f5b277"),
    "BayesFlow": ("BayesFlow", "^", "C2"),
}


def peers() -> plt.Figure:
    """Seconds of training with each, for each number of parameters."""
    measured = pd.read_csv(RESULTS / "peers-pymc6.csv", index_col="figure")["measured"]
    seconds = {
        who: [measured[f"{size}, {who}: seconds of 100 epochs"] for size in SIZES] for who in WHO
    }
    figure, axes = plt.subplots(figsize=(6.2, 3.2), layout="constrained")
    height = 0.8 / len(WHO)
    for place, (who, of_sizes) in enumerate(seconds.items()):
        y, style = np.arange(2) + place * height, {"label": WHO[who], "color": COLORS[place]}
        bars = axes.barh(y, of_sizes, 0.9 * height, **style)
        axes.bar_label(bars, fmt="%.0f", padding=3)
    axes.set(xlabel="seconds: 100 epochs of 10,000 simulations, compiling included")
    axes.set_yticks(np.arange(2) + 1.5 * height, SIZES)
    axes.invert_yaxis()
    axes.margins(x=0.1)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(frameon=False, loc="outside upper center", ncols=2)
    return figure


def accuracy() -> plt.Figure:
    """C2ST of raw draws with each, task by task."""
    table = pd.read_csv(RESULTS / "peers_accuracy-pymc6.csv").sort_values("ours")
    figure, axes = plt.subplots(figsize=(6.2, 3.4), layout="constrained")
    places = np.arange(len(table))
    for who, (label, marker, color) in MARKERS.items():
        axes.plot(table[who], places, marker, color=color, label=label, ls="none")
    axes.set_yticks(places, [name.replace("_", " ") for name in table["task"]])
    axes.set(xlabel="C2ST of raw draws after 10,000 simulations; 0.5 is exact", xlim=(0.48, 1.01))
    axes.invert_yaxis()
    axes.grid(axis="y", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="upper right")
    return figure


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    peers().savefig(FOLDER / "peers.png", dpi=150)
    accuracy().savefig(FOLDER / "peers_accuracy.png", dpi=150)


if __name__ == "__main__":
    main()
