from functools import partial
from itertools import count
from threading import Event

import pytest

from pymc_amortized.ahead import ahead


def test_one_item_is_made_beyond_those_that_are_used():
    made = []
    with ahead(partial(lambda k: made.append(k) or k, k) for k in count()) as items:
        assert [next(items) for _ in range(3)] == [0, 1, 2]
    assert made in ([0, 1, 2], [0, 1, 2, 3])


def test_ends_with_the_calls():
    with ahead([lambda: "a", lambda: "b"]) as items:
        assert list(items) == ["a", "b"]
    with ahead([]) as items:
        assert list(items) == []


def test_what_a_call_raises_comes_when_its_item_is_asked_for():
    with ahead([lambda: 1, lambda: 1 / 0]) as items:
        assert next(items) == 1
        with pytest.raises(ZeroDivisionError):
            next(items)


def test_the_block_waits_for_nothing_that_is_not_wanted():
    begun, wanted, ended = Event(), Event(), Event()

    def slow():
        begun.set()
        wanted.wait(60)
        ended.set()

    with ahead([lambda: 1, slow]) as items:
        assert next(items) == 1
        assert begun.wait(60)
    assert not ended.is_set()
    wanted.set()
    assert ended.wait(60)
