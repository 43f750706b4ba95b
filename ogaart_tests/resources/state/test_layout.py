"""A database of state that lacks a table, a column or its version is not taken for a whole one."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ogaart.resources.state.database import StateDatabase
from ogaart.resources.state.layout import layout_problem
from ogaart.resources.state.sqlite_files import sqlite_problem
from ogaart.settings import Settings


@pytest.fixture
def path(tmp_path: Path) -> Path:
    state = StateDatabase(Settings(data=tmp_path))
    with state.reading():
        pass
    state.close()
    return tmp_path / "state.db"


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        ("SELECT 1", ""),
        ("DROP TABLE facts", "the table facts lacks all columns"),
        ("DROP TABLE pointers", "the table pointers lacks all columns"),
        ("ALTER TABLE pointers DROP COLUMN bytes", "the table pointers lacks bytes"),
        ("DELETE FROM alembic_version", "its version is missing"),
        ("DROP TABLE alembic_version", "its version is missing"),
        ("UPDATE alembic_version SET version_num = '0003'", ""),  # a version before: it is upgraded when it is opened
    ],
)
def test_what_a_database_lacks_is_named(path: Path, damage: str, problem: str) -> None:
    with closing(sqlite3.connect(path)) as state, state:
        state.execute(damage)

    assert layout_problem(path) == problem


@pytest.mark.parametrize("kept", [0.02, 0.5, 0.9])
def test_what_sqlite_cannot_read_is_for_its_own_check(path: Path, kept: float) -> None:
    with path.open("r+b") as database:
        database.truncate(int(path.stat().st_size * kept))

    assert sqlite_problem(path)
    assert layout_problem(path) == ""


@pytest.mark.parametrize(("name", "place"), [("state.db-wal", "the place of state.db-wal"), ("state.db", "its place")])
def test_a_folder_in_the_place_of_one_of_its_files_is_named(path: Path, name: str, place: str) -> None:
    """SQLite only says that it cannot open the database, as it does on a read-only disk."""
    misplaced = path.with_name(name)
    misplaced.unlink(missing_ok=True)
    misplaced.mkdir()

    assert sqlite_problem(path) == f"a folder lies in {place}"
