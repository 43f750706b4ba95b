"""Analysts are never locked out and lock no process out, whatever runs, publishes, or is opened in the wrong way."""

import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from ogaart.cli.search_command import search
from ogaart.operations.rebuild import rebuild
from ogaart.resources.catalog.generations import Generations
from ogaart_tests.world import World

READER = """
import select, sys, duckdb
with duckdb.connect(sys.argv[1], read_only=True) as con:
    print("open", flush=True)
    asked, found = 0, set()
    while True:
        found.add(con.execute("SELECT (SELECT count(*) FROM images), (SELECT sum(rows) FROM funnel)").fetchone())
        asked += 1
        if asked == 1:
            print("asked", flush=True)
        if select.select([sys.stdin], [], [], 0.01)[0]:
            break
    print(asked, len(found), flush=True)
"""
WRITER = """
import sys, duckdb, time
con = duckdb.connect(sys.argv[1])
con.execute("CREATE TABLE mine AS SELECT * FROM range(100000)")
con.execute("BEGIN")
con.execute("INSERT INTO mine SELECT * FROM range(1000000)")
print("holding", flush=True)
time.sleep(600)
"""


def start(program: str, catalog: Path) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(catalog)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() in {"open", "holding"}
    return process


def some_image(world: World) -> str:
    """An image of the publication, from the service's own store: the catalog may be held."""
    with closing(sqlite3.connect(f"{world.generation.words.as_uri()}?mode=ro&immutable=1", uri=True)) as store:
        return str(store.execute("SELECT image_id FROM images LIMIT 1").fetchone()[0])


@pytest.mark.slow
def test_readers_go_on_while_runs_write_and_publish(copied: World) -> None:
    link = copied.settings.data / "ogaart.duckdb"
    readers = [start(READER, link) for _ in range(2)]
    first = copied.generation.number
    for reader in readers:
        assert reader.stdout is not None
        assert reader.stdout.readline().strip() == "asked"

    runs = copied.materialize(["2d-art/0000"])
    published = [rebuild(copied.settings, copied.quiet(), "catalog") for _ in range(2)]

    assert runs.errors == []
    assert [report.errors for report in published] == [[], []]
    assert first not in Generations(copied.stores.root.generations).numbers()  # deleted under the readers
    for reader in readers:
        out, _ = reader.communicate("end\n", timeout=30)
        asked, answers = map(int, out.split())
        assert reader.returncode == 0
        assert asked > 1
        assert answers == 1  # one publication, whatever happened meanwhile
    with duckdb.connect(str(link), read_only=True) as con:
        assert con.execute("SELECT count(*) FROM images").fetchall() == [(441,)]
    assert copied.generation.number == first + 2


@pytest.mark.slow
def test_who_opens_the_file_to_write_and_is_killed_breaks_that_copy_at_most(copied: World) -> None:
    catalog = copied.generation.catalog
    catalog.chmod(0o644)  # root writes to it as it is; others must force it like this
    writer = start(WRITER, catalog)
    image = some_image(copied)

    assert search(copied.settings, (image,), 3).records()  # the service reads a store of its own
    rebuilt = rebuild(copied.settings, copied.quiet(), "catalog")
    assert rebuilt.errors == []
    assert copied.sql("SELECT count(*) FROM images") == [(441,)]
    writer.send_signal(signal.SIGKILL)
    writer.wait(timeout=30)

    assert rebuild(copied.settings, copied.quiet(), "catalog").errors == []
    assert copied.sql("SELECT count(*) FROM images") == [(441,)]
    assert "mine" not in {name for (name,) in copied.sql("SELECT table_name FROM duckdb_tables()")}
