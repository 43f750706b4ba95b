"""Building a generation from a frozen cut: tables, reconciliation of the collection, words, signatures, manifest.

Steps, in this order, all on one ``CatalogBuild``: it chooses the rows that win, ``eligible()`` returns what the
collection must hold, the caller reconciles the collection with that, ``finish()`` writes the generation's files.
``build()`` does all of it.
"""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ogaart.core.fault_injection import Fault, fault
from ogaart.core.sorted_ids import without
from ogaart.likeness.patches import SPACE
from ogaart.likeness.subjects import SPACE as SUBJECT_SPACE
from ogaart.resources.catalog import generations as names
from ogaart.resources.catalog import tables as layout
from ogaart.resources.catalog.cut import open_cut, rows_of
from ogaart.resources.catalog.deltas import DEAD, LAYOUT, copied_catalog, open_affected, update_table
from ogaart.resources.catalog.eligible import (
    LIVE,
    choose_pictures,
    eligible_rows,
    published_pictures,
    published_pixels,
)
from ogaart.resources.catalog.fused_vectors import FusedSource, fresh_images, write_fused
from ogaart.resources.catalog.generation_files import file_sizes, link_packs
from ogaart.resources.catalog.generations import Generation
from ogaart.resources.catalog.history import History, add_changes, kept
from ogaart.resources.catalog.kinship import find_kinship
from ogaart.resources.catalog.macros import create_macros
from ogaart.resources.catalog.serving_files import LARGEST_DELTA, write_signatures, write_words
from ogaart.resources.catalog.subject_files import write_subjects
from ogaart.resources.catalog.unchanged import choose_unchanged, kept_digests
from ogaart.resources.catalog.unrelated import lasting_facts, measured_facts, origins_of, signatures_of
from ogaart.resources.catalog.views import catalog_layout, create_views
from ogaart.resources.cells.build import CellSource, build_cells
from ogaart.resources.cells.sheets_of_tables import wanted_cells
from ogaart.resources.index.base import VectorIndex
from ogaart.resources.index.recall import Pictures
from ogaart.resources.index.reconciliation import Eligible, Reconciled, reconcile
from ogaart.resources.moderation.takedowns import Takedowns
from ogaart.resources.patches.build import LINKED, build_patches
from ogaart.resources.storage.array_folders import distinct
from ogaart.resources.storage.atomic_files import write_json
from ogaart.resources.storage.derived import DerivedBytes
from ogaart.resources.storage.objects import PACKS, Cut
from ogaart.resources.storage.schema import IMAGES
from ogaart.resources.storage.sql import literal
from ogaart.resources.storage.table_types import Table

_NAMED = 20  # lost points that the manifest names
_SPILL = ".spill"
_LEAST_MEMORY, _OF_IMAGE = 400 << 20, 750
"""Bytes that DuckDB may use before it spills to disk: some of what it holds it cannot, which grows with the images.

To these comes the largest file, since of a partition's images it reads all miniatures at once.
"""


@dataclass(frozen=True)
class Source:
    """What a generation is built from.

    Attributes:
        cut: all tables and packs as of one moment; none of its files changes.
        space: vector space of the collection; embeddings of other spaces do not count.
        model: name of the embedding model, for the manifest.
        vectors: glob of that space's Parquet segments, for ``similar()`` in SQL; None: it answers nothing.
        takedowns: what must not be published, whatever the tables contain.
        unproven: ids of points of which the ledger does not tell the payload; see ``index/unproven_points.py``.
        runs: what the orchestrator knows of runs, in the columns of ``tables.RUNS``.
        history: publications and changes up to the generation in service.
        previous: the generation in service, with which this one is compared, and whose patches are shared.
        shared: a generation whose files are linked where they did not change; None: everything is made again.
        derived: folder of the derived spaces, for patches and subjects; None: there are none.
        fused: what fused vectors are made of; None: the search ranks by the model's vectors alone.
        made_as: version of the files, for the manifest: those of another version are not shared.
        largest_delta: how much words-delta.sqlite may have, as a share of words.sqlite.
        cells: what the likeness of the cells of sheets is made of; None: sheets are found by the whole of them alone.
    """

    cut: Cut
    space: str
    model: str
    vectors: str | None = None
    takedowns: Takedowns = field(default_factory=Takedowns)
    unproven: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    runs: pa.Table | None = None
    history: History | None = None
    previous: Generation | None = None
    shared: Generation | None = None
    derived: Path | None = None
    fused: FusedSource | None = None
    made_as: str = ""
    cells: CellSource | None = None
    largest_delta: float = LARGEST_DELTA


