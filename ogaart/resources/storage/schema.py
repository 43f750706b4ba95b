"""The tables between the stages: one declared Arrow schema each, with a comment on every table and column.

A table's file is one Parquet per (table, partition). The comments become ``COMMENT ON`` in the catalog.
``format_version`` rises when a column changes meaning; adding a column does not need it (reads unite by name).
"""

from typing import TYPE_CHECKING

import pyarrow as pa

from ogaart.resources.storage.table_types import STAMP, TEXTS, Column, Table, taken_over

if TYPE_CHECKING:
    from ogaart.resources.storage import rows

_LINEAGE = (
    Column("partition", pa.string(), "Partition (query/page) whose materialization holds the row.", always=True),
    Column(
        "fingerprint",
        pa.string(),
        "sha256 over stage version, settings and upstream contents; differs = stale.",
        always=True,
    ),
    Column("run_id", pa.string(), "Dagster run that wrote the row; kept while the row is unchanged.", always=True),
    Column(
        "written_at",
        STAMP,
        "When that run wrote the row; a read that only confirms it changes fetched_at alone.",
        always=True,
    ),
)

LISTINGS: "Table[rows.ListingRow]" = Table(
    "listings", "search_pages", "One row per result page read.", ("partition",),
    (
        Column("url", pa.string(), "The result page's URL.", always=True),
        Column("status", pa.string(), "ok, no_results or past_end.", always=True),
        Column("first", pa.int64(), "A in the page's header 'Displaying A - B of N'."),
        Column("last", pa.int64(), "B in that header."),
        Column("total", pa.int64(), "N in that header."),
        Column("sha256", pa.string(), "Hash of the page's bytes, kept as a blob."),
        Column("fetched_at", STAMP, "When the page was read from the site.", always=True),
        *_LINEAGE,
    ),
)  # fmt: skip

SEARCH_RESULTS: "Table[rows.SearchResultRow]" = Table(
    "search_results", "search_pages", "The result rows of each page, in order.", ("slug",),
    (
        Column("position", pa.int64(), "Zero-based place on the page.", always=True),
        Column("slug", pa.string(), "The entry's name in its URL, percent-decoded exactly once.", always=True),
        Column("title", pa.string(), "The title shown in the listing.", always=True),
        Column("url", pa.string(), "Absolute URL of the entry as the listing links it.", always=True),
        Column("fetched_at", STAMP, "When the page was read from the site.", always=True),
        *_LINEAGE,
    ),
)  # fmt: skip

ENTRIES: "Table[rows.EntryRow]" = Table(
    "entries", "content_pages", "One row per entry (content page).", ("slug",),
    (
        Column("slug", pa.string(), "The entry's name in its URL, percent-decoded exactly once.",
               always=True, served=True),
        Column("url", pa.string(), "The page's URL as requested.", always=True, served=True, served_as="page_url"),
        Column("nid", pa.int64(), "The site's node id."),
        Column("title", pa.string(), "Title.", served=True),
        Column("author", pa.string(), "Author as shown.", served=True),
        Column("author_url", pa.string(), "Link of the author, on the site or elsewhere; null for plain text.",
               served=True),
        Column("collaborators", TEXTS, "Further authors as shown, in the page's order.", served=True),
        Column("submitter", pa.string(), "Who submitted it, where that is not the author.", served=True),
        Column("posted_at", pa.timestamp("us"), "Post date as shown; the site states no zone.", served=True),
        Column("art_type", pa.string(), "Art type, such as 2D Art.", served=True),
        Column("tags", TEXTS, "Tags, in the page's order.", served=True),
        Column("licences", TEXTS, "Licence names; several mean: any one of them.", served=True),
        Column("licence_urls", TEXTS, "Their URLs, in the same order.", served=True),
        Column("notice", pa.string(), "The author's own copyright notice and attribution instructions.", served=True),
        Column("description", pa.string(), "Description as plain text.", served=True),
        Column("favourites", pa.int64(), "Number of favourites; 0 where the page shows none.", served=True),
        Column("collections", TEXTS, "Collections that hold the entry."),
        Column("status", pa.string(), "ok, withheld, deleted, private, renamed, not_art or failed.", always=True),
        Column("http_status", pa.int64(), "HTTP status of the last answer."),
        Column("page_sha256", pa.string(), "Hash of the page's bytes, kept as a blob."),
        Column("content_hash", pa.string(), "Hash of the parsed record without favourites and collections."),
        Column("site", pa.string(), "Name of the site that the entry is on."),
        Column("fetched_at", STAMP, "When the site last served or confirmed the page.", served=True),
        Column("changed_at", STAMP, "When a later read first found the record as it is now; null: it never changed."),
        Column("licence_since", STAMP, "When the page was first read with these licences.", served=True),
        *_LINEAGE,
    ),
    made_from=(("search_pages", "url"),),
    sources=taken_over("search_pages", "slug", "url"),
)  # fmt: skip

