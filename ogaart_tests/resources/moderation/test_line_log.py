"""The log of takedowns of one machine: what was taken down stays so, whatever becomes of its rows, objects or file."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from ogaart.core.fault_injection import passed
from ogaart.operations.backup import backup
from ogaart.resources.moderation.line_log import LineLog, lines_of
from ogaart.resources.moderation.takedowns import (
    Decisions,
    DecisionsUnreadable,
    Takedowns,
    decide,
    decision_lines,
    read_decisions,
)
from ogaart.settings import Settings
from ogaart_tests.logs import decisions_of

BEFORE = (
    '{"what": "entry", "value": "tanks"}\n'
    '{"what": "entry", "value": "tanks", "lifted": true}\n'
    '{"what": "entry", "value": "tanks", "reason": "again"}\n'
    '{"what": "author", "value": "Ann"}'
)
"""The file of a version before; its last line was left open by hand."""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data root with three decisions in force."""
    log = decisions_of(tmp_path)
    for value in ("first", "second", "third", "lifted"):
        decide(log, "entry", value, "asked for")
    decide(log, "entry", "lifted", "settled", lift=True)
    log.close()
    return tmp_path


def entries(data: Path) -> tuple[str, ...]:
    """What is blocked, as a search service reads it, which changes nothing."""
    with closing(lines_of(Settings(data=data), data / "decisions", read_only=True)) as log:
        return read_decisions(log).entries


def objects(data: Path) -> list[Path]:
    """The objects of its lines, the oldest first."""
    return sorted((data / "decisions").glob("*.json"))


def rows(data: Path) -> list[bytes]:
    """The rows of its lines, the oldest first."""
    with closing(sqlite3.connect(data / "state.db")) as state:
        return [content for (content,) in state.execute("SELECT content FROM lines ORDER BY number, id")]


def older(data: Path) -> None:
    """The database of a moment before the last two takedowns."""
    with closing(sqlite3.connect(data / "state.db")) as state, state:
        state.execute("DELETE FROM lines WHERE number > 1")


def spoil(path: Path) -> None:
    path.write_bytes(b"\xff\x00nonsense\n" * 1000)


def replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def change_row(data: Path, change: str) -> None:
    """Damage the row of the second takedown, whose lines are one."""
    with closing(sqlite3.connect(data / "state.db")) as state, state:
        state.execute(f"UPDATE lines SET {change} WHERE number = 2")


HARM: dict[str, Callable[[Path], object]] = {
    "no database": lambda data: (data / "state.db").unlink(),
    "a damaged database": lambda data: spoil(data / "state.db"),
    "a folder in the database's place": lambda data: replace_by_folder(data / "state.db"),
    "an older copy of the database": older,
    "a row of another type": lambda data: change_row(data, "content = CAST(content AS TEXT)"),
    "a row without bytes": lambda data: change_row(data, "content = 7"),
    "a row's number is a text": lambda data: change_row(data, "number = 'x'"),
    "a row's id is bytes": lambda data: change_row(data, "id = x'00ff'"),
    "a row's number is another": lambda data: change_row(data, "number = 9"),
    "no objects": lambda data: shutil.rmtree(data / "decisions"),
    "an object is missing": lambda data: objects(data)[1].unlink(),
    "an object is damaged": lambda data: spoil(objects(data)[1]),
    "an object is empty": lambda data: objects(data)[1].write_bytes(b""),
    "a folder in an object's place": lambda data: replace_by_folder(objects(data)[1]),
}


@pytest.mark.parametrize("harm", HARM)
def test_what_was_taken_down_stays_so_and_is_made_again(data: Path, harm: str) -> None:
    expected = rows(data)
    HARM[harm](data)

    assert entries(data) == ("first", "second", "third")

    if "database's place" in harm:
        (data / "state.db").rmdir()  # as a repair moves it away
    elif harm == "a damaged database":
        (data / "state.db").unlink()
    with closing(decisions_of(data)) as log:
        log.repair()
        assert list(log.damage()) == []
    assert rows(data) == [path.read_bytes() for path in objects(data)] == expected


def test_a_revocation_whose_row_has_a_wrong_number_does_not_count_for_later(tmp_path: Path) -> None:
    with closing(decisions_of(tmp_path)) as log:
        for lift in (False, True, False):
            decide(log, "entry", "tanks", "in turn", lift=lift)
    change_row(tmp_path, "number = 9")

    assert entries(tmp_path) == ("tanks",)

    with closing(decisions_of(tmp_path)) as log:
        assert "wrong number, such as 9" in next(log.damage())[1]


