"""Which pictures a generation publishes: the choice among the rows of a cut, as temporary tables; its outcome."""

from collections.abc import Iterator
from typing import Any, cast

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ogaart.resources.catalog.generations import Generation
from ogaart.resources.index.payload import OF_ENTRY, OF_IMAGE, payloads
from ogaart.resources.index.recall import Pictures
from ogaart.resources.index.reconciliation import NOT_TOLD, Eligible
from ogaart.resources.moderation.takedowns import Takedowns
from ogaart.resources.storage.array_folders import Keys, distinct
from ogaart.resources.storage.rows import EntryRow, ImageRow
from ogaart.resources.storage.sql import literal

LIVE = "e.status = 'ok' AND len(coalesce(e.licences, [])) > 0 AND coalesce(trim(e.author), '') <> ''"
"""Whether pictures of an entry ``e`` may be in search: without a licence or an author none can be used or credited."""
BLOCKED = """coalesce(slug IN (SELECT unnest($slugs::VARCHAR[])) OR e.author IN (SELECT unnest($authors::VARCHAR[]))
    OR list_has_any(coalesce(e.collaborators, []), $authors::VARCHAR[])
    OR pixel_sha256 IN (SELECT unnest($pixels::VARCHAR[])), false)"""
"""Whether a decision keeps an image of an entry ``e`` out of search; values as ``decided`` returns them."""
_BATCH = 2_000  # rows in Python at once
_SLICE = 65_536
_USUAL_NAMES = 100
"""Bytes of names that take as much memory as the rest of an image's row."""


def decided(takedowns: Takedowns) -> dict[str, list[str]]:
    """The values of ``BLOCKED``."""
    return {
        "slugs": sorted(takedowns.entries),
        "authors": sorted(takedowns.authors),
        "pixels": sorted(takedowns.pixels),
    }


def choose_pictures(
    con: duckdb.DuckDBPyConnection, space: str, takedowns: Takedowns, unproven: NDArray[np.int64] | None = None
) -> None:
    """Make the temporary tables of what is published.

    ``won_images`` and ``won_entries`` (the rows that count), ``embedded`` (ids with a vector), ``blocked`` (ids that a
    decision keeps out), ``eligible`` (ids that search should find), and ``ledger``, the hashes of payloads by id that
    steps have recorded of these.

    Args:
        con: connection with the views and tables of ``open_cut``.
        space: vector space of the collection; embeddings of other spaces do not count.
        takedowns: what must not be published, whatever the tables contain.
        unproven: ids of points of which the ledger proves nothing; of them it has the hash of no payload as well.
    """
    con.execute(
        "CREATE OR REPLACE TEMP TABLE won_images AS SELECT t.* EXCLUDE (signature) FROM cut_images AS t"
        " SEMI JOIN winners USING (slug, partition)"
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE won_entries AS SELECT t.* FROM cut_entries AS t"
        " SEMI JOIN winners USING (slug, partition)"
    )
    # A vector belongs to the pixels: it counts whichever partition's step has stored it.
    con.execute(
        "CREATE OR REPLACE TEMP TABLE embedded AS SELECT DISTINCT image_id FROM cut_embeddings"
        " WHERE space = $space AND status = 'ok' AND image_id IN (SELECT image_id FROM won_images)",
        {"space": space},
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE blocked AS SELECT image_id FROM won_images JOIN won_entries AS e USING (slug)"  # noqa: S608
        f" WHERE {BLOCKED}",
        decided(takedowns),
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE eligible AS SELECT image_id FROM won_images JOIN won_entries AS e USING (slug)"  # noqa: S608
        f" SEMI JOIN embedded USING (image_id) ANTI JOIN blocked USING (image_id) WHERE {LIVE}"
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE ledger AS SELECT image_id, list(DISTINCT payload_hash) AS hashes FROM cut_points"
        " WHERE space = $space AND image_id IN (SELECT image_id FROM eligible) GROUP BY image_id",
        {"space": space},
    )
    con.execute(
        "UPDATE ledger SET hashes = list_append(hashes, $none) WHERE image_id IN (SELECT unnest($ids::BIGINT[]))",
        {"none": NOT_TOLD, "ids": [] if unproven is None else unproven.tolist()},
    )


def eligible_rows(
    con: duckdb.DuckDBPyConnection, *, changed: bool = False, at_once: int = _SLICE
) -> Iterator[Eligible]:
    """What the collection must hold, entry by entry, as a stream: entry ok, image present, vector stored.

    Args:
        con: connection with everything of ``choose_pictures``.
        changed: without those of the table ``unchanged``.
        at_once: rows that DuckDB sorts at once; fewer where their names are long.
    """
    chosen = "(FROM eligible ANTI JOIN unchanged USING (image_id))" if changed else "eligible"
    entries = _Entries(con)
    for some, images in slices(con, chosen, at_once):
        reader = con.sql(
            f"""
            WITH named AS (
                SELECT image_id, list(shown_name) AS shown, list(member_path) AS paths
                FROM (FROM cut_occurrences WHERE {some} AND {images})
                SEMI JOIN {chosen} USING (image_id) SEMI JOIN winners USING (slug, partition)
                LEFT JOIN (
                    SELECT slug, partition, fid, any_value(shown_name) AS shown_name
                    FROM cut_file_links WHERE role = 'file' AND {some} GROUP BY ALL) USING (slug, partition, fid)
                GROUP BY image_id)
            SELECT i.slug, i.image_id, {", ".join(f"i.{name}" for name in OF_IMAGE)}, n.shown, n.paths, l.hashes
            FROM (FROM won_images WHERE {some} AND {images}) AS i SEMI JOIN {chosen} USING (image_id)
            SEMI JOIN won_entries USING (slug)
            LEFT JOIN named AS n USING (image_id) LEFT JOIN ledger AS l USING (image_id)
            ORDER BY i.slug, i.image_id
            """  # noqa: S608
        ).to_arrow_reader(_BATCH)
        for batch in reader:
            rows = batch.to_pylist()
            found = payloads(
                [
                    (cast("ImageRow", row), entries[row["slug"]], [*(row["shown"] or ()), *(row["paths"] or ())])
                    for row in rows
                ]
            )
            for row, content in zip(rows, found, strict=True):
                yield Eligible(row["image_id"], row["pixel_sha256"], content, frozenset(row["hashes"] or ()))


