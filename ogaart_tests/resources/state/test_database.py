"""The database of state on SQLite and on PostgreSQL: versions, transactions, and what is said where it fails."""

import json
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from ogaart.cli.failures import describe
from ogaart.resources.state.database import StateDamaged, StateDatabase, StateRefused, upsert
from ogaart.resources.state.migrations import REVISIONS
from ogaart.resources.state.schema import DATA_ROOT, JOURNALS, METADATA
from ogaart.settings import Settings
from ogaart_tests.postgres import PASSWORD, Postgres, postgres

__all__ = ["postgres"]

BACKENDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)]


@pytest.fixture(params=BACKENDS)
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """A data root with either database."""
    if request.param == "sqlite":
        return Settings(data=tmp_path)
    server: Postgres = request.getfixturevalue("postgres")
    return Settings(data=tmp_path, database_url=SecretStr(server.fresh("database")))


@pytest.fixture
def state(settings: Settings) -> Iterator[StateDatabase]:
    with closing(StateDatabase(settings)) as database:
        yield database


def positions(state: StateDatabase) -> dict[str, int]:
    with state.reading() as connection:
        return {row.name: row.position for row in connection.execute(sa.select(JOURNALS))}


def put(state: StateDatabase, name: str, position: int, *, newest: str = "") -> None:
    with state.writing() as connection:
        upsert(connection, JOURNALS, [{"name": name, "id": "a", "position": position}], newest=newest)


def test_migrations_make_the_tables_that_the_program_declares(state: StateDatabase) -> None:
    with state.reading() as connection:
        dialect, inspector = connection.dialect, sa.inspect(connection)
        made = {
            name: [(c["name"], c["type"].compile(dialect), c["nullable"]) for c in inspector.get_columns(name)]
            for name in inspector.get_table_names()
        }
        version = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))

    del made["alembic_version"]
    assert made == {
        table.name: [(c.name, c.type.compile(dialect), c.nullable) for c in table.columns]
        for table in METADATA.sorted_tables
    }
    assert version == REVISIONS[-1]


def test_every_migration_is_listed() -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", "ogaart.resources.state:migrations")

    found = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]

    assert tuple(reversed(found)) == REVISIONS


def test_rows_are_replaced_unless_the_stored_one_is_newer(state: StateDatabase) -> None:
    for position, newest in ((5, ""), (3, "position"), (4, "")):
        put(state, "x", position, newest=newest)

    assert positions(state) == {"x": 4}


def test_a_transaction_that_fails_leaves_nothing(state: StateDatabase) -> None:
    put(state, "x", 1)

    def fail() -> None:
        with state.writing() as connection:
            upsert(connection, JOURNALS, [{"name": "y", "id": "a", "position": 2}])
            raise KeyError

    with pytest.raises(KeyError):
        fail()

    assert positions(state) == {"x": 1}


def test_a_newer_version_is_refused_and_left_as_it_is(settings: Settings, state: StateDatabase) -> None:
    with state.writing() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    state.close()

    with pytest.raises(StateRefused, match=r"version 9999, this program's is .*delete the database \(.*state.db"):
        positions(state)


def test_a_forked_process_opens_connections_of_its_own(state: StateDatabase) -> None:
    put(state, "parent", 1)

    child = os.fork()
    if child == 0:
        put(state, "child", 2)
        os._exit(0)
    _, status = os.waitpid(child, 0)

    assert status == 0
    put(state, "parent", 3)
    assert positions(state) == {"parent": 3, "child": 2}


def test_what_is_discarded_is_made_again_empty(state: StateDatabase) -> None:
    put(state, "x", 1)

    state.discard()

    assert positions(state) == {}


def test_sqlite_syncs_each_transaction_and_lets_readers_on(tmp_path: Path) -> None:
    with closing(StateDatabase(Settings(data=tmp_path))) as state, state.writing() as connection:
        pragmas = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]

        with closing(StateDatabase(Settings(data=tmp_path))) as other:
            seen = positions(other)

    assert pragmas == ["wal", 2]
    assert seen == {}


