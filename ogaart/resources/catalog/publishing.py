"""Publishing: a generation built from a frozen cut, and audited before it is put in service."""

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pyarrow as pa
from threadpoolctl import threadpool_limits

from ogaart.core.fault_injection import Fault, fault
from ogaart.core.garbage import collected_seldom
from ogaart.core.sorted_ids import without
from ogaart.likeness import cells, parts, subjects
from ogaart.resources.catalog.audits import Audit, run_audits
from ogaart.resources.catalog.build import CatalogBuild, Source
from ogaart.resources.catalog.fused_vectors import FusedSource
from ogaart.resources.catalog.generations import DECIDED, INPUTS, Building, Generation, Generations
from ogaart.resources.catalog.history import HistoryFiles
from ogaart.resources.catalog.quality import audited_points, holding_back, outcome, space_of
from ogaart.resources.catalog.tables import FORMAT_VERSION
from ogaart.resources.cells.build import CellSource
from ogaart.resources.embedding.projections import projection_of
from ogaart.resources.embedding.registry import VectorSpace
from ogaart.resources.index.base import IndexBroken
from ogaart.resources.index.collection import Collection
from ogaart.resources.index.deferred_deletions import DeferredDeletions
from ogaart.resources.index.factory import delete_unused, open_index, publish_index
from ogaart.resources.index.reconciliation import Reconciled, doubt, reconcile, repair
from ogaart.resources.index.unproven_points import UnprovenPoints, ids_of
from ogaart.resources.moderation.takedowns import read_decisions, require_decisions
from ogaart.resources.platform import Stores
from ogaart.resources.storage.atomic_files import read_json, write_json
from ogaart.resources.storage.derived import DerivedBytes
from ogaart.resources.storage.objects import Cut
from ogaart.resources.storage.schema import STEPS, TABLES
from ogaart.resources.storage.tables import Tables
from ogaart.resources.storage.vectors import Vectors

CATALOG_VERSION = "13"
"""Raise it where a publication of the same rows would have other files: then it is published again, in full."""


SEGMENTS = "segment-*.parquet"


def build(
    stores: Stores, building: Building, inputs: str, runs: pa.Table, *, full: bool = False
) -> tuple[Generation, Reconciled]:
    """Build the generation: reconcile the collection under its lock, then write the files from the cut.

    The lock is held from the cut to the copy of the shard, so that tables and collection are of one moment.

    Args:
        stores: the stores.
        building: the generation under construction.
        inputs: what ``inputs_digest`` returns.
        runs: the rows of the table ``runs``.
        full: take nothing over from the newest generation, which may be damaged, and look at every point's payload.
    """
    space = VectorSpace.of(stores.settings)
    stores.segments.pull()
    # Products of many small matrices: threads that wait for the next one take more time than they save.
    with threadpool_limits(limits=1), collected_seldom(), ExitStack() as files:
        with Collection(stores, space).writer() as index:
            shared = None if full else _shared(building.home)
            unproven = UnprovenPoints(stores.state, space.name)
            doubted = unproven.read()
            source = _source(stores, building, stores.tables.cut(), space, runs, shared)
            source = replace(source, unproven=ids_of(doubted))
            fault(Fault.CUT_MADE)
            work = files.enter_context(CatalogBuild(source, building.path, building.number))
            held = np.sort(np.fromiter(index.ids(), np.int64))
            # On a server the publication in service is searched in the same collection: what it alone has is deleted
            # after the switch.
            on_server = stores.settings.qdrant_url is not None
            note = unproven.note_set
            if full or not unproven.are_all_known():
                eligible, unchanged = doubt(work.eligible()), None
            else:
                eligible, unchanged = work.eligible(changed=True), work.unchanged()
            done = reconcile(index, eligible, held, unchanged, delete=not on_server, note=note)
            if len(done.missing):
                repair(index, work.eligible(), done.missing, Vectors(stores.root.vectors, space.name), note)
                held = np.sort(np.fromiter(index.ids(), np.int64))
            held = without(held, done.deleted)
            index.flush()
            fault(Fault.INDEX_FLUSHED)
            unproven.settle(doubted)
            facts = work.facts(index, held)
            if on_server:
                DeferredDeletions(stores.root.index / space.name).note(building.number, done.deleted)
            else:
                index.copy_to(building.path / "index")
        write_json(building.path / INPUTS, {"inputs": inputs})
        work.finish(held, done, facts)
    return building.finish(shares=shared), done


