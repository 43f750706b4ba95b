"""The catalog's views: common questions, as SQL with a comment on each view and column."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from ogaart.core.stages import Stage
from ogaart.resources.catalog import lineage
from ogaart.resources.catalog.macros import MACROS, similar
from ogaart.resources.catalog.tables import layout
from ogaart.resources.serving.rows import INDEXES, serving_ddl
from ogaart.resources.storage.sql import comment_on


@dataclass(frozen=True)
class View:
    """One view: name, comment, a comment for each column in order, query."""

    name: str
    comment: str
    columns: Mapping[str, str]
    sql: str


_FUNNEL = f"""
    SELECT list_position([{", ".join(f"'{stage}'" for stage in Stage)}], stage) AS step, * FROM (
    SELECT 'search_pages' AS stage, 'listings' AS relation, partition, status::VARCHAR AS status,
        count(*) AS "rows" FROM listings GROUP BY ALL
    UNION ALL SELECT 'search_pages', 'search_results', partition, 'ok', count(*) FROM search_results GROUP BY ALL
    UNION ALL SELECT 'content_pages', 'entries', partition, status::VARCHAR, count(*) FROM entries GROUP BY ALL
    UNION ALL SELECT 'file_links', 'file_links', partition, role::VARCHAR, count(*) FROM file_links GROUP BY ALL
    UNION ALL SELECT 'raw_files', 'files', partition,
        CASE WHEN status = 'listed' THEN 'pending' ELSE status::VARCHAR END, count(*)
        FROM files WHERE role = 'file' GROUP BY ALL
    UNION ALL SELECT 'extracted_images', 'members', partition, status::VARCHAR, count(*) FROM members GROUP BY ALL
    UNION ALL SELECT 'extracted_images', 'images', partition, 'ok', count(*) FROM images GROUP BY ALL
    UNION ALL SELECT 'embeddings', 'images', i.partition, coalesce(e.status, 'pending'), count(*)
        FROM images AS i LEFT JOIN embeddings AS e USING (image_id) GROUP BY ALL
    UNION ALL SELECT 'qdrant_collection', 'images', i.partition,
        CASE WHEN p.image_id IS NULL THEN 'pending' ELSE 'ok' END, count(*)
        FROM (FROM images WHERE embedded) AS i LEFT JOIN points AS p USING (image_id) GROUP BY ALL
    UNION ALL SELECT 'catalog', 'images', partition,
        CASE WHEN indexed THEN 'indexed' ELSE 'not_indexed' END, count(*) FROM images GROUP BY ALL)
