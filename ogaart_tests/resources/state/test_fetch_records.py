"""Fetch records as rows: what a kill, damage, or an earlier version leaves, on SQLite and on PostgreSQL."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import hypothesis
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from ogaart.core.fault_injection import passed
from ogaart.resources.site.fetch_record import FetchRecord, url_key
from ogaart.resources.site.fetch_records import FetchRecords
from ogaart.resources.state.database import StateDatabase
from ogaart.resources.state.schema import FETCH_RECORDS
from ogaart.settings import Settings
from ogaart_tests.postgres import postgres
from ogaart_tests.resources.state.test_database import settings, state

__all__ = ["postgres", "settings", "state"]

NOW = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)


@contextmanager
def fault_at(point: str) -> Iterator[None]:
    """A process that fails at a fault point, after which another one goes on."""
    passed.clear()
    with pytest.MonkeyPatch.context() as patch, pytest.raises(OSError, match="No space left"):  # noqa: PT012
        patch.setenv("OGAART_FAULT", point)
        yield


def record(name: str, hours: int = 0, **changes: object) -> FetchRecord:
    """A page's record, checked so many hours after ``NOW``."""
    url, then = f"https://site.example/{name}", NOW + timedelta(hours=hours)
    known = FetchRecord(url, url, 200, "ab" * 32, 8, '"e"', None, "text/html; é", None, 1, NOW, then)
    return replace(known, **changes)  # type: ignore[arg-type]


@pytest.fixture
def records(state: StateDatabase, tmp_path: Path) -> FetchRecords:
    return FetchRecords(state, tmp_path / "site")


def opened(settings: Settings) -> dict[str, FetchRecord | None]:
    """What another process reads of the records that tests write."""
    with closing(StateDatabase(settings)) as state:
        found = FetchRecords(state, settings.data / "site")
        return {name: found.read(f"https://site.example/{name}") for name in ("a", "b", "c")}


def damage(settings: Settings) -> list[str]:
    """What verify says: the place's name, and the problem."""
    with closing(StateDatabase(settings, read_only=True)) as state:
        found = FetchRecords(state, settings.data / "site").damage()
        return [f"{Path(where).name}: {problem}" for where, problem in found]


def test_a_record_is_read_as_it_was_written_last(records: FetchRecords, settings: Settings) -> None:
    for one in (record("a"), record("b"), record("a", 5)):
        records.write(one)

    assert opened(settings) == {"a": record("a", 5), "b": record("b"), "c": None}
    assert records.all() == [record("a", 5), record("b")]
    assert damage(settings) == []


