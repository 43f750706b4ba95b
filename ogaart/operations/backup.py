"""``ogaart backup``: copies what cannot be derived again; the copy is a data root of one moment.

Copied are the bytes of the site, the journal of fetch records that says where they came from, the rows parsed from
them, the vectors (derived, but expensive), the decisions, the history of publications, and the Dagster instance. Left
out is what ``ogaart materialize --all`` and ``ogaart publish`` make again without a request: packs and pictures, the
collection, the publications; and the database of state, which is made again from its journals when it is next opened.
Of a bucket the copy is the same: a data root in a folder, which needs neither the bucket nor its database.
"""

import os
import shutil
import socket
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from ogaart.core.errors import BadChoice
from ogaart.core.exit_codes import EXIT_DAMAGED
from ogaart.core.report import Report
from ogaart.core.stages import BACKED_UP_STAGES
from ogaart.operations.backup_files import FileCopies, damaged_lines, drafts_in, what_is_damaged
from ogaart.operations.intact_files import LOGS, is_intact_table
from ogaart.resources.platform import Stores
from ogaart.resources.publications.publications import Publications
from ogaart.resources.site.fetch_journal import FetchJournal
from ogaart.resources.site.fetch_records import JOURNAL
from ogaart.resources.state.sqlite_files import log_of
from ogaart.resources.storage.atomic_files import TEMPORARY, make_folders, process_mark, read_json, write_json
from ogaart.resources.storage.data_root import DataRoot
from ogaart.resources.storage.key_index import FILE as KEYS
from ogaart.resources.storage.lock_names import backup_lock
from ogaart.resources.storage.locks import hold, hold_read_only
from ogaart.resources.storage.objects import PACKS, Cut
from ogaart.resources.storage.schema import TABLES
from ogaart.settings import Settings

_NOT_BACKED_UP = ("index", "packs", "generations")
"""Folders of a data root that no backup has."""
COLUMNS = ("what", "files", "copied", "MB")
NOTE = "backup.json"
"""The file of a backup that names what it was made of."""


def backup(settings: Settings, folder: Path) -> Report:
    """Copy into ``folder``; what is there already and cannot have changed is not copied again.

    Runs may continue meanwhile: rows are copied first, as of one moment, and what they refer to is removed only by
    ``ogaart gc``, which is refused meanwhile. What is damaged is named in the report, and not copied.

    Raises:
        BadChoice: the folder is a data root in use, or inside this one, or the backup of another one; or the data root
            has copies of a bucket, and another host publishes. Nothing is written.
        Locked: another backup, or ``ogaart gc``, is in progress.
        ObjectsRefused, StateRefused: bucket or database cannot be reached.
        OSError: the folder cannot be written.
    """
    folder = folder.expanduser().resolve()
    _refuse_data_roots(folder, settings.data)
    _refuse_backups_of_others(folder, settings)
    with closing(Stores(settings)) as stores, _clean_up_kept_out(stores):
        if settings.objects is not None:
            _refuse_other_hosts(stores)
        write_json(folder / NOTE, {"of": _what_it_is_of(settings)})
        with drafts_in(folder) as drafts:
            return _everything(stores, folder, drafts)


@contextmanager
def _clean_up_kept_out(stores: Stores) -> Iterator[None]:
    """Refuse what deletes files meanwhile; in a data root that this process cannot write, none does from here."""
    lock, what = backup_lock(stores.root), "the lock of backups and clean-up"
    held: AbstractContextManager[None]
    if not stores.root.writable:
        held = hold_read_only(lock, what=what)
    elif stores.objects.remote:
        held = stores.hold(lock, what=what)
    else:
        held = hold(lock, what=what)
    with held:
        yield


