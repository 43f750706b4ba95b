"""The catalog's macros: questions with a parameter, up and down the lineage and across the vectors."""

from dataclasses import dataclass

import duckdb

from ogaart.resources.catalog import lineage
from ogaart.resources.storage.sql import literal, quoted


@dataclass(frozen=True)
class Macro:
    """One macro: name, parameters, comment, body; ``table`` distinguishes ``FROM m(…)`` from ``SELECT m(…)``."""

    name: str
    parameters: str
    comment: str
    sql: str
    table: bool = True


_OF_DESCENDANTS = frozenset({"width", "height", "embedded"})
"""Columns of the view that ``descendants`` shows, and ``lineage`` does not."""

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
        SELECT {", ".join(quoted(name) for name in lineage.COLUMNS if name not in _OF_DESCENDANTS)}
        FROM {lineage.NAME} WHERE image_id = of_image ORDER BY position
        """,  # noqa: S608 - names of columns
    ),
    Macro(
        "descendants", "of_slug := NULL, of_fid := NULL, of_partition := NULL",
        "Every image that came of an entry (of_slug), a file (of_fid) or a partition (of_partition), with its places.",
        f"""
        SELECT partition, slug, entry_status, fid, file_url, file_status, member_path, member_status, image_id,
            width, height, embedded, indexed
        FROM {lineage.NAME}
        WHERE (of_slug IS NULL OR slug = of_slug) AND (of_fid IS NULL OR fid = of_fid)
            AND (of_partition IS NULL OR partition = of_partition)
            AND NOT (of_slug IS NULL AND of_fid IS NULL AND of_partition IS NULL)
        ORDER BY partition, slug, fid, position, image_id
        """,  # noqa: S608 - the view's name
    ),
)  # fmt: skip

_SIMILAR_COMMENT = (
    "The k images nearest to an image by cosine, compared exactly with every stored vector; read from the vectors' "
    "Parquet, whose place SET VARIABLE ogaart_vectors = '…/*.parquet' can change."
)


def create_macros(con: duckdb.DuckDBPyConnection, vectors: str | None) -> None:
    """Create all macros with their comments in the default catalog, or replace them.

    Args:
        con: connection whose default catalog holds the tables.
        vectors: glob of the space's segments; None: ``similar`` has nothing to compare with and returns no rows.
    """
    for macro in (*MACROS, similar(vectors)):
        kind = "TABLE " if macro.table else ""
        body = macro.sql if macro.table else f"({macro.sql})"
        con.execute(f"CREATE OR REPLACE MACRO {quoted(macro.name)}({macro.parameters}) AS {kind}{body}")
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
