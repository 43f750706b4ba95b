"""``ogaart gc``: lists what nothing refers to any more, and deletes it with ``--yes``.

What a table's row, a kept generation or a recent fetch record refers to is kept. Runs write publications and add
vectors: nothing is deleted while one is in progress.
"""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import sqlalchemy.exc

from ogaart.core.durable_names import is_leftover
from ogaart.core.errors import SpaceInUse
from ogaart.core.full_disk import is_disk_full
from ogaart.core.report import Report
from ogaart.core.stages import Stage
from ogaart.operations.preconditions import refuse_while_processes_run, refuse_while_running
from ogaart.resources.catalog.generations import Generations
from ogaart.resources.catalog.table_views import connect
from ogaart.resources.cells.sheets_of_tables import sheet_keys
from ogaart.resources.embedding.registry import VectorSpace, WeightsMissing
from ogaart.resources.index.factory import delete_index
from ogaart.resources.platform import Stores
from ogaart.resources.publications.publications import Publications
from ogaart.resources.site.fetch_records import FetchRecords
from ogaart.resources.site.partial_downloads import abandoned, delete_abandoned
from ogaart.resources.state.locks import hold_all_everywhere
from ogaart.resources.storage.atomic_files import TEMPORARY
from ogaart.resources.storage.derived import DerivedBytes
from ogaart.resources.storage.lock_names import backup_lock, catalog_lock, step_lock
from ogaart.resources.storage.schema import EMBEDDINGS
from ogaart.resources.storage.segments import Segments
from ogaart.resources.storage.tables import Tables
from ogaart.resources.storage.vectors import Vectors
from ogaart.settings import Settings

COLUMNS = ("what", "items", "MB", "deleted")
RECORD_GRACE = timedelta(days=7)
"""How long a fetch record that no row refers to is kept: a later run may use it."""
SUPERSEDED = 1 << 20
"""Bytes of superseded lines for which the journal of fetch records is written again."""
SCRATCH_GRACE = timedelta(hours=6)
"""A file under ``scratch`` is kept this long after it was last written."""
OBJECT_GRACE = 3600.0
"""Seconds that a table's or pack's object is kept once it has a successor: a reader may just open it."""
BLOB_GRACE = timedelta(days=1)
"""How long a blob is kept after it was written: its record may not be written yet."""


@dataclass(frozen=True)
class Item:
    """Something that can be deleted: its kind, its path, the bytes that become free, how it is deleted, how many."""

    what: str
    path: Path
    bytes: int
    delete: Callable[[], object]
    count: int = 1


def collect(settings: Settings, *, delete: bool = False, space: str | None = None) -> Report:
    """List what nothing refers to, and delete it if ``delete`` is set.

    Args:
        settings: the settings.
        delete: delete it; otherwise only list it.
        space: a vector space to delete whole, with its collection, and nothing else.

    Raises:
        Locked: a run is in progress.
        duckdb.Error: a catalog cannot be read; another process has it open for writing, or it is damaged.
        StateRefused: PostgreSQL was restarted meanwhile, and a run may have begun: what is left is kept.
        SpaceInUse: ``space`` is in use, or does not exist.
    """
    stores = Stores(settings)
    with closing(stores), ExitStack() as held:
        require_held = _hold_out_runs(stores, held) if delete else None
        stores.tables.follow_objects()  # no run has begun since a database of before a move was put back
        items = list(_space(stores, space) if space is not None else everything(stores))
        report = Report(COLUMNS)
        for what in dict.fromkeys(item.what for item in items):
            group = [item for item in items if item.what == what]
            if require_held is not None:
                for item in group:
                    require_held()
                    item.delete()
            size = round(sum(item.bytes for item in group) / 1e6, 3)
            paths = [str(item.path) for item in group[:20]]
            report.rows.append(
                {
                    "what": what,
                    "items": sum(item.count for item in group),
                    "MB": size,
                    "deleted": "yes" if delete else "no",
                    "first": paths,
                }
            )
        if require_held is not None:
            require_held()
            stores.segments.push_deletions()
    if items and not delete:
        report.errors.append("Nothing deleted (dry run). Run `ogaart gc --yes` to delete.")
    return report


