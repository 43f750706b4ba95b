"""What a process lacks is told from damage, whichever library meets it first."""

import errno
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ogaart.core.process_limits import lacking, raise_if_lacking, way_out
from ogaart_tests.descriptors import files_left


@pytest.fixture
def files(tmp_path: Path) -> Path:
    with duckdb.connect(str(tmp_path / "one.duckdb")) as con:
        con.execute("CREATE TABLE one AS SELECT 1 AS number")
    sqlite3.connect(tmp_path / "one.sqlite").executescript("CREATE TABLE one (number)")
    pq.write_table(pa.table({"number": [1]}), tmp_path / "one.parquet")
    return tmp_path


def by_python(folder: Path) -> None:
    (folder / "one.parquet").read_bytes()


def by_arrow(folder: Path) -> None:
    with pq.ParquetFile(folder / "one.parquet") as file:
        file.read()


def by_sqlite(folder: Path) -> None:
    sqlite3.connect(f"{(folder / 'one.sqlite').as_uri()}?mode=ro", uri=True).execute("FROM one")


def by_duckdb(folder: Path) -> None:
    with duckdb.connect(str(folder / "one.duckdb"), read_only=True):
        pass


@pytest.mark.parametrize(
    ("name", "read", "left"),
    [
        ("one.parquet", by_python, 0),
        ("one.parquet", by_arrow, 0),
        ("one.sqlite", by_sqlite, 0),
        ("one.duckdb", by_duckdb, 1),
    ],
)
def test_that_no_more_files_may_be_open(files: Path, name: str, read: Callable[[Path], None], left: int) -> None:
    with files_left(left):
        with pytest.raises((OSError, sqlite3.Error, duckdb.Error)) as said:
            read(files)
        with pytest.raises(OSError, match="Too many open files") as caught:
            raise_if_lacking(said.value, files / name)

    assert caught.value.errno == errno.EMFILE
    assert str(caught.value.filename) == str(files / name)


@pytest.mark.parametrize(
    ("cause", "code"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "manifest.json"), errno.EACCES),
        (Exception("Permission denied (os error 13)"), errno.EACCES),
        (duckdb.IOException('IO Error: Cannot open file "a.duckdb": Permission denied'), errno.EACCES),
        (duckdb.OutOfMemoryException("Out of Memory Error: failed to allocate data of size 2.0 MiB"), errno.ENOMEM),
        (MemoryError(), errno.ENOMEM),
        (OSError(errno.EIO, "Input/output error"), None),
        (FileNotFoundError(errno.ENOENT, "No such file or directory"), None),
        (duckdb.IOException("IO Error: Could not read enough bytes from file"), None),
        (duckdb.ConversionException("Conversion Error: 'Permission denied' is not a number"), None),
        (Exception("No such file or directory (os error 2)"), None),
    ],
)
def test_what_a_failure_says_of_the_process(cause: Exception, code: int | None) -> None:
    assert lacking(cause) == code


@pytest.mark.parametrize("damage", ["missing", "rotten"])
def test_a_damaged_file_is_no_matter_of_the_process(files: Path, damage: str) -> None:
    for name, read in (("one.parquet", by_arrow), ("one.sqlite", by_sqlite), ("one.duckdb", by_duckdb)):
        (files / name).unlink()
        if damage == "rotten":
            (files / name).write_bytes(os.urandom(100_000))
        with pytest.raises((OSError, sqlite3.Error, duckdb.Error, pa.ArrowInvalid)) as caught:
            read(files)

        raise_if_lacking(caught.value, files / name)


def test_each_has_a_way_out() -> None:
    assert way_out(errno.EMFILE) == "let the process open more files (`ulimit -n 4096`)"
    assert way_out(errno.EACCES) == "change its owner or mode"
