"""Several files at the same time: the same rows in the same order, and nothing is left behind where it is stopped."""

import time
from pathlib import Path

import psutil
import pytest

from ogaart.imaging.limits import Limits
from ogaart.imaging.unpacker import UnpackedMember, Unpacker
from ogaart.imaging.unpacker_pool import FILES_FOR_ANOTHER, UnpackerPool, UnpackRequest, processes_for
from ogaart_tests.imaging.builders import BUSH, FROG, zipped


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
