"""A PostgreSQL server of Debian's package for tests: on loopback, with a data folder of its own, ended by its tests."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

PASSWORD = "not-to-be-shown"  # of a server that only its test reaches


@dataclass(frozen=True)
class Postgres:
    """A running server."""

    port: int
    restart: Callable[[], None]
    """Ends it as a crash would, and starts it again over its data."""

    def url(self, database: str = "postgres") -> str:
        """The URL of a database, as ``OGAART_DATABASE_URL`` may hold it."""
        return f"postgresql://ogaart:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def fresh(self, name: str) -> str:
        """Make an empty database; returns its URL."""
        engine = sa.create_engine(
            self.url().replace("postgresql:", "postgresql+psycopg2:"), isolation_level="AUTOCOMMIT"
        )
        with engine.connect() as connection:
            connection.execute(sa.text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))
            connection.execute(sa.text(f'CREATE DATABASE "{name}"'))
        engine.dispose()
        return self.url(name)


def binaries() -> Path | None:
    """The folder of initdb and postgres: Debian's, or that of the programs on the path."""
    newest = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    found = newest[-1] if newest else shutil.which("initdb")
    return Path(found).parent if found else None


@contextmanager
def running(programs: Path) -> Iterator[Postgres]:
    """Start a server, and end it."""
    user = _user()
    folder = Path(tempfile.mkdtemp(prefix="ogaart-postgres-"))
    data, secret = folder / "data", folder / "password"
    secret.write_text(PASSWORD)
    if user is not None:
        for path in (folder, secret):
            shutil.chown(path, user)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--no-sync", "--encoding=UTF8", "--auth=scram-sha-256", "--username=ogaart", f"--pwfile={secret}"]
    try:
        _call([programs / "initdb", f"--pgdata={data}", "--locale=C", *options], user)
        flags = f"-h 127.0.0.1 -p {port} -k {folder} -c fsync=off"
        start = [f"--pgdata={data}", f"--log={folder / 'log'}", "-o", flags]
        _call([programs / "pg_ctl", "start", "-w", *start], user)
        try:
            yield Postgres(port, lambda: _call([programs / "pg_ctl", "restart", "-w", "-m", "immediate", *start], user))
        finally:
            _call([programs / "pg_ctl", "stop", "-w", "-m", "immediate", f"--pgdata={data}"], user)
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A server for all tests of this process; they are skipped where PostgreSQL is not installed."""
    programs = binaries()
    if programs is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    pytest.importorskip("psycopg2")
    with running(programs) as server:
        yield server


def _call(words: list[str | Path], user: str | None) -> None:
    groups = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if user else {}
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, cwd="/", **groups)  # type: ignore[call-overload]


def _user() -> str | None:
    """PostgreSQL does not run as root: its package's own user does then."""
    if os.getuid():
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"
