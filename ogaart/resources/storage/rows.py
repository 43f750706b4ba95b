"""The rows of each table as types, made from ``schema.py`` by ``python -m ogaart.reference``.

A row as read has every column; one that is to be written may leave out those that are null.
"""

from datetime import datetime
from typing import TypedDict


class ListingRow(TypedDict, total=False):
    """A row of table ``listings``."""

    url: str
    status: str
    first: int | None
    last: int | None
    total: int | None
    sha256: str | None
    fetched_at: datetime
    partition: str
    fingerprint: str
    run_id: str
    written_at: datetime


class SearchResultRow(TypedDict, total=False):
    """A row of table ``search_results``."""

    position: int
    slug: str
    title: str
    url: str
    fetched_at: datetime
    partition: str
    fingerprint: str
    run_id: str
    written_at: datetime


class EntryRow(TypedDict, total=False):
    """A row of table ``entries``."""

    slug: str
    url: str
    nid: int | None
    title: str | None
    author: str | None
    author_url: str | None
    collaborators: list[str] | None
    submitter: str | None
    posted_at: datetime | None
    art_type: str | None
    tags: list[str] | None
    licences: list[str] | None
    licence_urls: list[str] | None
    notice: str | None
    description: str | None
    favourites: int | None
    collections: list[str] | None
    status: str
    http_status: int | None
    page_sha256: str | None
    content_hash: str | None
    site: str | None
    fetched_at: datetime | None
    changed_at: datetime | None
    licence_since: datetime | None
    partition: str
    fingerprint: str
    run_id: str
    written_at: datetime


class LicenceHistoryRow(TypedDict, total=False):
    """A row of table ``licence_history``."""

    slug: str
    licences: list[str]
    licence_urls: list[str]
    first_read_at: datetime
    last_read_at: datetime
    changed_at: datetime | None
    first_page_sha256: str
    page_sha256: str
    partition: str
    fingerprint: str
    run_id: str
    written_at: datetime


class FileLinkRow(TypedDict, total=False):
    """A row of table ``file_links``."""

    fid: int | None
    slug: str
    position: int
    role: str
    url: str
    stored_name: str | None
    shown_name: str | None
    mime: str | None
    length: int | None
    partition: str
    fingerprint: str
    run_id: str
    written_at: datetime


class RawFileRow(TypedDict, total=False):
    """A row of table ``raw_files``."""

    fid: int | None
    slug: str
    url: str
    status: str
    http_status: int | None
    sha256: str | None
    bytes: int | None
    type: str | None
    fetched_at: datetime | None
    checked_at: datetime | None
    partition: str
    fingerprint: str
    run_id: str
    written_at: datetime


class MemberRow(TypedDict, total=False):
    """A row of table ``members``."""

    slug: str
    fid: int | None
    file_sha256: str
    member_index: str
    member_path: str
    status: str
    error_class: str | None
    message: str | None
    format: str | None
    bytes: int | None
    sha256: str | None
    image_id: int | None
    partition: str
    fingerprint: str
    run_id: str
    written_at: datetime


class ImageRow(TypedDict, total=False):
    """A row of table ``images``."""

    image_id: int
    slug: str
    pixel_sha256: str
    pixels_version: int | None
    width: int | None
    height: int | None
    mode: str | None
    format: str | None
    frames: int | None
    has_alpha: bool | None
    colours: int | None
    palette: list[int] | None
    palette_shares: list[float] | None
    pixel_art: bool | None
    signature: bytes | None
    thumb_offset: int
    thumb_length: int
    partition: str
    fingerprint: str
    run_id: str
    written_at: datetime


class OccurrenceRow(TypedDict, total=False):
    """A row of table ``occurrences``."""

    image_id: int
    slug: str
    fid: int | None
    file_sha256: str
    member_index: str
    member_path: str
    sha256: str | None
    format: str | None
    bytes: int | None
    pack_offset: int | None
    pack_length: int | None
    partition: str
    fingerprint: str
    run_id: str
    written_at: datetime


class RenamedImageRow(TypedDict, total=False):
    """A row of table ``renamed_images``."""

    image_id: int | None
    slug: str | None
    new_image_id: int | None
    partition: str
    fingerprint: str
    run_id: str
    written_at: datetime


class AtlasRegionRow(TypedDict, total=False):
    """A row of table ``atlas_regions``."""

    slug: str
    fid: int | None
    file_sha256: str
    member_index: str
    member_path: str
    number: int
    format: str
    picture: str
    name: str
    x: int
    y: int
    width: int
    height: int
    from_below: bool
    partition: str
    fingerprint: str
    run_id: str
    written_at: datetime


class EmbeddingRow(TypedDict, total=False):
    """A row of table ``embeddings``."""

    image_id: int
    pixel_sha256: str
    model: str
    space: str
    segment: str | None
    row: int | None
    norm: float | None
    cells: int | None
    status: str
    partition: str
    fingerprint: str
    run_id: str
    written_at: datetime


class CellRow(TypedDict, total=False):
    """A row of table ``cells``."""

    image_id: int
    number: int
    x: int
    y: int
    width: int
    height: int
    kind: str
    name: str | None
    confidence: float
    source: str | None
    partition: str
    fingerprint: str
    run_id: str
    written_at: datetime


class PointRow(TypedDict, total=False):
    """A row of table ``points``."""

    image_id: int
    collection: str
    space: str
    payload_hash: str
    partition: str
    fingerprint: str
    run_id: str
    written_at: datetime


class FailureRow(TypedDict, total=False):
    """A row of table ``failures``."""

    stage: str
    key: str
    slug: str | None
    error_class: str
    message: str
    http_status: int | None
    attempts: int
    first_at: datetime
    last_at: datetime
    next_try: datetime | None
    partition: str
    fingerprint: str
    run_id: str
    written_at: datetime


class StepRow(TypedDict, total=False):
    """A row of table ``steps``."""

    stage: str
    started_at: datetime
    ended_at: datetime
    new: int
    stale: int
    unchanged: int
    orphaned: int
    failed: int
    pending: int
    requests: int | None
    requests_saved: int | None
    bytes: int | None
    embedded: int | None
    upserted: int | None
    peak_bytes: int | None
    worker_peak_bytes: int | None
    partition: str
    fingerprint: str
    run_id: str
    written_at: datetime
