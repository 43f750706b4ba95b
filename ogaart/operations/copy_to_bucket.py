"""``ogaart copy-to-bucket``: copies what a data root in a folder holds into a bucket, from where all hosts use it.

The folder stays as it is. Killed at any point, the next call copies the rest: what the bucket has in the same size is
not copied again. Files keep their names; one whose own hash does not confirm its bytes is left out. What the bucket
holds is current, and its publication in service, once all of it is there.
"""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

from ogaart.core.errors import BadChoice
from ogaart.core.exit_codes import EXIT_DAMAGED
from ogaart.core.report import Report
from ogaart.operations.intact_files import KINDS, FileKind
from ogaart.operations.preconditions import add_stored_partitions, refuse_while_running
from ogaart.resources.catalog.generations import HASHES, Generation, Generations
from ogaart.resources.moderation.line_log import LineLog
from ogaart.resources.objects.factory import COPYING, OWNER
from ogaart.resources.objects.folder import Folder
from ogaart.resources.objects.store import ObjectStore
from ogaart.resources.platform import Stores
from ogaart.resources.publications.publications import Publications
from ogaart.resources.site.bucket_fetch_records import BucketFetchRecords
from ogaart.resources.site.fetch_record import FetchRecord
from ogaart.resources.site.fetch_records import JOURNAL, FetchRecords
from ogaart.resources.state.database import StateDatabase
from ogaart.resources.state.facts import Facts, write_fact
from ogaart.resources.state.locks import hold_everywhere
from ogaart.resources.state.pointers import Pointers, PointersChanged
from ogaart.resources.storage.atomic_files import TEMPORARY, copy_durably, sync_file, temporary
from ogaart.resources.storage.data_root import DataRoot
from ogaart.resources.storage.file_hashes import changed_files
from ogaart.resources.storage.lock_names import catalog_lock, copy_lock, services_lock
from ogaart.resources.storage.locks import Locked, hold_read_only
from ogaart.resources.storage.objects import OBJECTS, Pointer, named_paths, newest_commits, parsed
from ogaart.settings import Settings

COLUMNS = ("what", "files", "MB", "copied")
_KIND_OF_FACT = "copied"
_AT_ONCE = 16
"""Files that are compared and uploaded at a time."""


def copy_to_bucket(settings: Settings, source: Path, *, dry_run: bool = False) -> Report:
    """Copy a data root into the bucket of the settings, and add its partitions to their instance of Dagster.

    Args:
        settings: name the bucket, its database, and another folder as the data root.
        source: the data root to copy; it is not changed.
        dry_run: only count.

    Raises:
        BadChoice: the settings name no bucket, the folder cannot be copied, or the bucket has another one's tables.
        Locked: a run, a publication or ``ogaart up`` is in progress there, or a run or another copy in the bucket.
        ObjectsRefused, StateRefused: bucket or database cannot be reached.
    """
    if settings.objects is None:
        raise BadChoice("OGAART_OBJECTS is not set: name the bucket, its database and an empty OGAART_DATA")
    if source.resolve() == settings.data.resolve():
        raise BadChoice(f"{source} is OGAART_DATA itself: set that to an empty folder, which will hold copies")
    with closing(Stores(settings, copying=True)) as stores:
        if not dry_run:
            refuse_while_running(stores)
        report = copy_root(DataRoot(source), stores.state, stores.objects, dry_run=dry_run)
        if report.exit_code == 0 and not dry_run:
            add_stored_partitions(stores)
    return report


def copy_root(source: DataRoot, state: StateDatabase, objects: ObjectStore, *, dry_run: bool = False) -> Report:
    """Copy a data root into a bucket; errors as ``copy_to_bucket``.

    Args:
        source: the data root.
        state: the database of the hosts that share the bucket.
        objects: the bucket.
        dry_run: only count.
    """
    _refuse(source)
    with ExitStack() as held:
        for lock in (services_lock(source), catalog_lock(source), *(source.locks / "runs").glob("*.lock")):
            held.enter_context(hold_read_only(lock, what=f"{lock.stem} of {source.root}"))
        target = DataRoot(state.folder)
        for lock in (copy_lock(target), catalog_lock(target)) if not dry_run else ():
            held.enter_context(hold_everywhere(state, lock, what=f"{lock.stem} of the bucket"))
        pointers = newest_commits(source.root, Folder())
        _refuse_others(source, state.folder, objects, pointers)
        _refuse_newer(state, Publications(state, objects))
        return _Copying(source, state, objects, dry_run=dry_run).everything(pointers)