LICENCE_HISTORY: "Table[rows.LicenceHistoryRow]" = Table(
    "licence_history", "content_pages", "What each entry's page has said about its licences, and when.",
    ("slug", "first_read_at"),
    (
        Column("slug", pa.string(), "The entry.", always=True),
        Column("licences", TEXTS, "Licence names; several mean: any one of them.", always=True),
        Column("licence_urls", TEXTS, "Their URLs, in the same order.", always=True),
        Column("first_read_at", STAMP, "When the page was first read with these licences.", always=True),
        Column("last_read_at", STAMP, "When the site last served or confirmed a page with them.", always=True),
        Column("changed_at", STAMP, "When the page was first read with other licences; null: these are current."),
        Column("first_page_sha256", pa.string(), "Hash of the first page that says so, kept as a blob.", always=True),
        Column("page_sha256", pa.string(), "Hash of the last page that says so, kept as a blob.", always=True),
        *_LINEAGE,
    ),
)  # fmt: skip

FILE_LINKS: "Table[rows.FileLinkRow]" = Table(
    "file_links", "file_links", "One row per file an entry links: originals and previews.", ("slug", "url"),
    (
        Column("fid", pa.int64(), "The site's file id; negative where it states none; null for previews."),
        Column("slug", pa.string(), "The entry.", always=True),
        Column("position", pa.int64(), "Zero-based place among the entry's links of that role.", always=True),
        Column("role", pa.string(), "file or preview.", always=True),
        Column("url", pa.string(), "URL to request, on the configured site.", always=True),
        Column("stored_name", pa.string(), "Name on the server, percent-decoded exactly once."),
        Column("shown_name", pa.string(), "Name shown to visitors."),
        Column("mime", pa.string(), "MIME type the page states; it comes from the extension."),
        Column("length", pa.int64(), "Exact length in bytes the page states."),
        *_LINEAGE,
    ),
    made_from=(("content_pages", "page_sha256"),),
    sources=taken_over("content_pages", "slug"),
)  # fmt: skip

RAW_FILES: "Table[rows.RawFileRow]" = Table(
    "raw_files", "raw_files", "One row per original file fetched or tried.", ("slug", "url"),
    (
        Column("fid", pa.int64(), "The site's file id."),
        Column("slug", pa.string(), "The entry.", always=True),
        Column("url", pa.string(), "The URL requested.", always=True),
        Column("status", pa.string(), "ok, missing, forbidden, too_large or failed.", always=True),
        Column("http_status", pa.int64(), "HTTP status of the last answer."),
        Column("sha256", pa.string(), "Hash of the bytes, which is the blob's name."),
        Column("bytes", pa.int64(), "Length in bytes."),
        Column("type", pa.string(), "Type by magic bytes, such as png, zip, 7z."),
        Column("fetched_at", STAMP, "When the bytes came from the site."),
        Column("checked_at", STAMP, "When the site last served or confirmed them."),
        *_LINEAGE,
    ),
    made_from=(("file_links", "url"),),
    sources=taken_over("file_links", "fid", "slug", "url"),
)  # fmt: skip

