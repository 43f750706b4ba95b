"""A backfill as the platform executes it: queue of runs, pools, workers, and the intervals at which each is looked at.

What waits for what is that of Dagster's queued run coordinator, of dagster-celery's loop and of ``ogaart worker``:

- Every ``DEQUEUE_SECONDS`` the daemon launches queued runs, as many as are allowed at a time, but none whose first
  step's pool is taken, waited for, or meant for a run that was launched just now.
- A run is a process. It sends one step after the other to a queue, and looks every ``tick`` seconds whether it ended.
- A step of a pool needs one of its slots. Where none is free it waits in line, and looks again ever less often.
- A worker takes the step that was sent first.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.scale.events import Compute, Process, Processor, Signal, Simulation, Sleep, next_tick

DEQUEUE_SECONDS = 5.0
"""Dagster's default of ``dequeue_interval_seconds``."""
YOUNG_SECONDS = 5.0
"""After its start a run keeps room in its first pool for so long (Dagster's default)."""
TICK_SECONDS = 1.0
"""dagster-celery's ``TICK_SECONDS``."""
LONGEST_CLAIM, CLAIM_GROWTH = 15.0, 1.1
"""Seconds between two looks at a pool whose slots are taken: 1 at first, each time longer by a tenth, 15 at most."""


@dataclass(frozen=True)
class Work:
    """What something takes when nothing else computes.

    After ``wait`` seconds two things happen side by side: ``beside`` core seconds of computing, and ``timer`` seconds,
    such as the delays between requests, followed by ``cpu`` core seconds of computing.

    Attributes:
        cpu: core seconds that lengthen it.
        beside: core seconds that are hidden by the others.
        timer: seconds that a clock decides.
        wait: seconds in which nothing computes.
        cores: cores that each of the two can use.
    """

    cpu: float = 0.0
    beside: float = 0.0
    timer: float = 0.0
    wait: float = 0.0
    cores: float = 1.0

    @classmethod
    def measured(cls, wall: float, cpu: float, timer: float = 0.0, cores: float = 1.0) -> "Work":
        """From wall and core seconds of something that was alone, of which a clock decided ``timer`` seconds.

        >>> Work.measured(wall=5.0, cpu=3.0, timer=4.0)
        Work(cpu=1.0, beside=2.0, timer=4.0, wait=0.0, cores=1.0)
        >>> Work.measured(wall=2.0, cpu=0.5)
        Work(cpu=0.5, beside=0.0, timer=0.0, wait=1.5, cores=1.0)
        """
        timer = min(timer, wall)
        serial = min(cpu, wall - timer)
        return cls(cpu=serial, beside=cpu - serial, timer=timer, wait=wall - timer - serial, cores=cores)


@dataclass(frozen=True)
class Step:
    """One step of a run.

    Attributes:
        name: its stage.
        work: from when it is sent to a worker until it has ended there.
        pool: whose slot it holds, until the run has seen its end.
    """

    name: str
    work: Work
    pool: str | None = None


@dataclass(frozen=True)
class Backfill:
    """Runs of the same steps, one a partition.

    Attributes:
        runs: how many.
        steps: of each run, one after the other.
        submit: to put one run into the queue.
        launch: from when the daemon takes a run out of the queue until it sends its first step.
        notice: from when a run has seen the end of a step until it sends the next.
        end: from when it has seen the end of its last step until it has ended.
        cold: what a worker takes more for its first step.
    """

    runs: int
    steps: tuple[Step, ...]
    submit: Work = Work()
    launch: Work = Work()
    notice: Work = Work()
    end: Work = Work()
    cold: Work = Work()


@dataclass(frozen=True)
class Shape:
    """Where a backfill is executed.

    Attributes:
        workers: how many, each with one step at a time.
        runs_at_a_time: as ``OGAART_CONCURRENT_RUNS``.
        pools: slots of each pool.
        cores: of the machine.
        busy_speed: as of ``Processor``.
        background: cores that services take without any run.
        tick: seconds between two looks of a run at its step.
        phase: seconds from the first run in the queue until the daemon's next look at it.
    """

    workers: int
    runs_at_a_time: int
    pools: dict[str, int]
    cores: int
    busy_speed: float = 1.0
    background: float = 0.0
    tick: float = TICK_SECONDS
    phase: float = 0.0


@dataclass
class Pool:
    """Slots, and who waits in line; a slot that becomes free is given to the first of them at once."""

    slots: int
    held: list[int] = field(default_factory=list)
    waiting: list[int] = field(default_factory=list)

    def claim(self, run: int) -> bool:
        """Whether the run has a slot; it gets in line where none is free."""
        if run not in self.held and run not in self.waiting:
            (self.held if len(self.held) < self.slots else self.waiting).append(run)
        return run in self.held

    def free(self, run: int) -> None:
        """Give the run's slot back."""
        self.held.remove(run)
        if self.waiting:
            self.held.append(self.waiting.pop(0))

    @property
    def taken(self) -> int:
        """Slots that are held or waited for."""
        return len(self.held) + len(self.waiting)


