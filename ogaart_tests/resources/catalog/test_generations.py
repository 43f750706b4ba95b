"""Publications on real folders: building, switching, pruning, and what a killed build leaves."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from ogaart.resources.catalog.generations import AuditRow, Generation, GenerationMissing, Generations
from ogaart_tests.descriptors import files_left


def make(generations: Generations, text: str = "x") -> Generation:
    building = generations.begin()
    con = duckdb.connect(str(building.path / "ogaart.duckdb"))
    con.execute("CREATE TABLE t AS SELECT ? AS said", [text])
    con.close()
    (building.path / "index").mkdir()
    (building.path / "index" / "segment").write_text(text)
    (building.path / "manifest.json").write_text(
        json.dumps({"number": building.number, "space": "s", "model": "m", "counts": {}})
    )
    return building.finish()


def said(path: Path) -> str:
    with duckdb.connect(str(path), read_only=True) as con:
        return str(con.execute("SELECT said FROM t").fetchall()[0][0])


@pytest.fixture
def generations(tmp_path: Path) -> Generations:
    return Generations(tmp_path / "generations")


def test_a_finished_generation_is_not_in_service_until_switched_to(generations: Generations) -> None:
    assert generations.current() is None

    first = make(generations, "one")
    assert (first.number, first.path.name, generations.current()) == (1, "000001", None)

    generations.switch(1)
    assert generations.current() == first
    assert (generations.root / "current").readlink() == Path("000001")


def test_the_catalog_link_leads_through_the_switch(generations: Generations) -> None:
    make(generations, "one")
    make(generations, "two")
    link = generations.root.parent / "ogaart.duckdb"

    generations.switch(1)
    assert link.readlink() == Path("generations/current/ogaart.duckdb")
    assert said(link) == "one"

    generations.switch(2)
    assert said(link) == "two"


def test_every_file_but_the_engines_own_is_read_only(generations: Generations) -> None:
    made = make(generations)

    files = [p for p in made.path.rglob("*") if p.is_file() and made.index not in p.parents]
    assert {p.stat().st_mode & 0o777 for p in files} == {0o444}


def test_a_reader_that_resolved_current_stays_with_its_generation(generations: Generations) -> None:
    make(generations, "one")
    held = generations.switch(1)
    make(generations, "two")
    generations.switch(2)

    assert said(held.catalog) == "one"


def test_a_reader_reads_on_while_its_generation_is_pruned(generations: Generations) -> None:
    make(generations, "one")
    held = generations.switch(1)
    with duckdb.connect(str(held.catalog), read_only=True) as reader:
        for text in ("two", "three"):
            generations.switch(make(generations, text).number)
        assert generations.prune(2) == [1]
        assert reader.execute("SELECT said FROM t").fetchall() == [("one",)]


def test_a_writer_that_was_killed_does_not_stop_the_next_generation(generations: Generations) -> None:
    generations.switch(make(generations, "one").number)
    link = generations.root.parent / "ogaart.duckdb"
    vandal = (
        "import duckdb, os, sys, time; con = duckdb.connect(sys.argv[1]); con.execute('CREATE TABLE mine (x INT)');"
        "con.execute('INSERT INTO mine VALUES (1)'); os.kill(os.getpid(), 9)"
    )
    (generations.root / "000001" / "ogaart.duckdb").chmod(0o644)  # as a careless program would
    subprocess.run([sys.executable, "-c", vandal, str(link)], check=False)

    generations.switch(make(generations, "two").number)

    assert said(link) == "two"


def test_what_a_killed_build_left_is_removed_by_the_next(generations: Generations) -> None:
    building = generations.begin()
    (building.path / "words.sqlite").write_text("half")

    made = make(generations)

    assert sorted(p.name for p in generations.root.iterdir()) == ["000001"]
    assert made.number == 1


def test_an_abandoned_build_leaves_nothing(generations: Generations) -> None:
    generations.begin().abandon()

    assert list(generations.root.iterdir()) == []


def test_a_build_without_a_manifest_is_not_a_generation(generations: Generations) -> None:
    building = generations.begin()

    with pytest.raises(GenerationMissing, match=r"manifest\.json"):
        building.finish()
    assert generations.all() == []


def test_pruning_keeps_the_current_its_good_predecessors_and_the_newest(generations: Generations) -> None:
    for _ in range(5):
        make(generations)
    generations.record(3, [{"name": "points", "passed": False, "message": "", "counts": {}}])
    generations.switch(4)

    assert generations.prune(2) == [1, 3]
    assert generations.numbers() == [2, 4, 5]


def test_audits_take_the_place_of_a_folder_of_their_name(generations: Generations) -> None:
    made = make(generations)
    (made.path / "audits.json").mkdir()
    (made.path / "audits.json" / "file").write_text("x")

    generations.record(made.number, [{"name": "points", "passed": True, "message": "", "counts": {}}])

    assert [audit["name"] for audit in generations.get(made.number).audits] == ["points"]


def test_switching_to_what_is_not_there_changes_nothing(generations: Generations) -> None:
    generations.switch(make(generations, "one").number)

    with pytest.raises(GenerationMissing, match=r"generation 7 .* on disk: 1"):
        generations.switch(7)
    current = generations.current()
    assert current is not None
    assert current.number == 1


@pytest.mark.parametrize("point", ["generation_renamed", "current_switched"])
def test_a_kill_at_the_switch_leaves_a_whole_generation_in_service(generations: Generations, point: str) -> None:
    generations.switch(make(generations, "one").number)
    script = (
        "import sys; from pathlib import Path; from ogaart.resources.catalog.generations import Generations\n"
        "from ogaart_tests.resources.catalog.test_generations import make\n"
        "g = Generations(Path(sys.argv[1])); g.switch(make(g, 'two').number)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(generations.root)],
        env={**os.environ, "OGAART_FAULT": point},
        start_new_session=True,
        check=False,
    )

    assert done.returncode == -9
    expected = "two" if point == "current_switched" else "one"
    assert said(generations.root.parent / "ogaart.duckdb") == expected
    assert make(generations, "three").number == 3


def test_a_torn_generation_does_not_keep_its_successors_out(generations: Generations) -> None:
    for text in ("one", "two", "three"):
        generations.switch(make(generations, text).number)
    for number in (1, 3):
        manifest = generations.get(number).path / "manifest.json"
        manifest.unlink()
        manifest.write_text('{"number": ')

    assert [g.number for g in generations.all()] == [2]
    assert generations.replaceable() is None
    generations.switch(make(generations, "four").number)
    assert generations.prune(2) == [1, 3]
    assert generations.replaceable() == generations.current() == generations.get(4)


@pytest.mark.parametrize("spoil", [lambda p: p.symlink_to("nowhere"), lambda p: p.mkdir(), lambda p: p.touch()])
def test_a_link_that_leads_to_no_publication_says_so_and_is_replaced(
    generations: Generations, spoil: Callable[[Path], None]
) -> None:
    make(generations, "one")
    generations.switch(1)
    link = generations.root / "current"
    link.unlink()
    spoil(link)

    with pytest.raises(GenerationMissing, match=r"current .* run `ogaart publish`"):
        generations.current()
    assert generations.replaceable() is None

    if not link.is_dir():
        generations.switch(1)
        assert generations.current() == generations.get(1)


def test_a_process_that_may_open_no_more_files_misses_no_generation(generations: Generations) -> None:
    first = make(generations)
    generations.switch(1)

    for look in (
        generations.current,
        generations.replaceable,
        lambda: generations.get(1),
        lambda: first.lost_files(remote=False),
    ):
        with files_left(0), pytest.raises(OSError, match="Too many open files"):
            look()

    assert generations.replaceable() == first


def test_what_was_served_is_the_publication_in_service_and_those_before_it(generations: Generations) -> None:
    passed: AuditRow = {"name": "a", "passed": True, "message": "", "counts": {}}
    for number in range(1, 6):
        made = make(generations)
        generations.record(number, [{**passed, "passed": number != 2}])
        if number == 4:
            generations.switch(number)
    (generations.root / "000001" / "manifest.json").chmod(0o600)

    assert [one.number for one in generations.served()] == [4, 3, 1]
    assert made.number == 5