"""  # noqa: S608 - the names of stages

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
        "reused_pictures", "Pictures that are in more than one entry, the most reused first.",
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
        "reuse",
        "Which entries contain parts of which others, the most first: such as sheets with another entry's sprites.",
        {
            "slug": "The entry whose pictures contain something of the other.",
            "other_slug": "The entry whose pictures are parts of them.",
            "pictures": "Pictures of the other entry that are parts of pictures of this one.",
            "wholes": "Pictures of this entry that contain them.",
            "share": "Share of the other entry's pictures that are parts of this one's.",
            "same_author": "Whether both entries name the same author; NULL: one names none.",
            "older": "Which of both was posted first.",
            "licences": "Licences under which this entry offers its pictures.",
            "other_licences": "Licences under which the other one offers its own.",
            "common_licences": "Licences that both name; where there is none, see whose art it is before using either.",
            "largest_share": "Share of a part's patches that agree, of the part with the most.",
            "part_image_id": "That part.",
            "whole_image_id": "The picture that contains it.",
        },
        """
        WITH linked AS (
            SELECT w.slug, p.slug AS other_slug, p.image_id AS part, w.image_id AS whole, l.share, l.patches
            FROM picture_parts AS l
            JOIN images AS p ON p.pixel_sha256 = l.part_pixel_sha256 AND p.indexed
            JOIN images AS w ON w.pixel_sha256 = l.whole_pixel_sha256 AND w.indexed
            WHERE p.slug <> w.slug),
        counted AS (SELECT slug, count(*) AS images FROM images WHERE indexed GROUP BY slug)
        SELECT l.slug, l.other_slug, count(DISTINCT l.part) AS pictures, count(DISTINCT l.whole) AS wholes,
            round(count(DISTINCT l.part) / any_value(c.images), 4) AS share,
            any_value(e.author = o.author) AS same_author,
            any_value(CASE WHEN o.posted_at <= e.posted_at THEN o.slug
                WHEN e.posted_at < o.posted_at THEN e.slug END) AS older,
            any_value(e.licences) AS licences, any_value(o.licences) AS other_licences,
            any_value(list_sort(list_intersect(e.licences, o.licences))) AS common_licences,
            round(max(l.share), 4) AS largest_share,
            arg_max(l.part, (l.share, l.patches, l.part)) AS part_image_id,
            arg_max(l.whole, (l.share, l.patches, l.part)) AS whole_image_id
        FROM linked AS l JOIN entries AS e ON e.slug = l.slug JOIN entries AS o ON o.slug = l.other_slug
        JOIN counted AS c ON c.slug = l.other_slug
        GROUP BY l.slug, l.other_slug ORDER BY pictures DESC, l.slug, l.other_slug
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
        "licence_readings", "When the licence of each entry in search was last read on its page, the oldest first.",
        {
            "slug": "The entry.",
            "title": "Title.",
            "licences": "Licence names.",
            "read_at": "When the site last served or confirmed the page that states them.",
            "age_days": "Days between that and the building of this catalog.",
            "images": "Its images in search.",
        },
        """
        SELECT e.slug, e.title, e.licences, coalesce(h.read_at, e.fetched_at) AS read_at,
            round(epoch(b.built_at - coalesce(h.read_at, e.fetched_at)) / 86400, 2) AS age_days, i.images
        FROM entries AS e
        JOIN (SELECT slug, count(*) AS images FROM images WHERE indexed GROUP BY slug) AS i ON i.slug = e.slug
        LEFT JOIN (SELECT slug, max(last_read_at) AS read_at FROM licence_history WHERE changed_at IS NULL
            GROUP BY slug) AS h ON h.slug = e.slug
        CROSS JOIN (SELECT max(built_at) AS built_at FROM publications) AS b
        ORDER BY read_at, e.slug
        """,
    ),
    View(
        "run_activity", "What each run did in each stage of each partition, the latest first.",
        {
            "run_id": "The run.",
            "job": "Its job, where Dagster's record of the run is available.",
            "run_status": "How it ended, where that is known.",
            "stage": "Stage.",
            "partition": "Partition.",
            "started_at": "When the step began.",
            "seconds": "Seconds it took.",
            "new": "Rows found new.",
            "stale": "Rows found stale.",
            "unchanged": "Rows found unchanged.",
            "orphaned": "Rows found orphaned.",
            "failed": "Rows that failed.",
            "pending": "Rows whose upstream was not there yet.",
            "current_rows": "Rows it wrote that no later run has replaced.",
            "requests": "Requests made to the site.",
            "requests_saved": "Requests answered by fetch records instead.",
            "bytes": "Bytes read from the site.",
        },
        """
        WITH written AS (
            SELECT run_id, 'search_pages' AS stage, partition FROM search_results
            UNION ALL SELECT run_id, 'content_pages', partition FROM entries
            UNION ALL SELECT run_id, 'file_links', partition FROM file_links
            UNION ALL SELECT run_id, 'raw_files', partition FROM raw_files
            UNION ALL SELECT run_id, 'extracted_images', partition FROM images
            UNION ALL SELECT run_id, 'embeddings', partition FROM embeddings
            UNION ALL SELECT run_id, 'qdrant_collection', partition FROM points
        ), kept AS (SELECT run_id, stage, partition, count(*) AS current_rows FROM written GROUP BY ALL)
        SELECT s.run_id, r.job, r.status AS run_status, s.stage, s.partition, s.started_at,
            round(epoch(s.ended_at) - epoch(s.started_at), 3) AS seconds,
            s.new, s.stale, s.unchanged, s.orphaned, s.failed, s.pending, coalesce(k.current_rows, 0) AS current_rows,
            s.requests, s.requests_saved, s.bytes
        FROM steps AS s LEFT JOIN runs AS r ON r.run_id = s.run_id
        LEFT JOIN kept AS k ON k.run_id = s.run_id AND k.stage = s.stage::VARCHAR AND k.partition = s.partition
        ORDER BY s.started_at DESC, s.run_id, s.partition, s.stage
        """,
    ),
    View(
        "embedding_throughput", "Pictures that each run embedded, how many a second, and in how much memory.",
        {
            "run_id": "The run.",
            "partition": "Partition.",
            "started_at": "When the step began.",
            "embedded": "Pictures it embedded.",
            "seconds": "Seconds it took, the start of the model included.",
            "images_per_second": "Pictures a second.",
            "peak_bytes": "Largest resident memory of the step's process.",
            "worker_peak_bytes": "Largest resident memory of the model's process.",
        },
        """
        SELECT run_id, partition, started_at, embedded, round(epoch(ended_at) - epoch(started_at), 3) AS seconds,
            CASE WHEN ended_at > started_at
                THEN round(embedded / (epoch(ended_at) - epoch(started_at)), 2) END AS images_per_second,
            peak_bytes, worker_peak_bytes
        FROM steps WHERE stage = 'embeddings' AND embedded > 0 ORDER BY started_at DESC, run_id, partition
        """,
    ),
    View(
        "cost", "What each partition cost so far: requests, time and bytes; and what came of it.",
        {
            "partition": "Partition.",
            "entries": "Entries that it holds.",
            "requests": "Requests made to the site.",
            "requests_saved": "Requests answered by fetch records instead.",
            "bytes": "Bytes read from the site.",
            "seconds": "Seconds that all its steps took.",
            "files": "Files that are fetched.",
            "failed_files": "Files that could not be fetched.",
            "file_bytes": "Bytes of the fetched files.",
            "images": "Images found.",
            "file_bytes_per_image": "Bytes fetched for each image.",
        },
        """
        SELECT partition, coalesce(e.entries, 0) AS entries, coalesce(s.requests, 0)::BIGINT AS requests,
            coalesce(s.saved, 0)::BIGINT AS requests_saved, coalesce(s.bytes, 0)::BIGINT AS bytes,
            coalesce(s.seconds, 0) AS seconds, coalesce(f.files, 0) AS files, coalesce(f.failed, 0) AS failed_files,
            coalesce(f.bytes, 0)::BIGINT AS file_bytes, coalesce(i.images, 0) AS images,
            CASE WHEN i.images > 0 THEN (coalesce(f.bytes, 0) / i.images)::BIGINT END AS file_bytes_per_image
        FROM (SELECT DISTINCT partition FROM listings)
        LEFT JOIN (SELECT partition, count(*) AS entries FROM entries GROUP BY ALL) AS e USING (partition)
        LEFT JOIN (SELECT partition, sum(requests) AS requests, sum(requests_saved) AS saved, sum(bytes) AS bytes,
                round(sum(epoch(ended_at) - epoch(started_at)), 1) AS seconds
            FROM steps GROUP BY ALL) AS s USING (partition)
        LEFT JOIN (SELECT partition, count(*) FILTER (status = 'ok') AS files,
                count(*) FILTER (status NOT IN ('ok', 'listed')) AS failed,
                sum(bytes) FILTER (status = 'ok') AS bytes
            FROM files WHERE role = 'file' GROUP BY ALL) AS f USING (partition)
        LEFT JOIN (SELECT partition, count(*) AS images FROM images GROUP BY ALL) AS i USING (partition)
        ORDER BY partition
        """,
    ),
    View(lineage.NAME, lineage.COMMENT, lineage.COLUMNS, lineage.SQL),
)  # fmt: skip


def create_views(con: duckdb.DuckDBPyConnection) -> None:
    """Create all views with their comments in the default catalog."""
    for view in VIEWS:
        con.execute(f"CREATE VIEW {view.name} AS {view.sql}")
        comment_on(con, "VIEW", view.name, view.comment, view.columns)


def catalog_layout() -> str:
    """A hash of what ogaart.duckdb and words.sqlite consist of beside its rows: its tables, views and macros."""
    views = [(view.name, view.comment, dict(view.columns), view.sql) for view in VIEWS]
    parts = (layout(), views, MACROS, similar(None), serving_ddl(), INDEXES)
    return hashlib.sha256(repr(parts).encode()).hexdigest()
