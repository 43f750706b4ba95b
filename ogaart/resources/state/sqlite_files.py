"""The files of an SQLite database, and what is wrong with them."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from ogaart.core.full_disk import is_disk_full
from ogaart.core.process_limits import lacking


def log_of(database: Path) -> Path:
    """Its write-ahead log."""
    return database.with_name(f"{database.name}-wal")


def files_of(database: Path) -> tuple[Path, ...]:
    """The database, its log, and the file by which its readers share memory."""
    return database, log_of(database), database.with_name(f"{database.name}-shm")


def misplaced_files(database: Path) -> list[Path]:
    """Folders that lie in the place of one of its files, so that SQLite cannot open it."""
    return [path for path in files_of(database) if path.is_dir()]


def sqlite_problem(path: Path) -> str:
    """What SQLite finds wrong with a database that others may be writing; empty where it is intact."""
    if misplaced := misplaced_files(path):
        return (
            "a folder lies in its place" if path in misplaced else f"a folder lies in the place of {misplaced[0].name}"
        )
    if not os.access(path, os.R_OK):
        return "this user may not read it"
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=10)) as database:
            [(result,)] = database.execute("PRAGMA integrity_check(1)").fetchall()
    except sqlite3.OperationalError as cause:
        unreadable = getattr(cause, "sqlite_errorname", "").startswith("SQLITE_IOERR")
        unreadable = unreadable and not is_disk_full(cause) and lacking(cause) is None
        return str(cause) if unreadable else ""  # held by a writer, or on a read-only disk with a journal to replay
    except sqlite3.DatabaseError as cause:
        return str(cause)
    return "" if result == "ok" else str(result).replace("\n", " ")
