"""The result pages of each query: one page a partition, its rows in order."""

from datetime import timedelta

import dagster as dg

from ogaart.core.partitions import BadPartition, search_pages_partitions
from ogaart.core.stages import Stage
from ogaart.core.staleness import compare, fingerprint
from ogaart.core.states import ListingStatus
from ogaart.pipeline import acceptance
from ogaart.pipeline.checks import partition_check
from ogaart.pipeline.numbered_rows import name_numbered_rows
from ogaart.pipeline.runner import StepEvents, run_partitions
from ogaart.pipeline.step import OWNERS, SITE, Step, described
from ogaart.pipeline.step_needs import asset_tags, step_tags
from ogaart.pipeline.unchanged.memory import unless_unchanged
from ogaart.pipeline.unchanged.stage_inputs import ListingInputs, numbered_pages
from ogaart.resources.platform import Platform
from ogaart.resources.site.client import Fetched
from ogaart.resources.site.sweeps import Sweep
from ogaart.resources.storage.rows import ListingRow, SearchResultRow
from ogaart.resources.storage.schema import LISTINGS, SEARCH_RESULTS
from ogaart.sites.base import SiteQuery
from ogaart.sites.errors import ListingUnreadable
from ogaart.sites.records import Listing, OddRow, tolerated_gap

SEARCH_PAGES_VERSION = "1"
"""Rises when this step makes other rows of the same listing; a parser's own version is part of the fingerprints."""


@dg.asset(
    partitions_def=search_pages_partitions,
    group_name="crawl",
    kinds={"python", "parquet"},
    owners=OWNERS,
    tags=asset_tags(Stage.SEARCH_PAGES, SITE),
    op_tags=step_tags(Stage.SEARCH_PAGES),
    code_version=SEARCH_PAGES_VERSION,
    pool="site",
    metadata=described(SEARCH_RESULTS, LISTINGS),
    check_specs=[
        partition_check(
            Stage.SEARCH_PAGES,
            "rows_as_announced",
            "A page lists as many entries as its header 'Displaying A - B of N' announces, or a few less.",
        )
    ],
)
def search_pages(context: dg.AssetExecutionContext, platform: Platform) -> StepEvents:
    """One page of a query's results, oldest entries first.

    A page read within `OGAART_LISTING_HOURS` is not requested again. Only result rows count, never the page's other
    links; a page past the end holds no rows; a keyword that the site refuses fails the step.
    """
    yield from run_partitions(context, platform, Stage.SEARCH_PAGES, read_page)


@unless_unchanged(ListingInputs([], lambda: [SEARCH_PAGES_VERSION]))
def read_page(step: Step) -> None:
    """Fetch and parse the partition's page; replace its rows where they differ."""
    stores = step.stores
    query = stores.queries.get(step.query)
    if query is None:
        raise BadPartition(
            f"partition {step.partition!r}: no query {step.query!r} in {stores.settings.queries}, "
            f"which has {', '.join(stores.queries)}"
        )
    url = stores.site_rules.listing_url(query, step.page)
    swept_as = stores.sweeps.state(step.query)  # before it is read: another process may sweep meanwhile
    sweep = stores.sweeps.latest(step.query)  # what is older than it may contradict it
    times = [sweep.at] if sweep is not None else []
    if step.refresh is not None and step.refresh.only is None and not step.refresh.due:
        times.append(step.refresh.before)
    swept = len(sweep.pages[step.page].slugs) if sweep is not None and step.page < len(sweep.pages) else 0
    accept = acceptance.listing(stores.site_rules, query, step.page, swept)
    max_age = timedelta(hours=stores.settings.listing_hours)
    fetched = step.get(url, max_age=max_age, since=max(times, default=None), page=True, accept=accept)
    try:
        listing, past_end = _parsed(step, url, fetched, query)
    except ListingUnreadable:
        if not fetched.from_store:
            raise
        fetched = step.get(url, refresh=True, page=True, accept=accept)  # the stored page is bad
        listing, past_end = _parsed(step, url, fetched, query)
    if not past_end:
        _note_odd_rows(step, url, listing, sweep)
    step.relies_on = {**(step.relies_on or {}), "sweep": swept_as}
    _commit(step, url, fetched, listing, past_end=past_end)


