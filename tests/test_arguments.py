"""Arguments that several functions share."""

import numpy as np
import pytest

from pymc_amortized.arguments import check_count, chosen_names, generator


@pytest.mark.parametrize("value", [1, 4000, np.int64(3)])
def test_counts_are_taken(value: object) -> None:
    check_count("draws", value)


@pytest.mark.parametrize("value", [0, -1, 1.5, 2.0, True, "3", None])
def test_what_is_no_count_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=f"draws: expected an integer.*got {value!r}"):
        check_count("draws", value)


@pytest.mark.parametrize("seed", [3, [3, 4], np.int64(3), np.random.SeedSequence(3)])
def test_the_same_seed_makes_the_same_generator(seed: object) -> None:
    assert generator(seed).random() == generator(seed).random()


def test_a_generator_is_taken_as_it_is() -> None:
    rng = np.random.default_rng(1)
    assert generator(rng) is rng


@pytest.mark.parametrize(("seed", "error"), [("a", TypeError), (1.5, TypeError), (-1, ValueError)])
def test_what_is_no_seed_is_refused(seed: object, error: type[Exception]) -> None:
    with pytest.raises(error, match=f"random_seed: expected.*got {seed!r}"):
        generator(seed)


@pytest.mark.parametrize(
    ("wanted", "chosen"), [(None, ["a", "b"]), ("b", ["b"]), (("b", "a"), ["b", "a"])]
)
def test_names_are_chosen(wanted: object, chosen: list[str]) -> None:
    assert chosen_names("var_names", wanted, ["a", "b"]) == chosen


@pytest.mark.parametrize(("wanted", "got"), [("c", "'c'"), (["a", "d"], "'d'"), ([], "none")])
def test_unknown_names_are_refused(wanted: object, got: str) -> None:
    with pytest.raises(ValueError, match=f"var_names: expected some of 'a', 'b', got {got}"):
        chosen_names("var_names", wanted, ["a", "b"])
