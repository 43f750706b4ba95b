"""A backfill over n workers: a simulation of it, and the measured runs that it must predict.

    .venv/bin/python -m benchmarks.scale_simulation calibrate FOLDER    # 3 partitions by one worker
    .venv/bin/python -m benchmarks.scale_simulation predict             # all partitions by one, two and three workers
    .venv/bin/python -m benchmarks.scale_simulation measure FOLDER --workers 2
    .venv/bin/python -m benchmarks.scale_simulation starts FOLDER       # what steps take whatever is in them
    .venv/bin/python -m benchmarks.scale_simulation spread FOLDER --workers 3   # 1,000 partitions that are stored

Each writes its part of ``benchmarks/scaling.json``, from which ``benchmarks/scaling.py`` makes docs/scaling.md. What is
calibrated is a separate, shorter run by one worker: the core seconds and the wall time of every step, of a run's start
and end, and the speed of two processes beside one. Predictions are written before what they predict is measured.
FOLDER keeps the site and everything that was measured. It takes PostgreSQL, Redis and some minutes; `--first` gives
all that is measured priority over other work on the machine, where that is allowed.
"""

import argparse
import json
import multiprocessing
import os
import signal
import statistics
import sys
import tempfile
import time
import zlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.scale.events import next_tick
from benchmarks.scale.platform import (
    DEQUEUE_SECONDS,
    TICK_SECONDS,
    Backfill,
    Shape,
    Step,
    Work,
    mean_over_phases,
    simulate,
)
from ogaart.core.stages import PARTITION_STAGES

KEPT = Path(__file__).with_name("scaling.json")
COPIES, PER_PAGE, DELAY = 6, 68, 0.05
PARTITIONS, CALIBRATED, DIVIDED = 5, 3, 4
WORKERS = (1, 2, 3)
PHASES = 10
"""Phases of the daemon's interval over which a prediction is the mean: a real run has one of them by chance."""
POOLS = {"search_pages": "site", "content_pages": "site", "raw_files": "site", "embeddings": "embedder",
         "qdrant_collection": "collection"}  # fmt: skip
"""The pool of each step, as its asset declares it."""


def pools(workers: int) -> dict[str, int]:
    """Slots of each pool, with ``OGAART_EMBEDDING_STEPS`` for as many workers."""
    return {"site": 1, "embedder": workers, "collection": 1}


def _spin(seconds: float) -> float:
    """Rounds of work a second: pure Python and a C library, in about equal parts."""
    text, rounds, began = bytes(range(256)) * 400, 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        zlib.compress(text, 6)
        sum(number * number for number in range(8_000))
        rounds += 1
    return rounds / (time.perf_counter() - began)


def busy_speed(cores: int, seconds: float = 3.0) -> float:
    """Speed of a process while as many compute as there are cores, beside that of one alone."""
    with multiprocessing.Pool(cores) as pool:
        alone = statistics.median(pool.map(_spin, [seconds], chunksize=1)[0] for _ in range(3))
        together = statistics.median(statistics.mean(pool.map(_spin, [seconds] * cores, chunksize=1)) for _ in range(3))
    return min(1.0, together / alone)


def calibration(measured: Any, delay: float) -> dict[str, Any]:
    """Work of every part of a run, from a backfill by one worker with one run at a time.

    The first run is left out, but for what its first step took longer.
    """
    idle = measured.background
    runs = measured.runs[1:]

    def work(wall: float, cpu: float, lasted: float, timer: float = 0.0) -> dict[str, float]:
        return asdict(Work.measured(wall, max(0.0, cpu - idle * lasted), timer))

    def middle(found: Iterable[dict[str, float]]) -> dict[str, float]:
        rows = list(found)
        return {name: round(statistics.mean(row[name] for row in rows), 3) for name in rows[0]}

    steps = {}
    notices = []
    for number, stage in enumerate(PARTITION_STAGES):
        rows = []
        for run in runs:
            step = run.steps[number]
            end = run.steps[number + 1].sent if number + 1 < len(run.steps) else run.ended
            if number + 1 < len(run.steps):
                notices.append(max(0.0, end - next_tick(step.sent, step.ended, TICK_SECONDS)))
            rows.append(work(step.ended - step.sent, step.cpu, end - step.sent, step.requests * delay))
        steps[stage.value] = middle(rows)
    ends = [run.ended - next_tick(run.steps[-1].sent, run.steps[-1].ended, TICK_SECONDS) for run in runs]
    first, others = measured.runs[0].steps[0], [run.steps[0] for run in runs]
    cold = max(0.0, first.ended - first.sent - statistics.mean(step.ended - step.sent for step in others))
    submit = measured.submit_wall / len(measured.runs)
    return {
        "background": round(idle, 3),
        "submit": middle([work(submit, measured.submit_cpu / len(measured.runs), submit)]),
        "launch": middle(
            work(run.steps[0].sent - run.launched, run.launch_cpu, run.steps[0].sent - run.launched) for run in runs
        ),
        "steps": steps,
        "notice_seconds": round(statistics.mean(notices), 3),
        "end_seconds": round(max(0.0, statistics.mean(ends)), 3),
        "cold_seconds": round(cold, 3),
    }


