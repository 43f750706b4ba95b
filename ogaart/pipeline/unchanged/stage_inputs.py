"""What decides the outcome of each stage's steps outside of the tables: pages, files, segments, the collection."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ogaart.core.states import EntryStatus, FileStatus
from ogaart.pipeline.checks import CheckOutcome
from ogaart.pipeline.step import Step
from ogaart.pipeline.unchanged.memory import StepInputs
from ogaart.resources.embedding.registry import VectorSpace
from ogaart.resources.index.collection import Collection
from ogaart.resources.site.fetch_records import RecordState
from ogaart.resources.storage.derived import DerivedBytes
from ogaart.resources.storage.schema import ENTRIES, LISTINGS, POINTS, RAW_FILES, SEARCH_RESULTS
from ogaart.resources.storage.segments import Segments
from ogaart.resources.storage.vectors import Vectors


class ListingInputs(StepInputs):
    """Of ``search_pages``: the stored result page is recent, and the query's last sweep the same.

    Of entries that the page links by number, their own pages are stored, too: these state their names.
    """

    def hold(self, step: Step, relied_on: Mapping[str, Any]) -> bool:
        """Whether no page would be requested, and all are read as they were."""
        if self._found(step, relied_on["numbered"]) != relied_on:
            return False
        age = abs(step.now - datetime.fromisoformat(relied_on["checked_at"]))
        return age < timedelta(hours=step.stores.settings.listing_hours)

    def note(self, step: Step) -> dict[str, Any] | None:
        """The query, its sweep and the pages; None where one is not stored, or not as it was when the step read it."""
        seen = step.relies_on
        found = None if seen is None else self._found(step, seen["numbered"])
        if seen is None or found is None or any(found[name] != value for name, value in seen.items()):
            return None
        sweep = step.stores.sweeps.latest(step.query)
        if sweep is not None and datetime.fromisoformat(found["checked_at"]) < sweep.at:
            return None  # a page that is older than the sweep is requested again: the clock was set back
        rows = step.stores.tables.select(LISTINGS, step.partition, ["sha256"])
        return found if [row["sha256"] for row in rows] == [found["sha256"]] else None

    def figures(self, step: Step) -> dict[str, int]:
        """No request: the pages are stored."""
        saved = 1 + len((step.relies_on or {})["numbered"])
        return {"requests": 0, "requests_saved": saved, "bytes": 0, "site_total": step.extra["site_total"]}

    @staticmethod
    def _found(step: Step, numbered: Sequence[str]) -> dict[str, Any] | None:
        stores = step.stores
        query, sweep = stores.queries.get(step.query), stores.sweeps.state(step.query)
        if query is None or sweep is None:
            return None
        record = stores.fetch_records.read(stores.site_rules.listing_url(query, step.page))
        if record is None or record.sha256 is None or stores.blobs.size(record.sha256) != record.bytes:
            return None
        states = stores.fetch_records.states(_without_fragments(numbered))
        if len(states) < len(numbered) or not _are_stored(step, states):
            return None
        page = {"url": record.url, "sha256": record.sha256, "checked_at": record.checked_at.isoformat()}
        return {"query": repr(query), "sweep": sweep, **page, "numbered": list(numbered), "pages": _digest(states)}


def numbered_pages(step: Step, urls: Sequence[str]) -> dict[str, Any]:
    """What a listing relies on that links entries by number: their pages, as they are stored before it names them."""
    return {"numbered": list(urls), "pages": _digest(step.stores.fetch_records.states(_without_fragments(urls)))}


class PageInputs(StepInputs):
    """Of ``content_pages``: each listed entry is read, from the page that is stored for its URL now.

    Where an entry has left the listing, or shares its number with another key, what other partitions hold decides as
    well: such a partition is looked through each time.
    """

    def hold(self, step: Step, relied_on: Mapping[str, Any]) -> bool:
        """Whether the pages and their fetch records are as they were, and no entry is in another partition too."""
        step.stores.site.confirm_refusals()
        failed = {row["key"] for row in step.failures.stored}
        stored = step.stores.fetch_records.states(_urls(step, failed).values())
        return bool(_digest(stored) == relied_on["pages"] and _are_stored(step, stored) and _are_alone(step))

    def note(self, step: Step) -> dict[str, Any] | None:
        """The fetch records; None where a row is not that of its record's page, or an entry is not an ordinary one."""
        tables, stores = step.stores.tables, step.stores
        columns = ["slug", "nid", "status", "fetched_at", "page_sha256"]
        rows = {row["slug"]: row for row in tables.select(ENTRIES, step.partition, columns)}
        numbers = [row["nid"] for row in rows.values() if row["nid"] is not None]
        listed = _urls(step, set())
        if rows.keys() - listed.keys() or any(row["status"] == EntryStatus.RENAMED for row in rows.values()):
            return None
        if len(set(numbers)) < len(numbers) or not _are_alone(step):
            return None
        urls = _urls(step, {row["key"] for row in step.failures.rows})
        states = stores.fetch_records.states(urls.values())
        if len(states) < len(set(urls.values())):
            return None
        for slug, url in urls.items():
            row, record = rows.get(slug), stores.fetch_records.read(url)
            if row is None or record is None or record.status != 200 or record.sha256 is None:
                return None
            if (row["page_sha256"], row["fetched_at"]) != (record.sha256, record.checked_at):
                return None
        return {"pages": _digest(states)}

    def figures(self, step: Step) -> dict[str, int]:
        """No request: each page is stored."""
        failed = {row["key"] for row in step.failures.rows}
        return {"requests": 0, "requests_saved": len(_urls(step, failed)), "bytes": 0}


