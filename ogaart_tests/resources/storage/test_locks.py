"""Locks of live processes bind; those of dead ones, whatever they left behind, do not."""

import fcntl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO

import pytest

from ogaart.resources.storage.locks import Locked, forget_free, hold, hold_together, is_free

HOLD = """
import sys, time
from pathlib import Path
from ogaart.resources.storage.locks import hold
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@contextmanager
def held_elsewhere(path: Path, program: str = HOLD) -> Iterator["subprocess.Popen[bytes]"]:
    """Another process that holds the lock."""
    with subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_live_holder_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    with held_elsewhere(path) as other:
        assert not is_free(path)
        with (
            pytest.raises(
                Locked, match=rf"the thing is held by another process \(process {other.pid}\), waited 0\.1 s"
            ),
            hold(path, timeout=0.1, what="the thing"),
        ):
            raise AssertionError("held twice")


def test_a_lock_of_a_killed_process_is_free_at_once_whatever_it_left(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    with held_elsewhere(path) as other:
        other.kill()
        other.wait()
    assert path.exists()
    assert path.with_name("a.lock.holder").exists()

    assert is_free(path)
    began = time.monotonic()
    with hold(path, timeout=30):
        assert time.monotonic() - began < 15
        assert not is_free(path)

    assert is_free(path)
    assert not path.with_name("a.lock.holder").exists()


@pytest.mark.parametrize("note", [b"", b'{"pid": ', b"[]", b"\xff"])
def test_a_torn_note_of_the_holder_does_no_harm(note: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    with held_elsewhere(path):
        path.with_name("a.lock.holder").write_bytes(note)
        with pytest.raises(Locked, match="unknown process"), hold(path):
            pass


def test_a_waiting_run_gets_the_lock_when_the_holder_dies(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    with held_elsewhere(path) as other:
        with pytest.raises(Locked), hold(path):
            pass
        other.kill()
        with hold(path, timeout=10):
            pass


def held_together_elsewhere(path: Path) -> "AbstractContextManager[subprocess.Popen[bytes]]":
    """Another process that holds the lock as one of several."""
    return held_elsewhere(path, HOLD.replace("hold(", "hold_together(").replace("import hold", "import hold_together"))


def test_a_lock_that_several_hold_is_free_once_the_last_has_ended(tmp_path: Path) -> None:
    path = tmp_path / "run.lock"
    with held_together_elsewhere(path) as other:
        with hold_together(path):
            assert not is_free(path)
        assert not is_free(path)

        other.kill()
        other.wait()

    assert is_free(path)


def test_the_last_of_several_holders_deletes_the_file(tmp_path: Path) -> None:
    path = tmp_path / "run.lock"
    with hold_together(path):
        with hold_together(path):
            pass
        assert path.exists()
        assert not is_free(path)

    assert not path.exists()


def test_several_holders_wait_for_one_that_holds_it_alone(tmp_path: Path) -> None:
    path = tmp_path / "run.lock"
    with (
        held_elsewhere(path) as other,
        pytest.raises(Locked, match=rf"run 1 is held by another process \(process {other.pid}\), waited 0\.1 s"),
        hold_together(path, timeout=0.1, what="run 1"),
    ):
        raise AssertionError("held twice")


def test_a_look_at_a_lock_makes_no_file(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"

    assert is_free(path)
    assert forget_free(path)

    assert list(tmp_path.iterdir()) == []


def test_a_free_lock_can_be_forgotten_and_a_held_one_cannot(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    with hold_together(path):
        assert not forget_free(path)
        assert path.exists()
    path.touch()

    assert forget_free(path)
    assert not path.exists()


def test_a_lock_that_another_process_took_anew_meanwhile_is_not_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, lock = tmp_path / "a.lock", fcntl.flock

    def taken_anew(file: IO[bytes], how: int) -> None:
        """The last holder leaves, and another process comes, between the opening of the file and its lock."""
        path.unlink()
        path.write_text("another process's")
        lock(file, how)

    path.touch()
    monkeypatch.setattr("ogaart.resources.storage.locks.fcntl.flock", taken_anew)

    assert not forget_free(path)

    assert path.read_text() == "another process's"