@pytest.mark.parametrize("harm", [b"nonsense" * 2000, b"half"], ids=["garbled", "torn"])
def test_a_damaged_file_is_named_with_the_way_out(tmp_path: Path, harm: bytes) -> None:
    with closing(StateDatabase(Settings(data=tmp_path))) as state:
        put(state, "x", 1)
        state.close()
        path = tmp_path / "state.db"
        path.write_bytes(path.read_bytes()[:5000] if harm == b"half" else harm)

        with pytest.raises(StateDamaged) as caught:
            positions(state)

    code, sentence = describe(caught.value)
    assert code == 8
    assert str(path) in sentence
    assert "run `ogaart verify --repair`" in sentence


def test_a_database_that_another_program_holds_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ogaart.resources.state.database.BUSY_SECONDS", 0.05)
    with closing(StateDatabase(Settings(data=tmp_path))) as state:
        put(state, "x", 1)
        with closing(sqlite3.connect(tmp_path / "state.db")) as holder:
            holder.execute("BEGIN IMMEDIATE")
            with pytest.raises(sa.exc.OperationalError) as caught:
                put(state, "x", 2)

    assert describe(caught.value) == (5, "database is locked: close the program that has it open for writing")


@pytest.mark.parametrize("text", ["ogaart:{}@127.0.0.1:9/state", "127.0.0.1:9/state?user=ogaart&password={}"])
def test_a_server_that_does_not_respond_is_named_without_its_password(text: str, tmp_path: Path) -> None:
    url = SecretStr(f"postgresql://{text.format(PASSWORD)}")

    with closing(StateDatabase(Settings(data=tmp_path, database_url=url))) as state, pytest.raises(StateRefused) as no:
        positions(state)

    code, sentence = describe(no.value)
    assert code == 5
    assert "127.0.0.1:9/state" in sentence
    assert PASSWORD not in sentence + repr(no.value) + repr(Settings(data=tmp_path, database_url=url))


def test_a_driver_that_is_not_installed_is_named(tmp_path: Path) -> None:
    url = SecretStr(f"postgresql+pg8000://ogaart:{PASSWORD}@127.0.0.1:9/state")

    with closing(StateDatabase(Settings(data=tmp_path, database_url=url))) as state, pytest.raises(StateRefused) as no:
        positions(state)

    assert "pip install psycopg2-binary" in str(no.value)


@pytest.mark.slow
def test_a_database_that_was_not_made_is_refused_with_the_way_out(tmp_path: Path, postgres: Postgres) -> None:
    url = SecretStr(postgres.fresh("made").replace("made", "not-made"))

    with closing(StateDatabase(Settings(data=tmp_path, database_url=url))) as state, pytest.raises(StateRefused) as no:
        positions(state)

    assert str(no.value).endswith('database "not-made" does not exist: make it, such as by `createdb not-made`')


