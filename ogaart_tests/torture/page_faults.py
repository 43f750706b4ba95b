"""A disk that is full under the memory-mapped files of the index: before they are opened, and while they are written.

The kernel ends a process that writes to a mapped hole without room by SIGBUS. Nothing may be lost by it, and the cause
must be told.
"""

import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from shutil import disk_usage

from rich.console import Console

from ogaart.operations.rebuild import rebuild
from ogaart.settings import Settings
from ogaart_tests.torture import steps
from ogaart_tests.torture.inspecting import holdings, losses
from ogaart_tests.torture.running import Ended, Group, World, run
from ogaart_tests.torture.small_site import small_site

MiB = 1 << 20
SIZE = 1024 * MiB
LEFT = (0, 8 * MiB, 300 * MiB)
"""Bytes that are left when a run begins."""
THIEVES = (0.5, 1.5, 3.0)
"""Seconds into a run after which another process takes all room."""
TOLD = ("disk", "are free under", "No space left", "no space left")


@dataclass
class Filled:
    """What was tried.

    Attributes:
        runs: runs with a full disk.
        bus_errors: of these ended by SIGBUS, and said so.
        well: of these ended well, since there was room enough.
        problems: what was lost, or not told.
        skipped: why nothing was tried.
    """

    runs: int = 0
    bus_errors: int = 0
    well: int = 0
    problems: list[str] = field(default_factory=list)
    skipped: str = ""


@contextmanager
def mounted(folder: Path, size: int) -> Iterator[bool]:
    """A file system of its own at a folder; whether it could be mounted."""
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    done = subprocess.run(command, check=False, capture_output=True).returncode == 0
    try:
        yield done
    finally:
        if done:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def rebuilding() -> steps.Reports:
    """Inside a run's process: write every point again, and publish."""
    yield "rebuild", rebuild(Settings(), Console(quiet=True), "index")
    yield from steps.publishing()


def page_faults(root: Path) -> Filled:
    """Rebuild the index again and again on a disk that is full, or becomes so."""
    result = Filled()
    world_root = root / "world"
    with mounted(world_root / "data", SIZE) as possible, small_site() as site:
        if not possible:
            result.skipped = "no file system can be mounted here"
            return result
        world = World(world_root, site.base)  # its notes are on another disk
        first = run(world, steps.everything)
        if not first.well:
            raise AssertionError(f"the first run failed: {first}")
        expected, filler = holdings(world), world.data / "filler"
        for left in LEFT:
            fill(filler, left)
            _judge(result, world, run(world, rebuilding), f"with {left // MiB} MiB left")
            filler.unlink()
        for seconds in THIEVES:
            group = Group(world, rebuilding)
            thief = threading.Timer(seconds, fill, (filler, 0))
            thief.start()
            ended = group.wait()
            thief.cancel()
            thief.join()
            _judge(result, world, ended, f"filled after {seconds:g} s")
            filler.unlink(missing_ok=True)
        last = run(world, rebuilding)
        if not last.well:
            result.problems.append(f"with room again a run failed: {last.errors}")
        result.problems += losses(expected, holdings(world))
    return result


def _judge(result: Filled, world: World, ended: Ended, what: str) -> None:
    """A run on a full disk ends well, or says why it does not."""
    result.runs += 1
    said = (world.root / "said.txt").read_text(errors="replace")
    (world.root / "said.txt").write_text("")
    told = any(word in text for word in TOLD for text in (*ended.errors, said))
    if ended.well:
        result.well += 1
    elif ended.code == -signal.SIGBUS and told:
        result.bus_errors += 1
    elif not told:
        result.problems.append(f"{what}: exit code {ended.code}, and nothing told of a full disk: {ended.errors}")


def fill(filler: Path, left: int) -> None:
    """Take all room of a disk but ``left`` bytes."""
    with filler.open("wb", buffering=0) as out, suppress(OSError):
        while (free := disk_usage(filler.parent).free) > left:
            out.write(bytes(min(MiB, free - left)))
