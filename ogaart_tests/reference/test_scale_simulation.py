"""The simulation of backfills, on cases whose answer is known by hand."""

from collections.abc import Sequence

import pytest

from benchmarks.scale.cluster import Measured, RunTimes, StepTimes
from benchmarks.scale.events import Compute, Process, Processor, Signal, Simulation, Sleep, next_tick
from benchmarks.scale.platform import Backfill, Pool, Shape, Step, Work, simulate
from benchmarks.scale_simulation import calibration, fixed
from ogaart.core.stages import PARTITION_STAGES


def ends(cores: int, jobs: Sequence[tuple[float, float, float]], **processor: float) -> list[float]:
    """When jobs end that begin at a time, take so many core seconds and use so many cores."""
    simulation = Simulation()
    on = Processor(simulation, cores, **processor)
    found = [0.0] * len(jobs)

    def job(number: int, begin: float, seconds: float, most: float) -> Process:
        yield Sleep(begin)
        yield Compute(on, seconds, most)
        found[number] = simulation.now

    for number, (begin, seconds, most) in enumerate(jobs):
        simulation.start(job(number, begin, seconds, most))
    simulation.run()
    return found


def shape(workers: int, runs: int = 3, phase: float = 0.0) -> Shape:
    """Workers on a machine of two cores, with a site of one slot; the daemon looks first after ``phase`` seconds."""
    return Shape(workers, runs, {"site": 1}, cores=2, phase=phase)


def test_what_computes_shares_the_cores() -> None:
    assert ends(1, [(0, 1, 1), (0, 1, 1)]) == [2, 2]
    assert ends(2, [(0, 1, 1), (0, 1, 1)]) == [1, 1]
    assert ends(2, [(0, 2, 1), (0, 2, 1), (0, 2, 1)]) == pytest.approx([3, 3, 3])


def test_a_shorter_job_leaves_its_share_to_the_longer() -> None:
    assert ends(1, [(0, 1, 1), (0, 3, 1)]) == [2, 4]
    assert ends(1, [(0, 3, 1), (1, 1, 1)]) == [4, 3]


def test_a_job_uses_no_more_cores_than_it_can() -> None:
    assert ends(4, [(0, 4, 1), (0, 9, 4)]) == [4, 3]


def test_cores_that_are_taken_are_not_shared() -> None:
    assert ends(2, [(0, 3, 2)], background=0.5) == [2]


def test_cores_are_slower_while_all_compute() -> None:
    assert ends(2, [(0, 1, 1)], busy_speed=0.5) == [1]
    assert ends(2, [(0, 1, 1), (0, 1, 1)], busy_speed=0.5) == [2, 2]


def test_a_signal_continues_all_that_wait_for_it() -> None:
    simulation, signal, found = Simulation(), Signal(), []

    def waiting(begin: float) -> Process:
        yield Sleep(begin)
        yield signal
        found.append(simulation.now)

    for begin in (1.0, 2.0, 9.0):
        simulation.start(waiting(begin))
    simulation.at(5.0, lambda: simulation.fire(signal))
    simulation.run()

    assert found == [5, 5, 9]


@pytest.mark.parametrize(("now", "tick"), [(10.0, 11.0), (10.4, 11.0), (11.0, 11.0), (12.3, 13.0)])
def test_a_tick_comes_after_what_it_finds(now: float, tick: float) -> None:
    assert next_tick(10.0, now, 1.0) == tick


def test_a_free_slot_is_given_to_the_first_in_line() -> None:
    pool = Pool(1)

    first = [pool.claim(run) for run in (7, 8, 9, 8)]
    pool.free(7)

    assert first == [True, False, False, False]
    assert (pool.held, pool.waiting, pool.taken) == ([8], [9], 2)


def test_work_takes_as_long_alone_as_was_measured() -> None:
    for wall, cpu, timer in [(5.0, 3.0, 4.0), (2.0, 0.5, 0.0), (4.0, 7.0, 0.0), (3.0, 1.0, 9.0)]:
        told = simulate(Backfill(1, (Step("only", Work.measured(wall, cpu, timer)),)), shape(1))

        assert (told.busy["only"], told.cpu) == (wall, cpu)


