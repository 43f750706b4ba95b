"""The comparisons that decide what is new, stale, unchanged and orphaned."""

from datetime import UTC, datetime, timedelta

import pytest

from ogaart.core.staleness import Plan, compare, fingerprint, next_recheck, next_try, refresh_due

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


def test_a_refused_url_is_requested_again_after_a_day_a_week_and_each_month() -> None:
    found = [next_recheck(refusals, NOON) - NOON for refusals in (1, 2, 3, 4)]

    assert found == [timedelta(days=1), timedelta(days=7), timedelta(days=30), timedelta(days=30)]


@pytest.mark.parametrize(
    ("posted", "changed", "days"),
    [
        (400, None, 13.75),  # six hours are for collecting what is due
        (None, None, 13.75),
        (40, None, 10.0),
        (2, None, 1.0),
        (400, 20, 5.0),
        (3, 400, 1.0),
    ],
)
def test_new_and_changed_entries_are_read_again_sooner(posted: int | None, changed: int | None, days: float) -> None:
    ago = [NOON - timedelta(days=d) if d is not None else None for d in (posted, changed)]

    assert refresh_due(NOON, ago[0], ago[1], timedelta(days=14)) == NOON + timedelta(days=days)


def test_an_interval_of_nothing_is_due_at_once() -> None:
    assert refresh_due(NOON, NOON, None, timedelta(0)) == NOON