def _hold_out_runs(stores: Stores, held: ExitStack) -> Callable[[], None]:
    """Take every lock under which runs write what is collected; refuse while a run is in progress.

    Returns:
        What refuses to go on once the locks are not held any more.
    """
    try:
        partitions = refuse_while_running(stores)
    except sqlalchemy.exc.OperationalError as cause:
        if not is_disk_full(cause):
            raise
        partitions = []
        refuse_while_processes_run(stores)
    held.enter_context(stores.hold(catalog_lock(stores.root), what="the catalog"))
    held.enter_context(stores.hold(backup_lock(stores.root), what="the lock of backups and clean-up"))
    partitions = sorted({*partitions, *stores.tables.partitions(EMBEDDINGS)})
    locks = [step_lock(stores.root, Stage.EMBEDDINGS, partition) for partition in partitions]
    return held.enter_context(hold_all_everywhere(stores.state, locks, f"a step of {Stage.EMBEDDINGS}"))


def everything(stores: Stores) -> Iterator[Item]:
    """All that can be deleted, kind by kind; nothing is deleted here.

    Generations come first: what only an old one referred to is deleted with it.
    """
    generations = Generations(stores.root.generations)
    old = generations.old(stores.settings.keep_generations)
    if old:
        size = sum(_own_bytes(generations.get(number).path) for number in old)
        keep = stores.settings.keep_generations
        yield Item("old generations", stores.root.generations, size, lambda: generations.prune(keep))
    kept = [generations.get(n) for n in generations.numbers() if n not in old]
    used = _used(stores.tables, [generation.catalog for generation in kept])
    yield from _records_and_blobs(stores, used)
    yield from _segments(stores, used.pixels)
    for shard in sorted(stores.root.index.glob("*/broken-*")):
        yield _tree("broken shards", shard)
    yield from _drafts(stores)


@dataclass(frozen=True)
class Used:
    """What rows of the tables and of kept generations refer to; ``pixels`` are the keys of segments."""

    blobs: frozenset[str]
    urls: frozenset[str]
    pixels: frozenset[str]


_BLOBS = (
    "SELECT sha256 FROM listings UNION SELECT page_sha256 FROM entries"
    " UNION SELECT sha256 FROM raw_files"
    " UNION SELECT file_sha256 FROM occurrences"
)
_LICENCE_PAGES = "SELECT unnest([first_page_sha256, page_sha256]) FROM licence_history"
_URLS = (
    "SELECT url FROM listings UNION SELECT url FROM search_results UNION SELECT url FROM entries"
    " UNION SELECT url FROM file_links"
)


def _used(tables: Tables, catalogs: list[Path]) -> Used:
    with connect(tables) as con:
        blobs, urls, pixels = (_column(con, q) for q in (_BLOBS, _URLS, "SELECT pixel_sha256 FROM images"))
        blobs |= _column(con, _LICENCE_PAGES)
        pixels |= {one.named for one in sheet_keys(con)}
    for catalog in catalogs:
        with duckdb.connect(str(catalog), read_only=True) as con:
            blobs |= _column(con, _BLOBS)
            pixels |= _column(con, "SELECT pixel_sha256 FROM images")
            pixels |= {one.named for one in sheet_keys(con)}
    return Used(frozenset(blobs), frozenset(urls), frozenset(pixels))


def _column(con: duckdb.DuckDBPyConnection, query: str) -> set[str]:
    return {value for (value,) in con.execute(query).fetchall() if value is not None}


def _records_and_blobs(stores: Stores, used: Used) -> Iterator[Item]:
    """Fetch records of URLs that no row names any more, and blobs that neither a row nor a kept record names."""
    now, fetches = datetime.now(UTC), stores.fetch_records
    records = fetches.all()
    old = {record.url for record in records if record.url not in used.urls and now - record.checked_at > RECORD_GRACE}
    kept = {record.sha256 for record in records if record.url not in old}
    oldest = now.timestamp() - BLOB_GRACE.total_seconds()
    for file in stores.blobs.stored():
        if file.path.name not in used.blobs and file.path.name not in kept and file.written < oldest:
            yield Item("blobs", file.path, file.bytes, partial(_delete_old, stores, file.path, oldest))
    superseded = fetches.superseded()
    if old:
        size = superseded + sum(record.line_bytes for record in records if record.url in old)
        yield Item("fetch records", fetches.journal, size, partial(_forget, fetches, old), len(old))
    elif superseded > SUPERSEDED:
        yield Item("superseded lines of fetch records", fetches.journal, superseded, partial(_forget, fetches, old))
    for path, record in fetches.earlier_files():
        if record is None:
            yield _file("damaged fetch records", path)


def _forget(fetches: FetchRecords, urls: set[str]) -> None:
    """Delete fetch records; a disk that is still full keeps them for the next time."""
    try:
        fetches.forget(urls)
    except (OSError, sqlalchemy.exc.OperationalError) as cause:
        if not is_disk_full(cause):
            raise


