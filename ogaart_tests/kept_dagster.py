"""What Dagster makes again for each query and each database, made once in a process of tests.

Over SQLite it makes an engine for each query, which then compiles that query again, and reads its sixty migrations with
each database that it opens. Both depend on a path and on the installed package alone. ``ogaart up`` opens its databases
once; tests open hundreds, and spent a seventh of a run's CPU time on it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.runs.sqlite import sqlite_run_storage
from dagster._core.storage.schedules.sqlite import sqlite_schedule_storage
from dagster._core.storage.sql import ALEMBIC_SCRIPTS_LOCATION

_ENGINES = 64
"""Each keeps what it compiled: two databases of an instance, and the newest of one for each run."""


@contextmanager
def kept_dagster() -> Iterator[None]:
    """Keep Dagster's engines and migrations; every connection is opened and closed as ever."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (sqlite_event_log, sqlite_run_storage, sqlite_schedule_storage):
            patch.setattr(module, "create_engine", _engine)
        patch.setattr(ScriptDirectory, "from_config", _migrations)
        yield


def _engine(url: str, *, poolclass: type[sa.Pool], connect_args: dict[str, Any] | None = None) -> sa.Engine:
    if poolclass is not sa.NullPool:
        raise AssertionError(f"Dagster keeps connections in a {poolclass.__name__}: its engines are kept already")
    return _kept_engine(url, tuple(sorted((connect_args or {}).items())))


@lru_cache(_ENGINES)
def _kept_engine(url: str, arguments: tuple[tuple[str, Any], ...]) -> sa.Engine:
    return sa.create_engine(url, poolclass=sa.NullPool, connect_args=dict(arguments))


_read_migrations = ScriptDirectory.from_config


def _migrations(config: Config) -> ScriptDirectory:
    """The migrations that a configuration names, read once where they are Dagster's."""
    is_dagsters = config.get_main_option("script_location") == ALEMBIC_SCRIPTS_LOCATION
    return _kept_migrations(config) if is_dagsters else _read_migrations(config)


_kept_migrations = cache(_read_migrations)
