"""Many entries at once leave search only with the operator's consent; what is blocked leaves in any case."""

from collections.abc import Collection

import duckdb
import pytest

from ogaart.resources.catalog.audits import Audit
from ogaart.resources.catalog.generations import Generation
from ogaart.resources.catalog.withdrawals import check_withdrawals, limit_of
from ogaart.resources.index.base import VectorIndex
from ogaart.resources.storage.takedowns import Takedowns
from ogaart_tests.resources.catalog.catalog_world import LATER, WHEN, Row, World, fill, publish, sha

NOTHING_BLOCKED = Takedowns()


def read(
    world: World, names: list[str], *, gone: Collection[str] = (), author: str = "Ann", late: bool = False
) -> None:
    """One partition as the stages leave it: an entry a name, each with one picture of its own."""

    def change(table: str, row: Row) -> Row:
        if table != "entries":
            return row
        return {**row, "author": author, "status": "private" if row["slug"] in gone else "ok"}

    entries = {name: {f"{name}.png": [name]} for name in names}
    world.partition("2d/0000", entries, change=change, fetched_at=LATER if late else WHEN)


def names(count: int) -> list[str]:
    return [f"e{n:02d}" for n in range(count)]


def check(
    before: Generation, after: Generation, takedowns: Takedowns = NOTHING_BLOCKED, *, accepted: bool = False
) -> Audit:
    with duckdb.connect(str(after.catalog), read_only=True) as con:
        return check_withdrawals(con, before, takedowns, accepted=accepted)


@pytest.mark.parametrize(("entries", "limit"), [(0, 5), (32, 5), (250, 5), (300, 6), (2_500, 50), (16_000, 50)])
def test_the_limit_is_two_per_cent_between_5_and_50(entries: int, limit: int) -> None:
    assert limit_of(entries) == limit


def test_28_of_32_refused_entries_are_held_back_until_accepted(world: World, index: VectorIndex) -> None:
    read(world, names(32))
    fill(index, *((name, name) for name in names(32)))
    before = publish(world, index)
    read(world, names(32), gone=set(names(28)), late=True)
    after = publish(world, index)

    held, accepted = check(before, after), check(before, after, accepted=True)

    assert not held.passed
    assert "28 of 32 entries in search would be withdrawn" in held.message
    assert "--accept-losses" in held.message
    assert (accepted.passed, accepted.counts["accepted"]) == (True, 1)


def test_five_of_32_are_published(world: World, index: VectorIndex) -> None:
    read(world, names(32))
    fill(index, *((name, name) for name in names(32)))
    before = publish(world, index)
    read(world, names(32), gone=set(names(5)), late=True)

    found = check(before, publish(world, index))

    assert (found.passed, found.counts["withdrawn"]) == (True, 5)


@pytest.mark.slow
def test_entries_that_lost_all_their_files_count_as_well(world: World, index: VectorIndex) -> None:
    read(world, names(32))
    fill(index, *((name, name) for name in names(32)))
    before = publish(world, index)
    world.partition("2d/0000", {name: {} for name in names(32)}, fetched_at=LATER)

    found = check(before, publish(world, index))

    assert (found.passed, found.counts["withdrawn"]) == (False, 32)


@pytest.mark.slow
def test_a_blocked_author_of_40_entries_holds_nothing_back(world: World, index: VectorIndex) -> None:
    read(world, names(40))
    fill(index, *((name, name) for name in names(40)))
    before = publish(world, index)
    takedowns = Takedowns(authors=("Ann",))

    found = check(before, publish(world, index, takedowns=takedowns), takedowns)

    assert found.passed
    assert (found.counts["withdrawn"], found.counts["blocked"]) == (0, 40)


@pytest.mark.slow
def test_a_blocked_collaborator_holds_nothing_back(world: World, index: VectorIndex) -> None:
    def change(table: str, row: Row) -> Row:
        return {**row, "collaborators": ["Bea", "Cleo"]} if table == "entries" else row

    world.partition("2d/0000", {name: {f"{name}.png": [name]} for name in names(12)}, change=change)
    fill(index, *((name, name) for name in names(12)))
    before = publish(world, index)
    takedowns = Takedowns(authors=("Cleo",))

    found = check(before, publish(world, index, takedowns=takedowns), takedowns)

    assert (found.passed, found.counts["blocked"], found.counts["withdrawn"]) == (True, 12, 0)


def test_blocked_and_lost_entries_are_counted_apart(world: World, index: VectorIndex) -> None:
    read(world, names(40))
    fill(index, *((name, name) for name in names(40)))
    before = publish(world, index)
    read(world, names(40), gone=set(names(30)), late=True)
    few_lost = Takedowns(entries=tuple(names(26)), pixels=(sha("e39"),))
    many_lost = Takedowns(entries=tuple(names(20)))

    after = publish(world, index, takedowns=few_lost)

    assert (check(before, after, few_lost).passed, check(before, after, few_lost).counts["withdrawn"]) == (True, 4)
    assert (check(before, after, many_lost).passed, check(before, after, many_lost).counts["withdrawn"]) == (False, 11)


def test_a_generation_that_cannot_be_read_keeps_nothing_out_of_service(world: World, index: VectorIndex) -> None:
    read(world, names(12))
    before = publish(world, index)
    before.words.chmod(0o600)
    before.words.write_bytes(b"rotten" * 1000)

    assert check(before, publish(world, index)).passed
