"""Vectors and derived bytes of the pictures: what no segment holds yet is computed, once for equal pixels."""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np

from ogaart.assets.extracted_images import extracted_images
from ogaart.core.partitions import search_pages_partitions
from ogaart.core.stages import Stage
from ogaart.core.staleness import compare, fingerprint
from ogaart.core.states import RowState
from ogaart.likeness import cells
from ogaart.pipeline.checks import partition_check
from ogaart.pipeline.derived_step import DerivedStep
from ogaart.pipeline.picture_bytes import picture_bytes
from ogaart.pipeline.runner import StepEvents, run_partitions
from ogaart.pipeline.sheet_cells import SheetCells, named_cells
from ogaart.pipeline.step import OWNERS, STORED, Step, described
from ogaart.pipeline.step_needs import asset_tags, step_tags
from ogaart.pipeline.unchanged.memory import unless_unchanged
from ogaart.pipeline.unchanged.stage_inputs import SegmentInputs, file_states
from ogaart.resources.embedding.backend_choice import worth_measuring
from ogaart.resources.embedding.batches import Batch, EmbedderInput, Failure
from ogaart.resources.embedding.derivations import DERIVATIONS
from ogaart.resources.embedding.embedder import Embedder
from ogaart.resources.embedding.measurement import SAMPLES, measure_backends
from ogaart.resources.platform import Platform
from ogaart.resources.storage.rows import EmbeddingRow, OccurrenceRow
from ogaart.resources.storage.schema import ATLAS_REGIONS, CELLS, EMBEDDINGS, FILE_LINKS, IMAGES, OCCURRENCES
from ogaart.resources.storage.vectors import SEGMENT_ROWS, Vectors

EMBEDDINGS_VERSION = "1"


