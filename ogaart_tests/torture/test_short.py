"""A short torture with every test run; the whole of it is ``make torture``."""

import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ogaart.core.fault_injection import Fault
from ogaart_tests.postgres import Postgres, postgres
from ogaart_tests.torture.deceit import deceit
from ogaart_tests.torture.flood import flood
from ogaart_tests.torture.kills import Bench, Blow, bench
from ogaart_tests.torture.lost_databases import Changed
from ogaart_tests.torture.mutations import mutated, try_files, try_pages
from ogaart_tests.torture.parts import PARTS
from ogaart_tests.torture.small_site import small_site
from ogaart_tests.torture.spoils import BATCHES, Spoiler
from ogaart_tests.torture.storm import storm

__all__ = ["postgres"]


@pytest.fixture(scope="module")
def shared_bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with bench(tmp_path_factory.mktemp("bench")) as made:
        yield made


@pytest.mark.slow
@pytest.mark.parametrize("blow", [Blow("begun", Fault.POINTERS_SWITCHED, 20)], ids=str)
def test_a_killed_run_is_repaired_by_the_next(shared_bench: Bench, blow: Blow) -> None:
    assert shared_bench.strike(blow).problems == ()


SOME_BLOWS = [
    Blow("begun", Fault.BLOB_WRITTEN, 9),
    Blow("begun", Fault.SEGMENT_WRITTEN),
    Blow("begun", Fault.CURRENT_SWITCHED),
    Blow("begun", Fault.CUT_MADE, how="term"),
    Blow("begun", Fault.TABLE_DRAFTED, 3, how="full"),
    Blow("begun", Fault.CATALOG_BUILT, how="full"),
]


@pytest.mark.slow
@pytest.mark.parametrize("blow", SOME_BLOWS, ids=str)
def test_more_blows(shared_bench: Bench, blow: Blow) -> None:
    assert shared_bench.strike(blow).problems == ()


@pytest.mark.slow
def test_a_killed_run_on_postgresql_is_repaired_by_the_next(postgres: Postgres, tmp_path: Path) -> None:
    with bench(tmp_path, postgres) as made:
        assert made.strike(Blow("begun", Fault.POINTERS_SWITCHED, 20)).problems == ()


@pytest.mark.slow
def test_a_table_of_a_servers_database_that_is_lost_is_made_again(postgres: Postgres, tmp_path: Path) -> None:
    with small_site() as site:
        dropped = Changed("the table pointers dropped", ("DROP TABLE pointers",))

        assert Spoiler(tmp_path, site, postgres).lose(dropped) == []


@pytest.mark.slow
def test_a_storm_loses_nothing(tmp_path: Path) -> None:
    seen = storm(tmp_path, seed=5, seconds=20, clients=3)

    assert seen.problems == []
    assert seen.runs > 6


@pytest.mark.slow
def test_damage_is_noticed_and_repaired(tmp_path: Path) -> None:
    with small_site() as site:
        spoiler = Spoiler(tmp_path, site)

        assert spoiler.spoil(BATCHES[0]) == []


def test_a_hostile_site_is_read_completely_and_politely(tmp_path: Path) -> None:
    seen = flood(tmp_path, seed=3, things=60, down=False)

    assert seen.problems == []
    assert seen.faults > 10


@pytest.mark.slow
def test_a_site_that_lies_loses_nothing(tmp_path: Path) -> None:
    seen = deceit(tmp_path, seed=9, rounds=1)

    assert seen.problems == []
    assert len(seen.lies) > 3


def test_broken_files_give_rows_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()

    seen = try_files(tmp_path / "files", seed=11, archives=60, pictures=90)

    assert seen.problems == []
    assert seen.outcomes["failed"] > 20


def test_broken_pages_give_records_or_declared_errors() -> None:
    seen = try_pages(seed=11, number=200)

    assert seen.problems == []
    assert seen.outcomes["PageUnreadable"] > 10


def test_a_seed_breaks_in_the_same_way() -> None:
    whole = bytes(range(256))

    assert mutated(whole, random.Random(4)) == mutated(whole, random.Random(4)) != whole


def test_the_commands_that_the_docs_show_exist() -> None:
    root = Path(__file__).parents[2]
    text = (root / "docs" / "reliability.md").read_text(encoding="utf-8")
    targets = re.findall(r"^(\w+):", (root / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)

    assert set(re.findall(r"make (\w+)", text)) <= set(targets)
    for part in re.findall(r"--only (\w+)", text):
        assert part in PARTS
    for point in re.findall(r"OGAART_FAULT=(\w+)", text):
        assert point in list(Fault)
