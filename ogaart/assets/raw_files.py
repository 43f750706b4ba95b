"""The original files, exactly as served, in the blob store."""

import dagster as dg

from ogaart.assets.file_links import file_links
from ogaart.core.partitions import search_pages_partitions
from ogaart.core.stages import Stage
from ogaart.core.staleness import compare, fingerprint
from ogaart.core.states import EntryStatus, FileRole, FileStatus, RowState
from ogaart.imaging.sniff import HEAD_BYTES, sniff
from ogaart.pipeline.runner import run_partitions
from ogaart.pipeline.step import OWNERS, SITE, Step, described
from ogaart.resources.platform import Platform
from ogaart.resources.site.client import FetchFailed
from ogaart.resources.storage.rows import FileLinkRow, RawFileRow
from ogaart.resources.storage.schema import ENTRIES, FILE_LINKS, RAW_FILES

RAW_FILES_VERSION = "1"
GONE = {404: FileStatus.MISSING, 410: FileStatus.MISSING, 401: FileStatus.FORBIDDEN, 403: FileStatus.FORBIDDEN}


@dg.asset(
    partitions_def=search_pages_partitions,
    deps=[file_links],
    group_name="crawl",
    kinds={"python", "file"},
    owners=OWNERS,
    tags=SITE,
    code_version=RAW_FILES_VERSION,
    pool="site",
    metadata=described(RAW_FILES),
    check_specs=[
        dg.AssetCheckSpec(
            "few_failures",
            asset="raw_files",
            description="Of the partition's files, at most the share OGAART_MAX_FAILURE_SHARE is not available.",
        )
    ],
)
def raw_files(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Each original file, streamed to the blob store, its length checked, hashed, its type told by magic bytes.

    A file is identified by id, URL and length on its entry's page; what is stored is not requested again. A partial
    download resumes by Range.
    """
    return run_partitions(context, platform, Stage.RAW_FILES, fetch_files)


def fetch_files(step: Step) -> None:
    """Fetch what is new or due again; keep the rest."""
    tables = step.stores.tables
    stored = {(r["slug"], r["url"]): r for r in tables.read(RAW_FILES, step.partition)}
    links = {(r["slug"], r["url"]): r for r in tables.read(FILE_LINKS, step.partition) if r["role"] == FileRole.FILE}
    wanted = {key: _fingerprint(step, link) for key, link in links.items()}
    plan = compare({key: row["fingerprint"] for key, row in stored.items()}, wanted)
    rows = []
    for key, link in links.items():
        old = stored.get(key)
        if old is not None and step.failures.keep_until_due(old["url"], wanted[key], link["slug"]):
            rows.append(old)  # a file that is gone stays a failure
        elif old is not None and _settled(step, old, wanted[key]):
            rows.append(old)
        else:
            rows.append(_fetch(step, link, old, wanted[key]))
    step.count(plan)
    replaced = sum(1 for row in rows if _replaced(stored.get((row["slug"], row["url"])), row))
    step.counts[RowState.STALE] += replaced
    step.counts[RowState.UNCHANGED] -= replaced
    entries = tables.read(ENTRIES, step.partition)
    step.counts[RowState.PENDING] = sum(1 for e in entries if e["status"] == EntryStatus.FAILED)
    failed, limit = sum(1 for row in rows if row["status"] != FileStatus.OK), step.stores.settings.max_failure_share
    step.check(
        "few_failures",
        failed <= limit * len(rows),
        f"{step.partition}: {failed} of {len(rows)} files are not available, the limit is {limit:.0%}",
    )
    step.commit({RAW_FILES: (list(stored.values()), rows)})


def _fingerprint(step: Step, link: FileLinkRow) -> str:
    too_large = (link["length"] or 0) > step.stores.settings.max_file_bytes
    return fingerprint(RAW_FILES_VERSION, link["fid"], link["url"], link["length"], too_large)


def _settled(step: Step, row: RawFileRow, wanted: str) -> bool:
    """Whether a stored row needs no request: its bytes are stored, or it is gone for good."""
    if row["fingerprint"] != wanted or step.failures.refetch_before(row["url"], wanted, row["slug"]) is not None:
        return False
    if row["status"] == FileStatus.OK:
        return step.stores.blobs.has(str(row["sha256"]))
    return bool(row["status"] != FileStatus.FAILED)


def _replaced(old: RawFileRow | None, new: RawFileRow) -> bool:
    """Whether the site serves other bytes under the same URL, with the same id and length on the page."""
    return old is not None and old["fingerprint"] == new["fingerprint"] and old["run_id"] != new["run_id"]


def _fetch(step: Step, link: FileLinkRow, old: RawFileRow | None, wanted: str) -> RawFileRow:
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
    since = step.failures.refetch_before(link["url"], wanted, link["slug"])
    try:
        fetched = step.get(
            link["url"],
            expected_length=link["length"],
            max_bytes=limit,
            refresh=changed,
            since=since,
            conditional=not changed,  # its validator tells whether a file was replaced under its own URL
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
        if old is not None and old["status"] == FileStatus.OK and step.stores.blobs.has(str(old["sha256"])):
            return old  # what was read before stays in search until the site serves something else
        facts["status"], facts["http_status"] = FileStatus.FAILED.value, failure.http_status
        return step.stamp(facts, wanted)
    if old is not None and not changed and old["status"] == FileStatus.OK and old["sha256"] == fetched.sha256:
        return old
    facts["http_status"], facts["fetched_at"] = fetched.status, fetched.fetched_at
    gone = GONE.get(fetched.status)
    if gone is not None or fetched.sha256 is None:
        status = gone or FileStatus.MISSING
        step.failures.record(
            link["url"],
            wanted,
            slug=link["slug"],
            error_class=status.value.capitalize(),
            message=f"the entry links this file, the site answers {fetched.status}",
            http_status=fetched.status,
        )
        facts["status"] = status.value
        return step.stamp(facts, wanted)
    with step.stores.blobs.path(fetched.sha256).open("rb") as content:
        kind = sniff(content.read(HEAD_BYTES))
    facts["status"], facts["sha256"], facts["bytes"], facts["type"] = (
        FileStatus.OK.value,
        fetched.sha256,
        fetched.bytes,
        kind.format,
    )
    return step.stamp(facts, wanted)
