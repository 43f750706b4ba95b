"""Every entry's own page: what it is, who made it, what its licences allow."""

from collections.abc import Mapping

import dagster as dg

from ogaart.assets.search_pages import search_pages
from ogaart.core.partitions import search_pages_partitions
from ogaart.core.stages import Stage
from ogaart.core.staleness import compare, fingerprint
from ogaart.core.states import TOMBSTONES, EntryStatus, RowState
from ogaart.pipeline import licence_history
from ogaart.pipeline.checks import partition_check
from ogaart.pipeline.departed_entries import entries_to_keep
from ogaart.pipeline.entry_reader import EntryReader
from ogaart.pipeline.renamed_entries import RenamedEntries
from ogaart.pipeline.runner import StepEvents, run_partitions
from ogaart.pipeline.step import OWNERS, SITE, Step, described
from ogaart.pipeline.step_needs import asset_tags, step_tags
from ogaart.pipeline.unchanged.memory import unless_unchanged
from ogaart.pipeline.unchanged.stage_inputs import PageInputs
from ogaart.resources.moderation.takedowns import decide, read_decisions
from ogaart.resources.platform import Platform
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
    tags=asset_tags(Stage.CONTENT_PAGES, SITE),
    op_tags=step_tags(Stage.CONTENT_PAGES),
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
    by two refusals of different runs, `OGAART_CONFIRM_HOURS` apart; likewise a page that suddenly lacks its files,
    licence or author is believed only the second time. One that left the listing stays until another
    partition has processed it, or until a complete sweep lacks it and its own page is gone.
    """
    yield from run_partitions(context, platform, Stage.CONTENT_PAGES, read_entries)


@unless_unchanged(PageInputs([SEARCH_RESULTS], lambda: [CONTENT_PAGES_VERSION]))
def read_entries(step: Step) -> None:
    """Bring the partition's entries up to date."""
    tables = step.stores.tables
    stored = {row["slug"]: row for row in tables.read(ENTRIES, step.partition)}
    urls = {row["slug"]: row["url"] for row in tables.read(SEARCH_RESULTS, step.partition)}
    left = entries_to_keep(tables, step.partition, stored, set(urls))
    reader = EntryReader(step, urls.__contains__)
    renamed = RenamedEntries(tables, step.partition, set(urls))
    rows: dict[str, EntryRow] = {}
    step.progress.begin(len(urls) + len(left), "entries")
    for slug, url in {**urls, **left}.items():
        step.progress.start(url)
        old = stored.get(slug)
        row = None if old is None else _renamed_entry(step, renamed, old, {**stored, **rows}, is_left=slug in left)
        if row is None and old is not None and slug in left:
            row = _left_entry(step, reader, slug, url, old)
        elif row is None:
            back = old["fetched_at"] if old is not None and old["status"] == EntryStatus.RENAMED else None
            row = reader.read(slug, url, old, since=back)
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
    former = {slug: renamed.former_keys(slug, rows[slug].get("nid"), rows) for slug in rows.keys() - stored.keys()}
    _keep_blocked(step, former)
    licences, old_licences = _licence_history(step, rows, stored, former)
    since = {row["slug"]: row["first_read_at"] for row in licences if row["changed_at"] is None}
    entries: list[EntryRow] = [{**row, "licence_since": since.get(slug)} for slug, row in rows.items()]
    step.commit({ENTRIES: (list(stored.values()), entries), LICENCE_HISTORY: (old_licences, licences)})


def _left_entry(step: Step, reader: EntryReader, slug: str, url: str, old: EntryRow) -> EntryRow | None:
    """An entry that left its listing: requested again only if a later complete sweep lacks it as well."""
    if reader.refreshes(slug, old):
        return reader.read(slug, url, old)
    sweep = step.stores.sweeps.latest(step.query)
    if (
        sweep is None
        or slug in sweep.slugs
        or (old["fetched_at"] or sweep.at) >= sweep.at
        or old["status"] in TOMBSTONES
    ):
        return old
    return reader.read(slug, url, old, since=sweep.at)


def _renamed_entry(
    step: Step, renamed: RenamedEntries, old: EntryRow, own: Mapping[str, EntryRow], *, is_left: bool
) -> EntryRow | None:
    """A key's row where another key of its entry replaces it, without a request; None where it is read as usual."""
    slug, nid = old["slug"], old["nid"]
    if old["status"] in TOMBSTONES - {EntryStatus.RENAMED.value}:
        return None
    current = renamed.current_key(slug, nid, own)
    if current == slug:
        return None
    if old["status"] == EntryStatus.RENAMED:
        return old
    if not renamed.is_processed(current, nid, own):
        return old if is_left else None
    step.extra["renamed"] = step.extra.get("renamed", 0) + 1
    row: EntryRow = {**old, "status": EntryStatus.RENAMED.value, "page_sha256": None, "fetched_at": step.now}
    return step.stamp(row, fingerprint(CONTENT_PAGES_VERSION, EntryStatus.RENAMED, slug))


def _keep_blocked(step: Step, former: Mapping[str, set[str]]) -> None:
    """Block the new key of an entry that the operator has blocked by a former one."""
    decisions = step.stores.decisions
    blocked = set(read_decisions(decisions).entries)
    for slug, keys in former.items():
        if slug not in blocked and (by := keys & blocked):
            decide(decisions, "entry", slug, f"the same entry as {min(by)}, which is blocked")


def _stamped(step: Step, statement: LicenceHistoryRow) -> LicenceHistoryRow:
    inputs = (statement["slug"], statement["licences"], statement["licence_urls"])
    return step.stamp(statement, fingerprint(CONTENT_PAGES_VERSION, *inputs))


def _licence_history(
    step: Step, entries: Mapping[str, EntryRow], stored: Mapping[str, EntryRow], former: Mapping[str, set[str]]
) -> tuple[list[LicenceHistoryRow], list[LicenceHistoryRow]]:
    """The licence history of the partition's entries, and the stored one.

    An entry that slid here from another partition brings its history along, and so does one that was renamed.
    """
    tables = step.stores.tables
    old = tables.read(LICENCE_HISTORY, step.partition)
    histories = licence_history.by_slug(old)
    keys_of = {key: slug for slug in entries.keys() - stored.keys() for key in (slug, *former.get(slug, ()))}
    for other, slugs in tables.distinct(LICENCE_HISTORY, "slug").items() if keys_of else ():
        if slugs.isdisjoint(keys_of):
            continue
        rows = [row for row in tables.read(LICENCE_HISTORY, other) if row["slug"] in keys_of]
        for key, theirs in licence_history.by_slug(rows).items():
            slug = keys_of[key]
            mine = histories.setdefault(slug, [])
            if len(theirs) > len(mine):
                histories[slug] = [{**row, "slug": slug, "partition": step.partition} for row in theirs]
    found: list[LicenceHistoryRow] = []
    for slug, entry in entries.items():
        found += licence_history.updated(histories.get(slug, []), entry, lambda row: _stamped(step, row))
    return found, old
