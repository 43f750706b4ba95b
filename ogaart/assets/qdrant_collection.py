"""The partition's points in the collection: new and changed ones are upserted, nothing else is touched."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from ogaart.assets.embeddings import embeddings
from ogaart.core.fault_injection import Fault, fault
from ogaart.core.partitions import search_pages_partitions
from ogaart.core.stages import Stage
from ogaart.core.staleness import compare, fingerprint
from ogaart.core.states import EntryStatus, RowState
from ogaart.pipeline.checks import partition_check
from ogaart.pipeline.runner import StepEvents, run_partitions
from ogaart.pipeline.step import OWNERS, STORED, Step, described
from ogaart.pipeline.step_needs import asset_tags, step_tags
from ogaart.pipeline.unchanged.memory import unless_unchanged
from ogaart.pipeline.unchanged.stage_inputs import CollectionInputs, points_are_untouched
from ogaart.resources.embedding.registry import VectorSpace
from ogaart.resources.index.base import Point, VectorIndex
from ogaart.resources.index.collection import Collection
from ogaart.resources.index.payload import payload_hash, payloads
from ogaart.resources.index.unproven_points import UnprovenPoints
from ogaart.resources.platform import Platform
from ogaart.resources.storage.rows import EntryRow
from ogaart.resources.storage.schema import EMBEDDINGS, ENTRIES, FILE_LINKS, IMAGES, OCCURRENCES, POINTS
from ogaart.resources.storage.vectors import Vectors

COLLECTION_VERSION = "1"
BATCH = 256


@dg.asset(
    partitions_def=search_pages_partitions,
    deps=[embeddings],
    group_name="vectors",
    kinds={"qdrant"},
    owners=OWNERS,
    tags=asset_tags(Stage.QDRANT_COLLECTION, STORED),
    op_tags=step_tags(Stage.QDRANT_COLLECTION),
    code_version=COLLECTION_VERSION,
    pool="collection",
    metadata=described(POINTS),
    check_specs=[
        partition_check(
            Stage.QDRANT_COLLECTION,
            "points_stored",
            "The collection holds every point of the ledger, on a sample of up to 256.",
        )
    ],
    backfill_policy=dg.BackfillPolicy.multi_run(10),
)
def qdrant_collection(context: dg.AssetExecutionContext, platform: Platform) -> StepEvents:
    """The ledger of the partition's points in the Qdrant collection, written after the points are durable.

    Only new and changed points are upserted, with the payload that the search's filters need. Deletion happens once
    for the whole collection, in the catalog.
    """
    yield from run_partitions(context, platform, Stage.QDRANT_COLLECTION, upsert)


@unless_unchanged(
    CollectionInputs([ENTRIES, EMBEDDINGS, FILE_LINKS, OCCURRENCES, IMAGES], lambda: [COLLECTION_VERSION])
)
def upsert(step: Step) -> None:
    """Bring the partition's points up to date, flush, then write the ledger.

    Where nothing changed and the collection is as its last writer closed it, it is not opened.
    """
    stores = step.stores
    collection = Collection(stores, VectorSpace.of(stores.settings))
    payloads = _payloads(step, collection.space)
    hashes = {i: payload_hash(content) for i, content in payloads.items()}
    stored = {row["image_id"]: row for row in stores.tables.read(POINTS, step.partition)}

    def wanted(identity: str) -> dict[int, str]:
        return {
            i: fingerprint(COLLECTION_VERSION, identity, collection.space, content["pixel_sha256"], hashes[i])
            for i, content in payloads.items()
        }

    identity = collection.identity
    prints = wanted(identity)
    plan = compare({i: row["fingerprint"] for i, row in stored.items()}, prints)
    unproven, written = UnprovenPoints(stores.state, collection.space), list[int]()
    unproven.note(step.partition, plan.orphaned)  # another partition may have them
    if plan.work or not collection.untouched():
        with collection.writer() as index:
            identity = collection.identity  # opening may have begun a new collection
            prints = wanted(identity)
            plan = compare({i: row["fingerprint"] for i, row in stored.items()}, prints)
            others = [point.id for point in index.retrieve(plan.new, with_payload=False)]
            written = [*plan.stale, *others]  # and there already: until the ledger is written it tells of another one
            unproven.note(step.partition, written)
            _upsert(step, index, plan.work, payloads, Vectors(stores.root.vectors, collection.space))
            sample = sorted(payloads)[:: max(1, -(-len(payloads) // BATCH))]
            missing = len(sample) - len(index.retrieve(sample, with_payload=False))
        step.check("points_stored", missing == 0, f"{missing} of {len(sample)} points looked up are not stored")
    else:
        step.checks["points_stored"] = points_are_untouched(len(stored))
    step.relies_on = {"collection": [collection.space, identity]}
    rows = [
        stored[i]
        if i in stored and stored[i]["fingerprint"] == prints[i]
        else step.stamp(
            {"image_id": i, "collection": identity, "space": collection.space, "payload_hash": hashes[i]}, prints[i]
        )
        for i in payloads
    ]
    step.extra["upserted"] = len(plan.work)
    step.count(plan)
    step.commit({POINTS: (list(stored.values()), rows)})
    unproven.withdraw(step.partition, written)


def _upsert(
    step: Step, index: VectorIndex, work: Sequence[int], payloads: dict[int, dict[str, Any]], vectors: Vectors
) -> None:
    """Write points to the collection, durable on return."""
    step.progress.begin(len(work), "points")
    for start in range(0, len(work), BATCH):
        numbers = work[start : start + BATCH]
        matrix = vectors.get([payloads[i]["pixel_sha256"] for i in numbers])
        index.upsert([Point(i, vector, payloads[i]) for i, vector in zip(numbers, matrix, strict=True)])
        fault(Fault.POINTS_UPSERTED)
        step.progress.advance(len(numbers))
    if work:
        index.flush()
        fault(Fault.INDEX_FLUSHED)


def _publishable(entry: EntryRow) -> bool:
    """Whether an entry may be searched: it is live, and states a licence and an author."""
    return bool(entry["status"] == EntryStatus.OK and entry["licences"] and (entry["author"] or "").strip())


def _payloads(step: Step, space: str) -> dict[int, dict[str, Any]]:
    """Payloads of the partition's eligible images: a live entry, and a vector in this space."""
    tables = step.stores.tables
    entries = {e["slug"]: e for e in tables.read(ENTRIES, step.partition) if _publishable(e)}
    embedded = {
        r["image_id"] for r in tables.read(EMBEDDINGS, step.partition) if r["status"] == "ok" and r["space"] == space
    }
    shown = {(r["slug"], r["fid"]): r["shown_name"] for r in tables.read(FILE_LINKS, step.partition)}
    names: dict[int, list[str | None]] = {}
    for row in tables.read(OCCURRENCES, step.partition):
        names.setdefault(row["image_id"], []).extend((shown.get((row["slug"], row["fid"])), row["member_path"]))
    images = tables.read(IMAGES, step.partition)
    eligible = [row for row in images if row["image_id"] in embedded and row["slug"] in entries]
    step.counts[RowState.PENDING] = len(images) - len(eligible)
    found = payloads([(row, entries[row["slug"]], names.get(row["image_id"], ())) for row in eligible])
    return {row["image_id"]: content for row, content in zip(eligible, found, strict=True)}
