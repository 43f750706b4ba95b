"""What must hold of a generation before it goes into service: pure checks, each with a sentence and its counts."""

import math
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from ogaart.core.process_limits import raise_if_lacking
from ogaart.core.sorted_ids import common, without
from ogaart.imaging.identity import image_id
from ogaart.resources.catalog.eligible import published_ids
from ogaart.resources.catalog.generations import AuditRow, Generation
from ogaart.resources.catalog.signature_files import open_signatures
from ogaart.resources.index.base import VectorIndex
from ogaart.resources.serving.layers import open_layers
from ogaart.resources.storage.sql import literal
from ogaart.resources.storage.vectors import Vectors

_NAMED = 5  # examples that a message names
_LENGTH_SLACK = 0.01  # unit vectors in float16 are off by up to 1e-3
IMAGE_ID = """TRY((('0x' || substr(sha256('ogaart-image-1'::BLOB || '\\x00'::BLOB || encode(slug) || '\\x00'::BLOB
    || unhex(pixel_sha256)), 1, 16))::UBIGINT >> 1)::BIGINT)"""
"""``image_id`` as SQL, twenty times as fast: what differs by it is computed again in Python, which decides."""


@dataclass(frozen=True)
class Audit:
    """One check's outcome.

    Attributes:
        name: what was checked.
        passed: whether the generation may go into service as far as this goes.
        message: one sentence with the numbers, and on failure the first culprits and what to do.
        counts: the numbers.
    """

    name: str
    passed: bool
    message: str
    counts: Mapping[str, int] = field(default_factory=dict)

    def row(self) -> AuditRow:
        """As JSON, for the generation's ``audits.json``."""
        return {"name": self.name, "passed": self.passed, "message": self.message, "counts": self.counts}


def run_audits(
    generation: Generation,
    index: VectorIndex | None,
    *,
    vectors: Vectors | None = None,
    previous: Generation | None = None,
    points: Audit | None = None,
) -> list[Audit]:
    """Run every check; the generation may be switched to if all passed.

    Args:
        generation: a finished generation.
        index: the collection it is published with: its own copy, or the server's; not needed with ``points``.
        vectors: the vector store of its space, read whole; None leaves out that part of one check.
        previous: the generation in service, to notice what would be lost from search.
        points: what ``audit_points`` has found.
    """
    with _catalog(generation) as con:
        published = published_ids(con)
        if points is None:
            if index is None:
                raise ValueError("the audit of the points needs the collection, or what it found")
            points = audit_points(published, ids_of(index), generation.manifest, exact=generation.index.exists())
        return [
            points,
            audit_vectors(con, vectors, _read_before(generation, previous), previous),
            audit_rights(con),
            audit_identity(con),
            audit_words(generation, published),
            audit_losses(con, previous),
        ]


def ids_of(index: VectorIndex) -> NDArray[np.int64]:
    """(N,) what a collection holds, rising."""
    return np.sort(np.fromiter(index.ids(), np.int64))


def audit_points(
    published: NDArray[np.int64], held: NDArray[np.int64], manifest: Mapping[str, Any], *, exact: bool
) -> Audit:
    """Points are the eligible rows: none too many, none too few.

    Args:
        published: ids that the collection holds according to the catalog.
        held: ids that it holds.
        manifest: of the generation; names the eligible rows that had lost their point.
        exact: whether the collection is this generation's own; a server's may have got points since.
    """
    lacking = without(published, held)
    extra = without(held, published) if exact else np.empty(0, np.int64)
    reconciled = manifest.get("reconciled") or {}
    missing = int(reconciled.get("missing", 0))
    pending = int(reconciled.get("pending", 0))
    counts = {
        "published": len(published),
        "points": len(held),
        "lacking": len(lacking),
        "extra": len(extra),
        "missing": missing,
        "pending": pending,
    }
    if len(lacking) or len(extra) or missing:
        first = [*lacking[:_NAMED].tolist(), *extra[:_NAMED].tolist(), *reconciled.get("missing_ids", [])[:_NAMED]]
        return Audit(
            "points",
            False,
            f"{len(lacking) + missing} eligible images have no point and {len(extra)} points belong to no image, "
            f"such as {first}: materialize qdrant_collection for their partitions, then publish again",
            counts,
        )
    return Audit(
        "points", True, f"{len(published)} images, as many points; {pending} more wait for their point", counts
    )