@dg.asset(
    partitions_def=search_pages_partitions,
    deps=[extracted_images],
    group_name="vectors",
    kinds={"pytorch", "parquet"},
    owners=OWNERS,
    tags=asset_tags(Stage.EMBEDDINGS, STORED),
    op_tags=step_tags(Stage.EMBEDDINGS),
    code_version=EMBEDDINGS_VERSION,
    pool="embedder",
    metadata=described(EMBEDDINGS, CELLS),
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
    pixels are embedded once. Beside it, and decoded once with it, each picture is described by parts (palette, layout,
    shape, structure). A killed step loses at most one segment of 512.
    """
    yield from run_partitions(context, platform, Stage.EMBEDDINGS, embed)


@unless_unchanged(
    SegmentInputs([IMAGES, OCCURRENCES, ATLAS_REGIONS, FILE_LINKS], lambda: [EMBEDDINGS_VERSION, *DERIVATIONS])
)
def embed(step: Step) -> None:
    """Read the pictures that lack something, then point every image at its vector."""
    stores = step.stores
    tables = stores.tables
    images = {row["image_id"]: row for row in tables.read(IMAGES, step.partition)}
    stored = {row["image_id"]: row for row in tables.read(EMBEDDINGS, step.partition)}
    embedder = step.kept.get(Embedder, lambda: Embedder(stores.settings))
    space = embedder.space.name
    vectors = Vectors(stores.root.vectors, space)
    derived = DerivedStep(step, images)
    wanted = {i: fingerprint(EMBEDDINGS_VERSION, space, row["pixel_sha256"]) for i, row in images.items()}
    held = vectors.locate({row["pixel_sha256"] for row in images.values()}).keys()
    failing = {
        i
        for i, row in images.items()
        if row["pixel_sha256"] not in held and step.failures.keep_until_due(str(i), wanted[i])
    }
    missing = {row["pixel_sha256"] for i, row in images.items() if i not in failing} - held
    lacking = derived.lacking(without=failing)
    named = named_cells(step, images)
    lacking_named = derived.lacking_named({i: one.boxes for i, one in named.items()}, without=failing)
    reasons: dict[str, Failure] = {}
    if missing or lacking or lacking_named:
        reasons = _read_pictures(step, embedder, vectors, derived, missing, lacking, lacking_named)
    derived.record_failures()
    places = vectors.locate({row["pixel_sha256"] for row in images.values()})
    sheets = SheetCells(step, images, {i: row.get("cells") for i, row in stored.items()}, derived, named)
    rows: list[EmbeddingRow] = []
    for number, image in images.items():
        place = places.get(image["pixel_sha256"])
        facts: EmbeddingRow = {
            "image_id": number,
            "pixel_sha256": image["pixel_sha256"],
            "model": embedder.space.model,
            "space": space,
            "status": "failed",
            "cells": sheets.counts.get(number),
        }
        if place is not None:
            facts = {**facts, "segment": place.segment, "row": place.row, "norm": place.norm, "status": "ok"}
        elif (cause := reasons.get(image["pixel_sha256"])) is not None:
            step.failures.record(
                str(number),
                wanted[number],
                slug=image["slug"],
                error_class=cause.error_class,
                message=cause.message,
            )
        old = stored.get(number)
        if old is not None and old["fingerprint"] == wanted[number] and all(old.get(k) == v for k, v in facts.items()):
            rows.append(old)
        else:
            rows.append(step.stamp(facts, wanted[number]))
    step.count(compare({i: r["fingerprint"] for i, r in stored.items()}, wanted))
    in_spaces = derived.segments({i: one.boxes for i, one in named.items()})
    if in_spaces is None:
        step.relies_on = None
    else:
        files = in_spaces[0] | {vectors.folder / place.segment for place in places.values()}
        without = {row["pixel_sha256"] for row in images.values()} - places.keys()
        step.relies_on = _relies_on(step, space, files, without, in_spaces[1])
    failed = sum(1 for row in rows if row["status"] != "ok")
    step.check("all_embedded", failed == 0, f"{failed} of {len(rows)} images have no vector in {space}")
    step.commit({EMBEDDINGS: (list(stored.values()), rows), CELLS: (sheets.stored, sheets.rows)})


def _relies_on(
    step: Step,
    space: str,
    segments: AbstractSet[Path],
    without_vector: AbstractSet[str],
    underived: Mapping[str, AbstractSet[str]],
) -> dict[str, Any] | None:
    """What the next run relies on; None where there may be something to compute.

    Args:
        step: the step.
        space: the vectors' space.
        segments: the files of segments that hold what is known of the pictures.
        without_vector: pixel hashes that failed, and no segment holds.
        underived: the same, of each derived space, by its keys.
    """
    if any(row["run_id"] == step.run_id for row in step.failures.rows):
        return None
    root = step.stores.root.root
    files = file_states(root, sorted(path.relative_to(root).as_posix() for path in segments))
    if files is None:
        return None
    lacking = {name: sorted(keys) for name, keys in underived.items()}
    return {"space": space, "segments": files, "without_vector": sorted(without_vector), "underived": lacking}


def _read_pictures(
    step: Step,
    embedder: Embedder,
    vectors: Vectors,
    derived: DerivedStep,
    missing: AbstractSet[str],
    lacking: Mapping[str, tuple[str, ...]],
    lacking_named: Mapping[str, Mapping[str, Sequence[Sequence[int]]]],
) -> dict[str, Failure]:
    """Read pictures once each, and store what comes of them, a segment at a time.

    Args:
        step: the step.
        embedder: reads them.
        vectors: takes the vectors.
        derived: takes the rest.
        missing: pixel hashes that lack a vector.
        lacking: pixel hashes that lack something else: the derived spaces.
        lacking_named: pixel hashes whose cells, as an atlas names them, lack their likeness: keys and boxes.

    Returns:
        Why there is no vector, by pixel hash.
    """
    occurrences: dict[str, OccurrenceRow] = {}
    pixels = {row["image_id"]: row["pixel_sha256"] for row in step.stores.tables.read(IMAGES, step.partition)}
    for row in step.stores.tables.read(OCCURRENCES, step.partition):
        occurrences.setdefault(pixels[row["image_id"]], row)
    keys = sorted(missing | lacking.keys() | lacking_named.keys())

    def pictures() -> Iterator[EmbedderInput]:
        for key in keys:
            content = picture_bytes(step.stores, occurrences[key])
            yield EmbedderInput(key, content, key in missing, lacking.get(key, ()), lacking_named.get(key, {}))

    reasons: dict[str, Failure] = {}
    kept: list[Batch] = []
    embedded = rows = 0

    def store() -> None:
        names = [key for batch in kept for key in batch.keys]
        if names:
            vectors.add(names, np.concatenate([b.vectors for b in kept]), np.concatenate([b.norms for b in kept]))
        derived.store(kept)
        kept.clear()

    if len(missing) >= worth_measuring(step.stores.settings):
        samples = sorted(missing)[:SAMPLES]  # by their hashes: an even choice
        measure_backends(
            step.stores.settings, (EmbedderInput(k, picture_bytes(step.stores, occurrences[k])) for k in samples)
        )
        embedder.choose_again()
    step.progress.begin(len(keys), "pictures")
    for batch in embedder.read(pictures()):
        kept.append(batch)
        embedded += len(batch.keys)
        rows += batch.read
        step.progress.advance(batch.read)
        for failure in batch.failures:
            if failure.key in missing:
                reasons[failure.key] = failure
            else:
                of_cells = (cells.SPACE,) if failure.key in lacking_named else ()
                derived.failed(failure, (*lacking.get(failure.key, ()), *of_cells))
        if rows + step.stores.settings.embed_batch > SEGMENT_ROWS:
            store()
            rows = 0
    store()
    step.extra["worker_peak_bytes"] = embedder.peak_bytes
    if embedded:
        step.notes["backend"] = f"{embedder.choice.backend}: {embedder.choice.reason}"
    step.extra["embedded"] = embedded
    step.counts[RowState.PENDING] = 0
    return reasons