class _Copying:
    """One call's work and its report."""

    def __init__(self, source: DataRoot, state: StateDatabase, objects: ObjectStore, *, dry_run: bool) -> None:
        self._source, self._state, self._objects, self._dry_run = source, state, objects, dry_run
        self._pointers = Pointers(state)
        self._before = self._pointers.all()
        self._report = Report(COLUMNS)
        self._damaged: list[str] = []

    def everything(self, pointers: list[Pointer]) -> Report:
        """Copy all files, then what makes them current."""
        records = self._source_records()  # before their blobs: a run that starts meanwhile adds both
        if not self._dry_run and not self._pointers.made():
            self._refuse_others_meanwhile()
        for kind in KINDS:
            self._files(kind)
        generation = self._generation()
        if not self._damaged:
            self._records(records)
            self._logs()
            self._small_files()
        if not self._damaged:
            self._switch(pointers, generation)
        if self._damaged:
            self._report.errors.append(
                f"{len(self._damaged)} files are damaged, such as {min(self._damaged)}: nothing in the bucket is "
                "current yet; run `ogaart verify --repair` with the folder as OGAART_DATA, then copy again"
            )
            self._report.exit_code = EXIT_DAMAGED
        elif self._dry_run:
            self._report.errors.append("Nothing copied (dry run). Run `ogaart copy-to-bucket` without --dry-run.")
        return self._report

    def _add(self, what: str, number: int, size: int) -> None:
        copied = "no" if self._dry_run else "yes"
        self._report.rows.append({"what": what, "files": number, "MB": round(size / 1e6, 3), "copied": copied})

    def _files(self, kind: FileKind) -> None:
        root = self._source.root
        stored = {f.path: f.bytes for f in self._objects.files(self._state.folder / kind.folder)}
        new = [
            (path, target, path.stat().st_size)
            for path in sorted((root / kind.folder).glob(kind.pattern))
            if not path.name.startswith(TEMPORARY)
            and stored.get(target := self._state.folder / path.relative_to(root)) != path.stat().st_size
        ]

        def copy(path: Path, target: Path) -> None:
            if kind.is_intact(path):
                self._objects.upload(path, target)
            else:
                self._damaged.append(str(path))

        if not self._dry_run:
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                list(pool.map(lambda file: copy(*file[:2]), new))
        self._add(kind.folder, len(new), sum(size for *_, size in new))

    def _refuse_others_meanwhile(self) -> None:
        """Let no process open the bucket before all of it is there."""
        path = self._state.folder / COPYING
        draft = temporary(path)
        draft.write_text(json.dumps({"source": str(self._source.root.resolve())}))
        sync_file(draft)
        self._objects.put(draft, path)
        path.unlink()

    def _source_records(self) -> list[FetchRecord]:
        own = StateDatabase(Settings(data=self._source.root, database_url=None, objects=None), read_only=True)
        with closing(own):
            return FetchRecords(own, self._source.site).all()  # of the journal: its database is not opened

    def _records(self, records: list[FetchRecord]) -> None:
        bucket = BucketFetchRecords(self._state, self._state.folder / "site", self._objects)
        known = {record.url: record.checked_at for record in bucket.all()}
        new = [record for record in records if record.url not in known or known[record.url] < record.checked_at]
        if not self._dry_run:
            bucket.add(new)
        self._add("fetch records", len(new), sum(record.line_bytes for record in new))

    def _logs(self) -> None:
        found = 0, 0
        own = StateDatabase(Settings(data=self._source.root, database_url=None, objects=None), read_only=True)
        with closing(own):
            logs = {
                folder: LineLog(own, Folder(), folder).named_lines()
                for folder in (self._source.decisions, self._source.reports)
            }
        for folder, lines in logs.items():
            self._damaged += [line.where for line in lines.values() if not line.is_whole]
            found = found[0] + len(lines), found[1] + sum(len(line.content) for line in lines.values())
            if lines and not self._damaged and not self._dry_run:
                LineLog(self._state, self._objects, self._state.folder / folder.name).add(lines)
        self._add("takedowns and reports", *found)

    def _small_files(self) -> None:
        """What lies in the folder of the host that publishes, and the waits that the site has required."""
        root = self._source.root
        found = [*self._source.projections.rglob("*"), *self._source.history.rglob("*")]
        found += [path for path in self._source.site.glob("*.jsonl") if path.name != JOURNAL]
        new = [
            (path, target)
            for path in found
            if path.is_file() and not (target := self._state.folder / path.relative_to(root)).exists()
        ]
        for path, target in new if not self._dry_run else ():
            target.parent.mkdir(parents=True, exist_ok=True)
            copy_durably(path, target)
        self._add("projections, history, waits", len(new), sum(path.stat().st_size for path, _ in new))

    def _generation(self) -> Generation | None:
        """The publication in service, whose files are as they were written."""
        generation = Generations(self._source.generations).current()
        if generation is not None:
            wrong = changed_files(generation.path, generation.path / HASHES)
            self._damaged += [f"{path} ({problem})" for path, problem in wrong]
        return generation

    def _switch(self, pointers: list[Pointer], generation: Generation | None) -> None:
        if not self._dry_run:
            copied = {"pointers": _digest(pointers), "publication": 0 if generation is None else generation.number}
            try:
                self._pointers.remake(
                    pointers, before=self._before, also=lambda c: write_fact(c, _KIND_OF_FACT, "", copied)
                )
            except PointersChanged as cause:
                raise Locked("a run in the bucket has written tables meanwhile: nothing of it was replaced") from cause
        if generation is not None:
            publications = Publications(self._state, self._objects)
            new = publications.number_in_service() != generation.number
            files = [path for path in generation.path.rglob("*") if path.is_file()] if new else []
            if not self._dry_run:
                publications.publish(generation)
            self._add("publication", len(files), sum(path.stat().st_size for path in files))
        if not self._dry_run:
            self._objects.delete(self._state.folder / COPYING)


