"""A PostgreSQL server of Debian's package for tests: on loopback, with a data folder of its own, ended by its tests."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

PASSWORD = "not-to-be-shown"  # of a server that only its test reaches
END_SESSIONS = sa.text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :database AND pid <> pg_backend_pid()"
)


@dataclass(frozen=True)
class Postgres:
    """A running server.

    Attributes:
        port: on loopback.
        folder: where its data and its log are.
        programs: the folder of its programs.
    """

    port: int
    folder: Path
    programs: Path

    def restart(self) -> None:
        """End it as a crash would, and start it again over its data."""
        self.control("restart", "-m", "immediate")

    def control(self, action: str, *options: str) -> None:
        """``pg_ctl``: start, stop or restart."""
        where = [f"--pgdata={self.folder / 'data'}"]
        if action != "stop":
            flags = f"-h 127.0.0.1 -p {self.port} -k {self.folder} -c fsync=off -c max_connections=200"
            where += [f"--log={self.folder / 'log'}", "-o", flags]
        _call([self.programs / "pg_ctl", action, "-w", *options, *where], _user())

    def url(self, database: str = "postgres") -> str:
        """The URL of a database, as ``OGAART_DATABASE_URL`` may hold it."""
        return f"postgresql://ogaart:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def fresh(self, name: str, like: str | None = None) -> str:
        """Make a database, in the place of one of that name; returns its URL.

        Args:
            name: its name.
            like: a database to copy; by default it is empty.
        """
        with self.administering() as connection:
            connection.execute(sa.text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))
            if like is not None:  # no other session may use it meanwhile, nor one whose process was killed just now
                connection.execute(END_SESSIONS, {"database": like})
            template = "" if like is None else f' TEMPLATE "{like}"'
            connection.execute(sa.text(f'CREATE DATABASE "{name}"{template}'))
        return self.url(name)

    @contextmanager
    def administering(self, database: str = "postgres") -> Iterator[sa.Connection]:
        """A connection of the server's owner, each of whose statements is committed."""
        url = self.url(database).replace("postgresql:", "postgresql+psycopg2:")
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with engine.connect() as connection:
            yield connection


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
    server = Postgres(port, folder, programs)
    try:
        _call([programs / "initdb", f"--pgdata={data}", "--locale=C", *options], user)
        server.control("start")
        try:
            yield server
        finally:
            server.control("stop", "-m", "immediate")
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
