"""Entries that left their listing: kept until another partition has processed them, or they are gone.

A listing proves presence, never absence: one deletion shifts every later page. So an entry that a partition no longer
lists stays with it until its new partition has processed it, and search never loses it in between.
"""

from collections.abc import Mapping

from ogaart.core.states import EntryStatus, FileRole, FileStatus
from ogaart.resources.storage.rows import EntryRow
from ogaart.resources.storage.schema import EMBEDDINGS, ENTRIES, FILE_LINKS, IMAGES, MEMBERS, RAW_FILES, SEARCH_RESULTS
from ogaart.resources.storage.tables import Tables


def entries_to_keep(tables: Tables, partition: str, stored: Mapping[str, EntryRow], listed: set[str]) -> dict[str, str]:
    """Entries of a partition that its listing no longer shows and that it must keep, with their URLs.

    Args:
        tables: all tables.
        partition: the partition.
        stored: its entries by slug.
        listed: slugs that its listing shows now.
    """
    missing = {slug: row for slug, row in stored.items() if slug not in listed}
    if not missing:
        return {}
    shown = {row["slug"] for row in tables.select(IMAGES, partition, ["slug"])}
    taken: set[str] = set()
    for other, slugs in tables.distinct(ENTRIES, "slug").items():
        if other == partition or slugs.isdisjoint(missing.keys() - taken):
            continue
        held = {row["slug"]: row for row in tables.read(ENTRIES, other) if row["slug"] in missing.keys() - taken}
        if not held:
            continue
        listed_there = {row["slug"] for row in tables.select(SEARCH_RESULTS, other, ["slug"])}
        # Where no listing shows it, the first partition keeps it, so that two partitions cannot both drop it.
        mine = {slug for slug in held if slug in listed_there or other < partition}
        taken |= mine - shown  # search has nothing to lose
        taken |= fully_processed(tables, other, {slug: held[slug] for slug in mine & shown})
    return {slug: row["url"] for slug, row in missing.items() if slug not in taken}


def fully_processed(tables: Tables, partition: str, entries: Mapping[str, EntryRow]) -> set[str]:
    """Those of a partition's entries that need no stage any more: their available pictures are embedded."""
    alive = {slug for slug, row in entries.items() if row["status"] == EntryStatus.OK}
    done = {slug for slug, row in entries.items() if row["status"] not in {EntryStatus.OK, EntryStatus.FAILED}}
    if not alive:
        return done
    links = {
        (row["slug"], row["url"])
        for row in tables.read(FILE_LINKS, partition)
        if row["role"] == FileRole.FILE and row["slug"] in alive
    }
    files = {(row["slug"], row["url"]): row for row in tables.read(RAW_FILES, partition) if row["slug"] in alive}
    looked_into = {(row["slug"], row["file_sha256"]) for row in tables.read(MEMBERS, partition)}
    embedded = {row["image_id"] for row in tables.read(EMBEDDINGS, partition)}
    waiting = {slug for slug, url in links if (slug, url) not in files}
    waiting |= {
        slug
        for (slug, _), row in files.items()
        if row["status"] == FileStatus.OK and (slug, row["sha256"]) not in looked_into
    }
    waiting |= {row["slug"] for row in tables.read(IMAGES, partition) if row["image_id"] not in embedded}
    waiting |= alive - {slug for slug, _ in links}  # its links are not read yet
    return done | (alive - waiting)