@pytest.mark.slow
def test_a_user_who_may_only_read_is_refused_with_the_way_out(tmp_path: Path, postgres: Postgres) -> None:
    settings = Settings(data=tmp_path / "data", database_url=SecretStr(postgres.fresh("rights")))
    with closing(StateDatabase(settings)) as state, state.reading():
        pass  # which makes its tables
    with postgres.administering("rights") as server:
        server.execute(sa.text("DROP ROLE IF EXISTS reader"))
        server.execute(sa.text(f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'"))
    reader = postgres.url("rights").replace("//ogaart:", "//reader:")

    with (
        pytest.raises(StateRefused, match=r"permission denied for .*: name a user who owns the database, or grant"),
        closing(StateDatabase(Settings(data=tmp_path / "data", database_url=SecretStr(reader)))) as state,
        state.reading(),
    ):
        pass


def test_a_database_of_another_data_root_is_refused_with_the_way_out(tmp_path: Path, postgres: Postgres) -> None:
    url = SecretStr(postgres.fresh("shared"))
    first, second = (Settings(data=tmp_path / name, database_url=url) for name in ("first", "second"))
    with closing(StateDatabase(first)) as state:
        put(state, "x", 1)
        state.discard()  # repaired: it still belongs to the same data root

    with closing(StateDatabase(second)) as state, pytest.raises(StateRefused, match="belongs to another") as refused:
        positions(state)

    code, sentence = describe(refused.value)
    assert code == 5
    assert (str(first.data) in sentence, str(second.data) in sentence, PASSWORD in sentence) == (True, True, False)
    (line,) = re.findall(r"write (\{.*\}) to", sentence)
    (second.data / "root.json").parent.mkdir(exist_ok=True)
    (second.data / "root.json").write_text(line)
    with closing(StateDatabase(second)) as state:
        assert positions(state) == {}


@pytest.mark.slow
def test_a_data_root_takes_its_id_to_a_new_database(tmp_path: Path, postgres: Postgres) -> None:
    ids = set()
    for name in ("old", "new"):
        settings = Settings(data=tmp_path, database_url=SecretStr(postgres.fresh(name)))
        with closing(StateDatabase(settings)) as state, state.reading() as connection:
            ids.add(connection.execute(sa.select(DATA_ROOT.c.id)).scalar_one())

    assert ids == {json.loads((tmp_path / "root.json").read_text())["id"]}


def test_another_kind_of_database_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="begins with postgresql://") as caught:
        Settings(data=tmp_path, database_url=SecretStr(f"mysql://ogaart:{PASSWORD}@host/state"))

    assert PASSWORD not in str(caught.value)


HARMS = {
    **{f"no {table.name}": f"DROP TABLE {table.name}" for table in METADATA.sorted_tables},
    "no version": "DROP TABLE alembic_version",
    "an empty version": "DELETE FROM alembic_version",
    "no column": "ALTER TABLE facts DROP COLUMN content",
}


@pytest.mark.slow
@pytest.mark.parametrize("harm", HARMS)
def test_what_a_servers_database_lacks_is_named_and_made_again(harm: str, tmp_path: Path, postgres: Postgres) -> None:
    settings = Settings(data=tmp_path, database_url=SecretStr(postgres.fresh("lacking")))
    with closing(StateDatabase(settings)) as state:
        put(state, "x", 1)
        assert state.lacks() == ""
        owner = (tmp_path / "root.json").read_text()
        with postgres.administering("lacking") as connection:
            connection.execute(sa.text(HARMS[harm]))

        lacking = state.lacks()
        state.complete()

        assert lacking in {"its version is missing", "the table facts lacks content"} or harm[3:] in lacking
        assert state.lacks() == ""
        assert positions(state) == {}  # so that the rows of all stores are made again
        with state.reading() as connection:
            assert [
                connection.execute(sa.select(table)).all() for table in METADATA.sorted_tables if table is not DATA_ROOT
            ]
            [(_, known, *_)] = connection.execute(sa.select(DATA_ROOT)).all()
        assert known in owner


@pytest.mark.slow
def test_a_table_that_a_servers_database_lacks_is_damage_with_the_way_out(tmp_path: Path, postgres: Postgres) -> None:
    settings = Settings(data=tmp_path, database_url=SecretStr(postgres.fresh("dropped")))
    for harm in ("DROP TABLE journals", "DROP TABLE data_root", "DROP TABLE alembic_version"):
        with closing(StateDatabase(settings)) as state:
            state.complete() if state.lacks() else put(state, "x", 1)
            state.close()
            with postgres.administering("dropped") as connection:
                connection.execute(sa.text(harm))

            with pytest.raises(StateDamaged) as caught:
                positions(state)

            code, sentence = describe(caught.value)
            assert code == 8
            assert PASSWORD not in sentence
            assert "run `ogaart verify --repair`" in sentence


@pytest.mark.slow
def test_the_database_of_another_data_root_is_not_completed(tmp_path: Path, postgres: Postgres) -> None:
    url = SecretStr(postgres.fresh("others"))
    first, second = (Settings(data=tmp_path / name, database_url=url) for name in ("first", "second"))
    with closing(StateDatabase(first)) as state:
        put(state, "x", 1)
    with postgres.administering("others") as connection:
        connection.execute(sa.text("DROP TABLE facts"))

    with closing(StateDatabase(second)) as state, pytest.raises(StateRefused, match="belongs to another data root"):
        state.complete()

    with closing(StateDatabase(first)) as state:
        assert state.lacks() == "the table facts lacks all columns"
