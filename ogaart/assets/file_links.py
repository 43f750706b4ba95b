"""The files that each entry links: originals and previews, as the page states them."""

import hashlib

import dagster as dg

from ogaart.assets.content_pages import content_pages
from ogaart.core.partitions import search_pages_partitions
from ogaart.core.stages import Stage
from ogaart.core.staleness import compare, fingerprint
from ogaart.core.states import EntryStatus, FileRole, RowState
from ogaart.pipeline.checks import partition_check
from ogaart.pipeline.runner import StepEvents, run_partitions
from ogaart.pipeline.step import OWNERS, STORED, Step, described
from ogaart.pipeline.step_needs import asset_tags, step_tags
from ogaart.pipeline.unchanged.memory import StepInputs, unless_unchanged
from ogaart.resources.platform import Platform
from ogaart.resources.storage.rows import EntryRow, FileLinkRow
from ogaart.resources.storage.schema import ENTRIES, FILE_LINKS

LINKING = (EntryStatus.OK, EntryStatus.WITHHELD)
"""Pages that may link files; a withheld one still shows its previews."""

FILE_LINKS_VERSION = "1"
"""Rises when this step makes other rows of the same links; a parser's own version is part of the fingerprints."""


@dg.asset(
    partitions_def=search_pages_partitions,
    deps=[content_pages],
    group_name="crawl",
    kinds={"python", "parquet"},
    owners=OWNERS,
    tags=asset_tags(Stage.FILE_LINKS, STORED),
    op_tags=step_tags(Stage.FILE_LINKS),
    code_version=FILE_LINKS_VERSION,
    metadata=described(FILE_LINKS),
    check_specs=[
        partition_check(
            Stage.FILE_LINKS,
            "entries_link_files",
            "Of the live entries, at most the share OGAART_MAX_FAILURE_SHARE links no file.",
        )
    ],
)
def file_links(context: dg.AssetExecutionContext, platform: Platform) -> StepEvents:
    """One row for each file an entry offers: file id, URL, stored and shown name, MIME type, exact length.

    Previews are a role of their own. Derivatives, links in comments and descriptions, and licence texts are not files.
    """
    yield from run_partitions(context, platform, Stage.FILE_LINKS, read_links)


@unless_unchanged(StepInputs([ENTRIES], lambda: [FILE_LINKS_VERSION]))
def read_links(step: Step) -> None:
    """Make the link rows of entries whose record changed; keep the others."""
    tables = step.stores.tables
    stored: dict[str, list[FileLinkRow]] = {}
    for row in tables.read(FILE_LINKS, step.partition):
        stored.setdefault(row["slug"], []).append(row)
    entries = tables.read(ENTRIES, step.partition)
    version = step.stores.site_rules.links_version
    wanted_entries = {e["slug"]: fingerprint(version, e["content_hash"]) for e in entries if e["status"] in LINKING}
    sources = {e["slug"]: e for e in entries}
    rows: list[FileLinkRow] = []
    for slug, wanted in wanted_entries.items():
        old = stored.get(slug, [])
        if old and old[0]["fingerprint"] == wanted and not _lacks_ids(old):
            rows += old
        else:
            rows += [step.stamp(link, wanted) for link in _links(step, sources[slug])]
    plan = compare(
        {(r["slug"], r["url"]): r["fingerprint"] for held in stored.values() for r in held},
        {(r["slug"], r["url"]): r["fingerprint"] for r in rows},
    )
    step.count(plan)
    step.counts[RowState.PENDING] = sum(1 for e in entries if e["status"] == EntryStatus.FAILED)
    live = [e["slug"] for e in entries if e["status"] == EntryStatus.OK]
    without = len(set(live) - {row["slug"] for row in rows if row["role"] == FileRole.FILE})
    limit = step.stores.settings.max_failure_share
    message = f"{without} of {len(live)} live entries link no file, the limit is {limit:.0%}"
    step.check("entries_link_files", without <= limit * len(live), message)
    step.commit({FILE_LINKS: ([r for held in stored.values() for r in held], rows)})


def _lacks_ids(links: list[FileLinkRow]) -> bool:
    """Whether rows are of a version that took files without an id of their own as they are."""
    ids = [link["fid"] for link in links if link["role"] == FileRole.FILE]
    return None in ids or len(set(ids)) < len(ids)


def _own_id(fid: int | None, url: str, taken: set[int | None]) -> int:
    """A file's id; a negative one, made of its URL, where the page states none or one that another file has."""
    if fid is not None and fid not in taken:
        return fid
    return -1 - int.from_bytes(hashlib.sha256(url.encode("utf-8", "surrogatepass")).digest()[:7], "big")


def _links(step: Step, entry: EntryRow) -> list[FileLinkRow]:
    page = step.stores.site_rules.parse_entry(step.stores.blobs.read(str(entry["page_sha256"])), entry["url"])
    found: dict[str, FileLinkRow] = {}
    for role, links in ((FileRole.FILE, page.files), (FileRole.PREVIEW, page.previews)):
        for position, link in enumerate(links):
            taken = {row["fid"] for row in found.values()}
            row: FileLinkRow = {
                "fid": _own_id(link.fid, link.url, taken) if role == FileRole.FILE else link.fid,
                "slug": entry["slug"],
                "position": position,
                "role": role.value,
                "url": link.url,
                "stored_name": link.stored_name,
                "shown_name": link.shown_name,
                "mime": link.mime,
                "length": link.length,
            }
            found.setdefault(link.url, row)  # an original that is its own preview stays an original
    return list(found.values())
