"""The graph, run by the commands' own functions in a process group of its own, which may be killed as a whole.

Each run is forked from a server process that has imported the platform and done nothing else: so it starts in a moment.
"""

import contextlib
import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from ogaart_tests.postgres import Postgres
from ogaart_tests.torture.small_site import QUERIES, write_queries
from ogaart_tests.world import copy_data_root

PRELOAD = ["ogaart_tests.torture.steps"]
TIMEOUT = 300.0


@dataclass(frozen=True)
class World:
    """One data root, the site it reads, and the settings of its runs.

    Attributes:
        root: a folder of its own.
        site: base URL.
        queries: content of its queries file.
        settings: more environment variables.
        server: where its database of state and that of Dagster's instance are; by default they are SQLite's files.
    """

    root: Path
    site: str
    queries: str = QUERIES
    settings: Mapping[str, str] = field(default_factory=dict)
    server: Postgres | None = None

    @property
    def data(self) -> Path:
        """The data root."""
        return self.root / "data"

    @property
    def databases(self) -> dict[str, str]:
        """By setting, the name of each database that it has on a server."""
        mark = hashlib.sha256(str(self.root).encode()).hexdigest()[:12]
        names = {"OGAART_DATABASE_URL": f"state-{mark}", "OGAART_DAGSTER_DATABASE": f"dagster-{mark}"}
        return names if self.server is not None else {}

    def clear(self, like: "World | None" = None) -> None:
        """Begin again; a world on a server has no databases before.

        Args:
            like: a world of the same server to begin as a copy of; by default it begins with nothing.
        """
        shutil.rmtree(self.root, ignore_errors=True)
        for setting, name in self.databases.items():
            assert self.server is not None
            self.server.fresh(name, None if like is None else like.databases[setting])
        if like is not None:
            copy_data_root(like.data, self.data)

    def environment(self, fault: str | None = None) -> dict[str, str]:
        """The environment of a run; ``fault`` as OGAART_FAULT, which only counts the passes where it is empty."""
        queries = write_queries(self.root / "queries.toml", self.queries)
        named = {
            "OGAART_DATA": str(self.data),
            "OGAART_SITE": self.site,
            "OGAART_QUERIES": str(queries),
            "OGAART_MODEL": "efficientnet_lite0",
            "OGAART_EMBED_THREADS": "1",
            "OGAART_MIN_FREE_BYTES": "0",
            "OGAART_BACKOFF": "0.01",
            **self.urls,
            **self.settings,
        }
        return named | ({"OGAART_FAULT": fault} if fault is not None else {})

    @property
    def urls(self) -> dict[str, str]:
        """By setting, the URL of each of its databases on a server."""
        if self.server is None:
            return {}
        urls = {setting: self.server.url(name) for setting, name in self.databases.items()}
        # SQLAlchemy's default is another driver than the one that Dagster's package knows.
        return {setting: url.replace("postgresql:", "postgresql+psycopg2:") for setting, url in urls.items()}


@dataclass(frozen=True)
class Ended:
    """How a run's process group ended.

    Attributes:
        code: exit code; negative: the signal that ended it.
        exits: exit codes of the commands that came to their end, by name.
        errors: failures that the commands and the process itself reported.
        passes: how often each fault point was passed, where that was counted.
        rows: the commands' report rows, by name.
    """

    code: int
    exits: dict[str, int]
    errors: tuple[str, ...]
    passes: dict[str, int]
    rows: dict[str, list[dict[str, Any]]]

    @property
    def killed(self) -> bool:
        """Whether a signal ended it."""
        return self.code < 0

    @property
    def well(self) -> bool:
        """Whether every command ended well."""
        return self.code == 0 and not any(self.exits.values())


class Group:
    """A run in its own process group, going on."""

    def __init__(self, world: World, steps: Callable[[], Any], fault: str | None = None) -> None:
        world.root.mkdir(parents=True, exist_ok=True)
        self._notes = world.root / f"run-{time.monotonic_ns()}.json"
        self._process: ForkServerProcess = _context().Process(
            target=_run, args=(world.environment(fault), steps, str(self._notes))
        )
        self._process.start()

    @property
    def running(self) -> bool:
        """Whether it goes on."""
        return self._process.is_alive()

    @property
    def pid(self) -> int:
        """Its process id, which is its group's too, once it runs."""
        assert self._process.pid is not None
        return self._process.pid

    def signal(self, signum: signal.Signals, *, group: bool = True) -> None:
        """Send a signal to the whole group, or to its first process alone."""
        with contextlib.suppress(ProcessLookupError):
            (os.killpg if group else os.kill)(self.pid, signum)

    def kill(self) -> None:
        """End it with all its children, and wait until it is gone."""
        self.signal(signal.SIGKILL)
        self._process.join()
        self._notes.unlink(missing_ok=True)

    def wait(self, timeout: float = TIMEOUT) -> Ended:
        """Wait for its end.

        Raises:
            TimeoutError: it did not end in time; it was killed.
        """
        self._process.join(timeout)
        if self._process.is_alive():
            self.signal(signal.SIGKILL)
            raise TimeoutError(f"a run took more than {timeout:g} s")
        self.signal(signal.SIGKILL)  # its children, where only the first process was hit
        code = self._process.exitcode
        assert code is not None
        noted = json.loads(self._notes.read_text()) if self._notes.exists() else {}
        self._notes.unlink(missing_ok=True)
        return Ended(
            code,
            noted.get("exits", {}),
            tuple(noted.get("errors", ())),
            noted.get("passes", {}),
            noted.get("rows", {}),
        )


def run(world: World, steps: Callable[[], Any], fault: str | None = None, timeout: float = TIMEOUT) -> Ended:
    """Run ``steps`` to their end, good or bad."""
    return Group(world, steps, fault).wait(timeout)


def _context() -> multiprocessing.context.ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    return context


def _run(environment: dict[str, str], steps: Callable[[], Any], notes: str) -> None:
    """Inside the new process: a group of its own, the run's environment, quiet, then the steps."""
    os.setsid()
    for name in [name for name in os.environ if name.startswith(("OGAART_", "DAGSTER_", "QDRANT_"))]:
        del os.environ[name]
    os.environ.update(environment)
    said = os.open(Path(notes).with_name("said.txt"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(said, 1)
    os.dup2(said, 2)
    found: dict[str, Any] = {"exits": {}, "errors": [], "rows": {}}
    code = 0
    try:
        for name, report in steps():
            found["exits"][name] = max(report.exit_code, found["exits"].get(name, 0))
            found["errors"] += report.errors
            plain = [{k: v for k, v in row.items() if isinstance(v, int | str)} for row in report.rows]
            found["rows"].setdefault(name, []).extend(plain)
    except BaseException as error:  # noqa: BLE001 - told to the parent
        found["errors"].append("".join(traceback.format_exception(error)))
        code = 1
    from ogaart.core.fault_injection import passed

    found["passes"] = dict(passed)
    Path(notes).write_text(json.dumps(found))
    sys.stdout.flush()
    os._exit(code)
