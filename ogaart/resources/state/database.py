"""The database of state, opened: SQLite under the data root, or the PostgreSQL that ``OGAART_DATABASE_URL`` names.

It is brought to this program's version when it is first opened. Nothing dear is stored in it alone: what it holds can
be made again from the objects, or from journals, under the data root.
"""

import os
import re
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from ogaart.core.fault_injection import Fault, fault
from ogaart.core.full_disk import is_disk_full
from ogaart.resources.objects.factory import open_objects, require_complete
from ogaart.resources.state import root_identity
from ogaart.resources.state.layout import alembic_config, complete_layout, what_it_lacks
from ogaart.resources.state.migrations import REVISIONS
from ogaart.resources.state.schema import DATA_ROOT, JOURNALS, METADATA
from ogaart.resources.state.sqlite_files import files_of, log_of
from ogaart.resources.storage.data_root import DataRoot
from ogaart.resources.storage.lock_names import state_lock
from ogaart.resources.storage.locks import hold
from ogaart.settings import Settings, shown_url

BUSY_SECONDS = 30.0
"""Seconds that a transaction waits for another process's; none lasts longer than the rows of one upgrade take."""
_PAUSE = 0.5
_KEEPALIVE = {"tcp_keepalives_idle": 30, "tcp_keepalives_interval": 10, "tcp_keepalives_count": 3}
_OTHER_LAYOUT = frozenset({"42P01", "42P07", "42703"})
"""PostgreSQL's codes for a table or column that is missing, and for one that is there already."""
_UNREADABLE = frozenset({"XX001", "XX002", "58P01"})
"""The same for pages, indices and files of its own that are damaged or missing."""
_NO_RIGHT = "42501"
_NO_DATABASE = re.compile(r'database "(.+)" does not exist')
"""How PostgreSQL refuses a connection to a database that was not made: it has no code."""
_WRITES = "ogaart_writes"
_SYNCED = "ogaart_synced"


class StateRefused(RuntimeError):
    """The database of state cannot be reached, or is of a newer version."""


class StateDamaged(RuntimeError):
    """The database of state is not as it was written."""


