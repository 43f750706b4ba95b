"""The child process: crashes and hangs are rows, neighbours survive, nothing of the child outlives its parent."""

import dataclasses
import hashlib
import os
import platform
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from ogaart.core.states import MemberStatus
from ogaart.imaging.errors import Reason, Unreadable
from ogaart.imaging.limits import Limits
from ogaart.imaging.unpacker import Unpacker
from ogaart.resources.storage.packs import PackWriter, read_at
from ogaart_tests.imaging.builders import BUSH, FROG, png, saved, tarred, zipped

HANGS = b"qoif hangs"
DIES = b"qoif dies"
SABOTAGE = """
import os, signal, time
from PIL import Image
real = Image.open
def open(stream, *args, **more):
    data = stream.getvalue() if hasattr(stream, "getvalue") else b""
    if data.startswith(b"qoif hangs"):
        time.sleep(60)
    if data.startswith(b"qoif dies"):
        os.kill(os.getpid(), signal.SIGSEGV)
    return real(stream, *args, **more)
Image.open = open
"""
"""A decoder with two planted faults, put into the real child as ``sitecustomize``."""


@pytest.fixture
def faulty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(SABOTAGE)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return tmp_path


def test_a_crash_and_a_hang_are_rows(faulty: Path) -> None:
    path = faulty / "file"
    inner = zipped({"x.png": FROG, "dies.qoi": DIES, "y.png": BUSH})
    path.write_bytes(tarred({"a.png": FROG, "hangs.qoi": HANGS, "b.png": BUSH, "inner.zip": inner, "c.png": png()}))
    with Unpacker(dataclasses.replace(Limits(), member_seconds=1.5), faulty / "scratch") as unpacker:
        rows = list(unpacker.unpack(path))
        assert unpacker.restarts == 2

    assert [(r.member_index, r.error_class or r.status) for r in rows] == [
        ("0", "picture"),
        ("1", "TimedOut"),
        ("2", "picture"),
        ("3", "not_a_picture"),
        ("3/0", "picture"),
        ("3/1", "WorkerCrashed"),
        ("3/2", "picture"),
        ("4", "picture"),
    ]
    assert "SIGSEGV" in (rows[5].message or "")
    assert "OGAART_MEMBER_SECONDS" in (rows[1].message or "")
    assert not list((faulty / "scratch").iterdir())


@pytest.mark.slow
def test_a_crash_at_every_member(faulty: Path) -> None:
    path = faulty / "file"
    path.write_bytes(zipped({f"{n}.qoi": DIES for n in range(10)}))
    with Unpacker(Limits(), faulty / "scratch") as unpacker:
        rows = list(unpacker.unpack(path))
        assert {r.error_class for r in rows} == {Reason.WORKER_CRASHED}
        assert [r.member_index for r in rows] == [str(n) for n in range(10)]
        path.write_bytes(FROG)
        assert [r.status for r in unpacker.unpack(path)] == [MemberStatus.PICTURE]