def backfill(found: dict[str, Any], runs: int) -> Backfill:
    """The backfill that a calibration describes."""
    return Backfill(
        runs=runs,
        steps=tuple(Step(name, Work(**work), POOLS.get(name)) for name, work in found["steps"].items()),
        submit=Work(**found["submit"]),
        launch=Work(**found["launch"]),
        notice=Work(wait=found["notice_seconds"]),
        end=Work(cpu=found["end_seconds"]),
        cold=Work(cpu=found["cold_seconds"]),
    )


def shapes(kept: dict[str, Any], workers: int) -> list[Shape]:
    """The measured machine with so many workers, for every phase of the daemon's interval."""
    machine = kept["machine"]
    return [
        Shape(
            workers=workers,
            runs_at_a_time=workers,
            pools=pools(workers),
            cores=machine["cores"],
            busy_speed=machine["busy_speed"],
            background=kept["calibration"]["background"],
            phase=phase * DEQUEUE_SECONDS / PHASES,
        )
        for phase in range(PHASES)
    ]


def predicted(kept: dict[str, Any], workers: int) -> dict[str, float]:
    """Seconds of the whole backfill by so many workers: mean, least and most over the daemon's phases."""
    jobs = backfill(kept["calibration"], kept["setting"]["partitions"])
    mean, least, most = mean_over_phases(jobs, shapes(kept, workers))
    return {"seconds": round(mean, 1), "least": round(least, 1), "most": round(most, 1)}


def predicted_cpu(kept: dict[str, Any], workers: int) -> float:
    """Core seconds of the whole backfill by so many workers, those of the services included."""
    told = simulate(backfill(kept["calibration"], kept["setting"]["partitions"]), shapes(kept, workers)[0])
    return told.cpu + float(kept["calibration"]["background"]) * told.seconds


def processor() -> str:
    """The name of the processor, as the system tells it."""
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))


def fixed(whole: Any, divided: Any, background: float) -> dict[str, float]:
    """Core seconds that each step takes whatever is in it: the same entries once in one run and once in several.

    Args:
        whole: a backfill whose runs each have as many pictures as all of the other one's together.
        divided: the other one.
        background: cores that the services take.
    """

    def computed(measured: Any, number: int) -> list[float]:
        found = []
        for run in measured.runs:
            ends = [*(step.sent for step in run.steps[1:]), run.ended]
            step = run.steps[number]
            found.append(step.cpu - background * (ends[number] - step.sent))
        return found

    result = {}
    for number, stage in enumerate(PARTITION_STAGES):
        once, several = statistics.mean(computed(whole, number)[1:]), computed(divided, number)
        result[stage.value] = round(max(0.0, (sum(several) - once) / (len(several) - 1)), 3)
    return result


def _kept() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(KEPT.read_text("utf-8")) if KEPT.exists() else {}
    return found


def _write(kept: dict[str, Any]) -> None:
    KEPT.write_text(json.dumps(kept, indent=1) + "\n", "utf-8")


