"""Several files at the same time: the same rows in the same order, and nothing is left behind where it is stopped."""

import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image

from ogaart.core.states import MemberStatus
from ogaart.imaging import unpacker_pool
from ogaart.imaging.limits import Limits
from ogaart.imaging.unpacker import UnpackedMember, Unpacker
from ogaart.imaging.unpacker_pool import FILES_FOR_ANOTHER, UnpackerPool, UnpackRequest, processes_for
from ogaart_tests.descriptors import files_left
from ogaart_tests.imaging.builders import BUSH, FROG, saved, zipped


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    """A long archive before small files."""
    long = zipped({f"{number}.png": (FROG, BUSH)[number % 2] for number in range(70)})
    contents = [long, FROG, b"no picture", BUSH, zipped({}), FROG]
    found = [tmp_path / str(number) for number in range(len(contents))]
    for path, content in zip(found, contents, strict=True):
        path.write_bytes(content)
    return found


def running() -> set[psutil.Process]:
    return {child for child in psutil.Process().children() if "ogaart.imaging.worker" in child.cmdline()}


@pytest.fixture
def others() -> set[psutil.Process]:
    """Processes that tests before have left for the next ones."""
    return running()


def test_rows_come_as_from_one_process_in_the_order_of_the_files(
    paths: list[Path], tmp_path: Path, others: set[psutil.Process]
) -> None:
    with Unpacker(Limits(), tmp_path / "scratch") as unpacker:
        expected = [list(unpacker.unpack(path)) for path in paths]

    with UnpackerPool(Limits(), tmp_path / "scratch", 2) as pool:
        found = [list(members) for members in pool.unpack(map(UnpackRequest, paths))]
        assert len(running() - others) == 2
        assert pool.peak_bytes > 10 << 20

    assert found == expected
    assert len(found[0]) == 70
    assert not running() - others


def test_a_file_that_cannot_be_opened_is_an_error_at_its_place(paths: list[Path], tmp_path: Path) -> None:
    paths[3].unlink()
    read: list[list[UnpackedMember]] = []

    with UnpackerPool(Limits(), tmp_path / "scratch", 2) as pool:
        found = map(list, pool.unpack(map(UnpackRequest, paths)))
        with pytest.raises(FileNotFoundError):
            read.extend(found)

    assert [len(rows) for rows in read] == [70, 1, 1]


def test_leaving_in_the_middle_ends_the_processes_at_once(
    paths: list[Path], tmp_path: Path, others: set[psutil.Process]
) -> None:
    with UnpackerPool(Limits(), tmp_path / "scratch", 2) as pool:
        files = pool.unpack(map(UnpackRequest, paths))
        members = next(files)
        assert next(members).member_path == "0.png"
        started = time.monotonic()

    assert time.monotonic() - started < 10
    assert not running() - others


def test_processes_are_kept_and_small_work_starts_no_other(
    paths: list[Path], tmp_path: Path, others: set[psutil.Process]
) -> None:
    with UnpackerPool(Limits(), tmp_path / "scratch", 2) as pool:
        few = [list(members) for members in pool.unpack(map(UnpackRequest, paths[1:]), 1)]
        [first] = running() - others
        many = [list(members) for members in pool.unpack(map(UnpackRequest, paths))]
        both = running() - others
        again = [list(members) for members in pool.unpack(map(UnpackRequest, paths[1:]), 1)]

        assert first in both
        assert len(both) == 2
        assert running() - others == both
    assert few == again == many[1:]


def test_who_stops_taking_files_can_unpack_others(paths: list[Path], tmp_path: Path) -> None:
    with UnpackerPool(Limits(), tmp_path / "scratch", 2) as pool:
        files = pool.unpack(map(UnpackRequest, paths))
        next(next(files))
        files.close()  # type: ignore[attr-defined]

        rows = [list(members) for members in pool.unpack(map(UnpackRequest, paths))]

    assert [len(found) for found in rows] == [70, 1, 1, 1, 1, 1]


