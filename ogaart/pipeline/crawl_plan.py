"""``ogaart plan``: what a crawl takes, from one result page a query, stored rows and the embedding model's speed."""

import io
import os
import shutil
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
from PIL import Image

from ogaart.core.errors import NoListing
from ogaart.core.report import Report
from ogaart.pipeline import acceptance
from ogaart.pipeline.crawl_estimate import CRAWL_DELAY, GB, Estimate, Known, estimate
from ogaart.resources.catalog.table_views import connect
from ogaart.resources.embedding.embedder import Embedder, WeightsMissing
from ogaart.resources.embedding.registry import model_named
from ogaart.resources.platform import Stores
from ogaart.settings import Settings
from ogaart.sites.base import SiteQuery
from ogaart.sites.records import Listing

COLUMNS = ("figure", "value", "unit", "basis")
PICTURES = 48
"""Pictures embedded to measure the embedding model, after a first batch that warms it up."""


def plan(stores: Stores, *, offline: bool = False) -> Report:
    """Work out what remains to be done.

    Args:
        stores: the stores, with the site's client.
        offline: send no request to the site.

    Raises:
        NoListing: offline, and no result page of a query is stored.
        SiteDown: the site does not answer.
    """
    settings = stores.settings
    known, delay, stated = survey(stores, offline=offline)
    seconds, measured = measure(settings)
    dimension = model_named(settings.model).dimension
    found = estimate(
        known, delay=delay, dimension=dimension, seconds_per_picture=seconds, generations=settings.keep_generations
    )
    free = shutil.disk_usage(stores.root.root).free
    return _report(
        settings,
        found,
        delay=delay,
        stated=stated,
        measured=measured,
        free=free,
        stored=_stored_bytes(stores.root.root),
    )


