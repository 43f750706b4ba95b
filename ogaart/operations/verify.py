"""``ogaart verify``: compares everything stored with what should be there; each deviation is a row.

Order matters: what a later check reads, an earlier one has found intact.
"""

import hashlib
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import duckdb
from rich.console import Console

from ogaart.core.exit_codes import EXIT_DAMAGED
from ogaart.core.process_limits import lacking, raise_if_lacking, way_out
from ogaart.core.report import Report
from ogaart.core.stages import Stage
from ogaart.imaging.identity import image_id
from ogaart.operations.damage import PUBLICATION, Damage, one
from ogaart.operations.verify_collection import damaged_collection
from ogaart.operations.verify_derived import damaged_derived
from ogaart.operations.verify_publication import damaged_publications
from ogaart.operations.verify_state import damaged_journals, damaged_state, damaged_weights
from ogaart.resources.catalog.generations import DECIDED, Generations
from ogaart.resources.catalog.table_views import connect
from ogaart.resources.embedding.registry import VectorSpace
from ogaart.resources.moderation.line_log import LineLog
from ogaart.resources.moderation.takedowns import DecisionsUnreadable, require_decisions
from ogaart.resources.platform import Stores
from ogaart.resources.publications.publications import Publications
from ogaart.resources.site.bucket_fetch_records import open_fetch_records
from ogaart.resources.state.database import StateDatabase
from ogaart.resources.state.facts import damaged_facts
from ogaart.resources.state.pointers import Pointers
from ogaart.resources.storage.data_root import OwnerUnreadable
from ogaart.resources.storage.objects import PACKS, Key
from ogaart.resources.storage.packs import pack_is_as_written, read_at
from ogaart.resources.storage.schema import FAILURES, LICENCE_HISTORY, STEPS, TABLES
from ogaart.resources.storage.tables import NewerFormat, TornTable
from ogaart.resources.storage.vectors import Vectors
from ogaart.settings import Settings

COLUMNS = ("what", "where", "partition", "asset", "problem")