def test_small_files_are_through_while_a_large_one_is_unpacked(tmp_path: Path) -> None:
    """So many are begun before the first is needed that no process waits for one that takes as long as all of them."""
    paths = [tmp_path / str(number) for number in range(40)]
    for path in paths:
        path.write_bytes(FROG)
    asked: list[Path] = []

    def requests() -> Iterator[UnpackRequest]:
        for path in paths:
            asked.append(path)
            yield UnpackRequest(path)

    with UnpackerPool(Limits(), tmp_path / "scratch", 2) as pool:
        next(pool.unpack(requests()))

    assert len(asked) == 32


@pytest.mark.parametrize("buffered", [1, 3, 40])
def test_however_few_members_may_wait_all_come(
    paths: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, buffered: int
) -> None:
    """A later file that fills the room cannot keep the one back that is consumed now."""
    monkeypatch.setattr(unpacker_pool, "_BUFFERED", buffered)
    paths = [*paths[1:], paths[0], *paths]

    with UnpackerPool(Limits(), tmp_path / "scratch", 2) as pool:
        found = [[row.member_path for row in members] for members in pool.unpack(map(UnpackRequest, paths))]

    assert [len(rows) for rows in found] == [1, 1, 1, 1, 1, 70, 70, 1, 1, 1, 1, 1]
    assert found[5] == found[6] == [f"{number}.png" for number in range(70)]


@pytest.mark.parametrize(("pixels", "waiting"), [(0, 10), (50_000, 4)], ids=["small", "of 150,000 bytes"])
def test_no_more_members_wait_than_may(
    paths: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pixels: int, waiting: int
) -> None:
    """Where two processes have room for 5 small ones each, one of 150,000 bytes is three of them."""
    if pixels:
        large = saved(Image.effect_noise((pixels // 200, 200), 90).convert("RGB"), "BMP")
        paths[0].write_bytes(zipped({f"{number}.bmp": large for number in range(70)}))
    monkeypatch.setattr(unpacker_pool, "_BUFFERED", 5)
    taken: list[str] = []
    unpack = Unpacker.unpack

    def counted(unpacker: Unpacker, *request: Any) -> Iterator[UnpackedMember]:
        for member in unpack(unpacker, *request):
            taken.append(member.member_path)
            yield member

    monkeypatch.setattr(Unpacker, "unpack", counted)
    with UnpackerPool(Limits(), tmp_path / "scratch", 2) as pool:
        files = pool.unpack(map(UnpackRequest, [paths[0], paths[0], paths[0]]))
        next(next(files))
        deadline = time.monotonic() + 30
        while len(taken) < waiting and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.3)  # time enough for many more

    # What waits, one of the file that is consumed beyond that, what was consumed, and what each thread holds.
    assert waiting <= len(taken) <= waiting + 1 + 1 + 2


@pytest.mark.parametrize("archives", [2, 40], ids=["few archives", "small archives"])
def test_members_in_files_do_not_take_all_files_that_a_process_may_open(tmp_path: Path, archives: int) -> None:
    """Pictures above 1 MiB are in files that are open until they are consumed, in no hurry here."""
    large = saved(Image.effect_noise((640, 600), 90).convert("RGB"), "BMP")
    paths = [tmp_path / f"{number}.zip" for number in range(archives)]
    for path in paths:
        path.write_bytes(zipped({f"{number}.bmp": large for number in range(80 // archives)}))

    with UnpackerPool(Limits(), tmp_path / "scratch", 2) as pool:
        files = pool.unpack(map(UnpackRequest, paths))
        first = next(files)
        found = [next(first).status]
        with files_left(30):
            time.sleep(2)  # time enough for many more
            found += [member.status for members in chain([first], files) for member in members]

    assert found == [MemberStatus.PICTURE] * 80


@pytest.mark.parametrize(
    ("files", "size", "most", "processes"),
    [
        (1, 1000, 8, 1),
        (FILES_FOR_ANOTHER, 1000, 8, 2),
        (3, 100 << 20, 8, 4),
        (3, 100 << 20, 2, 2),
        (0, 0, 4, 1),
    ],
)
def test_small_work_is_for_one_process(files: int, size: int, most: int, processes: int) -> None:
    assert processes_for(files, size, most) == processes
