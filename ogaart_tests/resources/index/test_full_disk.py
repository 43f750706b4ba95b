"""A full disk under the collection is an error that names it, and never a silent bus error."""

import errno
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ogaart.resources.index.base import Point
from ogaart.resources.index.disk_room import SLACK, DiskFull, hole_bytes
from ogaart.resources.index.edge import EdgeIndex

DIMENSION = 1024

WRITE_TO_A_HOLE = """
import mmap, sys
from pathlib import Path
from ogaart.workers.bus_errors import report_bus_errors

folder = Path(sys.argv[1])
with report_bus_errors(folder), (folder / "sparse").open("w+b") as file:
    file.truncate(512 << 20)
    if sys.argv[2] == "full":
        with mmap.mmap(file.fileno(), 0) as mapped:
            for start in range(0, 512 << 20, 4096):
                mapped[start] = 1
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 320 MiB; skips where this user may not mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=320m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def points(start: int, count: int) -> list[Point]:
    random = np.random.default_rng(start)
    return [
        Point(start + n, random.normal(size=DIMENSION).astype(np.float32), {"slug": "a", "words": "oak tree"})
        for n in range(count)
    ]


def fill(disk: Path, leave: int) -> None:
    """Take all room but ``leave`` bytes with a file of another."""
    with (disk / "other").open("wb") as file:
        while (free := _free(disk)) > leave:
            file.write(bytes(min(1 << 20, free - leave)))
            file.flush()


def _free(disk: Path) -> int:
    from shutil import disk_usage

    return disk_usage(disk).free


def test_writing_points_ends_with_an_error_and_what_was_written_stays(small_disk: Path) -> None:
    with EdgeIndex(small_disk / "index", "tiny-1", DIMENSION) as index:
        index.upsert(points(0, 64))
        fill(small_disk, leave=hole_bytes(small_disk / "index") + SLACK + (100 << 10))

        with pytest.raises(DiskFull, match=r"bytes are free under .*disk/index, writing 64 points needs") as failure:
            index.upsert(points(64, 64))

        assert failure.value.errno == errno.ENOSPC
        assert index.count() == 64
        (small_disk / "other").unlink()
        index.upsert(points(64, 64))

    with EdgeIndex(small_disk / "index", "tiny-1", DIMENSION) as index:
        assert index.count() == 128


def test_a_collection_is_neither_made_nor_opened_without_room(small_disk: Path) -> None:
    EdgeIndex(small_disk / "there", "tiny-1", DIMENSION).close()
    fill(small_disk, leave=4 << 20)

    for folder in ("there", "new"):
        with pytest.raises(DiskFull, match="opening a collection needs"):
            EdgeIndex(small_disk / folder, "tiny-1", DIMENSION)

    assert list((small_disk / "new").rglob("*.mmap")) == []


def test_payloads_deletions_and_graphs_are_not_written_without_room(small_disk: Path) -> None:
    with EdgeIndex(small_disk / "index", "tiny-1", DIMENSION) as index:
        index.upsert(points(0, 64))
        index.flush()
        fill(small_disk, leave=4 << 20)

        with pytest.raises(DiskFull, match="writing 1 payloads"):
            index.set_payload({3: {"slug": "b"}})
        with pytest.raises(DiskFull, match="deleting 1 points"):
            index.delete([3])
        with pytest.raises(DiskFull, match="flushing the collection"):
            index.flush()
        (small_disk / "other").unlink()
        index.set_payload({3: {"slug": "b"}})
        index.flush()
        assert index.retrieve([3])[0].payload == {"slug": "b"}


def test_a_collection_is_not_copied_to_a_disk_without_room(small_disk: Path, tmp_path: Path) -> None:
    with EdgeIndex(tmp_path / "index", "tiny-1", DIMENSION) as index:
        index.upsert(points(0, 64))
        fill(small_disk, leave=4 << 20)

        with pytest.raises(DiskFull, match=r"bytes are free under .*disk/copy, copying the collection needs"):
            index.copy_to(small_disk / "copy")

        assert list((small_disk / "copy").iterdir()) == []
        (small_disk / "other").unlink()
        index.copy_to(small_disk / "copy")
        assert index.count() == 64


@pytest.mark.parametrize("how", ["full", "room"])
def test_a_process_that_dies_by_sigbus_says_that_the_disk_is_full(small_disk: Path, how: str) -> None:
    """Where another process took the room between the check and the write."""
    done = subprocess.run(
        [sys.executable, "-c", WRITE_TO_A_HOLE, str(small_disk), how], capture_output=True, text=True, check=False
    )

    if how == "full":
        assert done.returncode == -signal.SIGBUS
        assert done.stderr.splitlines()[-1].startswith(f"ogaart: the disk under {small_disk} is full, or a file there")
        assert "free some space (ogaart gc)" in done.stderr
    else:
        assert (done.returncode, done.stderr) == (0, "")