class StateDatabase:
    """The database of state; opened when it is first used, for any number of threads.

    Args:
        settings: the data root, or the URL of a PostgreSQL database.
        read_only: change nothing: for ``verify``, also on a read-only disk. SQLite alone.
        copying: for the command that copies a data root into the bucket: open it where that is incomplete, too.
    """

    def __init__(self, settings: Settings, *, read_only: bool = False, copying: bool = False) -> None:
        self._settings = settings
        self._copying = copying
        self._root = DataRoot.of(settings)
        self._url = settings.database_url
        # On a read-only disk SQLite opens no database with a write-ahead log, but as one that cannot change.
        self._immutable = self._url is None and self._root.root.exists() and not self._root.writable
        self._read_only = read_only or self._immutable

    @property
    def path(self) -> Path | None:
        """The file, where the database is SQLite."""
        return self._root.state if self._url is None else None

    @property
    def where(self) -> str:
        """The file, or the URL without the password."""
        if self._url is None:
            return str(self.path)
        return shown_url(_engine_url(self._url.get_secret_value()).render_as_string())

    @property
    def folder(self) -> Path:
        """The data root."""
        return self._root.root

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A transaction that sees one moment.

        Raises:
            StateRefused: the database cannot be reached, or is of a newer version.
            StateDamaged: it is not as it was written.
        """
        with self.in_words(), self._connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self, *, synced: bool = True) -> Iterator[sa.Connection]:
        """A transaction: all of it is on disk when the block ends well, and nothing of it where it raises.

        Args:
            synced: whether SQLite syncs it, so that it survives a power cut; a killed process loses it in no case.

        Raises:
            StateRefused: the database cannot be reached, or is of a newer version.
            StateDamaged: it is not as it was written.
        """
        options = {_WRITES: True, _SYNCED: synced}
        with self.in_words(), self._connect() as connection, connection.execution_options(**options).begin():
            yield connection
            fault(Fault.STATE_DRAFTED)

    @contextmanager
    def connection(self) -> Iterator[sa.Connection]:
        """A connection of the caller's own, without a transaction.

        It may be kept for hours of other work, whose errors are not this database's: what is sent through it is put
        into words by ``in_words``.

        Raises:
            StateRefused: the database cannot be reached, or is of a newer version.
        """
        with ExitStack() as stack:
            with self.in_words():
                connection = stack.enter_context(self._connect())
            yield connection

    def _connect(self) -> sa.Connection:
        """A connection; to a server that was there before and is being restarted, for a while again and again."""
        deadline = time.monotonic() + BUSY_SECONDS
        while True:
            engine = self._engine
            try:
                return engine.connect()
            except sa.exc.OperationalError:
                if self._url is None or time.monotonic() > deadline:
                    raise
                time.sleep(_PAUSE)

    def close(self) -> None:
        """Close the connections; the next use opens them again."""
        engine = self.__dict__.pop("_engine", None)
        if engine is not None:
            engine.dispose()

    def lacks(self) -> str:
        """Which table, column or version a server's database lacks; empty where nothing, and of SQLite's file.

        Raises:
            StateRefused: the server cannot be reached.
        """
        if self._url is None:
            return ""  # ``layout_problem`` tells
        with self._alone() as engine, engine.connect() as connection:
            return what_it_lacks(connection)

    def complete(self) -> None:
        """Make what a server's database lacks, empty; the stores that keep rows in it make all of theirs again.

        Raises:
            StateRefused: the server cannot be reached, or the database belongs to another data root.
        """
        self.close()
        with self._alone() as engine, hold(state_lock(self._root), timeout=BUSY_SECONDS), _writer(engine) as connection:
            complete_layout(connection)
            connection.execute(sa.delete(JOURNALS))
            try:
                root_identity.require_own(connection, self._root, self.where)
            except root_identity.OtherDataRoot as cause:
                raise StateRefused(f"OGAART_DATABASE_URL: {cause}") from cause

    @contextmanager
    def _alone(self) -> Iterator[sa.Engine]:
        """The server's database as it is, neither upgraded nor claimed."""
        assert self._url is not None
        engine = _postgres(self._url.get_secret_value())
        try:
            with self.in_words():
                yield engine
        finally:
            engine.dispose()

    def discard(self) -> None:
        """Remove everything in it; the stores that keep rows in it make them again."""
        self.close()
        if self.path is None:
            with self.writing() as connection:
                for table in reversed(METADATA.sorted_tables):
                    if table is DATA_ROOT:
                        continue
                    connection.execute(sa.delete(table))
            return
        for path in reversed(files_of(self.path)):
            path.unlink(missing_ok=True)

    @cached_property
    def _engine(self) -> sa.Engine:
        if self._url is not None:
            engine = _postgres(self._url.get_secret_value())
        else:
            unchanging = self._immutable and not _size(log_of(self._root.state))
            engine = _sqlite(self._root.state, read_only=self._read_only, immutable=unchanging)
        _keep_from_children(engine)
        if not self._read_only:
            _migrate(engine, self._root)
        if self._url is not None:
            self._require_own(engine)
        return engine

    def _require_own(self, engine: sa.Engine) -> None:
        objects = open_objects(self._settings)
        if not self._copying:
            require_complete(objects, self._root.root)
        objects.fetch([self._root.identity])
        try:
            if not self._read_only:
                root_identity.claim(lambda: _writer(engine), self._root, objects)
            with engine.connect() as connection:
                if self._read_only and not sa.inspect(connection).has_table(DATA_ROOT.name):
                    return  # of a version before
                root_identity.require_own(connection, self._root, self.where)
        except root_identity.OtherDataRoot as cause:
            raise StateRefused(f"OGAART_DATABASE_URL: {cause}") from cause

    @contextmanager
    def in_words(self) -> Iterator[None]:
        """Say of what fails meanwhile which database it was, what the cause is, and what to do.

        Raises:
            StateRefused: the database cannot be reached.
            StateDamaged: it is not as it was written.
        """
        try:
            yield
        except ModuleNotFoundError as cause:
            raise StateRefused(
                f"OGAART_DATABASE_URL: its driver is not installed ({cause}): `pip install psycopg2-binary`, for a URL "
                "that begins with postgresql://"
            ) from cause
        except (sa.exc.DBAPIError, sa.exc.NoSuchModuleError) as cause:
            if is_disk_full(cause) or (self.path is not None and isinstance(cause, sa.exc.OperationalError)):
                raise  # its own words: full, held by another process, not readable for this user
            first = (str(getattr(cause, "orig", None) or cause).strip().splitlines() or [""])[0]
            if self.path is not None:
                raise StateDamaged(f"{self.path}: {first}: run `ogaart verify --repair`") from cause
            code = getattr(getattr(cause, "orig", None), "pgcode", None)
            if code in _OTHER_LAYOUT:
                raise StateDamaged(f"{self.where}: {first}: run `ogaart verify --repair`") from cause
            if code in _UNREADABLE:
                raise StateDamaged(
                    f"{self.where}: {first}: the server's own files are damaged: restore it, or name an empty database "
                    "in OGAART_DATABASE_URL, whose rows are made again from what else is stored"
                ) from cause
            made = _NO_DATABASE.search(first)
            way_out = f": make it, such as by `createdb {made[1]}`" if made is not None else ""
            if code == _NO_RIGHT:
                way_out = ": name a user who owns the database, or grant this one all rights on its schema and tables"
            raise StateRefused(f"OGAART_DATABASE_URL ({self.where}): {first}{way_out}") from cause