def _shared(generations: Generations) -> Generation | None:
    """The newest generation, where it has the files that this program writes."""
    newest = generations.all()[-1:]
    return newest[0] if newest and newest[0].manifest.get("made_as") == CATALOG_VERSION else None


def _source(
    stores: Stores, building: Building, cut: Cut, space: VectorSpace, runs: pa.Table, shared: Generation | None
) -> Source:
    vectors = Vectors(stores.root.vectors, space.name)
    current = building.home.replaceable()
    projection = projection_of(stores.root, space.name)
    require_decisions(stores.decisions, current.manifest.get(DECIDED, ()) if current is not None else ())
    return Source(
        cut=cut,
        space=space.name,
        model=space.model,
        vectors=str(vectors.folder / SEGMENTS),
        takedowns=read_decisions(stores.decisions),
        runs=runs,
        history=HistoryFiles(stores.root.history).read(current, building.home.served()),
        previous=current,
        shared=shared,
        made_as=CATALOG_VERSION,
        derived=stores.root.derived,
        fused=FusedSource(
            projection,
            vectors,
            DerivedBytes(stores.root.derived, parts.SPACE),
            DerivedBytes(stores.root.derived, subjects.SPACE),
        ),
        cells=CellSource(
            projection.without_subject(),
            DerivedBytes(stores.root.derived, cells.SPACE),
            stores.settings.cells_per_sheet,
        ),
    )


def inputs_digest(stores: Stores) -> str:
    """sha256 over what a catalog is built from: table files, derived segments, projection, space and decisions."""
    space = VectorSpace.of(stores.settings).name
    projection = projection_of(stores.root, space).name
    made = f"{CATALOG_VERSION} {FORMAT_VERSION} {space} {projection} {stores.settings.cells_per_sheet}"
    digest = hashlib.sha256(made.encode())
    for name, version in sorted(_inputs(stores.tables)):
        digest.update(f"{name} {version}\n".encode())
    for path in sorted(_segments(stores, stores.root.derived)):  # named by their content
        digest.update(f"{path.parent.name}/{path.name}\n".encode())
    with suppress(FileNotFoundError):  # a link to nothing, which the build names
        for line in stores.decisions.lines():
            digest.update(line.content + b"\n")
    return digest.hexdigest()


def server_holds(stores: Stores, generation: Generation) -> bool:
    """Whether a collection on a server has as many points as were published with it: what it lost comes back.

    Those that the generation leaves out, and that are not deleted yet, are counted as well.

    A collection in this process is copied into the generation, and needs no such look.
    """
    if stores.settings.qdrant_url is None:
        return True
    space = VectorSpace.of(stores.settings)
    try:
        index = open_index(stores.settings, stores.root.index, space.name, space.dimension, read_only=True)
    except IndexBroken:
        return False
    try:
        left_out = len(DeferredDeletions(stores.root.index / space.name).of(generation.number))
        return index.count() == int(generation.manifest["counts"].get("points_in_collection", -1)) + left_out
    finally:
        index.close()


def nothing_embedded(stores: Stores) -> str | None:
    """Why there is nothing that could be published: no picture has a vector in the model's space; else None."""
    space = VectorSpace.of(stores.settings).name
    if any(_segments(stores, Vectors(stores.root.vectors, space).folder)):
        return None
    return (
        f"there is nothing to publish: no picture is embedded in the space {space} yet; materialize partitions first, "
        "through to `embeddings`"
    )


