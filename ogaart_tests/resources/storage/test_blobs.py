import hashlib
import io
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ogaart.resources.storage.blobs import Blobs
from ogaart_tests.descriptors import files_left


def test_put_names_bytes_by_their_hash(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)

    name = blobs.put(b"tiles")

    assert name == hashlib.sha256(b"tiles").hexdigest()
    assert blobs.path(name) == tmp_path / name[:2] / name[2:4] / name
    assert blobs.read(name) == b"tiles"
    assert blobs.size(name) == 5
    assert blobs.has(name)
    assert blobs.verify(name)


def test_put_reads_streams(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)

    name = blobs.put(io.BytesIO(b"x" * 3_000_000))

    assert blobs.read(name) == b"x" * 3_000_000


def test_missing_blob(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    name = "0" * 64

    assert not blobs.has(name)
    assert blobs.size(name) is None
    assert not blobs.verify(name)
    with pytest.raises(FileNotFoundError):
        blobs.read(name)


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 64, "0" * 63])
def test_only_hashes_are_names(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="64 hexadecimal digits"):
        Blobs(tmp_path).path(name)


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)

    with pytest.raises(TypeError), blobs.writer() as writer:
        writer.write("no bytes")  # type: ignore[arg-type]

    assert list(tmp_path.iterdir()) == []


def test_concurrent_writers_of_the_same_bytes(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    data = os.urandom(500_000)

    with ThreadPoolExecutor(8) as pool:
        names = set(pool.map(lambda _: blobs.put(data), range(32)))

    assert names == {hashlib.sha256(data).hexdigest()}
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [blobs.path(names.pop())]


def test_rot_is_noticed_and_a_new_write_heals_it(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    name = blobs.put(b"tiles")
    blobs.path(name).chmod(0o644)
    blobs.path(name).write_bytes(b"tilez")

    assert not blobs.verify(name)
    blobs.put(b"tiles")
    assert blobs.verify(name)


def test_a_process_that_may_open_no_more_files_says_nothing_of_the_blob(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    name = blobs.put(b"tiles")

    with files_left(0), pytest.raises(OSError, match="Too many open files"):
        blobs.verify(name)

    assert blobs.verify(name)