MEMBERS: "Table[rows.MemberRow]" = Table(
    "members", "extracted_images", "One row per member of a file, whatever it is; a loose picture is its own only one.",
    ("slug", "file_sha256", "member_index", "fid"),
    (
        Column("slug", pa.string(), "The entry.", always=True),
        Column("fid", pa.int64(), "The file."),
        Column("file_sha256", pa.string(), "Hash of the file's bytes.", always=True),
        Column("member_index", pa.string(), "Place in the archive, nested by '/', such as 3/0; empty for the file.",
               always=True),
        Column("member_path", pa.string(), "Path inside the archive, for display; nested archives joined by '!/'.",
               always=True),
        Column("status", pa.string(), "picture, not_a_picture, junk or failed.", always=True),
        Column("error_class", pa.string(), "Class of the failure, where status is failed."),
        Column("message", pa.string(), "What went wrong, naming value and limit."),
        Column("format", pa.string(), "Format by magic bytes."),
        Column("bytes", pa.int64(), "Length of the member."),
        Column("sha256", pa.string(), "Hash of the member's bytes, where they were read."),
        Column("image_id", pa.int64(), "The image, where status is picture."),
        *_LINEAGE,
    ),
)  # fmt: skip

IMAGES: "Table[rows.ImageRow]" = Table(
    "images", "extracted_images", "One row per distinct picture of an entry.", ("image_id",),
    (
        Column("image_id", pa.int64(), "63-bit id made of slug and canonical pixels; the same on every run.",
               always=True, served=True),
        Column("slug", pa.string(), "The entry.", always=True, served=True),
        Column("pixel_sha256", pa.string(), "sha256 over width and height (uint32 LE each) and canonical RGBA bytes.",
               always=True, served=True),
        Column("pixels_version", pa.int64(), "Version of the rules that make canonical pixels."),
        Column("width", pa.int64(), "Pixels.", served=True),
        Column("height", pa.int64(), "Pixels.", served=True),
        Column("mode", pa.string(), "Pillow's mode of the picture as stored.", served=True),
        Column("format", pa.string(), "Format by magic bytes.", served=True),
        Column("frames", pa.int64(), "Number of frames.", served=True),
        Column("has_alpha", pa.bool_(), "Whether any canonical pixel is not opaque.", served=True),
        Column("colours", pa.int64(), "Distinct opaque colours, counted up to 65,536.", served=True),
        Column("palette", pa.list_(pa.int64()), "Up to 8 main colours as 0xRRGGBB, most frequent first.",
               served=True),
        Column("palette_shares", pa.list_(pa.float32()), "Their shares of the visible pixels.",
               served=True),
        Column("pixel_art", pa.bool_(), "Few colours and small: drawn pixel by pixel.", served=True),
        Column("signature", pa.binary(), "32 x 32 RGBA thumbnail (uint8, alpha-premultiplied), 4,096 bytes."),
        Column("thumb_offset", pa.int64(), "Offset of the WebP thumbnail's bytes in the partition's pack.",
               always=True),
        Column("thumb_length", pa.int64(), "Its length in bytes.", always=True),
        *_LINEAGE,
    ),
    made_from=(("raw_files", "sha256"),),
    sources={
        **taken_over("raw_files", "slug"),
        "image_id": (("raw_files", "slug"), ("raw_files", "sha256")),
        "pixels_version": (),
    },
)  # fmt: skip

OCCURRENCES: "Table[rows.OccurrenceRow]" = Table(
    "occurrences", "extracted_images", "Each occurrence of an image in its entry.",
    ("image_id", "fid", "member_index"),
    (
        Column("image_id", pa.int64(), "The image.", always=True),
        Column("slug", pa.string(), "The entry.", always=True),
        Column("fid", pa.int64(), "The file."),
        Column("file_sha256", pa.string(), "Hash of that file's bytes.", always=True),
        Column("member_index", pa.string(), "Place in the archive; empty: the file itself.", always=True),
        Column("member_path", pa.string(), "Path inside the archive; empty: the file itself.", always=True),
        Column("sha256", pa.string(), "Hash of the picture file's own bytes."),
        Column("format", pa.string(), "Format by magic bytes."),
        Column("bytes", pa.int64(), "Length of the picture file."),
        Column("pack_offset", pa.int64(), "Offset of those bytes in the partition's pack; null: the file's blob."),
        Column("pack_length", pa.int64(), "Their length in the pack."),
        *_LINEAGE,
    ),
)  # fmt: skip