@pytest.mark.parametrize("database", ["a database", "no database"])
def test_a_folder_that_is_a_link_to_nothing_is_not_taken_for_empty(data: Path, database: str) -> None:
    shutil.move(data / "decisions", data / "away")
    (data / "decisions").symlink_to("not-mounted")
    if database == "no database":
        (data / "state.db").unlink()

    with pytest.raises(DecisionsUnreadable, match="decisions: a link to not-mounted, which is missing"):
        entries(data)


@pytest.mark.parametrize(
    "line",
    [
        '{"what": "entry", "value": "tanks", "lifted": "false"}',
        '{"what": "entry", "value": "tanks", "lifted": 1}',
        '{"what": "entry", "value": null}',
        '{"what": "entry", "value": ["tanks"]}',
    ],
)
def test_a_line_of_other_types_is_no_decision(tmp_path: Path, line: str) -> None:
    (tmp_path / "decisions.jsonl").write_text(line)

    with pytest.raises(DecisionsUnreadable, match="line 1"):
        entries(tmp_path)


@pytest.mark.parametrize("harm", ["an object is missing", "an object is damaged", "no objects"])
def test_a_backup_has_what_rows_alone_hold(data: Path, tmp_path_factory: pytest.TempPathFactory, harm: str) -> None:
    HARM[harm](data)
    copy = tmp_path_factory.mktemp("backup")

    backup(Settings(data=data), copy)

    assert entries(copy) == ("first", "second", "third")


@pytest.mark.parametrize("harm", ["a damaged database", "a folder in the database's place", "no database"])
def test_it_is_possible_to_take_down_without_the_database(data: Path, harm: str) -> None:
    HARM[harm](data)

    with closing(decisions_of(data)) as log:
        decide(log, "entry", "fourth", "asked for")

    assert entries(data) == ("first", "second", "third", "fourth")


@pytest.mark.parametrize(("old", "new"), [(b"second", b"secomd"), (b"entry", b"entri"), (b"reason", b"rea5on")])
def test_a_decision_that_rotted_everywhere_is_refused_and_named(data: Path, old: bytes, new: bytes) -> None:
    path = objects(data)[1]
    path.write_bytes(path.read_bytes().replace(old, new, 1))
    assert entries(data) == ("first", "second", "third")  # by its row

    with closing(sqlite3.connect(data / "state.db")) as state, state:
        state.execute("UPDATE lines SET content = ? WHERE number = 2", (path.read_bytes(),))

    with pytest.raises(DecisionsUnreadable, match=r"\+0000000002-.*not as `ogaart block` wrote it"):
        entries(data)


def test_a_folder_that_cannot_be_read_is_not_taken_for_empty(data: Path) -> None:
    shutil.rmtree(data / "decisions")
    (data / "decisions").write_text("")

    with pytest.raises(DecisionsUnreadable, match="not a directory"):
        entries(data)


def test_a_takedown_holds_for_the_next_answer(data: Path) -> None:
    with closing(Decisions(lines_of(Settings(data=data), data / "decisions", read_only=True))) as followed:
        assert followed.current().entries == ("first", "second", "third")
        version = followed.current().version

        decide(decisions_of(data), "author", "Ann", "asked for")

        assert followed.current().authors == ("Ann",)
        assert followed.current().version == version + 1


def test_no_number_is_taken_from_a_row_whose_own_is_damaged(data: Path) -> None:
    change_row(data, "number = 99999999999")  # has more digits than an object's name has

    with closing(decisions_of(data)) as log:
        decide(log, "entry", "fourth", "asked for")
    (data / "state.db").unlink()

    assert entries(data) == ("first", "second", "third", "fourth")


def test_a_takedown_that_was_killed_before_its_row_counts_and_the_next_one_makes_its_row(data: Path) -> None:
    with full_at("state_drafted:1:full"), closing(decisions_of(data)) as log:
        decide(log, "entry", "fourth", "asked for")

    assert entries(data) == ("first", "second", "third", "fourth")
    with closing(decisions_of(data)) as log:
        assert list(log.damage()) == []
        decide(log, "entry", "fifth", "asked for")
    assert entries(data) == ("first", "second", "third", "fourth", "fifth")
    assert rows(data) == [path.read_bytes() for path in objects(data)]


