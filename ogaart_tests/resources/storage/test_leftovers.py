"""What killed processes left is deleted by the next run, and nothing else."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ogaart.core.durable_names import is_leftover
from ogaart.resources.storage.atomic_files import temporary
from ogaart.resources.storage.data_root import DataRoot
from ogaart.resources.storage.leftovers import clean_up_leftovers


def dead_pid() -> int:
    """The id of a process that is gone."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_files_and_folders_of_dead_processes_are_deleted_wherever_stores_draft(tmp_path: Path) -> None:
    dead, root = dead_pid(), DataRoot(tmp_path)
    places = ["", "blobs", "site/fetches/ab", "site/partial", "site/robots", "vectors/space", "index/space", "scratch"]
    places += ["models", "history", "projections", "decisions", "reports", "publications/files/ab"]  # a bucket's too
    drafts = [tmp_path / place / f".tmp-{dead}-x" for place in places]
    for draft in drafts:
        draft.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(b"half")
    building = tmp_path / "generations" / f".tmp-{dead}-building-000001"
    (building / "index").mkdir(parents=True)
    (tmp_path / "blobs" / "kept").write_bytes(b"whole")

    assert set(clean_up_leftovers(root)) == {*drafts, building}
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["kept"]


def test_a_link_to_itself_is_passed_over(tmp_path: Path) -> None:
    draft = tmp_path / "site" / f".tmp-{dead_pid()}-x"
    draft.parent.mkdir()
    draft.write_bytes(b"half")
    for link in (tmp_path / "loop", tmp_path / "site" / "loop"):
        link.symlink_to(link.name)

    assert clean_up_leftovers(DataRoot(tmp_path)) == [draft]


def test_what_a_live_process_writes_stays(tmp_path: Path) -> None:
    draft = tmp_path / f".tmp-{os.getpid()}-x"
    draft.write_bytes(b"half")

    assert not is_leftover(draft)
    assert clean_up_leftovers(DataRoot(tmp_path)) == []


def test_a_process_that_started_after_the_file_is_another_one(tmp_path: Path) -> None:
    draft = tmp_path / f".tmp-{os.getpid()}-x"
    draft.write_bytes(b"half")
    os.utime(draft, (1_000_000_000, 1_000_000_000))

    assert is_leftover(draft)


def test_other_names_are_no_leftovers(tmp_path: Path) -> None:
    for name in (".tmp-", ".tmp-x-y", "tmp-1-x", "blob"):
        (tmp_path / name).write_bytes(b"")
        assert not is_leftover(tmp_path / name)


def test_what_a_process_of_another_container_writes_stays_for_a_day(tmp_path: Path) -> None:
    fresh, old = tmp_path / f".tmp-{dead_pid()}n4026539999-fresh", tmp_path / f".tmp-{dead_pid()}n4026539999-old"
    for draft, age in ((fresh, 3600), (old, 2 * 86_400)):
        draft.write_bytes(b"half")
        os.utime(draft, (time.time() - age,) * 2)

    assert clean_up_leftovers(DataRoot(tmp_path)) == [old]


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("unshare") is None, reason="needs root and unshare")
def test_a_process_in_a_container_says_so_in_its_names(tmp_path: Path) -> None:
    program = f"from pathlib import Path; from {temporary.__module__} import temporary; print(temporary(Path('x')))"

    said = subprocess.check_output(["unshare", "--pid", "--fork", sys.executable, "-c", program], text=True).strip()

    draft = tmp_path / said
    draft.write_bytes(b"half")
    assert re.fullmatch(r"\.tmp-\d+n\d+-x", said)
    assert not is_leftover(draft)
