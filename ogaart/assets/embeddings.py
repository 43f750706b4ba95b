"""Vectors of the pictures: what no segment holds yet goes through the model, once for equal pixels."""

from collections.abc import Iterator

import dagster as dg
import numpy as np
from numpy.typing import NDArray

from ogaart.assets.extracted_images import extracted_images
from ogaart.core.partitions import search_pages_partitions
from ogaart.core.stages import Stage
from ogaart.core.staleness import compare, fingerprint
from ogaart.core.states import RowState
from ogaart.pipeline.checks import partition_check
from ogaart.pipeline.picture_bytes import picture_bytes
from ogaart.pipeline.runner import StepEvents, run_partitions
from ogaart.pipeline.step import OWNERS, STORED, Step, described
from ogaart.resources.embedding.embedder import Embedder
from ogaart.resources.platform import Platform
from ogaart.resources.storage.rows import EmbeddingRow, OccurrenceRow
from ogaart.resources.storage.schema import EMBEDDINGS, IMAGES, OCCURRENCES
from ogaart.resources.storage.vectors import SEGMENT_ROWS, Vectors

EMBEDDINGS_VERSION = "1"


@dg.asset(
    partitions_def=search_pages_partitions,
    deps=[extracted_images],
    group_name="vectors",
    kinds={"pytorch", "parquet"},
    owners=OWNERS,
    tags=STORED,
    code_version=EMBEDDINGS_VERSION,
    pool="embedder",
    metadata=described(EMBEDDINGS),
    check_specs=[
        partition_check(
            Stage.EMBEDDINGS,
            "all_embedded",
            "Every image of the partition has a vector in the space of the configured model.",
        )
    ],
    backfill_policy=dg.BackfillPolicy.multi_run(10),
)
def embeddings(context: dg.AssetExecutionContext, platform: Platform) -> StepEvents:
    """Which segment holds each image's vector (VGG16 fc2, 4096 numbers, or EfficientNet-Lite0, 1280).

    The model works in a child process in batches of a fixed size, on pictures that no segment holds yet; equal
    pixels are embedded once. A killed step loses at most one segment of 512.
    """
    yield from run_partitions(context, platform, Stage.EMBEDDINGS, embed)


def embed(step: Step) -> None:
    """Embed what is missing, then point every image at its vector."""
    stores = step.stores
    tables = stores.tables
    images = {row["image_id"]: row for row in tables.read(IMAGES, step.partition)}
    stored = {row["image_id"]: row for row in tables.read(EMBEDDINGS, step.partition)}
    embedder = Embedder(stores.settings)
    space = embedder.space.name
    vectors = Vectors(stores.root.vectors, space)
    wanted = {i: fingerprint(EMBEDDINGS_VERSION, space, row["pixel_sha256"]) for i, row in images.items()}
    held = vectors.keys()
    missing = {
        i: row["pixel_sha256"]
        for i, row in images.items()
        if row["pixel_sha256"] not in held and not step.failures.keep_until_due(str(i), wanted[i])
    }
    reasons: dict[str, tuple[str, str]] = {}
    if missing:
        reasons = _embed_missing(step, embedder, vectors, missing)
    places = vectors.locate({row["pixel_sha256"] for row in images.values()})
    rows: list[EmbeddingRow] = []
    for number, image in images.items():
        place = places.get(image["pixel_sha256"])
        facts: EmbeddingRow = {
            "image_id": number,
            "pixel_sha256": image["pixel_sha256"],
            "model": embedder.space.model,
            "space": space,
            "status": "failed",
        }
        if place is not None:
            facts = {**facts, "segment": place.segment, "row": place.row, "norm": place.norm, "status": "ok"}
        elif image["pixel_sha256"] in reasons:
            error_class, message = reasons[image["pixel_sha256"]]
            step.failures.record(
                str(number), wanted[number], slug=image["slug"], error_class=error_class, message=message
            )
        old = stored.get(number)
        if old is not None and old["fingerprint"] == wanted[number] and all(old.get(k) == v for k, v in facts.items()):
            rows.append(old)
        else:
            rows.append(step.stamp(facts, wanted[number]))
    step.count(compare({i: r["fingerprint"] for i, r in stored.items()}, wanted))
    failed = sum(1 for row in rows if row["status"] != "ok")
    step.check("all_embedded", failed == 0, f"{failed} of {len(rows)} images have no vector in {space}")
    step.commit({EMBEDDINGS: (list(stored.values()), rows)})


def _embed_missing(
    step: Step, embedder: Embedder, vectors: Vectors, missing: dict[int, str]
) -> dict[str, tuple[str, str]]:
    """Embed the pictures of ``missing``; returns (error class, message) by pixel hash of those that failed."""
    occurrences: dict[int, OccurrenceRow] = {}
    for row in step.stores.tables.read(OCCURRENCES, step.partition):
        occurrences.setdefault(row["image_id"], row)
    by_pixels = {pixels: number for number, pixels in missing.items()}

    def pictures() -> Iterator[tuple[str, bytes]]:
        for pixels, number in by_pixels.items():
            yield pixels, picture_bytes(step.stores, occurrences[number])

    reasons: dict[str, tuple[str, str]] = {}
    keys: list[str] = []
    parts: list[NDArray[np.float32]] = []
    norms: list[NDArray[np.float32]] = []
    embedded = 0

    def store() -> None:
        if keys:
            vectors.add(keys, np.concatenate(parts), np.concatenate(norms))
        keys.clear()
        parts.clear()
        norms.clear()

    step.progress.begin(len(by_pixels), "pictures")
    with embedder:
        for batch in embedder.embed(pictures()):
            if batch.keys:
                keys.extend(batch.keys)
                parts.append(batch.vectors)
                norms.append(batch.norms)
                embedded += len(batch.keys)
            step.progress.advance(len(batch.keys) + len(batch.failures))
            for failure in batch.failures:
                reasons[failure.key] = (failure.error_class, failure.message)
            if len(keys) + step.stores.settings.embed_batch > SEGMENT_ROWS:
                store()
        store()
        step.extra["worker_peak_bytes"] = embedder.peak_bytes
    step.extra["embedded"] = embedded
    step.counts[RowState.PENDING] = 0
    return reasons
