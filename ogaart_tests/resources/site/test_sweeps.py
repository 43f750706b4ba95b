"""Sweeps: kept as facts of the database, read from the files of versions before, damaged ones missing."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from ogaart.resources.site.sweeps import Sweep, SweepPage, Sweeps
from ogaart.resources.state.database import StateDatabase
from ogaart.resources.state.schema import FACTS
from ogaart.resources.storage.atomic_files import write_json
from ogaart.settings import Settings

NOW = datetime(2026, 1, 2, tzinfo=UTC)
SWEEP = Sweep("2d-art", NOW, 1, (SweepPage(NOW, frozenset({"a"})),), "https://site.example/list", NOW)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[StateDatabase]:
    with closing(StateDatabase(Settings(data=tmp_path))) as found:
        yield found


def test_the_last_one_comes_back(state: StateDatabase, tmp_path: Path) -> None:
    sweeps = Sweeps(state, tmp_path / "site")
    assert sweeps.latest("2d-art") is None

    sweeps.store(SWEEP)

    assert sweeps.latest("2d-art") == SWEEP


def test_a_damaged_one_is_missing(state: StateDatabase, tmp_path: Path) -> None:
    sweeps = Sweeps(state, tmp_path / "site")
    sweeps.store(SWEEP)
    with state.writing() as connection:
        connection.execute(sa.update(FACTS).values(content=b'{"at": "20'))

    assert sweeps.latest("2d-art") is None


@pytest.mark.parametrize(("text", "total"), [('{"at": "20', None), ("", 7)], ids=["torn", "intact"])
def test_the_file_of_a_version_before_is_read_until_there_is_a_newer_one(
    state: StateDatabase, tmp_path: Path, text: str, total: int | None
) -> None:
    file = tmp_path / "site" / "sweeps" / "2d-art.json"
    write_json(file, {"at": NOW.isoformat(), "total": 7, "pages": []})
    if text:
        file.write_text(text)
    sweeps = Sweeps(state, tmp_path / "site")

    found = sweeps.latest("2d-art")
    assert (found.total if found is not None else None) == total
    sweeps.store(SWEEP)
    assert sweeps.latest("2d-art") == SWEEP
