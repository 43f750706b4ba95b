"""The catalog's views and macros: the questions that people ask, as SQL with a comment on each view and column."""

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from ogaart.resources.catalog_tables import literal, quoted


@dataclass(frozen=True)
class View:
    """One view: name, comment, a comment for each column in order, query."""

    name: str
    comment: str
    columns: Mapping[str, str]
    sql: str


@dataclass(frozen=True)
class Macro:
    """One macro: name, parameters, comment, body; ``table`` tells ``FROM m(…)`` from ``SELECT m(…)``."""

    name: str
    parameters: str
    comment: str
    sql: str
    table: bool = True


_FUNNEL = """
    SELECT 1 AS step, 'search_pages' AS stage, 'listings' AS relation, partition, status::VARCHAR AS status,
        count(*) AS "rows" FROM listings GROUP BY ALL
    UNION ALL SELECT 1, 'search_pages', 'search_results', partition, 'ok', count(*) FROM search_results GROUP BY ALL
    UNION ALL SELECT 2, 'content_pages', 'entries', partition, status::VARCHAR, count(*) FROM entries GROUP BY ALL
    UNION ALL SELECT 3, 'file_links', 'file_links', partition, role::VARCHAR, count(*) FROM file_links GROUP BY ALL
    UNION ALL SELECT 4, 'raw_files', 'files', partition,
        CASE WHEN status = 'listed' THEN 'pending' ELSE status::VARCHAR END, count(*)
        FROM files WHERE role = 'file' GROUP BY ALL
    UNION ALL SELECT 5, 'extracted_images', 'members', partition, status::VARCHAR, count(*) FROM members GROUP BY ALL
    UNION ALL SELECT 5, 'extracted_images', 'images', partition, 'ok', count(*) FROM images GROUP BY ALL
    UNION ALL SELECT 6, 'embeddings', 'images', i.partition, coalesce(e.status, 'pending'), count(*)
        FROM images AS i LEFT JOIN embeddings AS e USING (image_id) GROUP BY ALL
    UNION ALL SELECT 7, 'qdrant_collection', 'images', i.partition,
        CASE WHEN p.image_id IS NULL THEN 'pending' ELSE 'ok' END, count(*)
        FROM (FROM images WHERE embedded) AS i LEFT JOIN points AS p USING (image_id) GROUP BY ALL
    UNION ALL SELECT 8, 'catalog', 'images', partition,
        CASE WHEN indexed THEN 'indexed' ELSE 'not_indexed' END, count(*) FROM images GROUP BY ALL
"""