@dataclass(frozen=True)
class Told:
    """What a simulated backfill took.

    Attributes:
        seconds: from the first run in the queue until the end of the last run.
        cpu: core seconds, without the background.
        busy: by step, seconds that workers spent on it.
    """

    seconds: float
    cpu: float
    busy: dict[str, float]


class Platform:
    """One backfill on one machine.

    Args:
        backfill: what is executed.
        shape: where.
    """

    def __init__(self, backfill: Backfill, shape: Shape) -> None:
        self._backfill, self._shape = backfill, shape
        self._simulation = Simulation()
        self._processor = Processor(self._simulation, shape.cores, shape.busy_speed, shape.background)
        self._pools = {name: Pool(slots) for name, slots in shape.pools.items()}
        self._queue: list[int] = []
        self._sent: list[tuple[Step, Signal]] = []
        self._idle: list[Signal] = []
        self._started: dict[int, float | None] = {}
        self._ended = 0
        self._changed = Signal()
        self._first: float | None = None
        self._last = 0.0
        self._busy: dict[str, float] = {}

    def run(self) -> Told:
        """Execute the backfill."""
        self._simulation.start(self._submit())
        for _ in range(self._shape.workers):
            self._simulation.start(self._worker())
        self._simulation.run()
        return Told(self._last - (self._first or 0.0), self._processor.computed, dict(self._busy))

    def _submit(self) -> Process:
        for run in range(self._backfill.runs):
            yield from self._take(self._backfill.submit)
            self._queue.append(run)
            self._simulation.fire(self._changed)
            if self._first is None:
                self._first = self._simulation.now
                self._simulation.start(self._daemon())

    def _daemon(self) -> Process:
        yield Sleep(self._shape.phase)
        first = self._simulation.now
        while self._ended < self._backfill.runs:
            while self._queue and self._may_launch():
                run = self._queue.pop(0)
                self._started[run] = None
                self._simulation.start(self._run(run))
            if not self._young():  # what it would see does not change before a slot is freed or a run ends
                yield self._changed
                self._changed = Signal()
            yield Sleep(
                next_tick(first, self._simulation.now, DEQUEUE_SECONDS) - self._simulation.now or DEQUEUE_SECONDS
            )

    def _young(self) -> int:
        """Runs that keep room in the pool of their first step, since they were launched just now."""
        now = self._simulation.now
        return sum(at is None or now - at < YOUNG_SECONDS for at in self._started.values())

    def _may_launch(self) -> bool:
        if len(self._started) >= self._shape.runs_at_a_time:
            return False
        pool = self._backfill.steps[0].pool
        if pool is None:
            return True
        return self._pools[pool].taken + self._young() < self._pools[pool].slots

    def _run(self, run: int) -> Process:
        yield from self._take(self._backfill.launch)
        self._started[run] = self._simulation.now
        for number, step in enumerate(self._backfill.steps):
            if number:
                yield from self._take(self._backfill.notice)
            looks = 0
            while step.pool is not None and not self._pools[step.pool].claim(run):
                pause = min(LONGEST_CLAIM, CLAIM_GROWTH**looks)
                yield Sleep(math.ceil(pause / self._shape.tick) * self._shape.tick)
                looks += 1
            sent_at, ended = self._simulation.now, Signal()
            self._sent.append((step, ended))
            if self._idle:
                self._simulation.fire(self._idle.pop(0))
            yield ended
            yield Sleep(next_tick(sent_at, self._simulation.now, self._shape.tick) - self._simulation.now)
            if step.pool is not None:
                self._pools[step.pool].free(run)
                self._simulation.fire(self._changed)
        yield from self._take(self._backfill.end)
        del self._started[run]
        self._ended += 1
        self._last = self._simulation.now
        self._simulation.fire(self._changed)

    def _worker(self) -> Process:
        cold = True
        while True:
            while not self._sent:
                signal = Signal()
                self._idle.append(signal)
                yield signal
            step, ended = self._sent.pop(0)
            since = self._simulation.now
            if cold:
                cold = False
                yield from self._take(self._backfill.cold)
            yield from self._take(step.work)
            self._busy[step.name] = self._busy.get(step.name, 0.0) + self._simulation.now - since
            self._simulation.fire(ended)

    def _take(self, work: Work) -> Process:
        yield Sleep(work.wait)
        other: Signal | None = None
        if work.beside:
            other = Signal()
            self._simulation.start(self._beside(work, other))
        yield Sleep(work.timer)
        if work.cpu:
            yield Compute(self._processor, work.cpu, work.cores)
        if other is not None:
            yield other

    def _beside(self, work: Work, ended: Signal) -> Process:
        yield Compute(self._processor, work.beside, work.cores)
        self._simulation.fire(ended)


def simulate(backfill: Backfill, shape: Shape) -> Told:
    """What a backfill takes on a shape."""
    return Platform(backfill, shape).run()


def mean_over_phases(backfill: Backfill, shapes: Sequence[Shape]) -> tuple[float, float, float]:
    """Mean, least and most seconds over several shapes, such as all phases of the daemon's interval."""
    found = [simulate(backfill, shape).seconds for shape in shapes]
    return sum(found) / len(found), min(found), max(found)