@hypothesis.settings(deadline=None)  # each example opens a database
@given(text=st.text(st.characters(exclude_categories=())))
def test_any_text_of_a_header_comes_back(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    odd = record("a", etag=text, content_type=text)
    data = tmp_path_factory.getbasetemp() / "texts"
    with closing(StateDatabase(Settings(data=data))) as state:
        FetchRecords(state, data / "site").write(odd)
        assert FetchRecords(state, data / "site").read(odd.url) == odd


def test_a_clock_set_back_does_not_keep_an_older_answer(records: FetchRecords, settings: Settings) -> None:
    records.write(record("a", 5))
    records.write(record("a", 1))

    assert opened(settings)["a"] == record("a", 1)


def test_a_row_that_a_killed_process_did_not_write_is_added_by_the_next(
    records: FetchRecords, settings: Settings, tmp_path: Path
) -> None:
    records.write(record("a"))
    with fault_at("state_drafted:1:full"):
        records.write(record("b"))

    assert damage(settings) == []
    assert opened(settings)["b"] == record("b")
    records.write(record("c"))
    assert opened(settings) == {name: record(name) for name in "abc"}


def test_a_folder_in_the_place_of_the_journal_is_named(records: FetchRecords, settings: Settings) -> None:
    records.write(record("a"))
    records.journal.unlink()
    records.journal.mkdir()

    assert damage(settings) == ["fetches.jsonl: a folder lies in its place"]


def test_a_line_that_was_cut_off_is_passed_over(records: FetchRecords, settings: Settings) -> None:
    records.write(record("a"))
    with records.journal.open("ab") as journal:
        journal.write(b'{"seal": "0123')

    assert damage(settings) == []
    assert opened(settings) == {"a": record("a"), "b": None, "c": None}
    records.write(record("b"))
    assert (opened(settings)["b"], damage(settings)) == (record("b"), [])


def test_forgotten_records_are_gone_everywhere_and_the_journal_is_short_again(
    records: FetchRecords, settings: Settings
) -> None:
    for one in (record("a"), record("a", 1), record("b"), record("c")):
        records.write(one)
    assert records.superseded() > record("a").line_bytes

    records.forget([record("b").url])

    assert opened(settings) == {"a": record("a", 1), "b": None, "c": record("c")}
    assert records.superseded() < record("a").line_bytes
    assert damage(settings) == []


def test_killed_between_the_journal_and_the_rows_forgotten_records_do_not_come_back(
    records: FetchRecords, settings: Settings
) -> None:
    for name in "abc":
        records.write(record(name))
    with fault_at("state_drafted:2:full"):
        records.forget([record("b").url])

    assert damage(settings) == []
    assert opened(settings) == {"a": record("a"), "b": None, "c": record("c")}


# -- damage -----------------------------------------------------------------------------------------------------------


def spoil_row(state: StateDatabase, journal: Path) -> None:
    with state.writing() as connection:
        connection.execute(sa.update(FETCH_RECORDS).values(etag="other").where(FETCH_RECORDS.c.url.endswith("/a")))


def delete_row(state: StateDatabase, journal: Path) -> None:
    with state.writing() as connection:
        connection.execute(sa.delete(FETCH_RECORDS).where(FETCH_RECORDS.c.url.endswith("/a")))


def flip_line(state: StateDatabase, journal: Path) -> None:
    journal.write_bytes(journal.read_bytes().replace(b"/b", b"/x", 1))


def flip_head(state: StateDatabase, journal: Path) -> None:
    journal.write_bytes(journal.read_bytes().replace(b"follows", b"fallows", 1))


def halve_journal(state: StateDatabase, journal: Path) -> None:
    journal.write_bytes(journal.read_bytes()[: journal.stat().st_size // 2])


def empty_journal(state: StateDatabase, journal: Path) -> None:
    journal.write_bytes(b"")


def delete_journal(state: StateDatabase, journal: Path) -> None:
    journal.unlink()


@pytest.mark.parametrize(
    "spoil", [spoil_row, delete_row, flip_line, flip_head, halve_journal, empty_journal, delete_journal]
)
def test_damage_is_named_and_repaired_from_what_is_intact(
    records: FetchRecords, state: StateDatabase, settings: Settings, spoil: Callable[[StateDatabase, Path], None]
) -> None:
    for name in "abc":
        records.write(record(name))
    spoil(state, records.journal)
    state.close()

    named = damage(settings)
    with closing(StateDatabase(settings)) as repairing:
        FetchRecords(repairing, settings.data / "site").repair()

    assert named
    assert damage(settings) == []
    assert opened(settings) == {name: record(name) for name in "abc"}


def test_a_damaged_row_counts_as_absent(records: FetchRecords, state: StateDatabase, settings: Settings) -> None:
    for name in "ab":
        records.write(record(name))
    spoil_row(state, records.journal)

    assert opened(settings) == {"a": None, "b": record("b"), "c": None}


@pytest.mark.parametrize("kept", [0.0, 0.5, 1.0], ids=["deleted", "truncated", "garbled"])
def test_a_lost_database_is_made_again_from_the_journal(tmp_path: Path, kept: float) -> None:
    settings = Settings(data=tmp_path)
    with closing(StateDatabase(settings)) as state:
        for name in "abc":
            FetchRecords(state, tmp_path / "site").write(record(name))
    path, size = tmp_path / "state.db", (tmp_path / "state.db").stat().st_size
    if kept:
        path.write_bytes(path.read_bytes()[: int(size * kept)] if kept < 1 else b"nonsense" * 1000)
        assert damage(settings)
        with closing(StateDatabase(settings)) as state:
            FetchRecords(state, tmp_path / "site").repair()
    else:
        path.unlink()

    assert opened(settings) == {name: record(name) for name in "abc"}
    assert damage(settings) == []


# -- versions before --------------------------------------------------------------------------------------------------


def earlier(site: Path, one: FetchRecord) -> Path:
    """A record's file as versions before wrote it."""
    key = url_key(one.url)
    path = site / "fetches" / key[:2] / f"{key[2:]}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(one.fields(), indent=1))
    return path


def test_files_of_versions_before_are_read_until_they_are_rows(
    records: FetchRecords, settings: Settings, tmp_path: Path
) -> None:
    paths = [earlier(tmp_path / "site", record(name)) for name in "ab"]
    records.write(record("b", 3))
    assert opened(settings) == {"a": record("a"), "b": record("b", 3), "c": None}
    assert {one.url: one for one in records.all()} == {one.url: one for one in (record("a"), record("b", 3))}

    records.adopt([(path, one) for path, one in records.earlier_files() if one is not None])

    assert opened(settings) == {"a": record("a"), "b": record("b", 3), "c": None}
    assert not any(path.exists() for path in paths)
    assert damage(settings) == []


@pytest.mark.parametrize("nth", [1, 2])
def test_an_upgrade_that_was_killed_is_done_by_the_next(
    records: FetchRecords, settings: Settings, tmp_path: Path, nth: int
) -> None:
    records.write(record("c"))
    for name in "ab":
        earlier(tmp_path / "site", record(name))
    with fault_at(f"state_drafted:{nth}:full"):
        records.adopt([(path, one) for path, one in records.earlier_files() if one is not None])

    assert opened(settings) == {name: record(name) for name in "abc"}
    records.adopt([(path, one) for path, one in records.earlier_files() if one is not None])
    assert opened(settings) == {name: record(name) for name in "abc"}
    assert list(records.earlier_files()) == []