def test_memory_is_limited(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(zipped({"big.png": png((6000, 6000)), "a.png": FROG}))
    with Unpacker(dataclasses.replace(Limits(), worker_bytes=100 << 20), tmp_path / "scratch") as unpacker:
        rows = list(unpacker.unpack(path))

    assert [r.error_class or r.status for r in rows] == [Reason.OUT_OF_MEMORY, "picture"]


@pytest.mark.parametrize("form", ["BMP", "TIFF", "TGA"])
def test_the_parent_holds_little_of_a_large_member(unpacker: Unpacker, tmp_path: Path, form: str) -> None:
    pixels = np.random.default_rng(1).integers(0, 255, (2500, 4000, 3), np.uint8)
    picture = saved(Image.fromarray(pixels), form)
    path = tmp_path / "file"
    path.write_bytes(zipped({"large": picture, "a.png": FROG}, zipfile.ZIP_STORED))
    length, digest = len(picture), hashlib.sha256(picture).hexdigest()
    del pixels, picture

    tracemalloc.start()
    try:
        row, small = unpacker.unpack(path)
        with PackWriter(tmp_path / "pack.zip") as pack:
            assert row.content is not None
            offset, stored = pack.add("large", row.content)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert length > 28 << 20
    assert peak < 8 << 20
    assert small.content == FROG
    assert hashlib.sha256(read_at(tmp_path / "pack.zip", offset, stored)).hexdigest() == digest == row.sha256


@pytest.mark.slow
def test_a_reader_that_leaves_early(unpacker: Unpacker, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(zipped({f"{n}.png": FROG for n in range(50)}))
    rows = unpacker.unpack(path)
    assert next(rows).member_index == "0"
    rows.close()

    assert len(list(unpacker.unpack(path))) == 50


def test_decode_one(unpacker: Unpacker) -> None:
    picture = unpacker.decode_one(FROG, max_bytes=1 << 20, max_pixels=1 << 20)
    assert picture.rgba.shape == (128, 128, 4)
    assert picture.format == "png"

    for data, max_bytes, max_pixels, reason in (
        (FROG, 10, 1 << 20, Reason.TOO_LARGE),
        (FROG, 1 << 20, 100, Reason.TOO_MANY_PIXELS),
        (zipped({"a.png": FROG}), 1 << 20, 1 << 20, Reason.NOT_A_PICTURE),
        (FROG[:500], 1 << 20, 1 << 20, Reason.CORRUPT),
        (b"", 1 << 20, 1 << 20, Reason.NOT_A_PICTURE),
    ):
        with pytest.raises(Unreadable) as caught:
            unpacker.decode_one(data, max_bytes=max_bytes, max_pixels=max_pixels)
        assert caught.value.error_class is reason


def test_decode_one_in_threads(faulty: Path) -> None:
    failures: list[Reason] = []

    def ask(unpacker: Unpacker, data: bytes) -> None:
        try:
            unpacker.decode_one(data, max_bytes=1 << 20, max_pixels=1 << 20, seconds=1)
        except Unreadable as cause:
            failures.append(cause.error_class)

    with Unpacker(Limits(), faulty / "scratch") as unpacker:
        threads = [threading.Thread(target=ask, args=(unpacker, data)) for data in (FROG, HANGS, BUSH, DIES, FROG)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert sorted(failures) == [Reason.TIMED_OUT, Reason.WORKER_CRASHED]


def test_the_child_knows_no_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QDRANT_API_KEY", "secret")
    with Unpacker(Limits(), tmp_path) as unpacker:
        unpacker.decode_one(FROG, max_bytes=1 << 20, max_pixels=1 << 20)
        (child,) = [p for p in psutil.Process().children() if "ogaart.imaging.worker" in p.cmdline()][-1:]
        assert "QDRANT_API_KEY" not in child.environ()
        loaded = Path(f"/proc/{child.pid}/maps")
        assert not loaded.exists() or "torch" not in loaded.read_text()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="what other C libraries do with freed memory is theirs")
def test_memory_is_kept_for_the_next_picture(tmp_path: Path) -> None:
    """Each page that is given back and taken again costs as much as thousands of pixels."""
    paths = [tmp_path / f"{width}.png" for width in (2000, 300, 900, 50)]
    for path in paths:
        across = np.mgrid[: int(path.stem), : int(path.stem)][1]
        rgba = np.stack([across % 256, across // 8, across // 4, np.minimum(across, 255)], axis=-1).astype(np.uint8)
        Image.fromarray(rgba).save(path, compress_level=1)

    with Unpacker(Limits(), tmp_path / "scratch") as unpacker:

        def unpack_all() -> int:
            """How many pages the child gets meanwhile."""
            rows = [row for path in paths for row in unpacker.unpack(path)]
            assert [row.status for row in rows] == ["picture"] * 4
            (child,) = [p for p in psutil.Process().children() if "ogaart.imaging.worker" in p.cmdline()][-1:]
            return int(Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[7])

        unpack_all()
        before = unpack_all()
        after = unpack_all()

    assert after - before < 1000  # the largest picture alone is 3,900 pages


PARENT = """
import sys, time
from pathlib import Path
from ogaart.imaging.limits import Limits
from ogaart.imaging.unpacker import Unpacker
unpacker = Unpacker(Limits(), Path(sys.argv[1]))
unpacker.decode_one(Path(sys.argv[2]).read_bytes(), max_bytes=1 << 20, max_pixels=1 << 20)
print("ready", flush=True)
time.sleep(60)
"""


def test_the_child_dies_with_its_parent(tmp_path: Path) -> None:
    picture = tmp_path / "frog.png"
    picture.write_bytes(FROG)
    command = [sys.executable, "-c", PARENT, str(tmp_path / "scratch"), str(picture)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        (child,) = psutil.Process(parent.pid).children()
        os.kill(parent.pid, signal.SIGKILL)

    deadline = time.monotonic() + 5
    while child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, f"child {child.pid} outlived its parent"
        time.sleep(0.02)
