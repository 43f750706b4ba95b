"""The view ``lineages``: the whole chain from a listing to a point, one row for each occurrence of an image.

DuckDB looks up the tables of a macro where the query runs, and those of a view in the view's own catalog: of an
attached catalog the view works under any name, the macros over it only where the search path has the catalog.
"""

from collections.abc import Mapping

NAME = "lineages"
COMMENT = (
    "Where each image comes from, one row per occurrence: member, file, entry, listing, and the run behind each; the "
    "macros lineage and descendants are selections of it."
)
_EXPRESSIONS: Mapping[str, tuple[str, str]] = {
    "image_id": ("i.image_id", "The image."),
    "pixel_sha256": ("i.pixel_sha256", "Its canonical pixels."),
    "width": ("i.width", "Pixels."),
    "height": ("i.height", "Pixels."),
    "embedded": ("i.embedded", "Whether a vector of the catalog's space is stored for its pixels."),
    "indexed": ("i.indexed", "Whether search finds it."),
    "image_run": ("i.run_id", "Run that wrote the image's row."),
    "image_at": ("i.written_at", "When it did."),
    "position": ("o.position", "Zero-based place among the image's occurrences; 0 is the one shown."),
    "member_path": ("o.member_path", "Path inside the archive; empty: the file itself."),
    "member_status": ("m.status", "Status of the member."),
    "member_sha256": ("o.sha256", "Hash of the picture file's own bytes."),
    "member_run": ("m.run_id", "Run that wrote the member's row."),
    "member_at": ("m.written_at", "When it did."),
    "fid": ("o.fid", "The file."),
    "file_url": ("f.url", "URL of the file."),
    "file_name": ("f.shown_name", "Name shown to visitors."),
    "file_status": ("f.status", "Status of the file."),
    "file_sha256": ("f.sha256", "Hash of the file's bytes, which is the blob's name."),
    "file_fetched_at": ("f.fetched_at", "When the bytes came from the site."),
    "file_run": ("f.run_id", "Run that fetched the file."),
    "slug": ("e.slug", "The entry."),
    "entry_url": ("e.url", "URL of its page."),
    "title": ("e.title", "Title."),
    "author": ("e.author", "Author as shown."),
    "licences": ("e.licences", "Licence names; several mean: any one of them."),
    "entry_status": ("e.status", "Status of the entry."),
    "entry_sha256": ("e.page_sha256", "Hash of the page's bytes, kept as a blob."),
    "entry_fetched_at": ("e.fetched_at", "When the site last served or confirmed the page."),
    "entry_run": ("e.run_id", "Run that wrote the entry's row."),
    "partition": ("e.partition", "Partition (query/page)."),
    "listing_position": ("s.position", "Zero-based place of the entry on the result page."),
    "listing_url": ("l.url", "URL of the result page."),
    "listing_status": ("l.status", "ok, no_results or past_end."),
    "listing_sha256": ("l.sha256", "Hash of the result page's bytes, kept as a blob."),
    "listing_fetched_at": ("l.fetched_at", "When the result page was read from the site."),
    "listing_run": ("l.run_id", "Run that wrote the listing's row."),
    "space": ("g.space", "Vector space."),
    "segment": ("g.segment", "File of the segment that holds the vector."),
    "segment_row": ('g."row"', "Row in the segment."),
    "embedding_status": ("g.status", "ok or failed."),
    "embedding_run": ("g.run_id", "Run that wrote the embedding's row."),
    "collection": ("p.collection", "Name of the collection."),
    "payload_hash": ("p.payload_hash", "sha256 of the point's payload."),
    "point_run": ("p.run_id", "Run that wrote the point's row."),
}
COLUMNS: Mapping[str, str] = {name: comment for name, (_, comment) in _EXPRESSIONS.items()}
SQL = f"""
    SELECT {", ".join(f'{expression} AS "{name}"' for name, (expression, _) in _EXPRESSIONS.items())}
    FROM images AS i
    JOIN occurrences AS o ON o.image_id = i.image_id
    JOIN entries AS e ON e.slug = i.slug
    LEFT JOIN members AS m ON m.slug = o.slug AND m.fid = o.fid AND m.file_sha256 = o.file_sha256
        AND m.member_index = o.member_index
    LEFT JOIN files AS f ON f.slug = o.slug AND f.fid = o.fid AND f.role = 'file'
    LEFT JOIN search_results AS s ON s.slug = e.slug AND s.partition = e.partition
    LEFT JOIN listings AS l ON l.partition = e.partition
    LEFT JOIN embeddings AS g ON g.image_id = i.image_id
    LEFT JOIN points AS p ON p.image_id = i.image_id
"""  # noqa: S608 - the expressions above
