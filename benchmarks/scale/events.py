"""A small discrete-event simulation: processes as generators, and processors whose cores they share.

A process yields what it waits for: ``Sleep``, ``Compute`` or a ``Signal``. Time is in seconds, from 0. By hand, since
it is a hundred lines, and what it is about, cores shared by all that compute, a library would not bring.
"""

import heapq
import itertools
import math
from collections.abc import Callable, Generator
from dataclasses import dataclass, field

DONE = 1e-9
"""Core seconds below which nothing remains to be computed."""


@dataclass(frozen=True)
class Sleep:
    """Wait for so many seconds."""

    seconds: float


@dataclass(frozen=True)
class Compute:
    """Compute on a processor for so many core seconds, on at most so many cores at a time."""

    on: "Processor"
    seconds: float
    cores: float = 1.0


@dataclass
class Signal:
    """What processes wait for until it is fired, once."""

    fired: bool = False
    waiting: list["Process"] = field(default_factory=list)


Process = Generator[Sleep | Compute | Signal, None, None]


@dataclass
class _Job:
    process: Process
    left: float
    cores: float
    rate: float = 0.0


class Simulation:
    """Runs processes in the order of time."""

    def __init__(self) -> None:
        self.now = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def at(self, time: float, call: Callable[[], None]) -> None:
        """Call something at a time."""
        heapq.heappush(self._events, (max(time, self.now), next(self._order), call))

    def start(self, process: Process) -> None:
        """Start a process now."""
        self.at(self.now, lambda: self._step(process))

    def fire(self, signal: Signal) -> None:
        """Let what waits for a signal continue."""
        signal.fired = True
        waiting, signal.waiting = signal.waiting, []
        for process in waiting:
            self.start(process)

    def run(self) -> float:
        """Run until nothing is left to happen; returns the time then."""
        while self._events:
            self.now, _, call = heapq.heappop(self._events)
            call()
        return self.now

    def _step(self, process: Process) -> None:
        try:
            wanted = next(process)
        except StopIteration:
            return
        if isinstance(wanted, Sleep):
            self.at(self.now + wanted.seconds, lambda: self._step(process))
        elif isinstance(wanted, Compute):
            wanted.on.add(process, wanted.seconds, wanted.cores)
        elif wanted.fired:
            self.start(process)
        else:
            wanted.waiting.append(process)


class Processor:
    """Cores that all computing processes share equally, each up to the number of cores that it can use.

    Args:
        simulation: whose time it follows.
        cores: how many.
        busy_speed: speed of a core while all of them compute, beside that of one that computes alone.
        background: cores that are taken all the time.
    """

    def __init__(self, simulation: Simulation, cores: int, busy_speed: float = 1.0, background: float = 0.0) -> None:
        self._simulation = simulation
        self._cores, self._busy_speed, self._background = cores, busy_speed, background
        self._jobs: list[_Job] = []
        self._since = 0.0
        self._plan = 0
        self.computed = 0.0
        """Core seconds computed, without those in the background."""

    def add(self, process: Process, seconds: float, cores: float) -> None:
        """Let a process compute, and continue it afterwards."""
        self._advance()
        self._jobs.append(_Job(process, seconds, cores))
        self._replan()

    def _advance(self) -> None:
        passed, self._since = self._simulation.now - self._since, self._simulation.now
        for job in self._jobs:
            job.left -= passed * job.rate
            self.computed += passed * job.rate

    def _replan(self) -> None:
        self._share()
        self._plan += 1
        plan = self._plan
        ends = [job.left / job.rate for job in self._jobs if job.rate > 0]
        if ends:
            self._simulation.at(self._simulation.now + max(min(ends), 0.0), lambda: self._end(plan))

    def _end(self, plan: int) -> None:
        if plan != self._plan:
            return  # others have begun or ended since
        self._advance()
        ended = [job for job in self._jobs if job.left <= DONE]
        self._jobs = [job for job in self._jobs if job.left > DONE]
        for job in ended:
            self._simulation.start(job.process)
        self._replan()

    def _share(self) -> None:
        """Give every job its rate: equal shares, where none gets more than it can use."""
        free, waiting = self._cores - self._background, sorted(self._jobs, key=lambda job: job.cores)
        for number, job in enumerate(waiting):
            job.rate = min(job.cores, max(free, 0.0) / (len(waiting) - number))
            free -= job.rate
        busy = sum(job.rate for job in self._jobs) + self._background
        crowding = max(0.0, busy - 1.0) / (self._cores - 1) if self._cores > 1 else 0.0
        speed = 1.0 - (1.0 - self._busy_speed) * min(1.0, crowding)
        for job in self._jobs:
            job.rate *= speed


def next_tick(since: float, now: float, every: float) -> float:
    """The first time not before ``now`` of those that follow ``since`` at equal distances, at least one of them.

    >>> next_tick(10.0, 12.3, 1.0)
    13.0
    """
    return since + max(1, math.ceil((now - since) / every - DONE)) * every