def _everything(stores: Stores, folder: Path, drafts: Path) -> Report:
    root, report = stores.root, Report(COLUMNS)
    tables, damaged = _kept_tables(stores.tables.cut({stage.value for stage in BACKED_UP_STAGES}))
    _mirror(report, "tables", tables.intact, folder, same=_never)
    _forget_others(folder, {name for _, name in tables.all})
    if stores.objects.remote:
        _records_of_bucket(report, stores, folder)
    else:
        _mirror(report, "fetch records", _files(root, root.site), folder, same=_same_time)
        identity = [(root.identity, root.identity.name)] if root.identity.exists() else []
        _mirror(report, "identity", identity, folder, same=_never)
    copies = FileCopies(stores.settings, folder, drafts)
    for home in (root.blobs, root.vectors, root.derived, root.decisions, root.reports):
        copied = copies.copy(file for file in stores.objects.files(home) if not _is_left_out(file.path))
        report.rows.append(_row(home.name, *copied[:3]))
        damaged += [] if home.name in LOGS else copied.damaged
    for log in (stores.decisions, stores.reports):
        before = [] if log.file_before is None else [(log.file_before, log.file_before.name)]
        _mirror(report, f"{log.folder.name} of before", before, folder, same=_same_time)
        log.complete(folder / log.folder.name)  # the copy has no database
    damaged += damaged_lines(folder, LOGS)
    _mirror(report, "projections", _files(root, root.projections), folder, same=_never)
    _mirror(report, "history", _files(root, root.history), folder, same=_never)
    shutil.copyfile(stores.settings.queries, folder / "queries.toml")
    _instance(report, root.dagster, folder / "dagster")
    if damaged:
        report.errors.append(what_is_damaged(damaged))
        report.exit_code = EXIT_DAMAGED
    return report


def _records_of_bucket(report: Report, stores: Stores, folder: Path) -> None:
    """The records of a bucket, as a journal; before their blobs, since a run adds both meanwhile.

    The copy is another data root: it gets its own id.
    """
    root = stores.root
    records = stores.fetch_records.all()
    make_folders(folder / root.site.name, folder)
    FetchJournal(folder / root.site.name / JOURNAL).replace(records)
    size = sum(record.line_bytes for record in records)
    report.rows.append(_row("fetch records", len(records), len(records), size))
    _mirror(report, "delays", ((p, n) for p, n in _files(root, root.site) if p.suffix == ".jsonl"), folder, same=_never)


def _refuse_other_hosts(stores: Stores) -> None:
    """Projections and the history of publications are files of the host that publishes."""
    if not stores.root.history.exists() and Publications(stores.state, stores.objects).number_in_service():
        raise BadChoice(
            f"{stores.root.root} has no history of publications: run `ogaart backup` on the machine that publishes; if "
            "its folder was lost, run `ogaart publish` there first"
        )


def _refuse_data_roots(folder: Path, data: Path) -> None:
    """A backup deletes rows that it has not: in a data root in use these would be the ones that are derived."""
    same = folder.exists() and data.exists() and folder.samefile(data)
    if same or folder.is_relative_to(data):
        raise BadChoice(f"{folder} is the data root or inside it: choose a folder outside of {data}")
    for name in _NOT_BACKED_UP:
        if (folder / name).exists():
            raise BadChoice(f"{folder} is a data root in use (it has {name}/): choose an empty folder, or a backup's")


def _refuse_backups_of_others(folder: Path, settings: Settings) -> None:
    """The journal and the rows of another data root would be lost there, and its takedowns be in both."""
    note, mine = folder / NOTE, _what_it_is_of(settings)
    if not note.exists():  # none is there, or one of an earlier version
        return
    named = read_json(note)
    of = named.get("of") if isinstance(named, dict) else None
    if of != mine:
        raise BadChoice(
            f"{folder} is the backup of {of or f'something that {note} does not name'}, this is {mine}: choose another "
            f"folder, or, if that one has become this one, delete {note}"
        )


def _what_it_is_of(settings: Settings) -> str:
    """The bucket, or the data root's folder and host."""
    return settings.objects or f"{settings.data.resolve()} on {socket.gethostname()}"