RENAMED_IMAGES: "Table[rows.RenamedImageRow]" = Table(
    "renamed_images", "extracted_images",
    "Former ids of images: their entry was renamed, or a newer decoder reads their pixels differently.",
    ("image_id",),
    (
        Column("image_id", pa.int64(), "The former id; links to it lead to the new one."),
        Column("slug", pa.string(), "The entry."),
        Column("new_image_id", pa.int64(), "The id of the same picture now."),
        *_LINEAGE,
    ),
)  # fmt: skip

ATLAS_REGIONS: "Table[rows.AtlasRegionRow]" = Table(
    "atlas_regions", "extracted_images", "What texture atlases state of the pictures beside them: a row a region.",
    ("slug", "file_sha256", "member_index", "fid", "number"),
    (
        Column("slug", pa.string(), "The entry.", always=True),
        Column("fid", pa.int64(), "The file that is the atlas, or that holds it."),
        Column("file_sha256", pa.string(), "Hash of that file's bytes.", always=True),
        Column("member_index", pa.string(), "The atlas's place in the archive; empty: the file itself.", always=True),
        Column("member_path", pa.string(), "Its path inside the archive; empty: the file itself.", always=True),
        Column("number", pa.int64(), "Zero-based place of the region in the atlas.", always=True),
        Column("format", pa.string(), "Kind of atlas, such as LibGDX.", always=True),
        Column("picture", pa.string(), "The picture as the atlas states it; empty: the one of its own name.",
               always=True),
        Column("name", pa.string(), "The region's name.", always=True),
        Column("x", pa.int64(), "Left edge in pixels.", always=True),
        Column("y", pa.int64(), "Upper edge in pixels; lower edge above the picture's, where from_below.",
               always=True),
        Column("width", pa.int64(), "Pixels, as it lies in the picture.", always=True),
        Column("height", pa.int64(), "Pixels, as it lies in the picture.", always=True),
        Column("from_below", pa.bool_(), "Whether y counts upwards from the picture's lower edge.", always=True),
        *_LINEAGE,
    ),
)  # fmt: skip

EMBEDDINGS: "Table[rows.EmbeddingRow]" = Table(
    "embeddings", "embeddings", "Which segment holds each image's vector.", ("image_id",),
    (
        Column("image_id", pa.int64(), "The image.", always=True),
        Column("pixel_sha256", pa.string(), "Its canonical pixels: vectors are stored once for each.", always=True),
        Column("model", pa.string(), "Name of the embedding model, such as vgg16.", always=True),
        Column("space", pa.string(), "Model, weights and preparation: vectors of one space are comparable.",
               always=True),
        Column("segment", pa.string(), "File of the segment."),
        Column("row", pa.int64(), "Row in the segment."),
        Column("norm", pa.float32(), "Length of the vector before it was normalised."),
        Column("cells", pa.int64(), "Parts that it is divided into, if it is a sheet; null: not looked at yet."),
        Column("status", pa.string(), "ok or failed.", always=True),
        *_LINEAGE,
    ),
    made_from=(("extracted_images", "pixel_sha256"),),
    sources={**taken_over("extracted_images", "image_id", "pixel_sha256"), "model": (), "space": ()},
)  # fmt: skip

CELLS: "Table[rows.CellRow]" = Table(
    "cells", "embeddings", "The parts of sprite sheets and tile sets: a row a cell that shows something.",
    ("image_id", "number"),
    (
        Column("image_id", pa.int64(), "The sheet.", always=True),
        Column("number", pa.int64(), "Zero-based place among its cells.", always=True),
        Column("x", pa.int64(), "Left edge in the sheet, in pixels.", always=True),
        Column("y", pa.int64(), "Upper edge in the sheet, in pixels.", always=True),
        Column("width", pa.int64(), "Pixels.", always=True),
        Column("height", pa.int64(), "Pixels.", always=True),
        Column("kind", pa.string(),
               "What it was found by: named (an atlas), grid, strip (rows of their own) or loose (touches no other).",
               always=True),
        Column("name", pa.string(), "Its name in the atlas."),
        Column("confidence", pa.float32(), "0 to 1; 1 where an atlas names it.", always=True),
        Column("source", pa.string(), "The atlas, by kind and path; null: recognised in the picture."),
        *_LINEAGE,
    ),
)  # fmt: skip

