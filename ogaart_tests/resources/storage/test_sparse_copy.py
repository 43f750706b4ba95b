"""Copies and hashes of files that are mostly holes: the same bytes, and no more room than before."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ogaart.resources.storage.sparse_copy import copy_file, copy_tree, has_hash, sparse_hash

MIB = 1 << 20
BLOCK = 64 * 1024


@pytest.fixture
def btrfs(tmp_path: Path) -> Iterator[Path]:
    """A file system whose files can share blocks; skips where none can be made or mounted."""
    if shutil.which("mkfs.btrfs") is None:
        pytest.skip("mkfs.btrfs is not installed: apt-get install btrfs-progs")
    disk, folder = sparse(tmp_path / "disk", size=256 * MIB), tmp_path / "mounted"
    folder.mkdir()
    subprocess.run(["mkfs.btrfs", "-q", str(disk)], check=True)
    mounted = subprocess.run(
        ["mount", "-o", "loop", str(disk), str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"btrfs cannot be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def used(folder: Path) -> int:
    """Bytes that are in use on a file system."""
    os.sync()
    found = os.statvfs(folder)
    return (found.f_blocks - found.f_bfree) * found.f_frsize


def sparse(path: Path, *parts: tuple[int, bytes], size: int) -> Path:
    """A file with data at some places and holes elsewhere."""
    with path.open("wb") as file:
        for offset, data in parts:
            file.seek(offset)
            file.write(data)
        file.truncate(size)
    return path


def sha256_of_blocks(path: Path) -> str:
    """What earlier versions recorded: the length, then each block that is not all zero behind its place."""
    content = path.read_bytes()
    digest = hashlib.sha256(len(content).to_bytes(8, "little"))
    for place in range(0, len(content), BLOCK):
        block = content[place : place + BLOCK]
        if any(block):
            digest.update(place.to_bytes(8, "little") + block)
    return digest.hexdigest()


@pytest.mark.parametrize(
    ("parts", "size"),
    [
        ([], 0),
        ([], 8 * MIB),
        ([(0, b"begin")], 8 * MIB),
        ([(5 * MIB + 3, b"in the middle")], 8 * MIB),
        ([(0, b"a"), (MIB, b"b" * 70_000), (8 * MIB - 1, b"z")], 8 * MIB),
        ([(0, b"whole" * 100_000)], 500_000),
    ],
    ids=["empty", "a hole", "begin", "middle", "everywhere", "no hole"],
)
def test_a_copy_has_the_same_bytes_and_its_holes(tmp_path: Path, parts: list[tuple[int, bytes]], size: int) -> None:
    source = sparse(tmp_path / "source", *parts, size=size)

    copy_file(source, tmp_path / "copy")

    assert (tmp_path / "copy").read_bytes() == source.read_bytes()
    held = sum(len(data) for _, data in parts)
    assert (tmp_path / "copy").stat().st_blocks * 512 <= held + 3 * 128 * 1024


def test_zeros_that_were_written_become_a_hole(tmp_path: Path) -> None:
    (tmp_path / "from").mkdir()
    (tmp_path / "from" / "zeros").write_bytes(bytes(4 * MIB))

    copy_tree(tmp_path / "from", tmp_path / "to", durable=False)

    assert (tmp_path / "to" / "zeros").stat().st_size == 4 * MIB
    assert (tmp_path / "to" / "zeros").stat().st_blocks == 0


@pytest.mark.parametrize("offset", [0, 70_000, 4 * MIB - 1])
def test_the_hash_is_that_of_the_bytes_wherever_the_holes_are(offset: int, tmp_path: Path) -> None:
    holes = sparse(tmp_path / "holes", (offset, b"x"), size=4 * MIB)
    (written := tmp_path / "written").write_bytes(holes.read_bytes())
    other = sparse(tmp_path / "other", (offset, b"y"), size=4 * MIB)
    longer = sparse(tmp_path / "longer", (offset, b"x"), size=4 * MIB + 1)

    assert sparse_hash(written) == sparse_hash(holes)
    assert len({sparse_hash(path) for path in (holes, other, longer)}) == 3


@pytest.mark.parametrize("hashed", [sparse_hash, sha256_of_blocks], ids=["blake3", "as earlier versions"])
def test_a_file_has_the_hash_that_was_recorded_until_a_byte_changes(
    hashed: Callable[[Path], str], tmp_path: Path
) -> None:
    source = sparse(tmp_path / "source", (0, b"begin"), (70_000, b"middle"), (2 * MIB, b"end"), size=3 * MIB + 5)
    recorded = hashed(source)

    assert has_hash(source, recorded)

    with source.open("r+b") as changed:
        changed.seek(70_003)
        changed.write(b"!")
    assert not has_hash(source, recorded)
    assert not has_hash(source, None)


@pytest.mark.parametrize("recorded", ["", "-blake3", "0" * 64, "0" * 64 + "-sha512", 64, ["0"]], ids=str)
def test_no_file_has_a_hash_that_is_none(recorded: Any, tmp_path: Path) -> None:
    source = sparse(tmp_path / "source", (0, b"begin"), size=MIB)

    assert not has_hash(source, recorded)


def test_blocks_that_change_places_change_the_hash(tmp_path: Path) -> None:
    one = sparse(tmp_path / "one", (0, b"a" * BLOCK), (2 * BLOCK, b"b" * BLOCK), size=MIB)
    moved = sparse(tmp_path / "moved", (0, b"a" * BLOCK), (3 * BLOCK, b"b" * BLOCK), size=MIB)
    swapped = sparse(tmp_path / "swapped", (0, b"b" * BLOCK), (2 * BLOCK, b"a" * BLOCK), size=MIB)

    assert len({sparse_hash(path) for path in (one, moved, swapped)}) == 3


@pytest.mark.parametrize("size", [0, 100, 200_000, 4 * MIB])
def test_a_copy_that_is_hashed_meanwhile_is_a_file_of_its_own(size: int, tmp_path: Path) -> None:
    source = sparse(tmp_path / "source", (0, b"begin" * min(size // 5, 30_000)), size=size)
    copy = tmp_path / "copy"

    digest = sparse_hash(source, copy)

    assert copy.read_bytes() == source.read_bytes()
    assert sparse_hash(source) == sparse_hash(copy) == digest
    with copy.open("r+b") as changed:  # where both share their blocks, only one of them changes
        changed.write(b"other")
    assert sparse_hash(source) == digest


@pytest.mark.slow
def test_a_copy_takes_no_room_where_files_share_blocks(btrfs: Path) -> None:
    source, copy = btrfs / "source", btrfs / "copy"
    source.write_bytes(os.urandom(48 * MIB))
    before = used(btrfs)

    digest = sparse_hash(source, copy)

    assert used(btrfs) - before < 4 * MIB
    assert sparse_hash(copy) == digest
    with copy.open("r+b") as changed:
        changed.write(b"other")
    assert sparse_hash(source) == digest
    assert sparse_hash(copy) != digest
