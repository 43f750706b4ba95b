"""What runs do, as the commands do it; each yields the reports of its commands, one by one."""

from collections.abc import Iterator
from functools import partial

from rich.console import Console

from ogaart.core.stages import OFFLINE_STAGES
from ogaart.operations import repair as repairing
from ogaart.operations import runs
from ogaart.operations import verify as verification
from ogaart.settings import Settings

Reports = Iterator[tuple[str, runs.Report]]


def everything() -> Reports:
    """Discover, materialize all partitions, publish."""
    yield from discovery()
    yield from materialization()
    yield from publishing()


def first_partition() -> Reports:
    """Discover, materialize one partition."""
    yield from discovery()
    yield from materialization(("2d-art/0000",))


def discovery(*, refresh: bool = False) -> Reports:
    """Sweep the queries."""
    yield "discover", runs.discover(Settings(), _console(), refresh=refresh)


def materialization(keys: tuple[str, ...] | None = None, assets: tuple[str, ...] = ()) -> Reports:
    """Materialize partitions; all where none are named."""
    yield "materialize", runs.materialize(Settings(), _console(), keys, assets)


def publishing() -> Reports:
    """Build the catalog, audit, switch."""
    yield "publish", runs.publish(Settings(), _console())


offline = partial(materialization, None, tuple(stage.value for stage in OFFLINE_STAGES))
"""The stages that send no request, for all partitions."""


def _console() -> Console:
    return Console(quiet=True)


def verify() -> runs.Report:
    """Compare what is stored with what should be there."""
    return verification.verify(Settings(), _console())


def repair() -> runs.Report:
    """Repair what is damaged."""
    return repairing.repair(Settings(), _console())