def _urls(step: Step, failed: AbstractSet[str]) -> dict[str, str]:
    """What is requested for each entry that the partition's listing shows, but for those that failed."""
    rows = step.stores.tables.select(SEARCH_RESULTS, step.partition, ["slug", "url"])
    return {row["slug"]: row["url"].partition("#")[0] for row in rows if row["url"] not in failed}


def _without_fragments(urls: Iterable[str]) -> list[str]:
    return [url.partition("#")[0] for url in urls]


def _are_alone(step: Step) -> bool:
    """Whether no other partition holds the number of an entry of this one."""
    numbers = step.stores.tables.distinct(ENTRIES, "nid")
    mine = numbers.pop(step.partition, frozenset())
    return all(theirs.isdisjoint(mine) for theirs in numbers.values())


def _are_stored(step: Step, states: Iterable[RecordState]) -> bool:
    """Whether the blobs of pages are there, as long as their fetch records say."""
    blobs = step.stores.blobs
    return all(not state.sha256 or blobs.size(state.sha256) == state.bytes for state in states)


def _digest(states: Iterable[RecordState]) -> str:
    return hashlib.sha256("\n".join(sorted(state.text for state in states)).encode()).hexdigest()


class FileInputs(StepInputs):
    """Of ``raw_files``: each file is in the blob store."""

    def hold(self, step: Step, relied_on: Mapping[str, Any]) -> bool:  # noqa: ARG002
        """Whether no file is lost."""
        step.stores.site.confirm_refusals()
        rows = step.stores.tables.select(RAW_FILES, step.partition, ["status", "sha256"])
        return all(step.stores.blobs.has(str(row["sha256"])) for row in rows if row["status"] == FileStatus.OK)


class SegmentInputs(StepInputs):
    """Of ``embeddings``: the segments that hold what is known of the pictures are there, in the settings' space.

    Segments are shared: what failed here may since have been computed for another partition with the same pixels.
    """

    def hold(self, step: Step, relied_on: Mapping[str, Any]) -> bool:
        """Whether no segment is lost or was written to, and none holds what failed."""
        space, root = VectorSpace.of(step.stores.settings).name, step.stores.root
        if relied_on["space"] != space or file_states(root.root, relied_on["segments"]) != relied_on["segments"]:
            return False
        failed: list[tuple[Segments[Any, Any], Sequence[str]]] = [
            (Vectors(root.vectors, space), relied_on["without_vector"]),
            *((DerivedBytes(root.derived, name), keys) for name, keys in relied_on["underived"].items()),
        ]
        return not any(keys and store.locate(keys) for store, keys in failed)


def file_states(root: Path, names: Iterable[str]) -> dict[str, list[int]] | None:
    """Size and time of files below a folder, by name; None where one is missing."""
    try:
        found = {name: (root / name).stat() for name in names}
    except FileNotFoundError:
        return None
    return {name: [status.st_size, status.st_mtime_ns] for name, status in found.items()}


class CollectionInputs(StepInputs):
    """Of ``qdrant_collection``: the collection is, file by file, as its last writer closed it."""

    def hold(self, step: Step, relied_on: Mapping[str, Any]) -> bool:
        """Whether it is the same collection, and untouched."""
        collection = Collection(step.stores, VectorSpace.of(step.stores.settings))
        return bool(relied_on["collection"] == [collection.space, collection.identity] and collection.untouched())

    def figures(self, step: Step) -> dict[str, int]:  # noqa: ARG002
        """No point is upserted."""
        return {"upserted": 0}

    def checks(self, step: Step) -> dict[str, CheckOutcome]:
        """The points are those of the ledger."""
        return {"points_stored": points_are_untouched(step.row_counts[POINTS.name])}


def points_are_untouched(count: int) -> CheckOutcome:
    """The result of the check of a collection that nothing was written to since its points were stored."""
    return CheckOutcome(True, f"{count} points, and no file of the collection has changed")