@dataclass
class Verification:
    """One pass over a data root."""

    stores: Stores
    quick: bool = False
    checked: Counter[str] = field(default_factory=Counter)
    torn: set[Path] = field(default_factory=set)

    def problems(self) -> Iterator[Damage]:
        """All deviations, store by store; of a server's database that lacks a table this alone."""
        if lacking := self.stores.state.lacks():
            rest = "what is checked by its rows was not looked at: run `ogaart verify --repair`"
            yield Damage("state", self.stores.state.where, f"{lacking}; {rest}")
            return
        if self.stores.state.path is None:
            with self.stores.state.reading():
                pass  # a new database of a server is made, as a lost file is: what is checked is opened to be read only
        yield from _without_end("state", self.state())
        yield from _without_end("table", self.tables())
        yield from _without_end("rows", self.named_by_rows())
        self.checked["generations"] += len(Generations(self.stores.root.generations).numbers())
        yield from _without_end(PUBLICATION, damaged_publications(self.stores, quick=self.quick))

    def named_by_rows(self) -> Iterator[Damage]:
        """What the rows of tables name is there and as it was written; nothing of it where a table cannot be read."""
        with connect(self.stores.tables, self.torn) as con:
            space = VectorSpace.of(self.stores.settings)
            vectors = Vectors(self.stores.root.vectors, space.name)
            collection = damaged_collection(self.stores, con, vectors, space.dimension, self.checked, quick=self.quick)
            for what, found in (
                ("blob", self.blobs(con)),
                ("rows", self.rows(con)),
                ("pack", self.packs(con)),
                ("vectors", self.vectors(con, vectors)),
                ("derived", self.derived(con)),
                ("collection", collection),
            ):
                yield from _without_end(what, found)

    def _lost_decisions(self, log: LineLog) -> Iterator[Damage]:
        """Every line is a decision, and those that the publication in service was made with are among them."""
        current = Generations(self.stores.root.generations).replaceable()
        try:
            require_decisions(log, current.manifest.get(DECIDED, ()) if current is not None else ())
        except DecisionsUnreadable as cause:
            yield Damage("state", log.where, str(cause))

    def state(self) -> Iterator[Damage]:
        """Settings, state and journals are as they were written, and the weights those that are known."""
        root = self.stores.root
        for path, problem, removable in damaged_state(root):
            generation = int(path.parent.name) if path.parent.parent == root.generations else 0
            yield Damage("state", str(path), problem, remove=(path,) if removable else (), generation=generation)
        state = StateDatabase(self.stores.settings, read_only=True)
        with closing(state):
            for where, problem in open_fetch_records(state, root.site, self.stores.objects).damage():
                yield Damage("state", where, problem, fetch_records=True)
            for kind, name in damaged_facts(state):
                yield Damage("state", state.where, f"{kind} {name}: not as it was written", facts=True)
            for where, problem in Pointers(state).damage():
                yield Damage("state", where, problem, fetch_records=True)
            for where, problem in Publications(state, self.stores.objects).damaged_rows():
                yield Damage("state", where, problem, shared=True)
            decisions, reports = (LineLog(state, self.stores.objects, path) for path in (root.decisions, root.reports))
            for log in (decisions, reports):
                for where, problem in log.damage():
                    yield Damage("state", where, problem, shared=True)
            yield from self._lost_decisions(decisions)
        if lost := self.stores.tables.objects.without_pointer():
            problem = f"{len(lost)} pointers are missing, such as that of {lost[0].name}"
            yield Damage("state", state.where, problem, fetch_records=True)
        yield from damaged_journals(self.stores.tables, root)
        if not self.quick:
            for path, problem, _ in damaged_weights(self.stores.settings):
                yield Damage("state", str(path), problem)

    # -- tables -----------------------------------------------------------------------------------------------

    def tables(self) -> Iterator[Damage]:
        """Every Parquet file is readable, in a known format, and as it was written."""
        for table in TABLES:
            for key, path in self.stores.tables.objects.all(table.name, fresh=not self.quick).items():
                self.checked["tables"] += 1
                try:
                    self.stores.tables.verify(table, path)
                except TornTable as cause:
                    self.torn.add(path)
                    redo = one(key.stage, key.partition)
                    yield Damage("table", str(path), str(cause), redo, self._files(key, path))
                except NewerFormat as cause:
                    self.torn.add(path)
                    yield Damage("table", str(path), str(cause))
        for pointer in self.stores.tables.objects.lost():
            key, path = pointer.key, self.stores.root.root / pointer.object
            if path not in self.torn and key.kind != PACKS:
                problem = "the table is missing, or is not the one that was written"
                yield Damage("table", str(path), problem, one(key.stage, key.partition), self._files(key, path))

    def _files(self, key: Key, path: Path) -> tuple[Path, ...]:
        """What is deleted with a damaged table: its stage's other tables and pack, which are made together."""
        if key.kind in {FAILURES.name, STEPS.name, LICENCE_HISTORY.name}:
            return (path,)
        return self.stores.tables.stage_files(key.stage, key.partition)

    # -- blobs ------------------------------------------------------------------------------------------------

    def blobs(self, con: duckdb.DuckDBPyConnection) -> Iterator[Damage]:
        """Every blob that a row names exists, with its length and hash; what no row names has the hash in its name."""
        found = con.execute(
            """
            SELECT sha256, max(bytes), list(DISTINCT stage || ' ' || partition) FROM (
                SELECT sha256, NULL AS bytes, 'search_pages' AS stage, partition FROM listings
                UNION ALL SELECT page_sha256, NULL, 'content_pages', partition FROM entries
                UNION ALL SELECT sha256, bytes, 'raw_files', partition FROM raw_files WHERE status = 'ok')
            WHERE sha256 IS NOT NULL GROUP BY sha256 ORDER BY sha256
            """
        ).fetchall()
        blobs = self.stores.blobs
        for sha256, length, used in found:
            self.checked["blobs"] += 1
            size = blobs.size(sha256)
            problem = ""
            if size is None:
                problem = "the blob is missing"
            elif length is not None and size != length:
                problem = f"the blob has {size:,} bytes, its row states {length:,}"
            elif not self.quick and not blobs.verify(sha256):
                problem = "the blob's bytes do not have the hash in its name"
            if problem:
                redo = frozenset((stage, partition) for stage, partition in (u.split(" ", 1) for u in used))
                yield Damage("blob", str(blobs.path(sha256)), problem, redo, (blobs.path(sha256),))
        named = {sha256 for sha256, _, _ in found}
        for path in sorted(file.path for file in blobs.stored()) if not self.quick else ():
            if path.name not in named and not blobs.verify(path.name):
                yield Damage("blob", str(path), "the blob's bytes do not have the hash in its name", remove=(path,))

    # -- rows and packs ---------------------------------------------------------------------------------------

    def rows(self, con: duckdb.DuckDBPyConnection) -> Iterator[Damage]:
        """Images, occurrences and members of a partition refer to each other; ids are those of their pixels."""
        extracted = Stage.EXTRACTED_IMAGES.value
        found = con.execute(
            """
            SELECT partition, image_id, 'an occurrence without its image' FROM occurrences
                ANTI JOIN images USING (partition, image_id)
            UNION ALL SELECT partition, image_id, 'an image without any occurrence' FROM images
                ANTI JOIN occurrences USING (partition, image_id)
            UNION ALL SELECT partition, image_id, 'a member without its image' FROM members
                ANTI JOIN images USING (partition, image_id) WHERE status = 'picture'
            """
        ).fetchall()
        images = con.execute("SELECT slug, pixel_sha256, image_id, partition FROM images")
        for slug, pixels, number, partition in chain.from_iterable(iter(lambda: images.fetchmany(10_000), [])):
            self.checked["images"] += 1
            if image_id(slug, pixels) != number:
                found.append((partition, number, "the id is not that of the entry and the pixels"))
        for partition, number, problem in found:
            remove = self.stores.tables.stage_files(extracted, partition)
            yield Damage("rows", str(number), problem, one(extracted, partition), remove)

    def packs(self, con: duckdb.DuckDBPyConnection) -> Iterator[Damage]:
        """Every range of a pack that a row names holds the bytes that the row states."""
        stage = Stage.EXTRACTED_IMAGES.value
        places = con.execute(
            "SELECT partition, pack_offset, pack_length, any_value(sha256) FROM occurrences"
            " WHERE pack_offset IS NOT NULL GROUP BY ALL"
            " UNION ALL SELECT partition, thumb_offset, thumb_length, NULL FROM images WHERE thumb_offset IS NOT NULL"
        ).fetchall()
        by_partition: dict[str, list[tuple[int, int, str | None]]] = {}
        for partition, offset, length, sha256 in places:
            by_partition.setdefault(partition, []).append((offset, length, sha256))
        packs = self.stores.tables.objects.all(PACKS, fresh=not self.quick)
        stored = {key.partition for key in packs if key.stage == stage}
        for partition in sorted(stored | by_partition.keys()):
            wanted = by_partition.get(partition, [])
            self.checked["packs"] += 1
            path = self.stores.tables.pack_path(stage, partition)
            problem = self._pack_problem(path, wanted)
            if problem:
                yield Damage(
                    "pack", str(path), problem, one(stage, partition), self.stores.tables.stage_files(stage, partition)
                )

    def _pack_problem(self, path: Path, wanted: list[tuple[int, int, str | None]]) -> str:
        try:
            if not self.quick and pack_is_as_written(path) is False:
                return "not as it was written (its hash is wrong)"
            with zipfile.ZipFile(path) as pack:
                bad = None if self.quick else pack.testzip()
            if bad is not None:
                return f"member {bad} does not have its checksum"
            end = path.stat().st_size
            for offset, length, sha256 in wanted:
                if offset + length > end:
                    return f"ends at {end:,}, a row refers to bytes up to {offset + length:,}"
                if not self.quick and sha256 is not None:
                    data = read_at(path, offset, length)
                    if hashlib.sha256(data).hexdigest() != sha256:
                        return f"the picture at {offset:,} does not have the hash in its row"
        except (OSError, zipfile.BadZipFile) as cause:
            raise_if_lacking(cause, path)
            return str(cause)
        return ""

    # -- likeness ---------------------------------------------------------------------------------------------

    def vectors(self, con: duckdb.DuckDBPyConnection, vectors: Vectors) -> Iterator[Damage]:
        """Segments are intact, and every embedded image has its vector."""
        self.stores.segments.pull(fresh=not self.quick)
        damaged = {} if self.quick else vectors.verify()
        held = vectors.keys()
        damaged = {**damaged, **vectors.damaged}
        stage = Stage.EMBEDDINGS.value
        rows = con.execute(
            "SELECT partition, pixel_sha256, segment FROM embeddings WHERE status = 'ok' AND space = $space",
            {"space": vectors.space},
        ).fetchall()
        self.checked["vectors"] += len(rows)
        for name, reason in damaged.items():
            redo = frozenset((stage, partition) for partition, _, segment in rows if segment == name)
            yield Damage("vectors", str(vectors.folder / name), reason, redo, (vectors.folder / name,))
        for folder in sorted(self.stores.root.vectors.glob("*/")) if not self.quick else ():
            if folder.name != vectors.space:
                for name, reason in Vectors(self.stores.root.vectors, folder.name).verify().items():
                    yield Damage("vectors", str(folder / name), reason, remove=(folder / name,))
        lacking = {(partition, key) for partition, key, segment in rows if key not in held and segment not in damaged}
        for partition in sorted({partition for partition, _ in lacking}):
            keys = [key for where, key in lacking if where == partition]
            problem = f"{len(keys)} embedded pictures have no vector, such as {keys[0]}"
            yield Damage("vectors", str(vectors.folder), problem, one(stage, partition))

    def derived(self, con: duckdb.DuckDBPyConnection) -> Iterator[Damage]:
        """Segments of derived bytes are intact; a picture that lacks some is not damage: the next run computes them."""
        for path, reason, partitions in damaged_derived(self.stores.root, con, quick=self.quick):
            redo = frozenset((Stage.EMBEDDINGS.value, partition) for partition in partitions)
            yield Damage("derived", str(path), reason, redo, (path,))


