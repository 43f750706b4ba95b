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
