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
import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from ogaart.core.exit_codes import EXIT_DAMAGED
from ogaart.core.report import Report
from ogaart.core.stages import Stage
from ogaart.imaging.identity import image_id
from ogaart.operations.damage import PUBLICATION, Damage, one
from ogaart.operations.verify_derived import damaged_derived
from ogaart.operations.verify_publication import damaged_publications
from ogaart.operations.verify_state import damaged_journals, damaged_state, damaged_weights
from ogaart.resources.catalog.generations import Generation, GenerationMissing, Generations
from ogaart.resources.catalog.table_views import connect
from ogaart.resources.embedding.registry import VectorSpace
from ogaart.resources.index.base import IndexBroken
from ogaart.resources.index.factory import open_index
from ogaart.resources.platform import Stores
from ogaart.resources.site.fetch_records import FetchRecords
from ogaart.resources.state.database import StateDatabase
from ogaart.resources.state.facts import damaged_facts
from ogaart.resources.state.pointers import Pointers
from ogaart.resources.storage.data_root import OwnerUnreadable
from ogaart.resources.storage.objects import PACKS, Key
from ogaart.resources.storage.packs import pack_is_as_written, read_at
from ogaart.resources.storage.schema import EMBEDDINGS, FAILURES, LICENCE_HISTORY, STEPS, TABLES
from ogaart.resources.storage.tables import NewerFormat, TornTable
from ogaart.resources.storage.vectors import Vectors
from ogaart.settings import Settings

COLUMNS = ("what", "where", "partition", "asset", "problem")
_BATCH = 256
_ALIKE = 0.999
"""Least cosine of a point's vector and the stored one; quantization and half precision cost less than 1e-6."""