# -- the file of a version before -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "point", ["file_drafted:1:full", "file_drafted:2:full", "file_drafted:4:full", "state_drafted:1:full"]
)
def test_the_file_is_read_as_the_oldest_lines_and_adopted_in_whatever_parts(tmp_path: Path, point: str) -> None:
    file = tmp_path / "decisions.jsonl"
    file.write_text(BEFORE)
    log = decisions_of(tmp_path)
    assert list(decision_lines(log))[2].get("reason") == "again"
    expected = Takedowns(0, ("tanks",), ("Ann",))

    with full_at(point):
        log.adopt()
    assert read_decisions(log) == read_decisions(decisions_of(tmp_path)) == expected
    decide(decisions_of(tmp_path), "author", "Ann", "settled", lift=True)  # adopts what is left

    assert read_decisions(log) == Takedowns(0, ("tanks",), ())
    assert log.file_before is None
    assert len(objects(tmp_path)) == len(rows(tmp_path)) == 5
    assert list(log.damage()) == []


@pytest.mark.parametrize("adopted", [1, 2, 4])
def test_a_line_that_is_added_by_hand_amid_an_adoption_is_the_last_of_the_file(tmp_path: Path, adopted: int) -> None:
    file = tmp_path / "decisions.jsonl"
    file.write_text(BEFORE + "\n")
    with full_at(f"file_drafted:{adopted}:full"), closing(decisions_of(tmp_path)) as log:
        log.adopt()
    with file.open("a") as lines:
        lines.write('{"what": "author", "value": "Ann", "lifted": true}\n')
    expected = Takedowns(0, ("tanks",), ())

    with closing(decisions_of(tmp_path)) as log:
        assert read_decisions(log) == expected
        log.adopt()
        assert read_decisions(log) == expected
        assert len(log.lines()) == len(objects(tmp_path)) == len(rows(tmp_path)) == 5


@pytest.mark.parametrize("kept", [0, 1])
@pytest.mark.parametrize("value", ["tanks", "trees", "boats", "walls"])
def test_a_file_that_is_put_in_place_of_an_adopted_one_is_newer_than_that(
    tmp_path: Path, value: str, kept: int
) -> None:
    file = tmp_path / "decisions.jsonl"
    blocking = [f'{{"what": "entry", "value": "{name}"}}\n' for name in ("first", value, "last")[1 - kept :]]
    file.write_text("".join(blocking))
    with closing(decisions_of(tmp_path)) as log:
        log.adopt()
        file.unlink()
        revoking = f'{{"what": "entry", "value": "{value}", "lifted": true}}\n'
        file.write_text("".join([*blocking[:kept], revoking]))
        expected = Takedowns(0, ("first", "last") if kept else ("last",), ())
        assert read_decisions(log) == expected

        log.adopt()

        assert read_decisions(log) == expected
        numbers = [key.number for key in log.named_lines()]
        assert len(set(numbers)) == len(numbers) == len(blocking) + 1


def test_a_program_of_before_refuses_to_show_anything_once_the_file_is_adopted(tmp_path: Path) -> None:
    file = tmp_path / "decisions.jsonl"
    file.write_text(BEFORE)
    decisions_of(tmp_path).adopt()

    with pytest.raises(IsADirectoryError):  # by which it names the file as damaged, and answers nothing
        file.read_bytes()


@pytest.mark.parametrize("damage", ["torn", "a folder", "a link to nothing"])
def test_a_damaged_file_blocks_reading_and_no_takedown(tmp_path: Path, damage: str) -> None:
    file = tmp_path / "decisions.jsonl"
    if damage == "torn":
        file.write_text(BEFORE[:-1])
    elif damage == "a folder":
        file.mkdir()
    else:
        file.symlink_to("nowhere")
    log = decisions_of(tmp_path)

    with pytest.raises(DecisionsUnreadable, match=r"decisions\.jsonl"):
        read_decisions(log)

    assert [where for where, _ in log.damage()] == [f"{file}, line 4" if damage == "torn" else str(file)]
    if damage == "torn":
        decide(log, "entry", "fourth", "asked for")
        assert log.file_before == file
        file.write_text(BEFORE)
        assert read_decisions(log).entries == ("tanks", "fourth")


@contextmanager
def full_at(point: str) -> Iterator[None]:
    """A process that fails at a fault point, after which another one goes on."""
    passed.clear()
    with pytest.MonkeyPatch.context() as patch, pytest.raises(OSError, match="No space left"):  # noqa: PT012
        patch.setenv("OGAART_FAULT", point)
        yield


def test_a_log_that_was_never_written_makes_no_database(tmp_path: Path) -> None:
    log: LineLog = decisions_of(tmp_path)

    assert log.lines() == []
    assert list(tmp_path.iterdir()) == []
