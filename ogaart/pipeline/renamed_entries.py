"""Entries with several keys: one number of the site is one entry, whatever names listings have shown for it.

A listing shows an entry by its number until it has a name, and by another name once its title has changed. The new key
is read like a new entry; its files are stored already. Once it is processed, the former key becomes a tombstone
(``renamed``) without another request: links to its pictures lead to those of the new key.
"""

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Literal

from ogaart.core.states import TOMBSTONES, EntryStatus
from ogaart.pipeline.departed_entries import fully_processed
from ogaart.resources.storage.rows import EntryRow
from ogaart.resources.storage.schema import ENTRIES, SEARCH_RESULTS
from ogaart.resources.storage.tables import Tables


@dataclass(frozen=True)
class _Key:
    """One key of an entry, as a partition holds it."""

    slug: str
    partition: str
    row: EntryRow
    listed: bool

    @property
    def rank(self) -> tuple[bool, bool, str]:
        """The least of an entry's keys is the one that stays: a listed one, a name rather than a number."""
        return not self.listed, self.slug.startswith("/"), self.slug


def present_key(tables: Tables, slug: str) -> str:
    """The present key of an entry that was renamed; ``slug`` itself for any other."""
    named = _rows_with(tables, "slug", {slug})
    numbers = {row["nid"] for row in named if row["status"] == EntryStatus.RENAMED and row["nid"] is not None}
    alive = [row["slug"] for row in _rows_with(tables, "nid", numbers) if row["status"] not in TOMBSTONES]
    return min(alive, default=slug)


def _rows_with(tables: Tables, column: Literal["slug", "nid"], values: Set[str] | Set[int]) -> Iterator[EntryRow]:
    """The entries of all partitions that have one of some values; partitions without them are not read."""
    for partition, there in tables.distinct(ENTRIES, column).items():
        if not there.isdisjoint(values):
            rows = tables.select(ENTRIES, partition, ["slug", "nid", "status"])
            yield from (row for row in rows if row[column] in values)


class RenamedEntries:
    """Knows which keys that a partition holds, or begins to hold, belong to one entry.

    Args:
        tables: all tables.
        partition: the partition.
        listed: keys that its listing shows.
    """

    def __init__(self, tables: Tables, partition: str, listed: set[str]) -> None:
        self._tables = tables
        self._partition = partition
        self._listed = listed
        self._numbers = {key: nids for key, nids in tables.distinct(ENTRIES, "nid").items() if key != partition}
        self._elsewhere: dict[str, list[_Key]] = {}
        self._processed: dict[tuple[str, str], bool] = {}

    def _keys_of(self, other: str) -> list[_Key]:
        """The keys that another partition holds; it is read when it is first asked for."""
        if other not in self._elsewhere:
            shown = {row["slug"] for row in self._tables.select(SEARCH_RESULTS, other, ["slug"])}
            rows = self._tables.select(ENTRIES, other, ["slug", "nid", "status"])
            readable = [row for row in rows if row["status"] != EntryStatus.FAILED]
            self._elsewhere[other] = [_Key(row["slug"], other, row, row["slug"] in shown) for row in readable]
        return self._elsewhere[other]

    def _keys(self, nid: int | None, own: Mapping[str, EntryRow]) -> list[_Key]:
        if nid is None:
            return []
        mine = [_Key(s, self._partition, row, s in self._listed) for s, row in own.items() if row.get("nid") == nid]
        sharing = [other for other, numbers in self._numbers.items() if nid in numbers]
        return [*mine, *(key for other in sharing for key in self._keys_of(other) if key.row["nid"] == nid)]

    def current_key(self, slug: str, nid: int | None, own: Mapping[str, EntryRow]) -> str:
        """The key that an entry has now; ``slug`` where no other one is readable.

        Args:
            slug: a key of the entry that the partition holds.
            nid: the entry's number.
            own: the partition's rows by key, as far as they are read in this run, else as stored.
        """
        alive = [key for key in self._keys(nid, own) if key.row["status"] not in TOMBSTONES or key.slug == slug]
        return min(alive, key=lambda key: key.rank).slug if alive else slug

    def is_processed(self, slug: str, nid: int | None, own: Mapping[str, EntryRow]) -> bool:
        """Whether a key's pictures are all in the tables, in one of the partitions that hold it."""
        return any(self._is_processed(key) for key in self._keys(nid, own) if key.slug == slug)

    def _is_processed(self, key: _Key) -> bool:
        place = (key.slug, key.partition)
        if place not in self._processed:
            self._processed[place] = bool(fully_processed(self._tables, key.partition, {key.slug: key.row}))
        return self._processed[place]

    def former_keys(self, slug: str, nid: int | None, own: Mapping[str, EntryRow]) -> set[str]:
        """The other keys of an entry."""
        return {key.slug for key in self._keys(nid, own)} - {slug}