def _without_end(what: str, found: Iterator[Damage]) -> Iterator[Damage]:
    """What a check finds; where it ends at a file that the system does not read, that is its last row."""
    rest = "what is checked after it was not looked at: run `ogaart verify` again once it is readable"
    try:
        yield from found
    except OSError as cause:
        if cause.filename is None:
            raise
        reason, path = (cause.strerror or type(cause).__name__).lower(), Path(cause.filename)
        code = lacking(cause)
        reason, misplaced = (reason, path.is_dir()) if code is None else (f"{reason}: {way_out(code)}", False)
        yield Damage(what, str(path), f"{reason}; {rest}", remove=(path,) if misplaced else ())
    except duckdb.Error as cause:
        if (code := lacking(cause)) is None:
            raise
        yield Damage(what, "", f"{str(cause).splitlines()[0]}: {way_out(code)}; {rest}")


def verify(settings: Settings, console: Console, *, quick: bool = False) -> Report:
    """Compare everything stored with what should be there.

    Args:
        settings: the settings.
        console: where the numbers checked are shown.
        quick: compare names and sizes only; bytes are not read.
    """
    work = Verification(_stores(settings), quick)
    report = Report(COLUMNS)
    report.rows = [problem.row() for problem in work.problems()]
    console.print("Checked " + ", ".join(f"{number:,} {what}" for what, number in work.checked.items()), soft_wrap=True)
    if report.rows:
        many = len(report.rows)
        report.errors.append(f"{many} problems found: run `ogaart verify --repair` to repair them")
        report.exit_code = EXIT_DAMAGED
    return report


def _stores(settings: Settings) -> Stores:
    """The stores; also where it cannot be read which host owns them, since verify names what is damaged."""
    try:
        return Stores(settings)
    except OwnerUnreadable:
        return Stores(settings, claim=False)
