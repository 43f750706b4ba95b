"""What a search looks for at the same time ends with it; searches do not wait for each other's."""

import gc
import weakref
from concurrent.futures import ThreadPoolExecutor
from threading import Event, get_ident

import pytest

from ogaart.core.cached_property import own_cached_property
from ogaart.search.engine.concurrency import Meanwhile

SECONDS = 60  # far more than any of it takes: what waits so long waits for ever


class _Waits:
    """An object of one request, whose property waits for that of another."""

    def __init__(self, own: Event, other: Event) -> None:
        self.own, self.other = own, other

    @own_cached_property
    def both_computed(self) -> bool:
        self.own.set()
        return self.other.wait(SECONDS)


def test_two_objects_compute_the_same_property_at_the_same_time() -> None:
    one, other = Event(), Event()
    first, second = _Waits(one, other), _Waits(other, one)

    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(lambda some: some.both_computed, (first, second)))

    assert found == [True, True]
    assert vars(first)["both_computed"]


def test_a_free_thread_computes_while_the_result_is_not_needed() -> None:
    with ThreadPoolExecutor(1) as threads, Meanwhile(get_ident, threads) as some:
        assert some.result != get_ident()


def test_without_a_free_thread_it_is_computed_once_where_it_is_needed() -> None:
    computed, free = [], Event()

    with ThreadPoolExecutor(1) as threads:
        threads.submit(free.wait, SECONDS)
        with Meanwhile(lambda: computed.append(get_ident()), threads) as some:
            _ = some.result, some.result
        free.set()

    assert computed == [get_ident()]


def test_it_has_ended_with_its_block_though_that_failed() -> None:
    begun, ended = Event(), []

    def compute() -> None:
        begun.set()
        ended.append(True)

    with ThreadPoolExecutor(1) as threads:
        with pytest.raises(ValueError, match="elsewhere"), Meanwhile(compute, threads):  # noqa: PT012
            assert begun.wait(SECONDS)
            raise ValueError("elsewhere")
        assert ended == [True]


def test_what_fails_in_a_thread_is_raised_where_the_result_is_needed() -> None:
    def fail() -> None:
        raise ValueError("in a thread")

    with ThreadPoolExecutor(1) as threads, Meanwhile(fail, threads) as some, pytest.raises(ValueError, match="thread"):
        _ = some.result


class _Search:
    """An object of one request, which has what another thread computes for it."""

    def answer(self, threads: ThreadPoolExecutor | None) -> int:
        with Meanwhile(self.found, threads) as self.beside:
            return self.beside.result

    def found(self) -> int:
        return 1


@pytest.mark.parametrize("threaded", [True, False])
def test_what_computes_is_let_go_without_the_collector(threaded: bool) -> None:
    gc.disable()
    try:
        with ThreadPoolExecutor(1) as threads:
            search = _Search()
            alive = weakref.ref(search)
            assert search.answer(threads if threaded else None) == 1
            del search
        assert alive() is None
    finally:
        gc.enable()