def _read_before(generation: Generation, previous: Generation | None) -> frozenset[str]:
    """The segments that the audit of a publication which passed has read, or one before that; they never change.

    Where the generation was made in full, all are read again, as ``ogaart verify`` does.
    """
    if previous is None or not generation.manifest.get("shares") or not (previous.audits and previous.passed):
        return frozenset()
    same = previous.manifest.get("space") == generation.manifest["space"]
    return frozenset(previous.manifest.get("segments") or ()) if same else frozenset()


def audit_vectors(
    con: duckdb.DuckDBPyConnection,
    vectors: Vectors | None,
    passed_over: frozenset[str] = frozenset(),
    previous: Generation | None = None,
) -> Audit:
    """Every vector is finite and has a length above 0, and every embedded image has one.

    Args:
        con: the generation's catalog.
        vectors: the store; None leaves it out.
        passed_over: segments that are known to be fine: their keys are looked up, their vectors are not read.
        previous: the publication whose audit has read them: what it has needs no look while all of them are there.
    """
    bad = [
        key
        for key, norm in con.execute(
            "SELECT e.pixel_sha256, e.norm FROM embeddings AS e SEMI JOIN (FROM images WHERE indexed) USING (image_id)"
            " WHERE e.norm IS NULL OR NOT isfinite(e.norm) OR e.norm <= 0"
        ).fetchall()
        if norm is None or not (math.isfinite(norm) and norm > 0)
    ]
    seen: set[str] = set()
    wrong: list[str] = []
    lacking: set[str] = set()
    if vectors is not None:
        for segment in vectors.scan(passed_over):
            lengths = np.linalg.norm(segment.vectors, axis=1)
            fine = np.isfinite(lengths) & (np.abs(lengths - 1) < _LENGTH_SLACK)
            wrong.extend(segment.keys[row] for row in np.flatnonzero(~fine))
            seen.update(segment.keys)
        complete = previous is not None and passed_over and passed_over <= set(vectors.names())
        wanted = new_pixels(con, previous) if previous is not None and complete else None
        if wanted is None:
            wanted = [
                key for (key,) in con.execute("SELECT DISTINCT pixel_sha256 FROM images WHERE indexed").fetchall()
            ]
        lacking = set(wanted) - seen
        lacking = set(vectors.lacking(sorted(lacking))) if passed_over else lacking
    counts = {"scanned": len(seen), "bad_norms": len(bad), "bad_vectors": len(wrong), "lacking": len(lacking)}
    if bad or wrong or lacking:
        first = [*bad, *wrong, *sorted(lacking)][:_NAMED]
        return Audit(
            "vectors",
            False,
            f"{len(bad) + len(wrong)} vectors are not finite with a length above 0, {len(lacking)} published pictures "
            f"have none stored, such as {first}: materialize embeddings for their partitions, then publish again",
            counts,
        )
    before = f"; {len(passed_over)} segments were read by audits before" if passed_over else ""
    return Audit("vectors", True, f"{len(seen)} stored vectors read, all finite with a length above 0{before}", counts)


def new_pixels(con: duckdb.DuckDBPyConnection, previous: Generation) -> list[str] | None:
    """Pixels that are published now and were not in a publication; None where its catalog cannot be read.

    Args:
        con: the generation's catalog.
        previous: the publication.
    """
    try:
        con.execute(f"ATTACH {literal(str(previous.catalog))} AS earlier (READ_ONLY)")
        # Of images that were published the pixels were: to compare numbers takes half as long.
        found = con.execute(
            "WITH fresh AS (SELECT DISTINCT pixel_sha256 FROM images"
            " ANTI JOIN (FROM earlier.images WHERE indexed) USING (image_id) WHERE indexed)"
            " FROM fresh EXCEPT SELECT pixel_sha256 FROM earlier.images SEMI JOIN fresh USING (pixel_sha256)"
            " WHERE indexed"
        ).fetchall()
    except duckdb.Error:
        return None
    finally:
        con.execute("DETACH DATABASE IF EXISTS earlier")
    return [key for (key,) in found]


