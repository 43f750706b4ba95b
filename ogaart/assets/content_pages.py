"""Every entry's own page: what it is, who made it, what its licences allow."""

from datetime import datetime
from typing import Any

import dagster as dg

from ogaart.assets.search_pages import search_pages
from ogaart.core.partitions import search_pages_partitions
from ogaart.core.stages import Stage
from ogaart.core.staleness import compare, fingerprint
from ogaart.core.states import EntryStatus, RowState
from ogaart.pipeline.departed_entries import entries_to_keep
from ogaart.pipeline.runner import run_partitions
from ogaart.pipeline.step import OWNERS, SITE, Step, described
from ogaart.resources.platform import Platform
from ogaart.resources.site.client import Fetched, FetchFailed
from ogaart.resources.site.sweeps import latest_sweep
from ogaart.resources.storage.schema import ENTRIES, SEARCH_RESULTS
from ogaart.resources.storage.tables import Row
from ogaart.sites.errors import PageUnreadable
from ogaart.sites.records import EntryPage, content_hash

GONE = {404: EntryStatus.DELETED, 410: EntryStatus.DELETED, 401: EntryStatus.PRIVATE, 403: EntryStatus.PRIVATE}

CONTENT_PAGES_VERSION = "1"
"""Rises when this step makes other rows of the same pages; a parser's own version is part of the fingerprints."""


@dg.asset(
    partitions_def=search_pages_partitions,
    deps=[search_pages],
    group_name="crawl",
    kinds={"python", "parquet"},
    owners=OWNERS,
    tags=SITE,
    code_version=CONTENT_PAGES_VERSION,
    pool="site",
    metadata=described(ENTRIES),
)
def content_pages(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult[None]:
    """One row for each entry of the page: title, author, date, tags, licences, notice, description.

    Withheld, deleted, private and non-art pages are statuses. An entry that left the listing stays until another
    partition has processed it, or until a complete sweep lacks it and its own page is gone.
    """
    return run_partitions(context, platform, Stage.CONTENT_PAGES, read_entries)


def read_entries(step: Step) -> None:
    """Bring the partition's entries up to date."""
    tables = step.stores.tables
    stored = {row["slug"]: row for row in tables.read(ENTRIES, step.partition)}
    urls = {row["slug"]: row["url"] for row in tables.read(SEARCH_RESULTS, step.partition)}
    left = entries_to_keep(tables, step.partition, stored, set(urls))
    rows: dict[str, Row] = {}
    wanted: dict[str, str] = {}
    for slug, url in {**urls, **left}.items():
        row = _left_entry(step, slug, url, stored[slug]) if slug in left else _read(step, slug, url, stored.get(slug))
        if row is not None:
            rows[slug], wanted[slug] = row, row["fingerprint"]
    plan = compare({slug: row["fingerprint"] for slug, row in stored.items()}, wanted)
    step.count(plan)
    reread = sum(1 for slug in plan.stale if rows[slug]["run_id"] == stored[slug]["run_id"])
    step.counts[RowState.STALE] -= reread  # read again, and the same record
    step.counts[RowState.UNCHANGED] += reread
    step.counts[RowState.PENDING] = len(urls) - sum(1 for slug in urls if slug in rows)
    step.commit({ENTRIES: (list(stored.values()), list(rows.values()))})


def _left_entry(step: Step, slug: str, url: str, old: Row) -> Row | None:
    """An entry that left its listing: requested again only if a later complete sweep lacks it as well."""
    if step.refreshes(slug):
        return _read(step, slug, url, old)
    sweep = latest_sweep(step.stores.root.site, step.query)
    if sweep is None or slug in sweep.slugs or sweep.at <= old["fetched_at"]:
        return old
    if old["status"] in {EntryStatus.DELETED, EntryStatus.PRIVATE}:
        return old
    return _read(step, slug, url, old, since=sweep.at)


def _read(step: Step, slug: str, url: str, old: Row | None, *, since: datetime | None = None) -> Row | None:
    """The entry's row from its page; the old one, or None, where the page is not available now."""
    attempt = _attempt_fingerprint(step, url)
    if step.failures.keep_until_due(url, attempt, slug):
        return old
    since = max((t for t in (since, step.failures.refetch_before(url, attempt, slug)) if t is not None), default=None)
    try:
        fetched = step.get(url, since=since, page=True)
    except FetchFailed as failure:
        step.failures.record(
            url,
            attempt,
            slug=slug,
            error_class=failure.error_class,
            message=failure.message,
            http_status=failure.http_status,
            retryable=failure.retryable,
        )
        return old
    wanted = _record_fingerprint(step, fetched)
    if old is not None and old["fingerprint"] == wanted:
        # Equal times may differ in how they name UTC, which would count as another row.
        return old if old["fetched_at"] == fetched.fetched_at else {**old, "fetched_at": fetched.fetched_at}
    gone = GONE.get(fetched.status)
    if gone is not None:
        facts = {k: v for k, v in (old or {}).items() if k in _CONTENT}
        facts.update(status=gone.value, http_status=fetched.status)
        facts |= {"slug": slug, "url": url, "site": step.stores.site_rules.name, "fetched_at": fetched.fetched_at}
        return step.stamp(facts, wanted)
    return _parsed(step, slug, url, old, fetched)


def _attempt_fingerprint(step: Step, url: str) -> str:
    """The inputs of an attempt to read an entry, known before its page is: those of its failures."""
    return fingerprint(step.stores.site_rules.content_version, url)


def _record_fingerprint(step: Step, fetched: Fetched) -> str:
    """The inputs of an entry's row: the page that was read."""
    return fingerprint(step.stores.site_rules.content_version, fetched.status, fetched.sha256)


def _parsed(step: Step, slug: str, url: str, old: Row | None, fetched: Fetched) -> Row | None:
    assert fetched.sha256 is not None
    try:
        page = step.stores.site_rules.parse_entry(step.stores.blobs.read(fetched.sha256), url)
    except PageUnreadable as cause:
        step.failures.record(
            url,
            _attempt_fingerprint(step, url),
            slug=slug,
            error_class=type(cause).__name__,
            message=str(cause),
            http_status=fetched.status,
        )
        return old
    facts = _record(page)
    facts |= {
        "slug": slug,
        "url": url,
        "http_status": fetched.status,
        "page_sha256": fetched.sha256,
        "content_hash": content_hash(page),
        "site": step.stores.site_rules.name,
        "fetched_at": fetched.fetched_at,
    }
    row = step.stamp(facts, _record_fingerprint(step, fetched))
    if old is not None and _same(old, row):
        # Its bytes differ on every read; the record does not: run and time of the record stay.
        row = {**row, "run_id": old["run_id"], "written_at": old["written_at"]}
    return row


_CONTENT = (
    "nid", "title", "author", "author_url", "collaborators", "submitter", "posted_at", "art_type", "tags", "licences",
    "licence_urls", "notice", "description", "favourites", "collections", "status", "content_hash",
)  # fmt: skip


def _record(page: EntryPage) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in _CONTENT:
        if name == "content_hash":
            continue
        value = getattr(page, name)
        found[name] = list(value) if isinstance(value, tuple) else value
    found["status"] = page.status.value
    return found


def _same(old: Row, new: Row) -> bool:
    # A column that old rows lack is null there; an empty list says the same.
    return all((old.get(name) or None) == (new.get(name) or None) for name in _CONTENT)
