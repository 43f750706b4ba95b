"""What runs do, as the commands do it; each gives the reports of its commands, one by one."""

from collections.abc import Iterator
from functools import partial

from rich.console import Console

from ogaart import work
from ogaart.operating import repairing, verifying
from ogaart.settings import Settings

Reports = Iterator[tuple[str, work.Report]]


def everything() -> Reports:
    """Discover, materialize all partitions, publish."""
    yield from discovery()
    yield from materialization()
    yield from publishing()


def discovery(*, refresh: bool = False) -> Reports:
    """Sweep the queries."""
    yield "discover", work.discover(Settings(), _console(), refresh=refresh)


def materialization(keys: tuple[str, ...] | None = None, assets: tuple[str, ...] = ()) -> Reports:
    """Materialize partitions; all where none are named."""
    yield "materialize", work.materialize(Settings(), _console(), keys, assets)


def publishing() -> Reports:
    """Build the catalog, audit, switch."""
    yield "publish", work.publish(Settings(), _console())


offline = partial(materialization, None, ("extracted_images", "embeddings", "qdrant_collection"))
"""The stages that ask nothing of the site, for all partitions."""


def _console() -> Console:
    return Console(quiet=True)


def verify() -> work.Report:
    """Compare what is stored with what should be there."""
    return verifying.verify(Settings(), _console())


def repair() -> work.Report:
    """Mend what is damaged."""
    return repairing.repair(Settings(), _console())