def _measure(options: argparse.Namespace, workers: int, partitions: int) -> Any:
    from benchmarks.scale import cluster

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that servers and workers end with this process
    site = cluster.content(options.folder, options.copies)
    with tempfile.TemporaryDirectory(dir=cluster.scratch()) as scratch:
        found = cluster.measure(
            Path(scratch),
            site,
            workers=workers,
            partitions=partitions,
            per_page=options.per_page,
            delay=DELAY,
            first=options.first,
        )
    cluster.save(found, options.folder / f"{options.command}-{workers}.json")
    return found


def calibrate(options: argparse.Namespace) -> None:
    """Measure a short backfill by one worker, and keep what each part of it takes."""
    cores = os.cpu_count() or 1
    speed = busy_speed(cores)
    found = _measure(options, 1, CALIBRATED)
    kept = {
        "machine": {"processor": processor(), "cores": cores, "busy_speed": round(speed, 3)},
        "setting": {
            "partitions": PARTITIONS,
            "per_page": options.per_page,
            "delay": DELAY,
            "model": "efficientnet_lite0",
        },
        "calibration": {
            "partitions": CALIBRATED,
            "others": round(found.others, 2),
            "requests": found.requests,
            "images": found.images,
            **calibration(found, DELAY),
        },
    }
    _write(kept)
    print(json.dumps(kept, indent=1))


def predict() -> None:
    """Predict every number of workers, and forget what was measured."""
    kept = _kept()
    kept["predicted"] = {str(workers): predicted(kept, workers) for workers in WORKERS}
    kept["measured"] = {}
    _write(kept)
    print(json.dumps(kept["predicted"], indent=1))


def compare(options: argparse.Namespace) -> None:
    """Measure the whole backfill by some workers, beside its prediction."""
    found = _measure(options, options.workers, PARTITIONS)
    kept, number = _kept(), str(options.workers)
    kept["measured"][number] = {
        "seconds": round(found.seconds, 1),
        "cpu": round(found.cpu, 1),
        "others": round(found.others, 2),
        "requests": found.requests,
        "images": found.images,
    }
    _write(kept)
    expected = kept["predicted"][number]
    print(
        f"{number} workers: predicted {expected['seconds']} s ({expected['least']} to {expected['most']}), "
        f"measured {found.seconds:.1f} s, ratio {expected['seconds'] / found.seconds:.2f}"
    )


def starts(options: argparse.Namespace) -> None:
    """Measure one copy of the demo in several partitions, beside the calibration, where it is one."""
    from benchmarks.scale import cluster

    kept = _kept()
    options.per_page //= DIVIDED
    divided = _measure(options, 1, DIVIDED)
    whole = cluster.load(options.folder / "calibrate-1.json")
    kept["calibration"]["fixed"] = fixed(whole, divided, kept["calibration"]["background"])
    _write(kept)
    print(json.dumps(kept["calibration"]["fixed"], indent=1))


def processed(options: argparse.Namespace) -> None:
    """Measure a backfill of many small partitions that are stored already; FOLDER must have no ``spread`` in it."""
    from benchmarks.scale.spread import spread

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    found = spread(options.folder, workers=options.workers, partitions=options.partitions, first=options.first)
    kept = _kept()
    kept["spread"] = {"processor": processor(), "cores": os.cpu_count() or 1, **asdict(found)}
    _write(kept)
    print(json.dumps(kept["spread"], indent=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=("calibrate", "predict", "measure", "starts", "spread"))
    parser.add_argument("folder", type=Path, nargs="?", help="keeps the site and what was measured")
    parser.add_argument("--workers", type=int, choices=WORKERS, default=1)
    parser.add_argument("--copies", type=int, default=COPIES, help="how many times the demo's site")
    parser.add_argument("--per-page", type=int, default=PER_PAGE, help="entries of a partition; 68 are one copy")
    parser.add_argument("--partitions", type=int, default=1000, help="of spread, of one entry each")
    parser.add_argument("--first", action="store_true", help="compute before other work on the machine")
    options = parser.parse_args()
    if options.command == "predict":
        predict()
        return
    if options.folder is None:
        parser.error("name a folder")
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.first:
        from benchmarks.scale.cpu_seconds import prefer

        with suppress(PermissionError):
            os.nice(-19)  # all that is started inherits it
        prefer(os.getpid())
    commands = {"calibrate": calibrate, "measure": compare, "starts": starts, "spread": processed}
    commands[options.command](options)


if __name__ == "__main__":
    main()
