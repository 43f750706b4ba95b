"""What is read before an engine opens its files: all that they hold, and none of their holes."""

import os
import sys
from pathlib import Path

import pytest

from ogaart.resources.index.readahead import read_ahead

LENGTH, HELD = 32 << 20, 1 << 20


def test_what_a_file_holds_is_read_and_its_holes_are_not(tmp_path: Path) -> None:
    folder = tmp_path / "segment" / "payload_index"
    folder.mkdir(parents=True)
    with (folder / "page_0.dat").open("wb") as file:
        file.write(b"x" * HELD)
        file.seek(LENGTH // 2)
        file.write(b"y" * HELD)
        file.truncate(LENGTH)

    with read_ahead(tmp_path, frozenset()) as read:
        pass

    assert 2 * HELD <= read < LENGTH


def test_what_is_named_is_left_on_the_disk(tmp_path: Path) -> None:
    for name in ("links.bin", "matrix.dat", "payload_storage/page_0.dat"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x" * 1000)

    left_out = frozenset({"matrix.dat", "payload_storage"})
    with read_ahead(tmp_path, left_out) as some, read_ahead(tmp_path, frozenset()) as everything:
        assert (some, everything) == (1000, 3000)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says what its page cache has")
def test_what_is_read_is_kept_though_the_engine_tells_the_system_to_forget_it(tmp_path: Path) -> None:
    path = tmp_path / "links.bin"
    with path.open("wb", buffering=0) as file:
        os.pwritev(file.fileno(), [os.urandom(HELD)], 0, os.RWF_DSYNC)  # what is not on the disk yet is never forgotten

    with read_ahead(tmp_path, frozenset()):
        forget(path)
        kept = is_cached(path)
    forget(path)

    if is_cached(path):
        pytest.skip("this file system, or another reader, keeps what it is told to forget")
    assert kept


def test_no_descriptor_is_kept_for_a_file(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / f"{number}.bin").write_bytes(b"x" * 1000)

    with read_ahead(tmp_path, frozenset()):
        kept = open_files_in(tmp_path)

    assert kept == []


def open_files_in(folder: Path) -> list[str]:
    described = Path("/proc/self/fd" if sys.platform == "linux" else "/dev/fd").iterdir()
    return [link for one in described if one.is_symlink() and (link := str(one.readlink())).startswith(str(folder))]


def forget(path: Path) -> None:
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def is_cached(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            return os.preadv(file.fileno(), [bytearray(HELD)], 0, os.RWF_NOWAIT) == HELD
        except BlockingIOError:
            return False
