"""Which pictures a generation publishes: the choice among the rows of a cut, as temporary tables; its outcome."""

from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ogaart.resources.catalog.generations import Generation
from ogaart.resources.moderation.takedowns import Takedowns
from ogaart.resources.storage.sql import literal


def choose_pictures(con: duckdb.DuckDBPyConnection, space: str, takedowns: Takedowns) -> None:
    """Make the temporary tables of what is published.

    ``won_images`` and ``won_entries`` (the rows that count), ``embedded`` (ids with a vector), ``blocked`` (ids that a
    decision keeps out), ``live``, ``eligible`` (ids that search should find), and ``ledger``, the hashes of payloads by
    id that steps have recorded.

    Args:
        con: connection with the views and tables of ``open_cut``.
        space: vector space of the collection; embeddings of other spaces do not count.
        takedowns: what must not be published, whatever the tables contain.
    """
    con.execute(
        "CREATE TEMP TABLE won_images AS SELECT t.* EXCLUDE (signature) FROM cut_images AS t"
        " SEMI JOIN winners USING (slug, partition)"
    )
    con.execute(
        "CREATE TEMP TABLE won_entries AS SELECT t.* FROM cut_entries AS t SEMI JOIN winners USING (slug, partition)"
    )
    # A vector belongs to the pixels: it counts whichever partition's step has stored it.
    con.execute(
        "CREATE TEMP TABLE embedded AS SELECT DISTINCT image_id FROM cut_embeddings"
        " WHERE space = $space AND status = 'ok' AND image_id IN (SELECT image_id FROM won_images)",
        {"space": space},
    )
    con.execute(
        "CREATE TEMP TABLE blocked AS SELECT image_id FROM won_images JOIN won_entries AS e USING (slug)"
        " WHERE slug IN (SELECT unnest($slugs::VARCHAR[])) OR e.author IN (SELECT unnest($authors::VARCHAR[]))"
        " OR list_has_any(coalesce(e.collaborators, []), $authors::VARCHAR[])"
        " OR pixel_sha256 IN (SELECT unnest($pixels::VARCHAR[]))",
        {
            "slugs": sorted(takedowns.entries),
            "authors": sorted(takedowns.authors),
            "pixels": sorted(takedowns.pixels),
        },
    )
    con.execute(
        "CREATE TEMP TABLE live AS SELECT image_id FROM won_images JOIN won_entries AS e USING (slug)"
        # What states no licence or no author cannot be used or credited: it is in the tables, never in search.
        " ANTI JOIN blocked USING (image_id) WHERE e.status = 'ok'"
        " AND len(coalesce(e.licences, [])) > 0 AND coalesce(trim(e.author), '') <> ''"
    )
    con.execute("CREATE TEMP TABLE eligible AS SELECT * FROM live SEMI JOIN embedded USING (image_id)")
    con.execute(
        "CREATE TEMP TABLE ledger AS SELECT image_id, list(DISTINCT payload_hash) AS hashes FROM cut_points"
        " WHERE space = $space GROUP BY image_id",
        {"space": space},
    )


def published_ids(con: duckdb.DuckDBPyConnection) -> NDArray[np.int64]:
    """(N,) int64, rising: the published images; the table ``images`` must be finished."""
    found = con.execute("SELECT image_id FROM images WHERE indexed ORDER BY image_id").fetchnumpy()
    return np.asarray(found["image_id"], np.int64)


def published_pixels(con: duckdb.DuckDBPyConnection, generation: Generation) -> list[str] | None:
    """The pixel hashes that a generation published, each once; None where its catalog cannot be read."""
    try:
        con.execute(f"ATTACH {literal(str(generation.catalog))} AS earlier (READ_ONLY)")
        found = con.execute("SELECT DISTINCT pixel_sha256 FROM earlier.images WHERE indexed").fetchnumpy()
    except duckdb.Error:
        return None
    finally:
        con.execute("DETACH DATABASE IF EXISTS earlier")
    return list(found["pixel_sha256"])


def pixels_of(con: duckdb.DuckDBPyConnection, ids: NDArray[np.int64]) -> NDArray[Any]:
    """The pixel hashes of some published images, which are rising; texts, in their order."""
    con.register("wanted_ids", pa.table({"image_id": pa.array(ids, pa.int64())}))
    found = con.execute(
        "SELECT pixel_sha256 FROM images SEMI JOIN wanted_ids USING (image_id) WHERE indexed ORDER BY image_id"
    ).fetchnumpy()
    return np.asarray(found["pixel_sha256"])
