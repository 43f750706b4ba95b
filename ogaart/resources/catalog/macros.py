"""The catalog's macros: questions with a parameter, up and down the lineage and across the vectors."""

from dataclasses import dataclass

import duckdb

from ogaart.resources.storage.sql import literal, quoted


@dataclass(frozen=True)
class Macro:
    """One macro: name, parameters, comment, body; ``table`` distinguishes ``FROM m(…)`` from ``SELECT m(…)``."""

    name: str
    parameters: str
    comment: str
    sql: str
    table: bool = True


_CHAIN = """
    FROM images AS i
    JOIN occurrences AS o ON o.image_id = i.image_id
    JOIN entries AS e ON e.slug = i.slug
    LEFT JOIN members AS m ON m.slug = o.slug AND m.fid = o.fid AND m.file_sha256 = o.file_sha256
        AND m.member_index = o.member_index
    LEFT JOIN files AS f ON f.slug = o.slug AND f.fid = o.fid AND f.role = 'file'
"""

MACROS: tuple[Macro, ...] = (
    Macro(
        "image_url", "of_image", "URL of the file in which the image is shown first; null for an unknown image.",
        "SELECT any_value(f.url) FROM occurrences AS o JOIN files AS f"
        " ON f.slug = o.slug AND f.fid = o.fid AND f.role = 'file'"
        " WHERE o.image_id = of_image AND o.position = 0",
        table=False,
    ),
    Macro(
        "lineage", "of_image",
        "Where an image comes from, one row per occurrence: member, file, entry, listing, and the run behind each.",
        f"""
        SELECT i.image_id, i.pixel_sha256, i.indexed, i.run_id AS image_run, i.written_at AS image_at,
            o.position, o.member_path, m.status AS member_status, o.sha256 AS member_sha256, m.run_id AS member_run,
            m.written_at AS member_at,
            f.fid, f.url AS file_url, f.shown_name AS file_name, f.status AS file_status, f.sha256 AS file_sha256,
            f.fetched_at AS file_fetched_at, f.run_id AS file_run,
            e.slug, e.url AS entry_url, e.title, e.author, e.licences, e.status AS entry_status,
            e.page_sha256 AS entry_sha256, e.fetched_at AS entry_fetched_at, e.run_id AS entry_run,
            e.partition, s.position AS listing_position, l.url AS listing_url, l.status AS listing_status,
            l.sha256 AS listing_sha256, l.fetched_at AS listing_fetched_at, l.run_id AS listing_run,
            g.space, g.segment, g."row" AS segment_row, g.status AS embedding_status, g.run_id AS embedding_run,
            p.collection, p.payload_hash, p.run_id AS point_run
        {_CHAIN}
        LEFT JOIN search_results AS s ON s.slug = e.slug AND s.partition = e.partition
        LEFT JOIN listings AS l ON l.partition = e.partition
        LEFT JOIN embeddings AS g ON g.image_id = i.image_id
        LEFT JOIN points AS p ON p.image_id = i.image_id
        WHERE i.image_id = of_image ORDER BY o.position
        """,
    ),
    Macro(
        "descendants", "of_slug := NULL, of_fid := NULL, of_partition := NULL",
        "Every image that came of an entry (of_slug), a file (of_fid) or a partition (of_partition), with its places.",
        f"""
        SELECT e.partition, e.slug, e.status AS entry_status, f.fid, f.url AS file_url, f.status AS file_status,
            o.member_path, m.status AS member_status, i.image_id, i.width, i.height, i.embedded, i.indexed
        {_CHAIN}
        WHERE (of_slug IS NULL OR e.slug = of_slug) AND (of_fid IS NULL OR o.fid = of_fid)
            AND (of_partition IS NULL OR e.partition = of_partition)
            AND NOT (of_slug IS NULL AND of_fid IS NULL AND of_partition IS NULL)
        ORDER BY e.partition, e.slug, o.fid, o.position, i.image_id
        """,
    ),
)  # fmt: skip

_SIMILAR_COMMENT = (
    "The k images nearest to an image by cosine, compared exactly with every stored vector; read from the vectors' "
    "Parquet, whose place SET VARIABLE ogaart_vectors = '…/*.parquet' can change."
)


def create_macros(con: duckdb.DuckDBPyConnection, vectors: str | None) -> None:
    """Create all macros with their comments in the default catalog.

    Args:
        con: connection whose default catalog holds the tables.
        vectors: glob of the space's segments; None: ``similar`` has nothing to compare with and returns no rows.
    """
    for macro in (*MACROS, similar(vectors)):
        kind = "TABLE " if macro.table else ""
        body = macro.sql if macro.table else f"({macro.sql})"
        con.execute(f"CREATE MACRO {quoted(macro.name)}({macro.parameters}) AS {kind}{body}")
        con.execute(f"COMMENT ON MACRO {kind}{quoted(macro.name)} IS {literal(macro.comment)}")


def similar(vectors: str | None) -> Macro:
    """The macro ``similar(image_id, k)`` over the segments that a glob names."""
    if vectors is None:
        segments = "SELECT NULL::VARCHAR AS key, NULL::FLOAT[] AS vector WHERE false"
    else:
        source = f"read_parquet(coalesce(getvariable('ogaart_vectors'), {literal(vectors)}))"
        segments = f"SELECT key, vector FROM {source}"  # noqa: S608
    # Two writers of one key leave two equal vectors: of an image's scores one is taken.
    sql = f"""
        WITH segments AS ({segments}),
        wanted AS (SELECT any_value(v.vector) AS vector FROM segments AS v
            WHERE v.key = (SELECT pixel_sha256 FROM images WHERE image_id = of_image)),
        scored AS (SELECT i.image_id, i.slug, max(list_cosine_similarity(v.vector, wanted.vector)) AS score
            FROM segments AS v JOIN images AS i ON i.pixel_sha256 = v.key CROSS JOIN wanted
            WHERE i.image_id <> of_image GROUP BY ALL)
        SELECT s.image_id, s.slug, e.title, e.author, e.licences, round(s.score, 6) AS score
        FROM scored AS s JOIN entries AS e ON e.slug = s.slug
        WHERE e.status = 'ok' ORDER BY s.score DESC, s.image_id LIMIT k
    """  # noqa: S608
    return Macro("similar", "of_image, k := 10", _SIMILAR_COMMENT, sql)
