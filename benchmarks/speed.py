"""Times and memory: import, forward sampling, posteriors, training as sizes grow, the demo.

``python benchmarks/speed.py [names ...]``: imports, forward, posteriors, drawing, second_fit,
reaching, growth, demo; `reaching` after ``tasks.py``.
"""

import runpy
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from statistics import median

import pymc as pm
from _engine import alone, drawing, growing, second_fit, timed
from _reaching import reaching
from _report import Figure, at_least, at_most, report

import pymc_amortized as pma
from pymc_amortized.forward import forward_sampler

EXAMPLES = Path(__file__).parents[1] / "examples"
sys.path.insert(0, str(EXAMPLES))
from gapminder import growth, life_expectancy  # noqa: E402

IMPORTS = """
import sys, time
import pymc
start = time.perf_counter()
import pymc_amortized
print(time.perf_counter() - start, "tensorflow" in sys.modules)
"""
REPEATS = 5
DRAWS = 10_000


def demo() -> list[Figure]:
    """The whole demo in a process of its own, compilation and NUTS included."""
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        seconds = timed(lambda: found.update(alone(partial(run_demo, folder))))
    return [at_most("make demo, seconds", seconds, 180), at_most("make demo, GB", found["GB"], 3)]


def run_demo(folder: str) -> dict[str, float]:
    sys.argv[1:] = [folder]
    runpy.run_path(str(EXAMPLES / "gapminder.py"), run_name="__main__")
    return {}


def imports() -> list[Figure]:
    runs = [
        subprocess.run([sys.executable, "-c", IMPORTS], check=True, capture_output=True, text=True)
        for _ in range(REPEATS)
    ]
    pairs = [run.stdout.split() for run in runs]
    loaded = sum(with_tensorflow == "True" for _, with_tensorflow in pairs)
    return [
        at_most("import after pymc, seconds", median(float(s) for s, _ in pairs), 0.3),
        at_most("imports that load TensorFlow", loaded, 0),
    ]


def posteriors(model: pm.Model) -> list[Figure]:
    """Every country's posterior in one call, after a first one."""
    y = life_expectancy()
    amortized = pma.fit(model, random_seed=1)
    amortized.sample(draws=10, random_seed=1)
    calls = [
        timed(lambda: amortized.sample({"y": y}, random_seed=1, progressbar=False))
        for _ in range(REPEATS)
    ]
    one = [
        timed(lambda: amortized.sample(random_seed=1, progressbar=False)) for _ in range(REPEATS)
    ]
    return [
        at_most("142 datasets x 4000 draws, seconds", median(calls), 2),
        at_most("1 dataset x 4000 draws, seconds", median(one), 0.5),
    ]


def forward(model: pm.Model) -> list[Figure]:
    """Both compiled before; the loop through its public function, which compiles each time."""
    sampler = forward_sampler(model)
    sampler.draw(DRAWS, 0)
    batch = median(timed(lambda: sampler.draw(DRAWS, 1)) for _ in range(REPEATS))
    public = median(
        timed(lambda: pma.simulate(model, draws=DRAWS, progressbar=False)) for _ in range(REPEATS)
    )
    with model:
        pm.sample_prior_predictive(draws=10)
        loop = median(timed(lambda: pm.sample_prior_predictive(draws=DRAWS)) for _ in range(3))
    return [
        at_least("forward sampler, times pm.sample_prior_predictive", loop / batch, 50),
        at_least("pma.simulate as a whole, times pm.sample_prior_predictive", loop / public, 2),
    ]


def main(names: list[str]) -> None:
    model = growth(life_expectancy()[0])
    parts = {
        "imports": imports,
        "forward": partial(forward, model),
        "posteriors": partial(posteriors, model),
        "drawing": drawing,
        "second_fit": second_fit,
        "reaching": reaching,
        "growth": growing,
        "demo": demo,
    }
    for done, name in enumerate(names or parts):
        report("speed", parts[name](), "seeds 0 to 2", part=bool(names or done))


if __name__ == "__main__":
    main(sys.argv[1:])
