"""What linear algebra leaves to others."""

from collections.abc import Iterator
from threading import Barrier, Thread

import numpy as np
import pytest
from threadpoolctl import OpenBLASController, ThreadpoolController, threadpool_limits
from trained import small

import pymc_amortized as pma
from pymc_amortized import cores
from pymc_amortized.cores import spared_cores
from pymc_amortized.networks import Network
from pymc_amortized.trainer import Trainer

ALLOWED, HALF = 5, 3


def threads() -> list[int]:
    """That each library of linear algebra may use."""
    libraries = ThreadpoolController().select(user_api="blas").lib_controllers
    return [library.num_threads for library in libraries]


@pytest.fixture(autouse=True)
def _allowed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if not threads():
        pytest.skip("no library of linear algebra whose threads can be told")
    monkeypatch.setattr("joblib.cpu_count", lambda: 2 * HALF)
    cores._half.cache_clear()
    limits = threadpool_limits(ALLOWED, "blas")
    OpenBLASController.clear_controlling_thread()  # for any thread to set limits, as a new process
    yield
    limits.restore_original_limits()
    OpenBLASController.clear_controlling_thread()
    cores._half.cache_clear()


def test_half_of_the_cores_are_left_until_the_end_of_the_block() -> None:
    with spared_cores():
        assert set(threads()) == {HALF}
    assert set(threads()) == {ALLOWED}


def test_a_user_who_allows_one_thread_keeps_it() -> None:
    with threadpool_limits(1, "blas"):
        with spared_cores():
            assert set(threads()) == {1}
        assert set(threads()) == {1}


def test_an_error_ends_it_too() -> None:
    with pytest.raises(ZeroDivisionError), spared_cores():
        raise ZeroDivisionError
    assert set(threads()) == {ALLOWED}


def test_a_block_that_outlives_another_thread_leaves_no_limit_behind() -> None:
    entered, over = Barrier(2, timeout=10), Barrier(2, timeout=10)

    def first() -> None:
        with spared_cores():
            longer.start()
            entered.wait()

    def second() -> None:
        with spared_cores():
            entered.wait()
            over.wait()

    shorter, longer = Thread(target=first), Thread(target=second)
    shorter.start()
    shorter.join()
    over.wait()
    longer.join()
    assert set(threads()) == {ALLOWED}


def test_blocks_within_blocks_leave_as_much() -> None:
    with spared_cores(), spared_cores():
        assert set(threads()) == {HALF}
    assert set(threads()) == {ALLOWED}


CALLS = {
    "fit": lambda posterior: pma.fit(
        posterior.model, simulations=500, max_seconds=0.1, progressbar=False, **small()
    ),
    "sample": lambda posterior: posterior.sample(draws=10, refine=None, progressbar=False),
    "calibrate": lambda posterior: posterior.calibrate(
        simulations=100, draws=10, progressbar=False
    ),
    "log_prob": lambda posterior: posterior.log_prob(
        {name: np.ones(()) for name in ("b0", "b1", "sigma")}
    ),
}
WHERE = {"fit": (Trainer, "round"), "log_prob": (Network, "log_prob")}


@pytest.mark.filterwarnings("ignore:max_seconds=0.1 cut training off")
@pytest.mark.parametrize("name", CALLS)
def test_training_and_draws_have_the_cores(
    rough: pma.AmortizedPosterior, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, method = WHERE.get(name, (Network, "sample"))
    original, seen = getattr(owner, method), []

    def watched(*args: object, **options: object) -> object:
        seen.append(set(threads()))
        return original(*args, **options)

    monkeypatch.setattr(owner, method, watched)
    CALLS[name](rough)
    assert seen
    assert all(found == {HALF} for found in seen)
    assert set(threads()) == {ALLOWED}
