"""Files of amortized posteriors: what comes back, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pymc as pm
import pytest
import xarray as xr
from models import CASES, YEARS
from pymc.distributions.transforms import Interval
from safetensors import safe_open
from trained import untrained

import pymc_amortized as pma
from pymc_amortized.inference_data import group

FUZZED = 150


@pytest.fixture(scope="module")
def saved(rough: pma.AmortizedPosterior, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "rough.safetensors"
    rough.save(path)
    return path


def draws(amortized: pma.AmortizedPosterior) -> xr.Dataset:
    return group(amortized.sample(draws=10, random_seed=1, refine=None, progressbar=False))


@pytest.mark.parametrize(
    "name",
    ["linear_regression", "one_parameter", "random_bounds", "simulator", "latent_counts"],
)
def test_the_same_seed_gives_the_same_draws_after_loading(name: str, tmp_path: Path) -> None:
    amortized = untrained(name)
    amortized.save(tmp_path / "saved")
    loaded = pma.load(tmp_path / "saved", CASES[name].build())
    xr.testing.assert_equal(draws(loaded), draws(amortized))
    xr.testing.assert_equal(loaded.history, amortized.history)
    assert draws(amortized).to_array().std() > 0
    loaded.save(tmp_path / "again")
    assert {p.name for p in tmp_path.iterdir()} == {"saved", "again"}


def test_the_model_is_that_of_the_context(saved: Path, rough: pma.AmortizedPosterior) -> None:
    with rough.model:
        assert pma.load(saved).model is rough.model


def test_a_file_holds_numbers_and_json_alone(saved: Path) -> None:
    with safe_open(saved, framework="numpy") as file:
        metadata = file.metadata()
        dtypes = {file.get_tensor(name).dtype.kind for name in file.keys()}  # noqa: SIM118
    assert dtypes <= set("fib")
    assert set(metadata) == {"pymc_amortized", "sha256"}
    assert json.loads(metadata["pymc_amortized"])["summary"]["factory"] == "residual_mlp"


def truncated(content: bytes) -> bytes:
    return content[: len(content) // 2]


def foreign(_: bytes) -> bytes:
    from safetensors.numpy import save

    return save({"weights": np.zeros(3)})


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (truncated, "truncated or of another kind"),
        (lambda content: content[:-1], "truncated or of another kind"),
        (lambda _: b"", "truncated or of another kind"),
        (lambda _: b"b0,b1\n1,2\n" * 100, "truncated or of another kind"),
        (foreign, "something else wrote"),
        (lambda content: content[:-9] + bytes([content[-9] ^ 1]) + content[-8:], "altered since"),
    ],
    ids=["half", "a_byte_short", "empty", "text", "foreign", "altered"],
)
def test_damaged_files_are_refused(
    saved: Path,
    rough: pma.AmortizedPosterior,
    tmp_path: Path,
    damage: Callable[[bytes], bytes],
    message: str,
) -> None:
    path = tmp_path / "damaged.safetensors"
    path.write_bytes(damage(saved.read_bytes()))
    with pytest.raises(ValueError, match=rf"path: expected .*damaged.safetensors.*{message}"):
        pma.load(path, rough.model)


def test_any_altered_byte_is_noticed(
    saved: Path, rough: pma.AmortizedPosterior, tmp_path: Path
) -> None:
    content, rng = saved.read_bytes(), np.random.default_rng(1)
    header = 8 + int.from_bytes(content[:8], "little")
    places = [*rng.integers(header, size=FUZZED), *rng.integers(header, len(content), FUZZED)]
    path = tmp_path / "altered.safetensors"
    for place in places:
        altered = bytearray(content)
        altered[place] ^= int(rng.integers(1, 256))
        path.write_bytes(altered)
        with pytest.raises(ValueError, match="path: expected"):
            pma.load(path, rough.model)


def test_no_file_is_an_error(rough: pma.AmortizedPosterior, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        pma.load(tmp_path / "nowhere.safetensors", rough.model)


def variant(
    *,
    slope: str = "b1",
    size: int = 12,
    shift: float = 0.0,
    prior: float = 2.0,
    power: int = 1,
    transform: object = None,
    scale: type = pm.HalfNormal,
) -> pm.Model:
    """A model like `linear_regression`, one thing apart."""
    years = (YEARS + shift)[:size]
    with pm.Model(coords={"obs": range(size)}) as model:
        x = pm.Data("x", years, dims="obs")
        b0 = pm.Normal("b0", 1, prior)
        b1 = pm.Normal(slope, 0, 1.5)
        extra = {} if transform is None else {"default_transform": transform}
        sigma = scale("sigma", 1.5, **extra)
        pm.Normal("y", b0 + b1 * x**power, sigma, observed=np.zeros(size), dims="obs")
    return model


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"slope": "gradient"}, "free variables .*'b1'.* got .*'gradient'"),
        ({"size": 11}, r"observed variables .*12.* got .*11"),
        ({"shift": 0.1}, "the data 'x'"),
        ({"prior": 3.0}, "prior and likelihood"),
        ({"scale": pm.HalfCauchy}, "prior and likelihood"),
        ({"power": 3}, "prior and likelihood"),
        ({"transform": Interval(0, None)}, "transforms .*LogTransform.* got .*Interval"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_changed_model_is_refused(saved: Path, change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=f"model: expected .*{message}"):
        pma.load(saved, variant(**change))


def test_an_equal_model_with_other_observed_values_is_taken(
    saved: Path, rough: pma.AmortizedPosterior
) -> None:
    loaded = pma.load(saved, variant())
    ours = loaded.sample({"y": YEARS}, draws=5, random_seed=1, refine=None, progressbar=False)
    theirs = rough.sample({"y": YEARS}, draws=5, random_seed=1, refine=None, progressbar=False)
    xr.testing.assert_equal(group(ours), group(theirs))


def test_networks_of_ones_own_cannot_be_saved(tmp_path: Path) -> None:
    built = pma.summaries.residual_mlp(width=4, blocks=1, features=2)
    amortized = untrained("one_parameter", summary=partial(lambda make, *a: make(*a), built))
    path = tmp_path / "own.safetensors"
    path.write_bytes(b"of before")
    with pytest.raises(NotImplementedError, match=r"summary: expected what a factory .* your own"):
        amortized.save(path)
    assert path.read_bytes() == b"of before"


def test_nothing_is_left_behind_where_nothing_can_be_written(
    rough: pma.AmortizedPosterior, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="path: expected a file in a folder that exists"):
        rough.save(tmp_path / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