def is_made(state: StateDatabase, name: str) -> bool:
    """Whether the database has all rows of this name: those of a new one are made again from what else is stored."""
    with state.reading() as connection:
        return connection.scalar(sa.select(JOURNALS.c.id).where(JOURNALS.c.name == name)) is not None


def upsert(connection: sa.Connection, table: sa.Table, rows: list[dict[str, Any]], *, newest: str = "") -> None:
    """Insert rows, or replace those of the same key.

    Args:
        connection: within a transaction that writes.
        table: a table with a primary key.
        rows: all columns of each.
        newest: name of a column; a stored row that has a larger value there is kept.
    """
    if not rows:
        return
    connection.execute(_upsert(connection.dialect.name, table, newest), rows)


@cache
def _upsert(dialect: str, table: sa.Table, newest: str) -> sa.Insert:
    statement = (postgresql if dialect == "postgresql" else sqlite).insert(table)
    keys = [column.name for column in table.primary_key]
    values: Mapping[str, Any] = {c.name: statement.excluded[c.name] for c in table.columns if c.name not in keys}
    unless = statement.excluded[newest] >= table.c[newest] if newest else None
    replacing: sa.Insert = statement.on_conflict_do_update(index_elements=keys, set_=values, where=unless)
    return replacing


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _sqlite(path: Path, *, read_only: bool, immutable: bool = False) -> sa.Engine:
    if not read_only:
        path.parent.mkdir(parents=True, exist_ok=True)
    name = f"file:{path}?mode=ro{'&immutable=1' if immutable else ''}&uri=true" if read_only else str(path)
    engine = sa.create_engine(f"sqlite:///{name}", connect_args={"timeout": BUSY_SECONDS})

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.text_factory = lambda data: data.decode("utf-8", "replace")  # damage is told by the seals of rows
        connection.isolation_level = None  # transactions begin below: the driver's own leave out changes of the schema
        if not read_only:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        # What writes says so at once: two readers that both went on to write would each wait for the other.
        options = connection.get_execution_options()
        writes, synced = options.get(_WRITES), options.get(_SYNCED, True)
        if writes and connection.info.get(_SYNCED, True) != synced:
            connection.exec_driver_sql(f"PRAGMA synchronous = {'FULL' if synced else 'NORMAL'}")
            connection.info[_SYNCED] = synced
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgres(url: str) -> sa.Engine:
    # What is read within a transaction is of one moment, as with SQLite.
    engine = sa.create_engine(_engine_url(url), isolation_level="REPEATABLE READ", pool_pre_ping=True)

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        # A host that lost its power holds its locks until the server notices.
        with connection.cursor() as cursor:
            for name, value in _KEEPALIVE.items():
                cursor.execute(f"SET {name} = {value}")
        connection.commit()

    return engine


def _engine_url(text: str) -> sa.URL:
    url = sa.engine.make_url(text)
    # SQLAlchemy's default is another driver than Dagster's.
    return url.set(drivername="postgresql+psycopg2") if url.drivername in {"postgres", "postgresql"} else url


@contextmanager
def _writer(engine: sa.Engine) -> Iterator[sa.Connection]:
    with engine.connect() as connection, connection.execution_options(**{_WRITES: True}).begin():
        yield connection


def _keep_from_children(engine: sa.Engine) -> None:
    """Let a forked process open connections of its own: its parent's, used by both, would mix their answers."""

    @sa.event.listens_for(engine, "connect")
    def note(_connection: object, record: Any) -> None:
        record.info["pid"] = os.getpid()

    @sa.event.listens_for(engine, "checkout")
    def check(_connection: object, record: Any, proxy: Any) -> None:
        if record.info["pid"] != os.getpid():
            record.dbapi_connection = proxy.dbapi_connection = None
            raise sa.exc.DisconnectionError("opened by another process")


def _migrate(engine: sa.Engine, root: DataRoot) -> None:
    """Bring the database to this program's version, or leave it as it is."""
    if _version(engine) == REVISIONS[-1]:
        return
    with hold(state_lock(root), timeout=BUSY_SECONDS, what="the database of state"):
        version = _version(engine)
        if version == REVISIONS[-1]:
            return  # another process was quicker
        if version is not None and version not in REVISIONS:
            raise StateRefused(
                f"the database of state has version {version}, this program's is {REVISIONS[-1]}: use the program that "
                "wrote it, or a newer one. If none did, the number is damaged: stop all runs, and delete the database "
                f"({root.state}, where it is SQLite); it is made again from what else is stored"
            )
        from alembic import command

        with _writer(engine) as connection:
            command.upgrade(alembic_config(connection), "head")


def _version(engine: sa.Engine) -> str | None:
    with engine.connect() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        version = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
        return None if version is None else str(version)
