"""Many entries at once leave search only with the operator's consent; what is blocked leaves in any case."""

import json
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from ogaart.resources.catalog.audits import Audit
from ogaart.resources.catalog.generations import Generation, Generations
from ogaart.resources.catalog.history import HistoryFiles
from ogaart.resources.catalog.withdrawals import (
    EarlierLoss,
    check_withdrawals,
    earlier_of,
    limit_of,
    lost_lately,
    rows_of,
)
from ogaart.resources.index.base import VectorIndex
from ogaart.resources.moderation.takedowns import Takedowns
from ogaart_tests.descriptors import files_left
from ogaart_tests.resources.catalog.catalog_world import LATER, WHEN, Row, World, fill, publish, sha

NOTHING_BLOCKED = Takedowns()
Earlier = Mapping[str, EarlierLoss]
Found = tuple[Audit, Earlier]


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
        return check_withdrawals(con, before, takedowns, accepted=accepted)[0]


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


def rot(path: Path) -> None:
    path.chmod(0o600)
    path.write_bytes(b"rotten" * 1000)


def test_a_generation_of_which_one_file_is_damaged_is_compared_by_the_other(world: World, index: VectorIndex) -> None:
    read(world, names(32))
    fill(index, *((name, name) for name in names(32)))
    before = publish(world, index)
    read(world, names(32), gone=set(names(28)), late=True)
    after = publish(world, index)
    whole = check(before, after)
    rot(before.words)

    assert check(before, after) == whole
    assert not whole.passed
    before.words.unlink()
    assert check(before, after) == whole


def test_a_generation_that_cannot_be_read_needs_consent(world: World, index: VectorIndex) -> None:
    read(world, names(12))
    before = publish(world, index)
    rot(before.words)
    rot(before.catalog)
    after = publish(world, index)

    held, accepted = check(before, after), check(before, after, accepted=True)

    assert (held.passed, accepted.passed) == (False, True)
    assert f"generation {before.number}" in held.message
    assert "--accept-losses" in held.message


@pytest.mark.parametrize("lost", ["manifest.json", "current"])
def test_what_was_in_service_is_known_without_its_manifest_or_the_link_to_it(
    world: World, index: VectorIndex, lost: str
) -> None:
    generations = Generations(world.root / "generations")
    read(world, names(3))
    before = publish(world, index)
    assert generations.replaced_by(before) == before  # in service itself
    generations.record(before.number, [{"name": "a", "passed": True, "message": "", "counts": {}}])
    after = publish(world, index)
    generations.switch(before.number)
    if lost == "current":
        (generations.root / "current").unlink()
    else:
        rot(before.path / lost)

    found = generations.replaced_by(after)

    assert found is not None
    assert (found.number, found.words) == (before.number, before.words)


def test_nothing_was_in_service_before_the_first_publication(world: World, index: VectorIndex) -> None:
    read(world, names(3))
    first = publish(world, index)
    generations = Generations(world.root / "generations")
    (generations.root / "current").unlink()

    assert generations.replaced_by(first) is None


def test_publications_of_one_day_count_together(world: World, index: VectorIndex) -> None:
    read(world, names(32))
    fill(index, *((name, name) for name in names(32)))
    first = publish(world, index)
    read(world, names(32), gone=set(names(4)), late=True)
    second = publish(world, index)
    gone = {*names(4), "e10", "e11", "e12"}
    read(world, names(32), gone=gone, late=True)
    third = publish(world, index)
    now = LATER

    def then(before: Generation, after: Generation, earlier: Earlier, hours: int, *, accepted: bool = False) -> Found:
        with duckdb.connect(str(after.catalog), read_only=True) as con:
            moment = now + timedelta(hours=hours)
            found, kept = check_withdrawals(
                con, before, NOTHING_BLOCKED, accepted=accepted, earlier=earlier, now=moment
            )
        return found, earlier_of(json.loads(json.dumps(rows_of(kept)))) or {}

    fine, four = then(first, second, {}, 0)
    held, _ = then(second, third, four, 2)
    accepted, none = then(second, third, four, 2, accepted=True)
    next_day, three = then(second, third, four, 25)
    returned, some = then(third, second, {**four, **three}, 26)

    assert (fine.passed, sorted(four)) == (True, names(4))
    assert (held.passed, held.counts["withdrawn"]) == (False, 7)
    assert "7 of 28 entries in search would be withdrawn" in held.message
    assert (accepted.passed, none) == (True, {})
    assert (next_day.passed, next_day.counts["withdrawn"], sorted(three)) == (True, 3, ["e10", "e11", "e12"])
    assert (returned.counts["withdrawn"], some) == (0, {})