_PAYLOAD = (
    *(("content_pages", column) for column in
      ("slug", "title", "author", "collaborators", "tags", "licences", "art_type", "description")),
    ("file_links", "shown_name"),
    *(("extracted_images", column) for column in
      ("pixel_sha256", "width", "height", "has_alpha", "pixel_art", "colours", "palette", "palette_shares")),
)  # fmt: skip

POINTS: "Table[rows.PointRow]" = Table(
    "points", "qdrant_collection", "The ledger of what the collection holds for each image.", ("image_id",),
    (
        Column("image_id", pa.int64(), "The image, which is the point's id.", always=True),
        Column("collection", pa.string(), "Name of the collection.", always=True),
        Column("space", pa.string(), "Vector space of the point.", always=True),
        Column("payload_hash", pa.string(), "sha256 of the payload.", always=True),
        *_LINEAGE,
    ),
    sources={**taken_over("embeddings", "image_id", "space"), "collection": (), "payload_hash": _PAYLOAD},
)  # fmt: skip

FAILURES: "Table[rows.FailureRow]" = Table(
    "failures", "(all)", "What went wrong and when it is tried again.", ("stage", "key"),
    (
        Column("stage", pa.string(), "The stage that failed.", always=True),
        Column("key", pa.string(), "What failed: URL, or fid and member.", always=True),
        Column("slug", pa.string(), "The entry, where there is one."),
        Column("error_class", pa.string(), "Class of the cause.", always=True),
        Column("message", pa.string(), "The cause, naming value and limit.", always=True),
        Column("http_status", pa.int64(), "HTTP status, where there was one."),
        Column("attempts", pa.int64(), "Runs that tried it.", always=True),
        Column("first_at", STAMP, "First failure.", always=True),
        Column("last_at", STAMP, "Latest failure.", always=True),
        Column("next_try", STAMP, "When a run tries it again; null: never, it is permanent."),
        *_LINEAGE,
    ),
)  # fmt: skip

STEPS: "Table[rows.StepRow]" = Table(
    "steps", "(all)", "What each run did in each stage of a partition: the last 50 materializations.", ("run_id",),
    (
        Column("stage", pa.string(), "The stage.", always=True),
        Column("started_at", STAMP, "When the step began.", always=True),
        Column("ended_at", STAMP, "When it ended.", always=True),
        *(Column(s, pa.int64(), f"Rows found {s}.", always=True) for s in
          ("new", "stale", "unchanged", "orphaned", "failed", "pending")),
        Column("requests", pa.int64(), "Requests made to the site."),
        Column("requests_saved", pa.int64(), "Requests answered by fetch records instead."),
        Column("bytes", pa.int64(), "Bytes read from the site."),
        Column("embedded", pa.int64(), "Pictures embedded."),
        Column("upserted", pa.int64(), "Points upserted."),
        Column("peak_bytes", pa.int64(), "Largest resident memory of the step's process."),
        Column("worker_peak_bytes", pa.int64(), "Largest resident memory of its child process."),
        *_LINEAGE,
    ),
)  # fmt: skip

TABLES: tuple[Table, ...] = (
    LISTINGS, SEARCH_RESULTS, ENTRIES, LICENCE_HISTORY, FILE_LINKS, RAW_FILES,
    MEMBERS, IMAGES, OCCURRENCES, RENAMED_IMAGES, ATLAS_REGIONS, EMBEDDINGS, CELLS, POINTS, FAILURES, STEPS,
)  # fmt: skip


def by_name(name: str) -> Table:
    """A declared table.

    Raises:
        KeyError: there is none of that name.
    """
    for table in TABLES:
        if table.name == name:
            return table
    raise KeyError(f"no table {name!r}: declared are {', '.join(t.name for t in TABLES)}")
