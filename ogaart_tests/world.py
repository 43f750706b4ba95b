"""A whole platform in a folder: a demo site served on loopback, and the project's own commands over it."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import duckdb
import pytest
from rich.console import Console

from ogaart.cli.demo_command import QUERIES
from ogaart.operations import runs
from ogaart.resources.catalog.generations import Generation, Generations
from ogaart.resources.catalog.withdrawals import ACCEPT_LOSSES
from ogaart.resources.platform import Stores
from ogaart.resources.storage.sparse_copy import copy_file
from ogaart.settings import Settings
from ogaart_tests.changing_site import ChangingSite


@dataclass
class World:
    """Site, settings and commands; every command is a real Dagster run on the world's own instance."""

    site: ChangingSite
    settings: Settings
    unopened: Path | None = None
    """A copy of the data root that no process has opened to search.

    Such a process fills the holes of the index's files: copying them then takes a second instead of a tenth of one.
    """

    def quiet(self) -> Console:
        """A console whose output is dropped."""
        return Console(file=StringIO())

    def discover(self, *, refresh: bool = False) -> runs.Report:
        """``ogaart discover``."""
        return runs.discover(self.settings, self.quiet(), refresh=refresh)

    def materialize(self, keys: list[str] | None = None, assets: tuple[str, ...] = ()) -> runs.Report:
        """``ogaart materialize``."""
        return runs.materialize(self.settings, self.quiet(), keys, assets)

    def publish(self, *, accept_losses: bool = False) -> runs.Report:
        """``ogaart publish``, also with ``--accept-losses``."""
        return runs.publish(self.settings, self.quiet(), tags={ACCEPT_LOSSES: "true"} if accept_losses else None)

    def all(self) -> None:
        """Everything once; any error fails the test."""
        for report in (self.discover(), self.materialize(), self.publish()):
            if report.errors or report.exit_code:
                raise AssertionError("\n".join(report.errors) or f"exit code {report.exit_code}")

    @property
    def generation(self) -> Generation:
        """What is in service."""
        current = Generations(self.stores.root.generations).current()
        assert current is not None
        return current

    @property
    def stores(self) -> Stores:
        """The stores under the data root."""
        return Stores(self.settings)

    @contextmanager
    def catalog(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """The published catalog, read-only."""
        with duckdb.connect(str(self.generation.catalog), read_only=True) as connection:
            yield connection

    def sql(self, query: str) -> list[tuple[object, ...]]:
        """Rows of a query on the published catalog."""
        with self.catalog() as connection:
            return connection.sql(query).fetchall()


@contextmanager
def open_world(folder: Path, site: ChangingSite | None = None, **environment: str) -> Iterator[World]:
    """A fresh platform in ``folder``; the process's environment names it while it is open.

    Args:
        folder: an empty folder.
        site: a site to use instead of the whole demo; not started yet.
        environment: more environment variables, such as ``OGAART_MAX_PIXELS="100"``.
    """
    with site or ChangingSite() as served, pytest.MonkeyPatch.context() as patch:
        queries = folder / "queries.toml"
        queries.write_text(QUERIES)
        for name in [n for n in os.environ if n.startswith(("OGAART_", "QDRANT_", "DAGSTER_HOME"))]:
            patch.delenv(name)
        values = {
            "OGAART_DATA": str(folder / "data"),
            "OGAART_SITE": served.base,
            "OGAART_QUERIES": str(queries),
            "OGAART_MODEL": "efficientnet_lite0",
            "DAGSTER_HOME": str(folder / "data" / "dagster"),
            **environment,
        }
        for name, value in values.items():
            patch.setenv(name, value)
        yield World(served, Settings())


def copy_data_root(source: Path, data: Path) -> None:
    """Copy a data root with its links; the index's files, which are mostly holes, stay so."""
    shutil.copytree(source, data, symlinks=True, copy_function=_copy_with_mode)


def _copy_with_mode(source: str, dest: str) -> None:
    copy_file(Path(source), Path(dest))
    shutil.copystat(source, dest)


def copy_world(world: World, data: Path, setenv: Callable[[str, str], None]) -> World:
    """A copy of a world's data root at ``data``, named in the environment; the site is the same.

    SQLite removes ``-wal`` and ``-shm`` when a last connection closes, which may be amid a copy: then it is made again.
    """
    for last in (False, False, True):
        try:
            copy_data_root(world.unopened or world.settings.data, data)
            break
        except shutil.Error:
            if last:
                raise
            shutil.rmtree(data)
    setenv("OGAART_DATA", str(data))
    setenv("DAGSTER_HOME", str(data / "dagster"))
    return World(world.site, Settings())