def audit_rights(con: duckdb.DuckDBPyConnection) -> Audit:
    """Every published image has a licence, an author and a page."""
    found = con.execute(
        """
        SELECT e.slug, count(*) AS images, len(coalesce(e.licences, [])) = 0 AS no_licence,
            coalesce(trim(e.author), '') = '' AS no_author, coalesce(e.url, '') = '' AS no_page
        FROM images AS i JOIN entries AS e USING (slug) WHERE i.indexed
        GROUP BY ALL HAVING no_licence OR no_author OR no_page ORDER BY e.slug
        """
    ).fetchall()
    counts = {
        "entries": len(found),
        "images": sum(row[1] for row in found),
        "no_licence": sum(row[2] for row in found),
        "no_author": sum(row[3] for row in found),
        "no_page": sum(row[4] for row in found),
    }
    if found:
        return Audit(
            "rights",
            False,
            f"{counts['images']} images of {len(found)} entries lack licence, author or page, such as "
            f"{[row[0] for row in found[:_NAMED]]}: see those pages; what they do not state cannot be published",
            counts,
        )
    return Audit("rights", True, "every published image has licence, author and page", counts)


def audit_identity(con: duckdb.DuckDBPyConnection) -> Audit:
    """Every image_id is the one made of its entry and pixels, and belongs to one picture only."""
    [(checked,)] = con.execute("SELECT count(*) FROM images").fetchall()
    differing = con.execute(
        f"SELECT slug, pixel_sha256, image_id FROM images WHERE {IMAGE_ID} IS DISTINCT FROM image_id ORDER BY image_id"  # noqa: S608
    ).fetchall()
    wrong = [stored for slug, pixels, stored in differing if image_id(slug, pixels) != stored]
    [(shared,)] = con.execute(
        "SELECT count(*) FROM (SELECT image_id FROM images GROUP BY image_id HAVING count(*) > 1)"
    ).fetchall()
    [(strays,)] = con.execute(
        "SELECT count(*) FROM occurrences AS o JOIN images AS i USING (image_id) WHERE o.slug <> i.slug"
    ).fetchall()
    counts = {"checked": checked, "wrong": len(wrong), "shared": shared, "strays": strays}
    if wrong or shared or strays:
        return Audit(
            "identity",
            False,
            f"{len(wrong)} image ids are not those of their entry and pixels, {shared} belong to several pictures, "
            f"{strays} occurrences belong to another entry, such as {wrong[:_NAMED]}: materialize extracted_images "
            "again; two pictures with one id need a new version of the id's rule",
            counts,
        )
    return Audit("identity", True, f"{checked} image ids recomputed, no collision", counts)


def audit_words(generation: Generation, published: NDArray[np.int64]) -> Audit:
    """The service's files hold the published images, each once, and nothing else."""
    placed = orphans = 0
    with open_layers(generation.path) as layers:
        images, words = _served(layers), _indexed(layers)
        for store in layers:
            placed += store.execute("SELECT count(DISTINCT image_id) FROM places").fetchone()[0]
            packed = "pack IN (SELECT pack FROM packs)" if _has_table(store, "packs") else "pack IS NOT NULL"
            orphans += store.execute(  # apart, since the index of slugs has all that the first is asked for
                "SELECT count(*) FROM (SELECT image_id FROM images WHERE slug NOT IN (SELECT slug FROM entries)"  # noqa: S608
                f" UNION SELECT image_id FROM images WHERE ({packed}) IS NOT TRUE)"
            ).fetchone()[0]
    signatures = open_signatures(generation.path).ids
    packs = [row for row in _packs(generation) if not (generation.path / row).exists()]
    counts = {
        "published": len(published),
        "images": len(images),
        "words": len(words),
        "signatures": len(signatures),
        "placed": placed,
        "orphans": orphans,
        "missing_packs": len(packs),
    }
    same = all(np.array_equal(published, other) for other in (images, words, signatures))
    if not same or placed != len(published) or orphans or packs:
        return Audit(
            "words", False, f"the service's files disagree with the catalog ({counts}): build the catalog again", counts
        )
    return Audit("words", True, f"{len(images)} images with words, places, signatures and thumbnails", counts)


