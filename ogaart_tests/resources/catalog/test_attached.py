"""The catalog attached to another database under a name of the reader's, in each DuckDB that the docs name."""

import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import numpy as np
import pytest

from ogaart.resources.catalog.generations import Generation
from ogaart.resources.catalog.views import VIEWS
from ogaart.resources.index.base import VectorIndex
from ogaart.resources.storage.vectors import Vectors
from ogaart_tests.resources.catalog.catalog_world import (
    ALL_OF_IT,
    SPACE,
    TWO_ENTRIES,
    World,
    fill,
    image_id,
    publish,
    sha,
    vector,
)

OAK = image_id("oak", "oak")
VERSIONS = ("1.1.3", "1.2.2", "1.3.2", "1.5.6")
MACROS = {
    "lineage": f"SELECT count(*) FROM {{0}}lineage({OAK})",
    "descendants": "SELECT count(*) FROM {0}descendants(of_partition := '2d/0000')",
    "image_url": f"SELECT count({{0}}image_url({OAK}))",
    "similar": f"SELECT count(*) FROM {{0}}similar({OAK})",
}
SEARCH_PATH = "SET search_path = 'memory.main,art.main'"
ASK = """
import json, sys
import duckdb

def said(con, statement):
    try:
        return con.execute(statement).fetchall()[0][0]
    except duckdb.Error as cause:
        return f"{type(cause).__name__}: {cause}"

con = duckdb.connect()
for statement in json.loads(sys.argv[1]):
    con.execute(statement)
print(json.dumps({name: said(con, statement) for name, statement in json.loads(sys.argv[2]).items()}))
"""


@pytest.fixture
def found(world: World, index: VectorIndex) -> Generation:
    world.partition("2d/0000", TWO_ENTRIES)
    fill(index, *ALL_OF_IT)
    Vectors(world.root / "vectors", SPACE).add([sha("oak"), sha("leaf")], np.stack([vector("oak"), vector("leaf")]))
    return publish(world, index, vectors=str(world.root / "vectors" / SPACE / "*.parquet"))


@pytest.mark.parametrize("name", ["art", "my catalog", None])
def test_views_work_under_any_name_as_they_are(found: Generation, name: str | None) -> None:
    with duckdb.connect() as con:
        con.execute(f"ATTACH '{found.catalog}'" + (f' AS "{name}"' if name else "") + " (READ_ONLY)")
        for view in VIEWS:
            con.execute(f'FROM "{name or "ogaart"}".{view.name}')
        rows = con.execute(f'SELECT member_path FROM "{name or "ogaart"}".lineages WHERE image_id = {OAK}').fetchall()

    assert sorted(rows) == [("",), ("art/oak.png",)]


def test_macros_work_under_a_name_while_the_reader_s_own_database_stays_the_default(found: Generation) -> None:
    with duckdb.connect() as con:
        con.execute("CREATE TABLE mine AS SELECT 7 AS seven")
        con.execute(f"ATTACH '{found.catalog}' AS art (READ_ONLY)")
        con.execute(SEARCH_PATH)

        counts = {name: con.execute(sql.format("art.")).fetchall() for name, sql in MACROS.items()}
        own = con.execute("FROM mine").fetchall()
        con.execute("CREATE TABLE copied AS FROM art.images")
        [(place,)] = con.execute("SELECT database_name FROM duckdb_tables() WHERE table_name = 'copied'").fetchall()

    assert counts == {"lineage": [(2,)], "descendants": [(4,)], "image_url": [(1,)], "similar": [(2,)]}
    assert (own, place) == ([(7,)], "memory")


def test_macros_work_once_the_catalog_is_the_default(found: Generation) -> None:
    with duckdb.connect() as con:
        con.execute(f"ATTACH '{found.catalog}' AS art (READ_ONLY)")
        con.execute("USE art")

        assert [con.execute(sql.format("")).fetchall()[0][0] for sql in MACROS.values()] == [2, 4, 1, 2]


def installed(version: str, folder: Path) -> Path:
    """DuckDB of a version in a folder of its own; where it cannot be installed, the test is skipped."""
    quiet = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run(
        [*quiet, "--no-deps", "--only-binary", ":all:", "--target", str(folder), f"duckdb=={version}"],
        check=False,
        capture_output=True,
    )
    if done.returncode:
        pytest.skip(f"no wheel of DuckDB {version} can be installed here")
    return folder


def said(folder: Path, prepare: list[str], statements: dict[str, str]) -> dict[str, object]:
    """What a DuckDB in a folder answers to each statement: its first value, or its error."""
    done = subprocess.run(
        [sys.executable, "-c", ASK, json.dumps(prepare), json.dumps(statements)],
        env={**os.environ, "PYTHONPATH": str(folder)},
        check=True,
        capture_output=True,
        text=True,
    )
    answers: dict[str, object] = json.loads(done.stdout)
    return answers


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
def test_what_each_duckdb_can_do(found: Generation, tmp_path: Path, version: str) -> None:
    folder = installed(version, tmp_path / "duckdb")
    attached = [f"ATTACH '{found.catalog}' AS art (READ_ONLY)"]
    views = {view.name: f"SELECT count(*) FROM art.{view.name}" for view in VIEWS}
    schema = "art.main." if version.startswith("1.1.") else "art."
    number = tuple(map(int, version.split(".")))

    as_it_is = said(folder, attached, {"version": "SELECT version()", **views})
    set_path = said(folder, [*attached, SEARCH_PATH], {k: sql.format(schema) for k, sql in MACROS.items()})
    default = said(folder, [*attached, "USE art"], {k: sql.format("") for k, sql in MACROS.items()} | {
        name: f"SELECT count(*) FROM {name}" for name in views
    })  # fmt: skip

    assert as_it_is.pop("version") == f"v{version}"
    assert all(isinstance(answer, int) for answer in as_it_is.values()) == (number >= (1, 2))
    for answers in (set_path, default):
        assert isinstance(answers.pop("similar"), int) == (number >= (1, 3)), answers
        assert all(isinstance(answer, int) for answer in answers.values()), answers
    assert (set_path["lineage"], set_path["descendants"]) == (2, 4)
