"""Accepted sweeps: what a whole query held when all its pages were read at once."""

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ogaart.faults import Fault, fault
from ogaart.resources.durable import write_durably


@dataclass(frozen=True)
class Sweep:
    """All entries of a query at one time; only complete sweeps are kept."""

    query: str
    at: datetime
    total: int
    pages: int
    slugs: frozenset[str]


def _path(root: Path, query: str) -> Path:
    return root / "sweeps" / f"{query}.json"


def latest_sweep(root: Path, query: str) -> Sweep | None:
    """The newest accepted sweep of a query, or None."""
    path = _path(root, query)
    if not path.exists():
        return None
    found = json.loads(path.read_text(encoding="utf-8"))
    return Sweep(
        query=query,
        at=datetime.fromisoformat(found["at"]),
        total=found["total"],
        pages=found["pages"],
        slugs=frozenset(found["slugs"]),
    )


def store_sweep(root: Path, sweep: Sweep) -> None:
    """Keep an accepted sweep as the newest."""
    facts = {"at": sweep.at.isoformat(), "total": sweep.total, "pages": sweep.pages, "slugs": sorted(sweep.slugs)}
    write_durably(_path(root, sweep.query), json.dumps(facts, ensure_ascii=False).encode())
    fault(Fault.SWEEP_STORED)
