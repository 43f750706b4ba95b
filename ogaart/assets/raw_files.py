"""The original files, exactly as served, in the blob store."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import dagster as dg

from ogaart.assets.file_links import file_links
from ogaart.core.partitions import search_pages_partitions
from ogaart.core.stages import Stage
from ogaart.core.staleness import compare, fingerprint
from ogaart.core.states import EntryStatus, FileRole, FileStatus, RowState
from ogaart.imaging.sniff import read_head, sniff
from ogaart.pipeline import acceptance
from ogaart.pipeline.checks import partition_check
from ogaart.pipeline.runner import StepEvents, run_partitions
from ogaart.pipeline.step import OWNERS, SITE, Step, described
from ogaart.pipeline.step_needs import asset_tags, step_tags
from ogaart.pipeline.unchanged.memory import unless_unchanged
from ogaart.pipeline.unchanged.stage_inputs import FileInputs
from ogaart.resources.platform import Platform
from ogaart.resources.site.client import Fetched, FetchFailed
from ogaart.resources.storage.rows import EntryRow, FileLinkRow, RawFileRow
from ogaart.resources.storage.schema import ENTRIES, FILE_LINKS, RAW_FILES

RAW_FILES_VERSION = "1"
GONE = {404: FileStatus.MISSING, 410: FileStatus.MISSING, 401: FileStatus.FORBIDDEN, 403: FileStatus.FORBIDDEN}


@dg.asset(
    partitions_def=search_pages_partitions,
    deps=[file_links],
    group_name="crawl",
    kinds={"python", "file"},
    owners=OWNERS,
    tags=asset_tags(Stage.RAW_FILES, SITE),
    op_tags=step_tags(Stage.RAW_FILES),
    code_version=RAW_FILES_VERSION,
    pool="site",
    metadata=described(RAW_FILES),
    check_specs=[
        partition_check(
            Stage.RAW_FILES,
            "few_failures",
            "Of the partition's files, at most the share OGAART_MAX_FAILURE_SHARE is not available.",
        )
    ],
)
def raw_files(context: dg.AssetExecutionContext, platform: Platform) -> StepEvents:
    """Each original file, streamed to the blob store, its length checked, hashed, its type identified by magic bytes.

    A file is identified by id, URL and length on its entry's page; what is stored is not requested again. A partial
    download resumes by Range. A file that was readable is withdrawn by two refusals only, of different runs,
    `OGAART_CONFIRM_HOURS` apart.
    """
    yield from run_partitions(context, platform, Stage.RAW_FILES, fetch_files)


@unless_unchanged(FileInputs([FILE_LINKS, ENTRIES], lambda: [RAW_FILES_VERSION]))
def fetch_files(step: Step) -> None:
    """Fetch what is new or due again; keep the rest."""
    tables = step.stores.tables
    stored = {(r["slug"], r["url"]): r for r in tables.read(RAW_FILES, step.partition)}
    links = {(r["slug"], r["url"]): r for r in tables.read(FILE_LINKS, step.partition) if r["role"] == FileRole.FILE}
    entries = {r["slug"]: r for r in tables.read(ENTRIES, step.partition)}
    wanted = {key: _fingerprint(step, link) for key, link in links.items()}
    plan = compare({key: row["fingerprint"] for key, row in stored.items()}, wanted)
    rows = []
    step.progress.begin(len(links), "files")
    for key, link in links.items():
        step.progress.start(link["url"])
        old = stored.get(key)
        since = _refetch_before(step, link, wanted[key], entries)
        again = _is_tried_again(step, link["url"], wanted[key])
        if old is not None and not again and step.failures.keep_until_due(old["url"], wanted[key], link["slug"]):
            rows.append(old)  # a file that is gone stays a failure
        elif old is not None and _is_left_for_later(step, old, wanted[key], since, entries.get(link["slug"])):
            rows.append(old)
        else:
            rows.append(_fetch(step, link, old, wanted[key], since))
        step.progress.advance()
    step.count(plan)
    replaced = sum(1 for row in rows if _replaced(stored.get((row["slug"], row["url"])), row))
    step.counts[RowState.STALE] += replaced
    step.counts[RowState.UNCHANGED] -= replaced
    step.counts[RowState.PENDING] = sum(1 for e in entries.values() if e["status"] == EntryStatus.FAILED)
    failed, limit = sum(1 for row in rows if row["status"] != FileStatus.OK), step.stores.settings.max_failure_share
    message = f"{failed} of {len(rows)} files are not available, the limit is {limit:.0%}"
    step.check("few_failures", failed <= limit * len(rows), message)
    step.stores.site.confirm_refusals()
    if not all(_is_kept_next(step, row, wanted[row["slug"], row["url"]]) for row in rows):
        step.relies_on = None
    step.commit({RAW_FILES: (list(stored.values()), rows)})


def _fingerprint(step: Step, link: FileLinkRow) -> str:
    too_large = (link["length"] or 0) > step.stores.settings.max_file_bytes
    return fingerprint(RAW_FILES_VERSION, link["fid"], link["url"], link["length"], too_large)


def _refetch_before(step: Step, link: FileLinkRow, wanted: str, entries: Mapping[str, EntryRow]) -> datetime | None:
    """The time before which a stored answer for a file does not count; None: any stored answer does.

    A run that reads what is due requests a file where its entry's record changed since, or after OGAART_REFRESH_DAYS.
    """
    times = [step.failures.refetch_before(link["url"], wanted, link["slug"])]
    if step.refresh is not None and step.refresh.due:
        times.append(step.refresh.before - timedelta(days=step.stores.settings.refresh_days))
        times.append(entries[link["slug"]]["changed_at"] if link["slug"] in entries else None)
    return max((t for t in times if t is not None), default=None)


def _is_tried_again(step: Step, url: str, wanted: str) -> bool:
    """Whether a scheduled refresh requests a file that was given up: at the age at which any file is."""
    given_up_at = step.failures.given_up_at(url, wanted)
    if given_up_at is None or step.refresh is None or not step.refresh.due:
        return False
    return bool(given_up_at < step.refresh.before - timedelta(days=step.stores.settings.refresh_days))


def _settled(step: Step, row: RawFileRow, wanted: str) -> bool:
    """Whether a stored row needs no request: its bytes are stored, or the file is gone."""
    if row["fingerprint"] != wanted or step.failures.is_due(row["url"], wanted):
        return False
    if row["status"] == FileStatus.OK:
        return step.stores.blobs.has(str(row["sha256"]))
    return bool(row["status"] not in {FileStatus.FAILED, *GONE.values()})


def _is_kept_next(step: Step, row: RawFileRow, wanted: str) -> bool:
    """Whether the next run would leave a row as it is while its file is stored and its failure not due.

    Of what stays in place of what is wanted it requests that; and what failed, where the failure is not recorded: one
    URL has one failure, and two entries may state different things of the file that both link.
    """
    if row["fingerprint"] != wanted:
        return False
    return row["status"] not in {FileStatus.FAILED, *GONE.values()} or step.failures.holds_now(row["url"], of=wanted)


def _is_left_for_later(
    step: Step, old: RawFileRow, wanted: str, since: datetime | None, entry: EntryRow | None
) -> bool:
    """Whether a stored row stays without a request in this run.

    Where more pages have changed than were expected, files that are read already wait until the day has requests left.
    """
    if since is None:
        return _settled(step, old, wanted)
    if step.refresh is None or not step.refresh.due or not _settled(step, old, wanted):
        return False
    changed_at = None if entry is None else entry["changed_at"]
    if changed_at is None or (old["checked_at"] or changed_at) >= changed_at:
        return False
    return step.stores.site.requests_of_last_day() >= step.stores.settings.requests_per_day


def _replaced(old: RawFileRow | None, new: RawFileRow) -> bool:
    """Whether the site serves other bytes under the same URL, with the same id and length on the page."""
    return old is not None and old["fingerprint"] == new["fingerprint"] and old["run_id"] != new["run_id"]


def _fetch(step: Step, link: FileLinkRow, old: RawFileRow | None, wanted: str, since: datetime | None) -> RawFileRow:
    facts: RawFileRow = {"fid": link["fid"], "slug": link["slug"], "url": link["url"]}
    limit = step.stores.settings.max_file_bytes
    if (link["length"] or 0) > limit:
        step.failures.record(
            link["url"],
            wanted,
            slug=link["slug"],
            error_class="TooLarge",
            message=f"the page states {link['length']:,} bytes, OGAART_MAX_FILE_BYTES allows {limit:,}: raise it",
        )
        facts["status"] = FileStatus.TOO_LARGE.value
        return step.stamp(facts, wanted)
    changed = old is not None and old["fingerprint"] != wanted
    try:
        fetched = step.get(
            link["url"],
            expected_length=link["length"],
            max_bytes=limit,
            refresh=changed,
            since=since,
            accept=acceptance.file(link["shown_name"] or link["stored_name"] or link["url"], link["length"]),
            unconfirmed=True,
            conditional=not changed,  # its validator shows whether a file was replaced under its own URL
        )
    except FetchFailed as failure:
        step.failures.record(
            link["url"],
            wanted,
            slug=link["slug"],
            error_class=failure.error_class,
            message=failure.message,
            http_status=failure.http_status,
            retryable=failure.retryable,
        )
        if _is_readable(step, old):
            assert old is not None
            return old  # what was read before stays in search until the site serves something else
        facts["status"], facts["http_status"] = FileStatus.FAILED.value, failure.http_status
        return step.stamp(facts, wanted)
    if fetched.sha256 is None:
        return _refused(step, link, old, wanted, fetched)
    if old is not None and not changed and old["status"] == FileStatus.OK and old["sha256"] == fetched.sha256:
        return old if old["checked_at"] == fetched.checked_at else {**old, "checked_at": fetched.checked_at}
    with step.stores.blobs.local(fetched.sha256).open("rb") as content:
        kind = sniff(read_head(content))
    facts |= {"http_status": fetched.status, "fetched_at": fetched.fetched_at, "checked_at": fetched.checked_at}
    facts |= {"sha256": fetched.sha256, "bytes": fetched.bytes, "type": kind.format, "status": FileStatus.OK.value}
    return step.stamp(facts, wanted)


def _is_readable(step: Step, row: RawFileRow | None) -> bool:
    return row is not None and row["status"] == FileStatus.OK and step.stores.blobs.has(str(row["sha256"]))


def _refused(step: Step, link: FileLinkRow, old: RawFileRow | None, wanted: str, fetched: Fetched) -> RawFileRow:
    """The row of a file that the site refuses; one that was readable stays until a second refusal."""
    url, slug, status = link["url"], link["slug"], GONE[fetched.status]
    if old is not None and _is_readable(step, old):
        confirm_after = timedelta(hours=step.stores.settings.confirm_hours)
        if not step.failures.confirm_refusal(url, wanted, fetched.status, confirm_after, slug):
            return old
    step.failures.record_withdrawn(
        url,
        wanted,
        slug=slug,
        error_class=status.value.capitalize(),
        message=f"the entry links this file, the site answers {fetched.status}",
        http_status=fetched.status,
        checked_at=fetched.checked_at,
    )
    if old is not None and (old["fingerprint"], old["status"]) == (wanted, status.value):
        return old if old["checked_at"] == fetched.checked_at else {**old, "checked_at": fetched.checked_at}
    facts: RawFileRow = {"fid": link["fid"], "slug": slug, "url": url}
    facts |= {"status": status.value, "http_status": fetched.status}
    facts |= {"fetched_at": fetched.fetched_at, "checked_at": fetched.checked_at}
    return step.stamp(facts, wanted)