@dataclass
class Verification:
    """One pass over a data root."""

    stores: Stores
    quick: bool = False
    checked: Counter[str] = field(default_factory=Counter)
    torn: set[Path] = field(default_factory=set)

    def problems(self) -> Iterator[Damage]:
        """All deviations, store by store."""
        yield from _without_end("state", self.state())
        yield from _without_end("table", self.tables())
        with connect(self.stores.tables, self.torn) as con:
            space = VectorSpace.of(self.stores.settings)
            vectors = Vectors(self.stores.root.vectors, space.name)
            for what, found in (
                ("blob", self.blobs(con)),
                ("rows", self.rows(con)),
                ("pack", self.packs(con)),
                ("vectors", self.vectors(con, vectors)),
                ("derived", self.derived(con)),
                ("collection", self.collection(con, vectors, space.dimension)),
            ):
                yield from _without_end(what, found)
        self.checked["generations"] += len(Generations(self.stores.root.generations).numbers())
        yield from _without_end(PUBLICATION, damaged_publications(self.stores, quick=self.quick))

    def state(self) -> Iterator[Damage]:
        """Settings, state and journals are as they were written, and the weights those that are known."""
        root = self.stores.root
        for path, problem, removable in damaged_state(root):
            generation = int(path.parent.name) if path.parent.parent == root.generations else 0
            yield Damage("state", str(path), problem, remove=(path,) if removable else (), generation=generation)
        state = StateDatabase(self.stores.settings, read_only=True)
        with closing(state):
            for where, problem in FetchRecords(state, root.site).damage():
                yield Damage("state", where, problem, fetch_records=True)
            for kind, name in damaged_facts(state):
                yield Damage("state", state.where, f"{kind} {name}: not as it was written", facts=True)
            for where, problem in Pointers(state).damage():
                yield Damage("state", where, problem, fetch_records=True)
        yield from damaged_journals(self.stores.tables, root)
        if not self.quick:
            for path, problem, _ in damaged_weights(self.stores.settings):
                yield Damage("state", str(path), problem)

    # -- tables -----------------------------------------------------------------------------------------------

    def tables(self) -> Iterator[Damage]:
        """Every Parquet file is readable, in a known format, and as it was written."""
        for table in TABLES:
            for key, path in self.stores.tables.objects.all(table.name).items():
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
        for path in blobs.files() if not self.quick else ():
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
        stored = {key.partition for key in self.stores.tables.objects.all(PACKS) if key.stage == stage}
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
            return str(cause)
        return ""

    # -- likeness ---------------------------------------------------------------------------------------------

    def vectors(self, con: duckdb.DuckDBPyConnection, vectors: Vectors) -> Iterator[Damage]:
        """Segments are intact, and every embedded image has its vector."""
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

    def collection(self, con: duckdb.DuckDBPyConnection, vectors: Vectors, dimension: int) -> Iterator[Damage]:
        """The working collection holds what is published, with the stored vectors, and nothing without a row."""
        stage = Stage.QDRANT_COLLECTION.value
        ledger = con.execute(
            "SELECT image_id, partition, pixel_sha256 FROM points JOIN images USING (image_id, partition)"
            " WHERE space = $space",
            {"space": vectors.space},
        ).fetchall()
        shard = self.stores.root.index / vectors.space / "shard"
        everywhere = frozenset((stage, partition) for partition in self.stores.tables.partitions(EMBEDDINGS))
        rotten = list(self._rotten())
        for space, path, problem in rotten:
            redo = everywhere if space == vectors.space else frozenset()
            yield Damage("collection", str(path), problem, redo, discard=space)
        if not ledger or vectors.space in {space for space, _, _ in rotten}:
            return
        try:
            index = open_index(self.stores.settings, shard, vectors.space, dimension, read_only=True)
        except IndexBroken as cause:
            yield Damage("collection", str(shard), str(cause), everywhere)
            return
        with closing(index):
            held = set(index.ids())
            self.checked["points"] += len(held)
            wrong = dict.fromkeys(self._published(vectors.space) - held, "the point is missing")
            if not self.quick:
                known = vectors.keys()
                pixels = {number: key for number, _, key in ledger if number in held and key in known}
                for start in range(0, len(pixels), _BATCH):
                    numbers = list(pixels)[start : start + _BATCH]
                    stored = vectors.get([pixels[number] for number in numbers])
                    points = index.retrieve(numbers, with_vector=True, with_payload=False)
                    for record, vector in zip(points, stored, strict=True):
                        if record.vector is None or _cosine(record.vector, vector) < _ALIKE:
                            wrong[record.id] = "the point's vector is not the stored one"
        of = {number: partition for number, partition, _ in ledger}
        for number, problem in sorted(wrong.items()):
            partition = of.get(number)
            redo = one(stage, partition) if partition else everywhere
            remove = self.stores.tables.stage_files(stage, partition)[:1] if partition else ()
            yield Damage("collection", str(number), problem, redo, remove)
        extra = tuple(sorted(held - of.keys()))
        if extra:
            yield Damage("collection", str(extra[0]), f"{len(extra)} points have no row", points=extra)

    def _rotten(self) -> Iterator[tuple[str, Path, str]]:
        """Files of the collections in this process that are not as they were written, each with its vector space."""
        if self.stores.settings.qdrant_url is not None or self.quick:
            return
        from ogaart.resources.index.edge import EdgeIndex

        for shard in sorted(self.stores.root.index.glob("*/shard")):
            space = shard.parent.name
            yield from ((space, path, problem) for path, problem in EdgeIndex.damaged(shard, space))

    def _published(self, space: str) -> set[int]:
        current = _current(self.stores)
        if current is None or current.manifest.get("space") != space:
            return set()
        try:
            with duckdb.connect(str(current.catalog), read_only=True) as con:
                return {number for (number,) in con.execute("SELECT image_id FROM images WHERE indexed").fetchall()}
        except duckdb.Error:
            return set()  # the check of the publication reports the cause


def _without_end(what: str, found: Iterator[Damage]) -> Iterator[Damage]:
    """What a check finds; where it ends at a file that the system does not read, that is its last row."""
    try:
        yield from found
    except OSError as cause:
        if cause.filename is None:
            raise
        reason, path = (cause.strerror or type(cause).__name__).lower(), Path(cause.filename)
        problem = f"{reason}; what is checked after it was not looked at: run `ogaart verify` again once it is readable"
        yield Damage(what, str(path), problem, remove=(path,) if path.is_dir() else ())


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


def _current(stores: Stores) -> Generation | None:
    try:
        return Generations(stores.root.generations).current()
    except GenerationMissing:
        return None


def _cosine(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    return float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other)))
