"""Every entry's own page: what it is, who made it, what its licences allow."""

from collections.abc import Mapping

import dagster as dg

from ogaart.assets.search_pages import search_pages
from ogaart.core.partitions import search_pages_partitions
from ogaart.core.stages import Stage
from ogaart.core.staleness import compare, fingerprint
from ogaart.core.states import RowState
from ogaart.pipeline import licence_history
from ogaart.pipeline.checks import partition_check
from ogaart.pipeline.departed_entries import entries_to_keep
from ogaart.pipeline.entry_reader import TOMBSTONES, EntryReader
from ogaart.pipeline.runner import StepEvents, run_partitions
from ogaart.pipeline.step import OWNERS, SITE, Step, described
from ogaart.resources.platform import Platform
from ogaart.resources.site.sweeps import latest_sweep
from ogaart.resources.storage.rows import EntryRow, LicenceHistoryRow
from ogaart.resources.storage.schema import ENTRIES, LICENCE_HISTORY, SEARCH_RESULTS

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
    metadata=described(ENTRIES, LICENCE_HISTORY),
    check_specs=[
        partition_check(
            Stage.CONTENT_PAGES,
            "entries_read",
            "Of the entries that the page lists, at most the share OGAART_MAX_FAILURE_SHARE could not be read.",
        )
    ],
)
def content_pages(context: dg.AssetExecutionContext, platform: Platform) -> StepEvents:
    """One row for each entry of the page: title, author, date, tags, licences, notice, description.

    Withheld, deleted, private and non-art pages are statuses. An entry that was readable is withdrawn only
    by two refusals of different runs, `OGAART_CONFIRM_HOURS` apart. One that left the listing stays until another
    partition has processed it, or until a complete sweep lacks it and its own page is gone.
    """
    yield from run_partitions(context, platform, Stage.CONTENT_PAGES, read_entries)


def read_entries(step: Step) -> None:
    """Bring the partition's entries up to date."""
    tables = step.stores.tables
    stored = {row["slug"]: row for row in tables.read(ENTRIES, step.partition)}
    urls = {row["slug"]: row["url"] for row in tables.read(SEARCH_RESULTS, step.partition)}
    left = entries_to_keep(tables, step.partition, stored, set(urls))
    reader = EntryReader(step, urls.__contains__)
    rows: dict[str, EntryRow] = {}
    step.progress.begin(len(urls) + len(left), "entries")
    for slug, url in {**urls, **left}.items():
        step.progress.start(url)
        old = stored.get(slug)
        if slug in left:
            row: EntryRow | None = _left_entry(step, reader, slug, url, stored[slug])
        else:
            row = reader.read(slug, url, old)
        if row is not None:
            rows[slug] = row
        step.progress.advance()
    wanted = {slug: row["fingerprint"] for slug, row in rows.items()}
    plan = compare({slug: row["fingerprint"] for slug, row in stored.items()}, wanted)
    step.count(plan)
    reread = sum(1 for slug in plan.stale if rows[slug]["run_id"] == stored[slug]["run_id"])
    step.counts[RowState.STALE] -= reread  # read again, and the same record
    step.counts[RowState.UNCHANGED] += reread
    unread = len(urls) - sum(1 for slug in urls if slug in rows)
    step.counts[RowState.PENDING] = unread
    limit = step.stores.settings.max_failure_share
    message = f"{unread} of {len(urls)} entries not read, the limit is {limit:.0%}"
    step.check("entries_read", unread <= limit * len(urls), message)
    step.stores.site.confirm_refusals()
    licences, old_licences = _licence_history(step, rows, stored)
    since = {row["slug"]: row["first_read_at"] for row in licences if row["changed_at"] is None}
    entries: list[EntryRow] = [{**row, "licence_since": since.get(slug)} for slug, row in rows.items()]
    step.commit({ENTRIES: (list(stored.values()), entries), LICENCE_HISTORY: (old_licences, licences)})


def _left_entry(step: Step, reader: EntryReader, slug: str, url: str, old: EntryRow) -> EntryRow | None:
    """An entry that left its listing: requested again only if a later complete sweep lacks it as well."""
    if reader.refreshes(slug, old):
        return reader.read(slug, url, old)
    sweep = latest_sweep(step.stores.root.site, step.query)
    if (
        sweep is None
        or slug in sweep.slugs
        or (old["fetched_at"] or sweep.at) >= sweep.at
        or old["status"] in TOMBSTONES
    ):
        return old
    return reader.read(slug, url, old, since=sweep.at)


def _stamped(step: Step, statement: LicenceHistoryRow) -> LicenceHistoryRow:
    inputs = (statement["slug"], statement["licences"], statement["licence_urls"])
    return step.stamp(statement, fingerprint(CONTENT_PAGES_VERSION, *inputs))


def _licence_history(
    step: Step, entries: Mapping[str, EntryRow], stored: Mapping[str, EntryRow]
) -> tuple[list[LicenceHistoryRow], list[LicenceHistoryRow]]:
    """The licence history of the partition's entries, and the stored one.

    An entry that slid here from another partition brings its history along.
    """
    tables = step.stores.tables
    old = tables.read(LICENCE_HISTORY, step.partition)
    histories = licence_history.by_slug(old)
    arrived = entries.keys() - stored.keys()
    if arrived:
        for other in tables.partitions(LICENCE_HISTORY):
            if other != step.partition:
                rows = [row for row in tables.read(LICENCE_HISTORY, other) if row["slug"] in arrived]
                for slug, theirs in licence_history.by_slug(rows).items():
                    mine = histories.setdefault(slug, [])
                    if len(theirs) > len(mine):
                        histories[slug] = [{**row, "partition": step.partition} for row in theirs]
    found: list[LicenceHistoryRow] = []
    for slug, entry in entries.items():
        found += licence_history.updated(histories.get(slug, []), entry, lambda row: _stamped(step, row))
    return found, old