def test_a_run_sees_the_end_of_its_step_at_its_next_look_and_the_daemon_at_its_own() -> None:
    told = simulate(Backfill(2, (Step("only", Work(wait=2.5)),)), shape(1, runs=1))

    assert told.seconds == 5 + 3  # the second run is launched at 5, and sees the end of its step after 3


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_no_number_of_workers_reads_a_site_faster_than_its_delay(workers: int) -> None:
    told = simulate(Backfill(3, (Step("read", Work(timer=12.0), "site"),)), shape(workers))

    assert told.seconds == 15 + 15 + 12  # seen at 12 and 27, and the daemon looks at 15 and 30


def test_workers_share_what_only_waits() -> None:
    jobs = Backfill(4, (Step("wait", Work(wait=10.0)),))

    found = [simulate(jobs, shape(workers, runs=4, phase=1)).seconds - 1 for workers in (1, 2, 4)]

    assert found == [40, 20, 10]


def test_more_workers_than_cores_compute_no_faster() -> None:
    jobs = Backfill(4, (Step("compute", Work(cpu=10.0)),))

    found = [simulate(jobs, shape(workers, runs=4, phase=1)).seconds - 1 for workers in (1, 2, 4)]

    assert found == pytest.approx([40, 20, 20])


def test_a_step_waits_for_a_slot_and_looks_ever_less_often() -> None:
    steps = (Step("any", Work()), Step("one", Work(wait=3.9), "site"))

    told = simulate(Backfill(2, steps), shape(2, phase=1))

    # Launched at 1, both want the slot at 2. One has it until 6; the other looks at 3, 5 and 7, and takes 4 seconds.
    assert told.seconds == 7 + 4


def test_a_worker_takes_longer_for_its_first_step() -> None:
    jobs = Backfill(2, (Step("wait", Work(wait=10.0)),), cold=Work(wait=5.0))

    assert [simulate(jobs, shape(workers, runs=2, phase=1)).seconds - 1 for workers in (1, 2)] == [25, 15]


def measured(cpu: Sequence[float]) -> Measured:
    """Runs by one worker whose steps take 4 seconds each and so many core seconds, beside services."""
    runs, at = [], 0.0
    for seconds in cpu:
        launched, steps = at, []
        at += 3.0
        for stage in PARTITION_STAGES:
            requests = 20 if stage.value == "content_pages" else 0
            steps.append(StepTimes(stage.value, at, at + 0.5, at + 3.5, seconds, requests))
            at += 4.0
        at += 1.0
        runs.append(RunTimes(0.0, launched, at, steps, launch_cpu=2.3))
    return Measured(1, at, 0.0, 0.1, 0.6, 0.3, 0.0, 0, 0, runs)


def test_a_calibration_takes_the_services_from_what_a_step_computed() -> None:
    found = calibration(measured([9.0, 1.4, 1.4]), delay=0.05)

    # 3.5 seconds, of which 20 delays are one; 1.4 core seconds in 4, less four tenths of the services.
    assert found["steps"]["content_pages"] == {"cpu": 1.0, "beside": 0.0, "timer": 1.0, "wait": 1.5, "cores": 1.0}
    assert found["steps"]["file_links"] == {"cpu": 1.0, "beside": 0.0, "timer": 0.0, "wait": 2.5, "cores": 1.0}
    assert found["launch"] == {"cpu": 2.0, "beside": 0.0, "timer": 0.0, "wait": 1.0, "cores": 1.0}
    assert found["end_seconds"] == 1.0


def test_what_a_step_takes_whatever_is_in_it_is_what_several_take_more_than_one() -> None:
    found = fixed(measured([9.0, 7.4, 7.4]), measured([2.4, 2.4, 2.4, 2.4]), background=0.1)

    # 7 core seconds once, 4 times 2 in parts: one second more in three more runs.
    assert found["embeddings"] == pytest.approx(1 / 3, abs=0.001)