VIEWS: tuple[View, ...] = (
    View(
        "funnel_by_partition", "Rows by partition, stage and status: where entries and pictures get stuck, and where.",
        {
            "step": "Number of the stage, in the order of the graph.",
            "stage": "Stage.",
            "relation": "Table whose rows are counted.",
            "partition": "Partition (query/page).",
            "status": "Status of the rows; pending: the stage has not taken them up yet.",
            "rows": "Number of rows.",
        },
        f'SELECT step, stage, relation, partition, status, "rows" FROM ({_FUNNEL}) ORDER BY ALL',  # noqa: S608
    ),
    View(
        "funnel", "Rows by stage and status, over all partitions.",
        {
            "step": "Number of the stage, in the order of the graph.",
            "stage": "Stage.",
            "relation": "Table whose rows are counted.",
            "status": "Status of the rows; pending: the stage has not taken them up yet.",
            "rows": "Number of rows.",
        },
        'SELECT step, stage, relation, status, sum("rows")::BIGINT AS "rows" FROM funnel_by_partition'
        " GROUP BY ALL ORDER BY ALL",
    ),
    View(
        "storage_by_format", "What the fetched files are and how much room they take: each distinct content once.",
        {
            "type": "Type by magic bytes.",
            "files": "Files of that type that entries link.",
            "contents": "Distinct contents among them, each stored once.",
            "bytes": "Bytes of those contents on disk.",
            "median_bytes": "Median size of a content.",
            "pictures": "Distinct images found in them.",
        },
        """
        WITH content AS (SELECT type, sha256, any_value(bytes) AS bytes, count(*) AS files
            FROM files WHERE status = 'ok' GROUP BY ALL),
        found AS (SELECT file_sha256 AS sha256, count(DISTINCT image_id) AS pictures FROM occurrences GROUP BY ALL)
        SELECT type, sum(files)::BIGINT AS files, count(*) AS contents, sum(bytes)::BIGINT AS bytes,
            median(bytes)::BIGINT AS median_bytes, coalesce(sum(pictures), 0)::BIGINT AS pictures
        FROM content LEFT JOIN found USING (sha256) GROUP BY type ORDER BY bytes DESC, type
        """,
    ),
    View(
        "licences_over_time",
        "Entries by the month they were posted and by licence; an entry counts for each of its own.",
        {
            "month": "First day of the month.",
            "licence": "Licence name; null: the entry names none.",
            "entries": "Entries under it.",
            "images": "Their images.",
        },
        """
        SELECT date_trunc('month', e.posted_at)::DATE AS month, e.licence, count(*) AS entries,
            coalesce(sum(i.images), 0)::BIGINT AS images
        FROM (SELECT slug, posted_at, unnest(CASE WHEN len(licences) > 0 THEN licences ELSE [NULL] END) AS licence
            FROM entries WHERE status = 'ok') AS e
        LEFT JOIN (SELECT slug, count(*) AS images FROM images GROUP BY slug) AS i USING (slug)
        GROUP BY ALL ORDER BY month, licence
        """,
    ),
    View(
        "reused_pictures", "Pictures that stand in more than one entry, the most reused first.",
        {
            "pixel_sha256": "The picture's canonical pixels.",
            "width": "Pixels.",
            "height": "Pixels.",
            "entries": "Number of entries that hold it.",
            "authors": "Number of distinct authors among them.",
            "first_entry": "The entry that was posted first.",
            "image_ids": "One image of each entry.",
            "slugs": "Those entries.",
            "licences": "All licences under which they offer it.",
        },
        """
        SELECT i.pixel_sha256, any_value(i.width) AS width, any_value(i.height) AS height, count(*) AS entries,
            count(DISTINCT e.author) AS authors,
            arg_min(e.slug, (coalesce(e.posted_at, 'infinity'), e.slug)) AS first_entry,
            list(i.image_id ORDER BY i.slug) AS image_ids, list(i.slug ORDER BY i.slug) AS slugs,
            list_sort(list_distinct(flatten(list(e.licences)))) AS licences
        FROM images AS i JOIN entries AS e USING (slug) WHERE e.status = 'ok'
        GROUP BY i.pixel_sha256 HAVING count(*) > 1 ORDER BY entries DESC, i.pixel_sha256
        """,
    ),
    View(
        "failures_by_cause", "Failures by stage and cause, the most frequent first.",
        {
            "stage": "The stage that failed.",
            "error_class": "Class of the cause.",
            "http_status": "HTTP status, where there was one.",
            "failures": "Number of failures.",
            "entries": "Entries concerned.",
            "permanent": "Failures that no run takes up again.",
            "first_at": "First of them.",
            "last_at": "Latest of them.",
            "next_try": "When the next of them is taken up.",
            "example_key": "One of them.",
            "example_message": "Its message.",
        },
        """
        SELECT stage, error_class, http_status, count(*) AS failures, count(DISTINCT slug) AS entries,
            count(*) FILTER (next_try IS NULL) AS permanent, min(first_at) AS first_at, max(last_at) AS last_at,
            min(next_try) AS next_try, arg_min(key, (partition, key)) AS example_key,
            arg_min(message, (partition, key)) AS example_message
        FROM failures GROUP BY ALL ORDER BY failures DESC, stage, error_class, http_status
        """,
    ),
    View(
        "run_activity", "What each run did: the rows it wrote that are still current, by table and partition.",
        {
            "run_id": "The run.",
            "job": "Its job, where the orchestrator's record is at hand.",
            "run_status": "How it ended, where that is known.",
            "stage": "Stage that wrote.",
            "relation": "Table that holds the rows.",
            "partition": "Partition.",
            "rows": "Rows the run wrote that no later run has replaced.",
            "first_at": "First of them.",
            "last_at": "Last of them.",
        },
        """
        SELECT w.run_id, r.job, r.status AS run_status, w.stage, w.relation, w.partition, count(*) AS "rows",
            min(w.written_at) AS first_at, max(w.written_at) AS last_at
        FROM (
            SELECT run_id, 'search_pages' AS stage, 'search_results' AS relation, partition, written_at
                FROM search_results
            UNION ALL SELECT run_id, 'content_pages', 'entries', partition, written_at FROM entries
            UNION ALL SELECT run_id, 'file_links', 'file_links', partition, written_at FROM file_links
            UNION ALL SELECT run_id, 'raw_files', 'raw_files', partition, written_at FROM raw_files
            UNION ALL SELECT run_id, 'extracted_images', 'images', partition, written_at FROM images
            UNION ALL SELECT run_id, 'embeddings', 'embeddings', partition, written_at FROM embeddings
            UNION ALL SELECT run_id, 'qdrant_collection', 'points', partition, written_at FROM points
            UNION ALL SELECT run_id, stage::VARCHAR, 'failures', partition, written_at FROM failures
        ) AS w LEFT JOIN runs AS r USING (run_id)
        GROUP BY ALL ORDER BY last_at DESC, w.run_id, w.partition, w.stage, w.relation
        """,
    ),
    View(
        "embedding_throughput", "Pictures that each run embedded, and how many a second.",
        {
            "run_id": "The run.",
            "space": "Model, weights and preparation.",
            "images": "Images whose current row the run wrote.",
            "failed": "Those among them without a vector.",
            "started_at": "When the run started; its first row, where the run is not on record.",
            "ended_at": "When it ended; its last row, where the run is not on record.",
            "seconds": "Seconds between the two.",
            "images_per_second": "Images a second of the whole run; null where that is too short to say.",
        },
        """
        SELECT run_id, space, images, failed, started_at, ended_at,
            epoch(ended_at) - epoch(started_at) AS seconds,
            CASE WHEN ended_at > started_at THEN round(images / (epoch(ended_at) - epoch(started_at)), 2) END
                AS images_per_second
        FROM (
            SELECT e.run_id, e.space, count(*) AS images, count(*) FILTER (e.status <> 'ok') AS failed,
                coalesce(min(r.started_at), min(e.written_at)) AS started_at,
                coalesce(max(r.ended_at), max(e.written_at)) AS ended_at
            FROM embeddings AS e LEFT JOIN runs AS r USING (run_id) GROUP BY ALL)
        ORDER BY ended_at DESC, run_id
        """,
    ),
    View(
        "cost", "What each partition cost: pages and files asked of the site, bytes fetched, pictures gained.",
        {
            "partition": "Partition.",
            "entries": "Entries that it holds.",
            "pages": "Pages read: its listing and one for each entry.",
            "files": "Files fetched.",
            "failed_files": "Files asked for in vain.",
            "bytes": "Bytes of the fetched files.",
            "images": "Images found.",
            "bytes_per_image": "Bytes fetched for each image.",
        },
        """
        SELECT partition, coalesce(e.entries, 0) AS entries, 1 + coalesce(e.entries, 0) AS pages,
            coalesce(f.files, 0) AS files, coalesce(f.failed, 0) AS failed_files,
            coalesce(f.bytes, 0)::BIGINT AS bytes, coalesce(i.images, 0) AS images,
            CASE WHEN i.images > 0 THEN (coalesce(f.bytes, 0) / i.images)::BIGINT END AS bytes_per_image
        FROM (SELECT DISTINCT partition FROM listings)
        LEFT JOIN (SELECT partition, count(*) AS entries FROM entries GROUP BY ALL) AS e USING (partition)
        LEFT JOIN (SELECT partition, count(*) FILTER (status = 'ok') AS files,
                count(*) FILTER (status NOT IN ('ok', 'listed')) AS failed,
                sum(bytes) FILTER (status = 'ok') AS bytes
            FROM files WHERE role = 'file' GROUP BY ALL) AS f USING (partition)
        LEFT JOIN (SELECT partition, count(*) AS images FROM images GROUP BY ALL) AS i USING (partition)
        ORDER BY partition
        """,
    ),
)  # fmt: skip

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


