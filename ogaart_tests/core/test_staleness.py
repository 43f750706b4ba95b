"""The comparisons that decide what is new, stale, unchanged and orphaned."""

from datetime import UTC, datetime, timedelta

from ogaart.core.staleness import Plan, compare, fingerprint, next_try

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


def test_every_key_has_one_state() -> None:
    plan = compare({"a": "1", "b": "1", "c": "1"}, {"a": "1", "b": "2", "d": "1"})

    assert plan == Plan(new=("d",), stale=("b",), unchanged=("a",), orphaned=("c",))
    assert plan.work == ("d", "b")


def test_a_fingerprint_regards_version_and_every_input() -> None:
    one = fingerprint("1", "x", {"limit": 3})

    assert fingerprint("1", "x", {"limit": 3}) == one
    assert len({one, fingerprint("2", "x", {"limit": 3}), fingerprint("1", "y", {"limit": 3}), fingerprint("1")}) == 4


def test_a_retry_waits_longer_each_time_and_then_never() -> None:
    waits = [next_try(attempts, NOON, retryable=True) for attempts in (1, 2, 3, 9, 10)]

    assert waits == [
        NOON + timedelta(hours=1),
        NOON + timedelta(hours=2),
        NOON + timedelta(hours=4),
        NOON + timedelta(days=7),
        None,
    ]


def test_what_is_not_worth_retrying_is_permanent_at_once() -> None:
    assert next_try(1, NOON, retryable=False) is None