class CatalogBuild:
    """One catalog under construction, in the folder ``path`` of a generation.

    Args:
        source: what to build from.
        path: the generation's folder.
        number: the generation's number.
    """

    def __init__(self, source: Source, path: Path, number: int) -> None:
        self.source = source
        self.path = path
        self.number = number
        self._con = duckdb.connect(":memory:")
        spill = path / _SPILL
        self._con.execute(f"SET temp_directory = {literal(str(spill))}")
        self._con.execute(f"SET memory_limit = '{memory_for(source.cut, 0) >> 20}MiB'")
        self._con.execute("SET preserve_insertion_order = true")
        self._con.execute("SET parquet_metadata_cache = true")  # a hundred files a table, which many queries read
        self._con.execute("SET TimeZone = 'UTC'")
        stored = rows_of(self._con, source.cut, IMAGES)
        [(images,)] = self._con.execute(f"SELECT count(*) FROM ({stored})").fetchall()  # noqa: S608
        self._con.execute(f"SET memory_limit = '{memory_for(source.cut, images) >> 20}MiB'")
        self._layout = catalog_layout()
        self._delta = copied_catalog(source.shared, source.cut, source.space, self._layout, path / names.CATALOG)
        self._dead = self._delta.dead if self._delta is not None else 0
        catalog = literal(str(path / names.CATALOG))
        # An old layout on purpose: analysts' tools of many ages open the file.
        self._con.execute(f"ATTACH {catalog} AS catalog (STORAGE_VERSION 'v1.0.0')")
        self._con.execute("USE catalog")
        if self._delta is not None:
            open_affected(self._con, self._delta, source.cut, source.space, source.takedowns, source.unproven)
        else:
            open_cut(self._con, source.cut, source.space)
            choose_pictures(self._con, source.space, source.takedowns, source.unproven)
            choose_unchanged(self._con, source.cut, source.shared, source.unproven)

    def __enter__(self) -> "CatalogBuild":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._con.close()
        shutil.rmtree(self.path / _SPILL, ignore_errors=True)

    def unchanged(self) -> NDArray[np.int64]:
        """Ids, rising, of the pictures that the collection must hold just as the generation before had them."""
        found = self._con.execute("SELECT image_id FROM unchanged").fetchnumpy()["image_id"]
        return np.sort(np.asarray(found, np.int64))

    def eligible(self, *, changed: bool = False) -> Iterator[Eligible]:
        """What the collection must hold, entry by entry, as a stream: entry ok, image present, vector stored.

        Args:
            changed: without those that ``unchanged`` returns.
        """
        if changed or self._delta is None:
            yield from eligible_rows(self._con, changed=changed)
            return
        with duckdb.connect(":memory:") as con:  # the other one has the rows of affected entries alone
            con.execute("SET TimeZone = 'UTC'")
            open_cut(con, self.source.cut, self.source.space)
            choose_pictures(con, self.source.space, self.source.takedowns, self.source.unproven)
            yield from eligible_rows(con)

    def facts(self, index: VectorIndex, held: NDArray[np.int64]) -> dict[str, Any]:
        """What those who search must know of the collection, measured again only where much of it has changed."""
        shared = self.source.shared
        if shared is not None and self._delta is not None:
            lasting = lasting_facts(shared.manifest, held, self.unchanged())
            if lasting is not None:
                return lasting
        copied, before = self._delta is not None, shared.path if shared is not None else None
        miniatures = partial(signatures_of, self._con, self.source.cut, before, copied=copied)
        origins = partial(origins_of, self._con, copied=copied)
        return measured_facts(index, held, miniatures, origins)

    def finish(
        self,
        indexed: NDArray[np.int64],
        reconciled: Reconciled | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Write every file of the generation but the index, and the manifest last.

        Args:
            indexed: ids that the published collection holds.
            reconciled: what reconciliation did, for the manifest.
            facts: of the collection, for the manifest and for those who search; see ``index_facts``.

        Returns:
            The manifest.
        """
        if self._delta is not None:
            lost = without(self.unchanged(), indexed)
            if len(lost):  # points that are not there, and that no vector could replace
                taken = self.source.cut, self.source.space, self.source.takedowns, self.source.unproven
                open_affected(self._con, self._delta, *taken, besides=lost)
        self._con.register("given_ids", pa.table({"image_id": pa.array(indexed, pa.int64())}))
        self._con.execute("CREATE TEMP TABLE searchable AS SELECT * FROM eligible SEMI JOIN given_ids USING (image_id)")
        empty = layout.RUNS.schema.empty_table()
        self._con.register("given_runs", self.source.runs if self.source.runs is not None else empty)
        now = datetime.now(UTC)
        self._give_history(now)
        self._make_tables()
        shared = self.source.shared
        previous = self.source.previous
        same = previous is not None and shared is not None and shared.number == previous.number
        add_changes(self._con, previous, self.number, now, affected=same and self._delta is not None)
        counts = {table.name: layout.count_rows(self._con, table) for table in layout.PUBLIC}
        link_packs(self.source.cut, self.path / names.PACKS)
        info = {
            "number": self.number,
            "format_version": layout.FORMAT_VERSION,
            "built_at": now.isoformat(timespec="seconds"),
            "space": self.source.space,
            "model": self.source.model,
            "newest_fetched_at": self._newest(),
            "oldest_licence_reading": self._oldest_licence_reading(),
            **(facts or {}),
        }
        if self.source.fused is not None:
            info |= write_fused(self._con, self.path, self.source.fused, shared.path if shared is not None else None)
        counts |= write_words(
            self._con,
            self.path,
            info,
            shared.path if shared is not None else None,
            affected=self._delta is not None,
            largest_delta=self.source.largest_delta,
        )
        if self.source.derived is not None:
            subjects = DerivedBytes(self.source.derived, SUBJECT_SPACE)
            fresh = fresh_images(self._con, shared.path) if shared is not None and self.source.fused else None
            before = shared.path if shared is not None else None
            counts["subjects"] = write_subjects(self._con, subjects, self.path, before, fresh)
        if self.source.cells is not None:
            counts["compared_cells"] = self._build_cells(self.source.cells)
        counts |= self._flow(indexed)
        self._con.execute("CHECKPOINT catalog")
        self._con.execute("USE memory")
        self._con.execute("DETACH catalog")
        shutil.rmtree(self.path / _SPILL, ignore_errors=True)
        manifest = {
            **info,
            "counts": counts,
            "reconciled": _outcome(reconciled, indexed) if reconciled is not None else None,
            "made_as": self.source.made_as,
            names.DECIDED: self.source.takedowns.named(),
            "shares": shared.number if shared is not None else None,
            "segments": self.source.fused.vectors.names() if self.source.fused is not None else [],
            **kept_digests(self.source.cut),
            LAYOUT: self._layout,
            DEAD: self._dead,
            "files": file_sizes(self.path),
            "hashed": True,
        }
        write_json(self.path / names.MANIFEST, manifest, indent=1)
        fault(Fault.CATALOG_BUILT)
        return manifest

    def _make_tables(self) -> None:
        """Make the tables, views and macros of ogaart.duckdb, or bring the copied ones in line; and the signatures."""
        shared, delta = self.source.shared, self._delta
        if delta is None:
            layout.create_types(self._con)
        make = layout.create_table if delta is None else self._update
        for table in layout.PUBLIC:
            if table.name not in layout.OF_OTHERS:
                make(self._con, table)
        pictures = published_pictures(self._con)
        write_signatures(
            self._con, self.source.cut, pictures.ids, self.path / names.SIGNATURES,
            shared.signatures if shared is not None else None,
        )  # fmt: skip
        before = shared.path if shared is not None else None
        find_kinship(self._con, self.path, pictures, before, affected=delta is not None)
        self._con.register("given_parts", self._build_patches(pictures))
        for table in layout.PUBLIC:
            if table.name in layout.OF_OTHERS:
                make(self._con, table)
        if delta is None:
            create_views(self._con)
        create_macros(self._con, self.source.vectors)

    def _update(self, con: duckdb.DuckDBPyConnection, table: Table) -> None:
        self._dead += update_table(con, table)

    def _build_patches(self, pictures: Pictures) -> pa.Table:
        """Write the index of exact parts; which published picture is a part of which other."""
        if self.source.derived is None:
            return LINKED.empty_table()
        store = DerivedBytes(self.source.derived, SPACE)
        previous = self.source.previous
        published = published_pixels(self._con, previous) if previous is not None else None
        before = previous.patches if previous is not None and published is not None else None
        return build_patches(self.path / names.PATCHES, before, store, distinct(pictures.pixels), published)

    def _build_cells(self, source: CellSource) -> int:
        """Write the likeness of the cells of sheets; how many there are."""
        wanted = wanted_cells(self._con, source.store)
        before = self.source.previous.cells if self.source.previous is not None else None
        return build_cells(self.path / names.CELLS, before, source, wanted)

    def _give_history(self, now: datetime) -> None:
        """Register what is carried of the history, for the tables that are made of it."""
        history = self.source.history
        carried = kept(history, now) if history is not None else None
        for table, rows in (
            (layout.PUBLICATIONS, carried and carried.publications),
            (layout.CHANGES, carried and carried.changes),
        ):
            self._con.register(f"given_{table.name}", rows if rows is not None else table.schema.empty_table())

    def _oldest_licence_reading(self) -> str | None:
        """When the page was last read, or confirmed by the site, of the entry in search for which that is longest ago.

        That page states what the site grants, so this is how old the publication's oldest licence reading is.
        """
        [(oldest,)] = self._con.execute("SELECT min(read_at) FROM licence_readings").fetchall()
        return oldest.astimezone(UTC).isoformat(timespec="seconds") if oldest is not None else None

    def _newest(self) -> str | None:
        [(newest,)] = self._con.execute("SELECT max(fetched_at) FROM entries").fetchall()
        return newest.astimezone(UTC).isoformat(timespec="seconds") if newest is not None else None

    def _flow(self, indexed: NDArray[np.int64]) -> Mapping[str, int]:
        """How many images were let through, and how many wait for their vector or their point."""
        [row] = self._con.execute(
            f"SELECT count(*) FILTER (embedded AND NOT blocked AND {LIVE}), count(*) FILTER (indexed),"  # noqa: S608
            f" count(*) FILTER (NOT indexed AND NOT blocked AND {LIVE}), count(*) FILTER (blocked OR NOT ({LIVE}))"
            " FROM images JOIN entries AS e USING (slug)"
        ).fetchall()
        return {
            "eligible": row[0],
            "searchable": row[1],
            "waiting": row[2],
            "withdrawn": row[3],
            "points_in_collection": len(indexed),
        }


def build(
    source: Source, path: Path, number: int, index: VectorIndex, ids: NDArray[np.int64] | None = None
) -> tuple[dict[str, Any], Reconciled]:
    """Build a whole generation in ``path`` and reconcile the collection that it is published with.

    Args:
        source: what to build from.
        path: the generation's empty folder (its index may be there already).
        number: its number.
        index: the collection: the generation's own copy, or the one on the server.
        ids: the collection's ids at the moment of the cut, where steps may have added to it since; by default all.

    Returns:
        The manifest, and what reconciliation did.
    """
    with CatalogBuild(source, path, number) as work:
        held = np.sort(np.fromiter(index.ids(), np.int64)) if ids is None else np.sort(ids)
        done = reconcile(index, work.eligible(changed=True), held, work.unchanged())
        index.flush()
        held = without(held, done.deleted)
        manifest = work.finish(held, done, work.facts(index, held))
    return manifest, done


def memory_for(cut: Cut, images: int) -> int:
    """Bytes that DuckDB may use for so many images."""
    largest = max((path.stat().st_size for key, path in cut.files.items() if key.kind != PACKS), default=0)
    return max(_LEAST_MEMORY, images * _OF_IMAGE) + largest


def _outcome(done: Reconciled, indexed: NDArray[np.int64]) -> dict[str, Any]:
    """What reconciliation did, and which lost points the caller has not repaired since."""
    lost = without(done.missing, indexed)
    return {
        **asdict(done.summary()),
        "missing": len(lost),
        "repaired": len(done.missing) - len(lost),
        "missing_ids": lost[:_NAMED].tolist(),
    }