def audit_losses(con: duckdb.DuckDBPyConnection, previous: Generation | None) -> Audit:
    """Nothing that search finds now, and that is still on the site, is lost by switching."""
    if previous is None:
        return Audit("losses", True, "no generation is in service yet", {"before": 0, "lost": 0})
    try:
        before = _served_ids(previous)
    except duckdb.Error as cause:  # the check of what is withdrawn holds its successor back then, or was accepted
        raise_if_lacking(cause, previous.catalog)
        message = f"generation {previous.number}, in service now, cannot be read ({cause}): nothing to compare with"
        return Audit("losses", True, message, {"before": 0, "lost": 0})
    waiting = _ids(
        con,
        """
        SELECT i.image_id FROM images AS i JOIN entries AS e USING (slug)
        WHERE e.status = 'ok' AND NOT i.indexed AND NOT i.blocked
            AND i.image_id NOT IN (SELECT image_id FROM embeddings WHERE status <> 'ok')
        ORDER BY i.image_id
        """,
    )
    lost = common(before, waiting)
    everything = _ids(con, "SELECT image_id FROM images ORDER BY image_id")
    withdrawn = without(before, everything)
    counts = {"before": len(before), "lost": len(lost), "withdrawn": len(withdrawn)}
    if len(lost):
        return Audit(
            "losses",
            False,
            f"{len(lost)} images that search finds now would be lost although their entries are still on the site, "
            f"such as {lost[:_NAMED].tolist()}: they wait for embeddings or qdrant_collection; run those, then publish",
            counts,
        )
    return Audit("losses", True, f"{len(before)} images in service: none is lost that is still on the site", counts)


def _served_ids(generation: Generation) -> NDArray[np.int64]:
    """What search has in a generation, by its words, or by its catalog where they are damaged."""
    try:
        with open_layers(generation.path) as layers:
            return _served(layers)
    except (sqlite3.DatabaseError, OverflowError, TypeError, ValueError):
        with _catalog(generation) as con:
            return _ids(con, "SELECT image_id FROM images WHERE indexed ORDER BY 1")


@contextmanager
def _catalog(generation: Generation) -> Iterator[duckdb.DuckDBPyConnection]:
    con = duckdb.connect(str(generation.catalog), read_only=True)
    try:
        yield con
    finally:
        con.close()


def _served(layers: Sequence[sqlite3.Connection]) -> NDArray[np.int64]:
    """The images of a publication's rows, by id."""
    # In the order of the table: without it an index would be read, and a torn table not noticed.
    found = [row[0] for store in layers for row in store.execute("SELECT image_id FROM images ORDER BY 1")]
    return np.sort(np.array(found, np.int64))


def _indexed(layers: Sequence[sqlite3.Connection]) -> NDArray[np.int64]:
    """The images of a publication's index of terms, by id."""
    found = [
        np.frombuffer(data, "<i8")
        for store in layers
        for (data,) in store.execute("SELECT data FROM image_columns WHERE name = 'ids'")
    ]
    if len(layers) > 1:
        replaced = [row[0] for row in layers[-1].execute("SELECT image_id FROM replaced_images")]
        found[0] = found[0][~np.isin(found[0], np.array(replaced, np.int64))]
    return np.sort(np.concatenate(found))


def _packs(generation: Generation) -> list[str]:
    found: set[str] = set()
    with open_layers(generation.path) as layers:
        for store in layers:
            used = "SELECT DISTINCT pack FROM images WHERE pack IS NOT NULL"
            query = f"SELECT path FROM packs WHERE pack IN ({used})" if _has_table(store, "packs") else used  # noqa: S608
            found.update(row[0] for row in store.execute(query))
    return sorted(found)


def _has_table(store: sqlite3.Connection, name: str) -> bool:
    """Whether a words.sqlite has a table; those of earlier versions lack some."""
    return bool(store.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (name,)).fetchall())


def _ids(con: duckdb.DuckDBPyConnection, sql: str) -> NDArray[np.int64]:
    return np.asarray(con.execute(sql).fetchnumpy()["image_id"], dtype=np.int64)