def _digest(pointers: list[Pointer]) -> str:
    """The same for the same pointers, in whatever order."""
    return hashlib.sha256("\n".join(sorted(pointer.object for pointer in pointers)).encode()).hexdigest()


def _refuse_newer(state: StateDatabase, publications: Publications) -> None:
    """Refuse where the bucket was used since the last copy: what was made there would be replaced."""
    copied = Facts(state, _KIND_OF_FACT).read("")
    if copied is None:
        return
    used = ""
    if publications.number_in_service() > copied["publication"]:
        used = f"publication {publications.number_in_service()}"
    if _digest(Pointers(state).all()) != copied["pointers"]:
        used = "tables"
    if used:
        raise BadChoice(
            f"the bucket has {used} made there since the last copy: it is in use already; to copy the folder again, "
            "name an empty prefix in OGAART_OBJECTS, and an empty database"
        )


def _refuse(source: DataRoot) -> None:
    if not (source.root / OBJECTS).is_dir():
        raise BadChoice(f"{source.root} has no objects/: it is not a data root, or needs `ogaart upgrade` first")
    if (source.root / OWNER).exists():
        raise BadChoice(f"{source.root} holds copies of {(source.root / OWNER).read_text().strip()}: nothing to copy")
    if any(entry.is_file(follow_symlinks=False) for _, entry in named_paths(source.root)):
        raise BadChoice(f"{source.root} has tables of an earlier version: run `ogaart upgrade` on it first")


def _refuse_others(source: DataRoot, folder: Path, objects: ObjectStore, pointers: list[Pointer]) -> None:
    """Refuse where the bucket has tables that were made over it, or copied from another data root."""
    current = {pointer.key: pointer for pointer in pointers}
    for file in objects.files(folder / OBJECTS):
        found, name = parsed(file.path), file.path.relative_to(folder)
        if found is None or (source.root / name).exists():
            continue
        pointer = current.get(found.key)
        if pointer is None or pointer.sequence <= found.sequence:
            raise BadChoice(
                f"the bucket has tables that {source.root} does not have, such as {name}: it is in use already; name "
                "an empty prefix in OGAART_OBJECTS, and an empty database"
            )