def _segments(stores: Stores, pixels: frozenset[str]) -> Iterator[Item]:
    """Segments with rows of pictures that no table names, and damaged ones; what is still in use is kept."""
    root = stores.root
    stores.segments.pull()
    spaces: list[tuple[str, Segments[Any, Any]]] = [
        *((f"vectors of {space}", Vectors(root.vectors, space)) for space in _folders(root.vectors)),
        *((f"derived {space}", DerivedBytes(root.derived, space)) for space in _folders(root.derived)),
    ]
    for what, segments in spaces:
        held = segments.keys()
        unused = held - pixels
        if not unused and not segments.damaged:
            continue
        places = segments.locate(held)
        names = {places[key].segment for key in unused} | set(segments.damaged)
        size = sum((segments.folder / name).stat().st_size for name in names)
        share = len(unused) / max(sum(1 for place in places.values() if place.segment in names), 1)
        yield Item(what, segments.folder, round(size * share), lambda s=segments: s.gc(pixels))  # type: ignore[misc]


def _folders(root: Path) -> list[str]:
    return sorted(path.name for path in root.glob("*") if path.is_dir())


def _drafts(stores: Stores) -> Iterator[Item]:
    """Temporary files whose process has ended, and partial downloads that will not be resumed."""
    root = stores.root
    publications = Publications(stores.state, stores.objects)
    published = {root.root / name for record in publications.all() for name in record.objects}
    for file in publications.unused():
        yield Item("files of old publications", file.path, file.bytes, partial(stores.objects.delete, file.path))
    for file in stores.tables.objects.garbage(OBJECT_GRACE):
        if file.path in published:
            continue
        forget = partial(stores.objects.delete, file.path)
        yield Item("superseded tables and packs", file.path, file.bytes, forget)
    for folder in (root.tables, root.packs, root.blobs, root.site, root.vectors, root.derived, root.index):
        for path in sorted(folder.rglob(f"{TEMPORARY}*")) if folder.is_dir() else ():
            if path.is_file() and is_leftover(path):
                yield _file("temporary files", path)
    for path in abandoned(root.site):
        delete = partial(delete_abandoned, root.site, path)
        yield Item("abandoned partial downloads", path, path.stat().st_size, delete)
    for path in sorted(root.generations.glob(f"{TEMPORARY}*")):
        yield _tree("unfinished generations", path)
    oldest = time.time() - SCRATCH_GRACE.total_seconds()
    for path in sorted(root.scratch.glob("*")):
        if path.lstat().st_mtime < oldest:
            yield _tree("scratch", path)


def _space(stores: Stores, space: str) -> Iterator[Item]:
    """A whole vector space: its segments and its collection."""
    try:
        current = VectorSpace.of(stores.settings).name
    except WeightsMissing:
        current = None
    published = {str(g.manifest["space"]): g.number for g in Generations(stores.root.generations).all()}
    if space == current or space in published:
        by = f"generation {published[space]} is published with it" if space in published else "OGAART_MODEL names it"
        raise SpaceInUse(f"space {space} is in use ({by}): publish with another model first, then run `ogaart gc`")
    stores.segments.pull()
    folder = stores.root.vectors / space
    shard = stores.root.index / space
    if not folder.is_dir() and not shard.is_dir():
        there = sorted(p.name for p in stores.root.vectors.glob("*") if p.is_dir())
        raise SpaceInUse(f"unknown space {space!r}; existing spaces: {', '.join(there) or 'none'}")
    if stores.settings.qdrant_url is not None:
        settings = stores.settings
        yield Item("collection on the server", shard, 0, lambda: delete_index(settings, space))
    yield from (_tree("vectors and collection", path) for path in (folder, shard) if path.is_dir())


def _file(what: str, path: Path) -> Item:
    return Item(what, path, path.stat().st_size, lambda: path.unlink(missing_ok=True))


def _delete_old(stores: Stores, path: Path, oldest: float) -> None:
    """Delete a blob, unless the same bytes were fetched again since it was listed."""
    if any(file.written < oldest for file in stores.objects.files(path.parent) if file.path == path):
        stores.objects.delete(path)


def _tree(what: str, path: Path) -> Item:
    return Item(what, path, _own_bytes(path), lambda: _remove(path))


def _remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)


def _own_bytes(path: Path) -> int:
    """Bytes that deleting ``path`` frees: files that have another name elsewhere are not counted."""
    if not path.is_dir():
        return path.lstat().st_size
    found = 0
    for folder, _, files in os.walk(path):
        for name in files:
            status = (Path(folder) / name).lstat()
            found += status.st_size if status.st_nlink == 1 else 0
    return found
