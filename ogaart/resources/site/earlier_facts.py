"""The site's state, robots.txt and sweeps as versions before stored them, in files, until ``ogaart upgrade``."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ogaart.resources.site import robots, site_state_store, sweeps
from ogaart.resources.state.database import StateDatabase
from ogaart.resources.state.facts import Facts
from ogaart.resources.storage.atomic_files import TEMPORARY
from ogaart.resources.storage.sealed_json import open_json


class EarlierFact(NamedTuple):
    """A file of a fact; ``fact`` is None where it is damaged."""

    path: Path
    kind: str
    name: str
    fact: Any


def earlier_facts(site: Path) -> Iterator[EarlierFact]:
    """Every such file under the data root's folder for the site."""
    for kind, pattern in (
        (site_state_store.KIND, "*.json"),
        (robots.KIND, f"{robots.FOLDER}/*.json"),
        (sweeps.KIND, f"{sweeps.FOLDER}/*.json"),
    ):
        for path in sorted(site.glob(pattern)):
            if path.name.startswith(TEMPORARY):
                continue
            try:
                fact = open_json(path.read_bytes())
                name = fact["origin"] if kind == robots.KIND else path.stem
                yield EarlierFact(path, kind, str(name), fact)
            except FileNotFoundError:
                continue
            except (ValueError, KeyError, TypeError):
                yield EarlierFact(path, kind, path.stem, None)


def adopt_facts(state: StateDatabase, files: Iterable[EarlierFact]) -> None:
    """Make facts of files and delete the files; newer facts stay as they are."""
    for path, kind, name, fact in files:
        Facts(state, kind).add([(name, fact)])
        path.unlink(missing_ok=True)
