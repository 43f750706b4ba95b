"""CPU time of this process and of all that descend from it, by group, noted while something runs.

The times of children that have ended and were waited for are in those of their parents, so that nothing is lost
between two looks, and what other people do on the machine is not counted.
"""

import os
import threading
import time
from bisect import bisect_left
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

EVERY = 0.2
"""Seconds between two looks."""
TICKS = os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> tuple[int, float] | None:
    """Parent, and CPU seconds with those of children that were waited for; None where the process is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(")")[2].split()
    return int(fields[1]), sum(map(int, fields[11:15])) / TICKS


def prefer(pid: int) -> None:
    """Give the session of a process the highest weight; sessions share the cores where the kernel groups by them."""
    with suppress(OSError):  # not allowed, no such kernel, or the process is gone
        Path(f"/proc/{pid}/autogroup").write_text("-19", "ascii")


def machine_seconds() -> float:
    """CPU seconds that the whole machine has computed."""
    fields = [int(value) for value in Path("/proc/stat").read_text("ascii").split("\n", 1)[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / TICKS


class CPUSeconds:
    """A context manager that notes CPU seconds by group in a thread.

    Args:
        groups: process ids whose descendants belong to a group; all others are ``services``, this process is ``self``.
        first: let these processes compute before all others, where that is allowed: other work on the machine then
            changes little.
    """

    def __init__(self, groups: Mapping[int, str], *, first: bool = False) -> None:
        self._groups = dict(groups)
        self._first = first
        self._preferred: set[int] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._note, daemon=True)
        self.times: list[float] = []
        self.seconds: list[dict[str, float]] = []
        self.machine: list[float] = []

    def __enter__(self) -> Self:
        self.look()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self.look()

    def _note(self) -> None:
        while not self._stop.wait(EVERY):
            self.look()

    def look(self) -> None:
        """Note the seconds now."""
        pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
        found = {pid: stat for pid in pids if (stat := _stat(pid)) is not None}
        group = {os.getpid(): "self"}
        sums = {"self": found[os.getpid()][1]}
        waiting = dict(found)
        waiting.pop(os.getpid())
        while True:
            mine = [pid for pid, (parent, _) in waiting.items() if parent in group]
            if not mine:
                break
            for pid in mine:
                parent, seconds = waiting.pop(pid)
                name = self._groups.get(pid) or ("services" if group[parent] == "self" else group[parent])
                group[pid] = name
                sums[name] = sums.get(name, 0.0) + seconds
        if self._first:
            for pid in group.keys() - self._preferred:
                prefer(pid)
            self._preferred |= group.keys()
        self.times.append(time.time())
        self.seconds.append(sums)
        self.machine.append(machine_seconds())

    def total(self, at: float) -> float:
        """CPU seconds of all groups until a time, between two looks in proportion."""
        return self._between([sum(sums.values()) for sums in self.seconds], at)

    def others(self, since: float, until: float) -> float:
        """Cores that all else on the machine has taken on average."""
        whole = self._between(self.machine, until) - self._between(self.machine, since)
        return (whole - (self.total(until) - self.total(since))) / (until - since)

    def _between(self, values: list[float], at: float) -> float:
        after = min(max(bisect_left(self.times, at), 1), len(self.times) - 1)
        start, end = self.times[after - 1], self.times[after]
        share = min(max((at - start) / (end - start), 0.0), 1.0) if end > start else 1.0
        return values[after - 1] + share * (values[after] - values[after - 1])
