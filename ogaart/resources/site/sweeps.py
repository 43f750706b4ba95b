"""Accepted sweeps: what a whole query held when all its pages were read at once; a fact for each query.

A lost one is swept again, from the stored result pages where they are recent.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ogaart.core.fault_injection import Fault, fault
from ogaart.resources.state.database import StateDatabase
from ogaart.resources.state.facts import Facts
from ogaart.resources.storage.atomic_files import read_json

KIND = "sweep"
FOLDER = "sweeps"


@dataclass(frozen=True)
class SweepPage:
    """One result page of a sweep."""

    at: datetime
    slugs: frozenset[str]


@dataclass(frozen=True)
class Sweep:
    """All entries of a query at one time; only complete sweeps are kept.

    Attributes:
        query: name of the query.
        at: when its oldest page was read.
        total: entries that the site counted.
        pages: its result pages, in order; empty where the site found nothing.
        url: the URL of the first result page; empty in sweeps of versions that did not keep it.
        fewer_at: when a later sweep first found far fewer entries, which another one has to confirm; None: none did.
    """

    query: str
    at: datetime
    total: int
    pages: tuple[SweepPage, ...]
    url: str = ""
    fewer_at: datetime | None = None

    @property
    def slugs(self) -> frozenset[str]:
        """Every entry of the query."""
        return frozenset(slug for page in self.pages for slug in page.slugs)


class Sweeps:
    """The newest accepted sweep of each query.

    Args:
        state: the database of state.
        site: the data root's folder for the site, where versions before kept files.
    """

    def __init__(self, state: StateDatabase, site: Path) -> None:
        self._facts = Facts(state, KIND)
        self._earlier = site / FOLDER

    def latest(self, query: str) -> Sweep | None:
        """The newest accepted sweep of a query; None where there is none, or it is damaged: then sweep again."""
        try:
            found = self._facts.read(query)
            if found is None:
                found = read_json(self._earlier / f"{query}.json")
            return Sweep(
                query=query,
                at=datetime.fromisoformat(found["at"]),
                total=int(found["total"]),
                # A version that did not keep the pages apart stored their number, which cannot be iterated over.
                pages=tuple(SweepPage(datetime.fromisoformat(p["at"]), frozenset(p["slugs"])) for p in found["pages"]),
                url=found.get("url", ""),
                fewer_at=datetime.fromisoformat(found["fewer_at"]) if found.get("fewer_at") else None,
            )
        except (ValueError, KeyError, TypeError):
            return None

    def state(self, query: str) -> str | None:
        """A text that is another one after each change of a query's sweep; None where no sweep is stored."""
        return self._facts.state(query)

    def store(self, sweep: Sweep) -> None:
        """Keep an accepted sweep as the newest."""
        pages = [{"at": page.at.isoformat(), "slugs": sorted(page.slugs)} for page in sweep.pages]
        facts: dict[str, Any] = {"at": sweep.at.isoformat(), "total": sweep.total, "pages": pages, "url": sweep.url}
        if sweep.fewer_at is not None:
            facts["fewer_at"] = sweep.fewer_at.isoformat()
        self._facts.write(sweep.query, facts)
        fault(Fault.SWEEP_STORED)