def awaiting_publication(stores: Stores) -> tuple[bool, str]:
    """Whether publishing would change anything, and why it would or would not.

    Raises:
        WeightsMissing: the model cannot be determined.
    """
    generations = Generations(stores.root.generations)
    newest = generations.all()[-1:]
    lacking = nothing_embedded(stores)
    if lacking is not None:
        return False, lacking
    if not newest:
        return True, "nothing is published yet"
    generation, current = newest[0], generations.replaceable()
    if inputs_of(generation) != inputs_digest(stores):
        return True, f"rows changed since generation {generation.number}"
    if audits_failed(generation):
        return False, f"generation {generation.number} was held back by its audits, and no row changed since"
    failed = holding_back(outcome(generation) or [])
    if failed:
        names = ", ".join(check.name for check in failed)
        return False, f"generation {generation.number} was held back by its checks ({names}), and no row changed since"
    if current is None or current.number != generation.number:
        return True, f"generation {generation.number} is built and not in service"
    return False, f"nothing changed since generation {generation.number}, which is in service"


def held_back(generations: Generations) -> list[str]:
    """Why the newest generation is kept out of service by its checks, a sentence for each; empty where it is not."""
    newest = generations.all()[-1:]
    current = generations.replaceable()
    if not newest or (current is not None and current.number == newest[0].number):
        return []
    return [f"{check.name}: {check.message}" for check in holding_back(outcome(newest[0]) or [])]


def _inputs(tables: Tables) -> Iterator[tuple[Path, str]]:
    """Tables that change what is published, by name; the history of steps grows with every run and does not."""
    for table in TABLES:
        if table is not STEPS:
            for key, version in tables.objects.versions(table.name):
                yield Path(key.name).relative_to("tables"), version


def _segments(stores: Stores, folder: Path) -> Iterator[Path]:
    return (file.path for file in stores.objects.files(folder) if fnmatch(file.path.name, SEGMENTS))


def inputs_of(generation: Generation) -> str | None:
    """What it was built from; None where that is unknown, and so it is built again."""
    found = read_json(generation.path / INPUTS)
    inputs = found.get("inputs") if isinstance(found, dict) else None
    return inputs if isinstance(inputs, str) else None


def audits_failed(generation: Generation) -> bool:
    """Whether an audit has held the generation back."""
    return any(not audit["passed"] for audit in generation.audits)


def audit(stores: Stores, generation: Generation, current: Generation | None, *, again: bool = False) -> list[Audit]:
    """Run every audit on a finished generation and the collection it is published with.

    Args:
        stores: the stores.
        generation: the generation.
        current: the generation in service.
        again: look at the points again, although the generation's checks have.
    """
    space = space_of(generation)
    vectors = Vectors(stores.root.vectors, space.name)
    if stores.settings.qdrant_url is not None:
        with Collection(stores, space).writer() as index:
            return run_audits(generation, index, vectors=vectors, previous=current)
    points = None if again else audited_points(generation)
    if points is not None:
        return run_audits(generation, None, vectors=vectors, previous=current, points=points)
    index = open_index(stores.settings, generation.index, space.name, space.dimension, read_only=True)
    try:
        return run_audits(generation, index, vectors=vectors, previous=current)
    finally:
        index.close()


def publish_collection(stores: Stores, generation: Generation) -> None:
    """On a server, let searches read the collection that was audited; before the generation is switched to."""
    publish_index(stores.settings, space_of(generation).name)


def delete_left_out(stores: Stores, generation: Generation) -> None:
    """On a server, delete what only publications before have: points, and collections that a rebuild has replaced.

    Called once the generation is in service, and again after a kill. A point that a step has upserted again since the
    cut is deleted as well: its rows changed, so the next publication finds it missing, and repairs it.
    """
    if stores.settings.qdrant_url is None:
        return
    space = space_of(generation)
    left_out = DeferredDeletions(stores.root.index / space.name)
    with Collection(stores, space).writer() as index:
        index.delete(left_out.of(generation.number))
        index.flush()
        left_out.done()
        delete_unused(stores.settings, space.name)