def create_views(con: duckdb.DuckDBPyConnection) -> None:
    """Create all views with their comments in the default catalog."""
    for view in VIEWS:
        con.execute(f"CREATE VIEW {view.name} AS {view.sql}")
        con.execute(f"COMMENT ON VIEW {view.name} IS {literal(view.comment)}")
        for column, comment in view.columns.items():
            con.execute(f"COMMENT ON COLUMN {view.name}.{quoted(column)} IS {literal(comment)}")


def create_macros(con: duckdb.DuckDBPyConnection, vectors: str | None) -> None:
    """Create all macros with their comments in the default catalog.

    Args:
        con: connection whose default catalog holds the tables.
        vectors: glob of the space's segments; None: ``similar`` has nothing to compare with and gives no rows.
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
        asked AS (SELECT any_value(v.vector) AS vector FROM segments AS v
            WHERE v.key = (SELECT pixel_sha256 FROM images WHERE image_id = of_image)),
        scored AS (SELECT i.image_id, i.slug, max(list_cosine_similarity(v.vector, asked.vector)) AS score
            FROM segments AS v JOIN images AS i ON i.pixel_sha256 = v.key CROSS JOIN asked
            WHERE i.image_id <> of_image GROUP BY ALL)
        SELECT s.image_id, s.slug, e.title, e.author, e.licences, round(s.score, 6) AS score
        FROM scored AS s JOIN entries AS e ON e.slug = s.slug
        WHERE e.status = 'ok' ORDER BY s.score DESC, s.image_id LIMIT k
    """  # noqa: S608
    return Macro("similar", "of_image, k := 10", _SIMILAR_COMMENT, sql)