def slices(con: duckdb.DuckDBPyConnection, chosen: str, at_once: int) -> Iterator[tuple[str, str]]:
    """Conditions of so many rows in a query: to sort all at once takes a gigabyte at half a million.

    Args:
        con: connection with everything of ``choose_pictures``.
        chosen: table or query with the ids of the images.
        at_once: how many rows.

    Yields:
        Which entries, and which of their images: of one entry that is too large, a part at a time.
    """
    sizes = con.execute(
        f"""
        SELECT slug, images, images + coalesce(bytes, 0) // {_USUAL_NAMES} FROM (
            SELECT slug, count(*) AS images FROM won_images SEMI JOIN {chosen} USING (image_id) GROUP BY slug)
        LEFT JOIN (SELECT slug, sum(strlen(member_path))::BIGINT AS bytes FROM cut_occurrences GROUP BY slug)
        USING (slug) ORDER BY slug
        """  # noqa: S608
    ).fetchall()
    first, last, rows = "", "", 0
    for slug, images, size in sizes:
        if rows and rows + size > at_once:
            yield _between(first, last), "true"
            rows = 0
        if size > at_once:
            some = _between(slug, slug)
            yield from ((some, part) for part in _parts(con, chosen, some, max(1, images * at_once // size)))
            continue
        first, last, rows = first if rows else slug, slug, rows + size
    if rows:
        yield _between(first, last), "true"


def _between(first: str, last: str) -> str:
    return f"slug BETWEEN {literal(first)} AND {literal(last)}"


def _parts(con: duckdb.DuckDBPyConnection, chosen: str, some: str, count: int) -> Iterator[str]:
    """Conditions of so many images of an entry each."""
    query = f"SELECT image_id FROM won_images SEMI JOIN {chosen} USING (image_id) WHERE {some} ORDER BY image_id"  # noqa: S608
    ids = con.sql(query).fetchnumpy()["image_id"]
    for start in range(0, len(ids), count):
        part = ids[start : start + count]
        yield f"image_id BETWEEN {part[0]} AND {part[-1]}"


class _Entries:
    """The rows of entries that a generation may publish, as Arrow has them: one at a time is made Python's."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        query = f"SELECT {', '.join(OF_ENTRY)} FROM won_entries AS e WHERE {LIVE}"  # noqa: S608
        self._rows = con.sql(query).to_arrow_table().combine_chunks()
        self._numbers = {slug: number for number, slug in enumerate(self._rows["slug"].to_pylist())}
        self._last: EntryRow | None = None

    def __getitem__(self, slug: str) -> EntryRow:
        if self._last is None or self._last["slug"] != slug:
            [row] = self._rows.slice(self._numbers[slug], 1).to_pylist()
            self._last = cast("EntryRow", row)
        return self._last


def published_ids(con: duckdb.DuckDBPyConnection) -> NDArray[np.int64]:
    """(N,) int64, rising: the published images; the table ``images`` must be finished."""
    found = con.execute("SELECT image_id FROM images WHERE indexed").fetchnumpy()
    return np.sort(np.asarray(found["image_id"], np.int64))


def published_pixels(con: duckdb.DuckDBPyConnection, generation: Generation) -> Keys | None:
    """The pixel hashes that a generation published, each once, in order; None where its catalog cannot be read."""
    try:
        con.execute(f"ATTACH {literal(str(generation.catalog))} AS earlier (READ_ONLY)")
        found = con.sql("SELECT unhex(pixel_sha256) AS pixels FROM earlier.images WHERE indexed").to_arrow_table()
    except duckdb.Error:
        return None
    finally:
        con.execute("DETACH DATABASE IF EXISTS earlier")
    return distinct(_as_keys(found["pixels"]))


def published_pictures(con: duckdb.DuckDBPyConnection) -> Pictures:
    """The published images with the hashes of their pixels; the table ``images`` must be finished."""
    found = con.sql("SELECT image_id, unhex(pixel_sha256) AS pixels FROM images WHERE indexed").to_arrow_table()
    ids = np.asarray(found["image_id"].to_numpy(), np.int64)
    order = np.argsort(ids)
    return Pictures(ids[order], _as_keys(found["pixels"])[order])


def _as_keys(hashes: "pa.ChunkedArray[Any]") -> Keys:
    chunks: list[Any] = [chunk.cast(pa.binary(32)) for chunk in hashes.chunks]
    content = (some.buffers()[1][32 * some.offset : 32 * (some.offset + len(some))] for some in chunks)
    return np.frombuffer(b"".join(content), "V32")


def pixels_of(con: duckdb.DuckDBPyConnection, ids: NDArray[np.int64]) -> NDArray[Any]:
    """The pixel hashes of some published images, which are rising; texts, in their order."""
    con.register("wanted_ids", pa.table({"image_id": pa.array(ids, pa.int64())}))
    found = con.execute(
        "SELECT pixel_sha256 FROM images SEMI JOIN wanted_ids USING (image_id) WHERE indexed ORDER BY image_id"
    ).fetchnumpy()
    return np.asarray(found["pixel_sha256"])