def test_losses_of_the_day_are_known_from_the_history_too(world: World, index: VectorIndex) -> None:
    """Where ``checks.json`` of the publication in service, which has them, is damaged or lost."""
    two = {name: {f"{name}.zip": [f"{name}-1", f"{name}-2"]} for name in names(9)}
    files, generations = HistoryFiles(world.root / "history"), Generations(world.root / "generations")
    nobody, one = NOTHING_BLOCKED, Takedowns(entries=("e05",))
    without_pictures = {"e00": {}, "e01": {"e01.zip": ["e01-1"]}, "e02": {"e02.zip": ["e02-2"]}}
    kept: Earlier = {}
    before: Generation | None = None
    for entries, blocked in ((two, nobody), (two | without_pictures, nobody), (two | {"e03": {}, "e01": {}}, one)):
        world.partition("2d/0000", entries, fetched_at=LATER)
        fill(index, *((name, f"{name}-{n}") for name in names(9) for n in (1, 2)))
        after = publish(world, index, takedowns=blocked, history=files.read(before), previous=before)
        with duckdb.connect(str(after.catalog), read_only=True) as con:
            found, kept = check_withdrawals(con, before, blocked, earlier=kept)
        generations.record(after.number, [found.row()])
        files.record(after)
        before = after
    assert before is not None

    def known(hours: int = 0) -> dict[str, int]:
        lost = lost_lately(files.read(before), generations, before, datetime.now(UTC) + timedelta(hours=hours))
        return {name: one.pictures for name, one in lost.items()}

    recorded = {name: loss.pictures for name, loss in kept.items()}
    assert (known(), recorded) == ({"e01": 2, "e03": 2}, {"e01": 2, "e03": 2})  # e00 and e02 are there again
    assert known(hours=25) == {}
    generations.record(before.number, [{**found.row(), "counts": {**found.counts, "accepted": 1}}])
    assert known() == {}


def test_what_is_blocked_after_it_was_lost_does_not_count(world: World, index: VectorIndex) -> None:
    read(world, names(32), gone=set(names(4)))
    fill(index, *((name, name) for name in names(32)))
    current = publish(world, index)
    read(world, names(32), gone=set(names(7)), late=True)
    after = publish(world, index)
    earlier = {name: EarlierLoss(LATER, 1) for name in names(4)}
    with duckdb.connect(str(after.catalog), read_only=True) as con:
        some = check_withdrawals(con, current, Takedowns(entries=("e00", "e04")), earlier=earlier, now=LATER)[0]
        author = check_withdrawals(con, current, Takedowns(authors=("Ann",)), earlier=earlier, now=LATER)[0]
        counted = check_withdrawals(con, current, NOTHING_BLOCKED, earlier=earlier, now=LATER)[0]

    assert (some.passed, some.counts["withdrawn"]) == (True, 5)
    assert (author.passed, author.counts["withdrawn"]) == (True, 0)
    assert (counted.passed, counted.counts["withdrawn"]) == (False, 7)


@pytest.mark.slow
def test_pictures_are_lost_without_an_entry(world: World, index: VectorIndex) -> None:
    four = {name: {f"{name}.zip": [f"{name}-{n}" for n in range(4)]} for name in names(12)}
    world.partition("2d/0000", four)
    fill(index, *((name, picture) for name, files in four.items() for picture in next(iter(files.values()))))
    before = publish(world, index)

    def losing(pictures: int, entries: int) -> Audit:
        less = {
            name: {f: found[pictures * (name in names(entries)) :] for f, found in files.items()}
            for name, files in four.items()
        }
        world.partition("2d/0000", less, fetched_at=LATER)
        return check(before, publish(world, index))

    some, half = losing(1, 11), losing(2, 12)

    assert (half.passed, half.counts["withdrawn"], half.counts["partly"]) == (False, 0, 12)
    assert "by the shares of their pictures that is as much as 6 entries" in half.message
    assert (some.passed, some.counts["partly"]) == (True, 11)


@pytest.mark.slow
def test_blocked_pictures_of_an_entry_are_not_lost(world: World, index: VectorIndex) -> None:
    four = {name: {f"{name}.zip": [f"{name}-{n}" for n in range(4)]} for name in names(12)}
    world.partition("2d/0000", four)
    fill(index, *((name, picture) for name, files in four.items() for picture in next(iter(files.values()))))
    before = publish(world, index)
    takedowns = Takedowns(pixels=tuple(sha(f"{name}-{n}") for name in names(12) for n in range(3)))

    found = check(before, publish(world, index, takedowns=takedowns), takedowns)

    assert (found.passed, found.counts["partly"], found.counts["withdrawn"]) == (True, 0, 0)


@pytest.mark.parametrize(("rotten", "left"), [(False, 0), (True, 1)])
def test_a_process_that_may_open_no_more_files_knows_of_no_damaged_generation(
    world: World, index: VectorIndex, rotten: bool, left: int
) -> None:
    read(world, names(12))
    before = publish(world, index)
    after = publish(world, index)
    if rotten:
        rot(before.words)

    with duckdb.connect(str(after.catalog), read_only=True) as con:
        with files_left(left), pytest.raises(OSError, match="Too many open files"):
            check_withdrawals(con, before, NOTHING_BLOCKED, accepted=True)
        with files_left(left), pytest.raises(OSError, match="Too many open files"):
            lost_lately(HistoryFiles(world.root).read(None), Generations(world.root / "generations"), before)