class _Tables(NamedTuple):
    """Each table's object, and the fixed name under which the copy holds it."""

    all: list[tuple[Path, str]]
    intact: list[tuple[Path, str]]


def _kept_tables(cut: Cut) -> tuple[_Tables, list[Path]]:
    """The tables, and those that are damaged: of their step nothing is intact, since its tables belong together."""
    stages = {stage.value for stage in BACKED_UP_STAGES}
    kept = {key: path for key, path in cut.files.items() if key.kind != PACKS and key.stage in stages}
    damaged = {key: path for key, path in kept.items() if not (path.is_file() and is_intact_table(path))}
    steps = {(key.stage, key.partition) for key in damaged}
    intact = [(path, key.name) for key, path in kept.items() if (key.stage, key.partition) not in steps]
    return _Tables([(path, key.name) for key, path in kept.items()], intact), list(damaged.values())


def _files(root: DataRoot, folder: Path) -> Iterator[tuple[Path, str]]:
    for path in folder.rglob("*") if folder.is_dir() else ():
        if path.is_file() and not _is_left_out(path):
            yield path, path.relative_to(root.root).as_posix()


def _is_left_out(path: Path) -> bool:
    return path.name.startswith(TEMPORARY) or path.suffix in {".lock", ".holder", ".part"} or path.name == KEYS


def _mirror(
    report: Report,
    what: str,
    files: Iterable[tuple[Path, str]],
    folder: Path,
    *,
    same: Callable[[os.stat_result, os.stat_result], bool],
) -> None:
    found = copied = size = 0
    for path, name in files:
        found += 1
        target = folder / name
        status = path.stat()
        if target.exists() and same(target.stat(), status):
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f"{TEMPORARY}{process_mark()}-{target.name}")
        shutil.copy2(path, draft)
        draft.replace(target)
        copied += 1
        size += status.st_size
    report.rows.append(_row(what, found, copied, size))


def _row(what: str, files: int, copied: int, size: int) -> dict[str, Any]:
    return {"what": what, "files": files, "copied": copied, "MB": round(size / 1e6, 3)}


def _never(_old: os.stat_result, _new: os.stat_result) -> bool:
    return False


def _same_time(old: os.stat_result, new: os.stat_result) -> bool:
    return old.st_size == new.st_size and old.st_mtime_ns == new.st_mtime_ns


def _forget_others(folder: Path, kept: set[str]) -> None:
    """Remove rows of partitions that no longer exist: an old copy of them would contradict the new ones."""
    for table in TABLES:
        for path in (folder / "tables" / table.name).rglob("*.parquet"):
            if path.relative_to(folder).as_posix() not in kept:
                path.unlink()


def _instance(report: Report, home: Path, target: Path) -> None:
    """The Dagster instance; each database is copied as of one moment even while it is written to."""
    files = size = 0
    for path in home.rglob("*") if home.is_dir() else ():
        if not path.is_file() or path.name.endswith(("-wal", "-shm", "-journal")) or "storage" in path.parts:
            continue
        copy = target / path.relative_to(home)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".db":
            _copy_database(path, copy)
        else:
            shutil.copy2(path, copy)
        files += 1
        size += copy.stat().st_size
    report.rows.append(_row("Dagster instance", files, files, size))


def _copy_database(path: Path, copy: Path) -> None:
    """Copy a database as of one moment.

    SQLite opens one with a write-ahead log only where it can write beside it; where it cannot, nothing else writes, and
    the log is copied and applied to the copy.
    """
    for old in (copy, log_of(copy)):
        old.unlink(missing_ok=True)
    if os.access(path.parent, os.W_OK):
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as made:
            source.backup(made)
        return
    for one, target in ((path, copy), (log_of(path), log_of(copy))):
        if one.exists():
            shutil.copyfile(one, target)
    with closing(sqlite3.connect(copy)) as made:
        made.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
