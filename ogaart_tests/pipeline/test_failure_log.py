"""Failures are kept until their next try is due, or until a run refreshes their entry."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from ogaart.core.staleness import FIRST_RETRY
from ogaart.pipeline.failure_log import FailureLog
from ogaart.pipeline.refresh_tags import RefreshRequest
from ogaart.resources.storage.rows import FailureRow

NOW = datetime(2026, 3, 1, tzinfo=UTC)
LINEAGE = {"stage": "content_pages", "partition": "2d-art/0000", "run_id": "a run"}


def failed() -> list[FailureRow]:
    """A retryable and a permanent failure, as an earlier run leaves them."""
    log = FailureLog([], LINEAGE, NOW)
    log.record("u", "f", slug="s", error_class="HttpStatus", message="503", http_status=503, retryable=True)
    log.record("p", "f", slug="s", error_class="Unreadable", message="no title")
    return log.rows


def kept(log: FailureLog) -> list[str]:
    """Keys that the log keeps as they are."""
    return [key for key in ("u", "p") if log.keep_until_due(key, "f", "s")]


def later(stored: Sequence[FailureRow], after: timedelta, refresh: RefreshRequest | None = None) -> FailureLog:
    return FailureLog(stored, LINEAGE, NOW + after, refresh)


def test_a_failure_is_kept_until_its_next_try_is_due() -> None:
    soon, due = later(failed(), FIRST_RETRY / 2), later(failed(), FIRST_RETRY)

    assert (kept(soon), soon.refetch_before("u", "f", "s"), soon.is_due("u", "f")) == (["u", "p"], None, False)
    assert (kept(due), due.refetch_before("u", "f", "s"), due.is_due("u", "f")) == (["p"], NOW + FIRST_RETRY, True)
    assert soon.rows == sorted(failed(), key=lambda row: row["key"])


def test_a_refresh_of_its_entry_keeps_no_failure() -> None:
    refresh = RefreshRequest(NOW + timedelta(minutes=1), only="s")

    log = later(failed(), timedelta(minutes=2), refresh)

    assert kept(log) == []
    assert log.refetch_before("p", "f", "s") == refresh.before
    assert log.refetch_before("p", "f", "another entry") is None


def test_attempts_are_counted_for_the_same_inputs_only() -> None:
    log = later(failed(), FIRST_RETRY)
    log.record("u", "f", error_class="HttpStatus", message="503 again", retryable=True)
    log.record("p", "other inputs", error_class="Unreadable", message="no title")

    found = {row["key"]: (row["attempts"], row["first_at"], row["next_try"]) for row in log.rows}

    assert found == {"u": (2, NOW, NOW + 3 * FIRST_RETRY), "p": (1, NOW + FIRST_RETRY, None)}


AFTER = timedelta(hours=6)


def refused(stored: Sequence[FailureRow], after: timedelta, run: str) -> tuple[bool, list[FailureRow]]:
    """Whether a refusal counts that a run meets some time after the first one."""
    log = FailureLog(stored, {**LINEAGE, "run_id": run}, NOW + after)
    return log.confirm_refusal("u", "f", 403, AFTER, "s"), log.rows


def test_a_refusal_counts_when_another_run_confirms_it_hours_later() -> None:
    counts, first = refused([], timedelta(0), "one")
    soon, still = refused(first, timedelta(hours=5), "two")
    same_run, _ = refused(first, AFTER, "one")
    later, _ = refused(still, AFTER, "three")

    assert (counts, soon, same_run, later) == (False, False, False, True)
    assert [(r["error_class"], r["next_try"], r["http_status"]) for r in first] == [("RefusedOnce", NOW + AFTER, 403)]
    assert [(r["first_at"], r["next_try"]) for r in still] == [(NOW, NOW + AFTER)]
    assert "a second refusal from 2026-03-01 06:00 UTC on withdraws it" in first[0]["message"]


def test_a_failure_between_two_refusals_does_not_confirm() -> None:
    _, first = refused([], timedelta(0), "one")
    between = FailureLog(first, {**LINEAGE, "run_id": "two"}, NOW + AFTER)
    between.record("u", "f", error_class="TimeOut", message="no answer", retryable=True)

    counts, again = refused(between.rows, 2 * AFTER, "three")

    assert counts is False
    assert again[0]["first_at"] == NOW + 2 * AFTER


def test_what_is_withdrawn_is_requested_again_after_a_day_a_week_a_month() -> None:
    stored: list[FailureRow] = []
    waits = []
    for day in (0, 1, 8, 38):
        log = later(stored, timedelta(days=day))
        log.record_withdrawn(
            "u", "f", error_class="Deleted", message="404", http_status=404, checked_at=NOW + timedelta(days=day)
        )
        stored = log.rows
        due = stored[0]["next_try"]
        assert due is not None
        waits.append((due - NOW).days - day)

    assert waits == [1, 7, 30, 30]


def test_a_refusal_that_an_earlier_version_believed_for_ever_is_tried_again() -> None:
    old = later([], timedelta(0))
    old.record("u", "f", error_class="Missing", message="404", http_status=404)

    assert kept(later(old.rows, timedelta(minutes=1))) == []