def survey(stores: Stores, *, offline: bool) -> tuple[Known, float, str]:
    """What is there and what the site counts; the delay in force, and where it comes from."""
    listed = pages = 0
    for query in stores.queries.values():
        total = _listing(stores, query, offline=offline).total or 0
        listed += total
        pages += max(-(-total // query.per_page), 1)
    with connect(stores.tables) as con:
        row = con.execute(
            """
            WITH entry AS (SELECT DISTINCT slug FROM entries WHERE status NOT IN ('failed', 'renamed')),
            file AS (SELECT url, any_value(bytes) AS bytes FROM raw_files WHERE status = 'ok' GROUP BY url),
            link AS (SELECT url, any_value(length) AS length FROM file_links WHERE role = 'file' GROUP BY url),
            gone AS (SELECT DISTINCT url FROM raw_files WHERE status NOT IN ('ok', 'failed'))
            SELECT (SELECT count(*) FROM listings WHERE status = 'ok'), (SELECT count(*) FROM entry),
                (SELECT count(*) FROM file), (SELECT count(*) FROM link ANTI JOIN gone USING (url)),
                (SELECT coalesce(sum(length), 0) FROM link ANTI JOIN file USING (url) ANTI JOIN gone USING (url)),
                (SELECT coalesce(sum(bytes), 0) FROM file), (SELECT count(DISTINCT image_id) FROM images),
                (SELECT count(DISTINCT image_id) FROM embeddings WHERE status = 'ok')
            """
        ).fetchone()
    assert row is not None
    delay, stated = _delay(stores, offline=offline)
    return Known(listed, pages, *map(int, row)), delay, stated


def _listing(stores: Stores, query: SiteQuery, *, offline: bool) -> Listing:
    settings = stores.settings
    url = stores.site_rules.listing_url(query, 0)
    if offline:
        record = stores.fetch_records.read(url)
        sha256 = record.sha256 if record is not None else None
        if sha256 is None or not stores.blobs.has(sha256):
            raise NoListing(f"query {query.name!r}: no result page is stored; run `ogaart plan` without --offline")
    else:
        accept = acceptance.listing(stores.site_rules, query, 0)
        fetched = stores.site.get(url, max_age=timedelta(hours=settings.listing_hours), page=True, accept=accept)
        sha256 = fetched.sha256
        if sha256 is None:
            raise NoListing(f"query {query.name!r}: {url} answered {fetched.status}; there is nothing to count")
    return stores.site_rules.parse_listing(stores.blobs.read(sha256))


def _delay(stores: Stores, *, offline: bool) -> tuple[float, str]:
    own = stores.settings.delay
    stated = stores.site.crawl_delay(fetch=not offline)
    if stated is None:
        return max(own, CRAWL_DELAY), f"robots.txt is not stored; it has stated {CRAWL_DELAY:g} s"
    if own > stated:
        return own, f"OGAART_DELAY; robots.txt states {stated:g} s"
    return stated, "Crawl-delay of robots.txt"


def measure(settings: Settings, pictures: int = PICTURES) -> tuple[float | None, str]:
    """Seconds this machine takes for one picture, decoding included; None without weights, and why."""
    try:
        with Embedder(settings) as embedder:
            embedder.start()
            for _ in embedder.embed(_generated(settings.embed_batch, seed=1)):
                pass
            started = time.perf_counter()
            done = sum(len(batch.keys) for batch in embedder.embed(_generated(pictures, seed=2)))
            seconds = (time.perf_counter() - started) / max(done, 1)
    except WeightsMissing as cause:
        return None, f"not measured: {cause}"
    return seconds, f"{1 / seconds:.1f} pictures a second of {settings.model}, measured with {done} on this machine"


def _generated(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """PNGs of the size of common sprites and sheets, with transparency."""
    random = np.random.default_rng(seed)
    for number in range(count):
        side = int(random.choice([32, 64, 128, 256, 512]))
        out = io.BytesIO()
        Image.fromarray(random.integers(0, 256, (side, side, 4), np.uint8), "RGBA").save(out, "PNG", compress_level=1)
        yield f"{seed}-{number}", out.getvalue()


def _report(
    settings: Settings, found: Estimate, *, delay: float, stated: str, measured: str, free: int, stored: int
) -> Report:
    report = Report(COLUMNS)

    def add(figure: str, value: float | None, unit: str, basis: str) -> None:
        shown = "unknown" if value is None else f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}"
        report.rows.append({"figure": figure, "value": shown, "number": value, "unit": unit, "basis": basis})

    parts = (found.listing_requests, found.entry_requests, found.file_requests)
    add("requests", found.requests, "", "{:,} result pages, {:,} entries, {:,} files".format(*parts))
    add("delay", delay, "s", stated)
    add("crawl", round(found.hours_at_delay, 2), "h", f"{found.hours_at_delay / 24:.1f} days without a break")
    add("download", round(found.download_bytes / GB, 2), "GB", "files and pages not fetched yet")
    add("pictures", found.images, "", "in all, once archives are unpacked")
    hours = found.embedding_hours
    add("embedding", None if hours is None else round(hours, 2), "h", measured)
    add("vectors", round(found.vector_bytes / GB, 2), "GB", "float16 segments")
    add("index", round(found.index_bytes / GB, 2), "GB", "float16, 2-bit codes, payloads, links")
    kept = settings.keep_generations
    add("generation", round(found.generation_bytes / GB, 2), "GB", f"one publication; {kept} are kept")
    add("disk", round(found.disk_bytes / GB, 2), "GB", f"everything at the end; {free / GB:,.1f} GB are free now")
    if found.disk_bytes > free + stored:
        report.errors.append(
            f"about {found.disk_bytes / GB:,.1f} GB are needed in the end, {stored / GB:,.1f} GB of them are stored, "
            f"{free / GB:,.1f} GB are free: move the data root (OGAART_DATA) to a larger disk, or index fewer queries"
        )
    return report


def _stored_bytes(root: Path) -> int:
    """Bytes of all files under the data root; one with several names counts once, holes do not."""
    seen: dict[tuple[int, int], int] = {}
    for folder, _, files in os.walk(root):
        for name in files:
            status = (Path(folder) / name).lstat()
            seen[status.st_dev, status.st_ino] = status.st_blocks * 512
    return sum(seen.values())
