"""What a crawl takes, as arithmetic: counts, the site's averages and this machine's speed to requests, hours, bytes."""

from dataclasses import dataclass

GB = 1_000_000_000

# Averages of the site's 2D art in 2026: about 16,000 entries with 28,000 files of 50 GB in all, and 400,000 to
# 500,000 pictures once archives are unpacked. The totals are estimates; files an entry were counted.
FILES_PER_ENTRY = 1.78
BYTES_PER_FILE = 50 * GB / 28_000
IMAGES_PER_ENTRY = 450_000 / 16_000
PAGE_BYTES = 60_000
"""A content or result page, decoded, as it is stored."""
CRAWL_DELAY = 10.0
"""Crawl-delay that the site's robots.txt has stated; used where none is stored and none may be requested."""
RESPONSE_SECONDS = 0.5
"""Until an answer's first byte, from which the next delay counts."""
ENOUGH = 1_000
"""Entries after which the data root's own averages are better than the site's."""

# Bytes on disk for one image, measured on the demo enlarged tenfold (4,410 images).
THUMBNAIL_BYTES = 2_100
SIGNATURE_BYTES = 4_096
"""In a publication; in the Parquet tables a third of it, compressed."""
ROW_BYTES = 1_850
"""Its rows in all Parquet tables, the compressed signature included."""
CATALOG_BYTES = 3_700
"""Its rows in ogaart.duckdb and words.sqlite."""
PAYLOAD_BYTES = 1_900
"""Its payload, links and ids in the collection."""
VECTOR_SHARE = 0.55
"""Of a vector's halves, what compression leaves in its segment."""
UNPACKED_SHARE = 0.5
"""Bytes of pictures taken out of archives, as a share of all originals."""


@dataclass(frozen=True)
class Known:
    """What is there already, and what the site counts.

    Attributes:
        listed: entries that the site counts for all queries.
        listing_pages: result pages of all queries.
        listings: result pages read.
        entries: entries read.
        files: files fetched.
        links: original files linked by the entries read.
        linked_bytes: bytes that the pages state for links not fetched yet.
        file_bytes: bytes of the files fetched.
        images: images found.
        embedded: images with a vector.
    """

    listed: int
    listing_pages: int
    listings: int = 0
    entries: int = 0
    files: int = 0
    links: int = 0
    linked_bytes: int = 0
    file_bytes: int = 0
    images: int = 0
    embedded: int = 0


@dataclass(frozen=True)
class Rates:
    """Averages; those of the site, or the data root's own once it knows enough entries."""

    files_per_entry: float = FILES_PER_ENTRY
    bytes_per_file: float = BYTES_PER_FILE
    images_per_entry: float = IMAGES_PER_ENTRY

    @classmethod
    def of(cls, known: Known) -> "Rates":
        """The better averages for what is known."""
        if known.entries < ENOUGH or not known.files:
            return cls()
        return cls(known.links / known.entries, known.file_bytes / known.files, known.images / known.entries)


@dataclass(frozen=True)
class Estimate:
    """What remains; everything is a total over all configured queries."""

    entries: int
    requests: int
    listing_requests: int
    entry_requests: int
    file_requests: int
    hours_at_delay: float
    download_bytes: int
    images: int
    embedding_hours: float | None
    vector_bytes: int
    index_bytes: int
    generation_bytes: int
    disk_bytes: int
    """Everything at the end, with all kept generations; what is stored already is part of it."""


def estimate(
    known: Known,
    *,
    delay: float,
    dimension: int,
    seconds_per_picture: float | None,
    generations: int = 2,
    rates: Rates | None = None,
) -> Estimate:
    """The requests, waiting, embedding and disk space that remain.

    Args:
        known: what is there and what the site counts.
        delay: seconds between two requests.
        dimension: length of a vector.
        seconds_per_picture: of the embedding model on this machine; None where it could not be measured.
        generations: publications kept.
        rates: averages; by default the better ones for ``known``.

    >>> found = estimate(Known(16_000, 112), delay=9.5, dimension=4096, seconds_per_picture=0.2)
    >>> found.requests, round(found.hours_at_delay / 24, 1), round(found.download_bytes / GB)
    (44592, 5.2, 52)
    """
    rates = rates or Rates.of(known)
    unread = max(known.listed - known.entries, 0)
    listing_requests = max(known.listing_pages - known.listings, 0)
    unlinked = round(unread * rates.files_per_entry)
    waiting = max(known.links - known.files, 0)
    file_requests = waiting + unlinked
    requests = listing_requests + unread + file_requests
    originals = known.file_bytes + known.linked_bytes + round(unlinked * rates.bytes_per_file)
    pages = known.listing_pages + known.listed
    images = max(known.images, known.images + round(unread * rates.images_per_entry))
    to_embed = images - known.embedded
    vectors = round(images * dimension * 2 * VECTOR_SHARE)
    # float16 and 2-bit codes of each vector, and what hangs on its point.
    index = images * (dimension * 2 + dimension // 4 + PAYLOAD_BYTES)
    generation = index + images * (CATALOG_BYTES + SIGNATURE_BYTES)
    packs = round(originals * UNPACKED_SHARE) + images * THUMBNAIL_BYTES
    tables = images * ROW_BYTES
    disk = originals + pages * PAGE_BYTES + packs + tables + vectors + index + generations * generation
    return Estimate(
        entries=unread,
        requests=requests,
        listing_requests=listing_requests,
        entry_requests=unread,
        file_requests=file_requests,
        hours_at_delay=requests * (delay + RESPONSE_SECONDS) / 3600,
        download_bytes=originals - known.file_bytes + (listing_requests + unread) * PAGE_BYTES,
        images=images,
        embedding_hours=None if seconds_per_picture is None else to_embed * seconds_per_picture / 3600,
        vector_bytes=vectors,
        index_bytes=index,
        generation_bytes=generation,
        disk_bytes=disk,
    )