def _parsed(step: Step, url: str, fetched: Fetched, query: SiteQuery) -> tuple[Listing, bool]:
    """The listing, and whether the page lies behind the last one."""
    if fetched.status != 200 or fetched.sha256 is None:
        raise dg.Failure(
            f"{url} answered {fetched.status}: a failed read is not an empty page; the rows of {step.partition} stay"
        )
    rules = step.stores.site_rules
    listing = rules.parse_listing(step.stores.blobs.read(fetched.sha256))
    step.relies_on = numbered_pages(step, [row.url for row in listing.rows if row.by_number])
    listing = name_numbered_rows(listing, rules, step.stores.blobs, step.get)
    return listing, rules.is_past_end(listing, query, step.page)


def _note_odd_rows(step: Step, url: str, listing: Listing, sweep: Sweep | None) -> None:
    """Record each result that is counted and not usable, or listed twice; the page's other rows count."""
    odd = list(listing.odd_rows)
    pages = sweep.pages if sweep is not None else ()
    if step.page < len(pages):
        here = {row.slug for row in listing.rows} & pages[step.page].slugs
        for number, page in enumerate(pages[: step.page]):
            odd += [
                OddRow(f"repeated-{slug}", "RowRepeated", f"entry {slug!r} is listed on page {number} already")
                for slug in sorted(here & page.slugs)
            ]
    for row in odd:
        key = f"{url}#{row.place}"
        inputs = fingerprint(step.stores.site_rules.listing_version, row.error_class, row.message)
        if not step.failures.keep_until_due(key, inputs):
            step.failures.record(key, inputs, error_class=row.error_class, message=row.message)


def _commit(step: Step, url: str, fetched: Fetched, listing: Listing, *, past_end: bool) -> None:
    tables, version = step.stores.tables, step.stores.site_rules.listing_version
    status = ListingStatus.PAST_END if past_end else listing.status
    results = [] if past_end else listing.rows
    records: dict[str, SearchResultRow] = {
        r.slug: {"position": r.position, "slug": r.slug, "title": r.title, "url": r.url} for r in results
    }
    stored = {row["slug"]: row for row in tables.read(SEARCH_RESULTS, step.partition)}
    wanted = {slug: fingerprint(version, record) for slug, record in records.items()}
    plan = compare({slug: row["fingerprint"] for slug, row in stored.items()}, wanted)
    unchanged = set(plan.unchanged)
    rows: list[SearchResultRow] = []
    for slug, record in records.items():
        fresh: SearchResultRow = {**record, "fetched_at": fetched.fetched_at}
        rows.append(stored[slug] if slug in unchanged else step.stamp(fresh, wanted[slug]))
    step.count(plan)
    announced = 0 if past_end else listing.announced
    tolerated = tolerated_gap(listing.total or 0)
    step.check(
        "rows_as_announced",
        abs(len(records) - announced) <= tolerated,
        f"{len(records)} rows, {announced} announced, a difference of {tolerated} is tolerated",
    )
    old_listing = tables.read(LISTINGS, step.partition)
    facts: ListingRow = {
        "url": url,
        "status": status.value,
        "first": listing.first,
        "last": listing.last,
        "total": listing.total,
        "sha256": fetched.sha256,
        "fetched_at": fetched.fetched_at,
    }
    new_listing = step.stamp(facts, fingerprint(version, fetched.sha256))
    if old_listing and old_listing[0]["fingerprint"] == new_listing["fingerprint"]:
        new_listing = old_listing[0]
    step.extra["site_total"] = listing.total or 0
    step.commit(
        {
            SEARCH_RESULTS: (list(stored.values()), rows),
            LISTINGS: (old_listing, [new_listing]),
        }
    )
