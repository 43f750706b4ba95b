"""Materialize everything twice on the demo enlarged tenfold: the second time must cost next to nothing.

    .venv/bin/python -m benchmarks.second_run [--model vgg16] [--copies 10] [--per-page 144] [--rounds 3]
        [--baseline FOLDER]

The model is VGG16 with random weights, as slow as the published ones, or the demo's EfficientNet-Lite0. Each pass
is a process of its own that discovers, materializes every partition and publishes, as a person would at a terminal.
Process start (interpreter and imports) is measured in that process and subtracted; both are printed. Further passes are
run in turn with the same Dagster steps with empty bodies (``empty_steps``), and medians compared. ``--baseline`` names
a working tree of another version (``git worktree add FOLDER COMMIT``), whose passes run in turn with these. Exits with
1 where a pass after the first sent requests to the site, embedded, upserted or changed a row, took more than 1.6 times
the CPU time of the empty steps, or where its runs have other events in Dagster's log than these.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

MOST = 1.6
"""How many times the CPU time of empty Dagster steps a pass that finds nothing changed may take."""
PASS = """
import time
from collections import Counter
from datetime import UTC, datetime
import dagster as dg
from rich.console import Console
from ogaart.operations import runs
from ogaart.orchestration.instance import open_instance
from ogaart.resources.embedding import embedder
from ogaart.resources.index import edge
from ogaart.settings import Settings
import json, os, sys
settings, console = Settings(), Console(quiet=True)
def cpu():
    return sum(os.times()[:4])
ready, before = time.time(), cpu()
reports = {"discover": runs.discover(settings, console)}
after, begun = {"discover": time.time()}, cpu()
reports["materialize"] = runs.materialize(settings, console, None)
after["materialize"], materialized = time.time(), cpu() - begun
reports["publish"] = runs.publish(settings, console)
after["publish"], taken = time.time(), cpu() - before
events = Counter()
with open_instance(settings) as instance:
    for one in instance.get_run_records(dg.RunsFilter(created_after=datetime.fromtimestamp(ready, UTC))):
        found = instance.all_logs(one.dagster_run.run_id)
        events.update(record.dagster_event.event_type_value for record in found if record.is_dagster_event)
rows = reports["materialize"].rows
print(json.dumps({
    "ready": ready,
    "cpu": round(taken, 2),
    "cpu_materialize": round(materialized, 2),
    "keys": sorted({r["partition"] for r in rows}),
    "after": after,
    "errors": [error for report in reports.values() for error in report.errors],
    "requests": sum(r.get("requests", 0) for r in rows) + sum(r["requests"] for r in reports["discover"].rows),
    "embedded": sum(r.get("embedded", 0) for r in rows),
    "upserted": sum(r.get("upserted", 0) for r in rows),
    "changed": sum(r.get("new", 0) + r.get("stale", 0) + r.get("orphaned", 0) for r in rows),
    "partitions": len({r["partition"] for r in rows}),
    "events": dict(sorted(events.items())),
    "publication": reports["publish"].rows[-1],
}))
"""


def one_pass(environment: dict[str, str], tree: Path | None = None) -> dict[str, Any]:
    """Run one pass, of this version or of a working tree; seconds of process start and of the work, with the counts."""
    began = time.time()
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PASS],
        env=environment if tree is None else {**environment, "PYTHONPATH": str(tree)},
        cwd=tree,
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    ended = time.time()
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    ready = found.pop("ready")
    after = found.pop("after")
    marks = [ready, *after.values()]
    return {
        "wall": ended - began,
        "start": ready - began,
        "work": after["publish"] - ready,
        **{f"s_{name}": round(end - start, 2) for name, start, end in zip(after, marks, marks[1:], strict=False)},
        **found,
    }


def empty_pass(environment: dict[str, str], keys: Sequence[str]) -> dict[str, Any]:
    """Run the same Dagster steps with empty bodies, on an instance of their own."""
    with tempfile.TemporaryDirectory() as data:
        command = [sys.executable, "-W", "ignore", "-m", "benchmarks.empty_steps"]
        own = {**environment, "OGAART_DATA": data}
        subprocess.run([*command, "--prepare", *keys], env=own, check=True)
        done = subprocess.run([*command, *keys], env=own, stdout=subprocess.PIPE, check=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def compare(passes: Sequence[dict[str, Any]], empty: Sequence[dict[str, Any]]) -> list[str]:
    """Print the medians of passes that found nothing changed beside those of empty steps; returns what is wrong."""
    times = {}
    for name, unit in (("work", "s"), ("cpu", "CPU s")):
        ours, theirs = (median(one[name] for one in some) for some in (passes, empty))
        times[name] = ours / theirs
        print(
            f"nothing changed / the same Dagster steps with empty bodies: {ours:.2f} / {theirs:.2f} {unit} = "
            f"{times[name]:.2f} (medians of {len(passes)}, in turn; {empty[0]['runs']} runs, "
            f"{sum(empty[0]['events'].values())} events)"
        )
    each = median(one["cpu_materialize"] / one["partitions"] for one in passes)
    print(f"a partition of 7 steps, of {passes[0]['partitions']} that share a run: {each * 1000:.0f} ms CPU")
    wrong = [f"{times['cpu']:.2f} times the CPU time of empty steps, at most {MOST}"] if times["cpu"] > MOST else []
    if any(one["events"] != empty[0]["events"] for one in (*passes, *empty)):
        wrong.append(f"events in Dagster's log: {passes[-1]['events']}, of empty steps {empty[0]['events']}")
    return wrong


def compare_versions(passes: Sequence[dict[str, Any]], baseline: Sequence[dict[str, Any]]) -> None:
    """Print the first pass, and the medians of those that found nothing changed, beside those of another version."""
    for what, some, others in (
        ("first pass", passes[:1], baseline[:1]),
        ("nothing changed", passes[1:], baseline[1:]),
    ):
        for name, unit in (("work", "s"), ("cpu", "CPU s")):
            ours, theirs = (median(one[name] for one in found) for found in (some, others))
            print(f"{what}, this version / the baseline: {ours:.2f} / {theirs:.2f} {unit} = {ours / theirs:.2f}")
    ours, theirs = (found[-1]["files"] for found in (passes, baseline))
    print(f"files under the data root, this version / the baseline: {ours:,} / {theirs:,}")


def count_files(data: Path) -> int:
    """Files and links under a data root."""
    return sum(not path.is_dir() or path.is_symlink() for path in data.rglob("*"))


def main() -> int:
    from benchmarks.quality.report import cpu
    from benchmarks.search_load import draw_weights
    from ogaart.demo.server import DemoSite

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--copies", type=int, default=10)
    parser.add_argument("--per-page", type=int, default=144, help="entries a result page; the site's own is 144")
    parser.add_argument("--data", type=Path, help="data root to use and keep")
    parser.add_argument("--model", choices=("vgg16", "efficientnet_lite0"), default="vgg16")
    parser.add_argument("--baseline", type=Path, help="working tree of another version to run in turn")
    parser.add_argument("--rounds", type=int, default=3, help="passes in which nothing has changed")
    options = parser.parse_args()
    print(f"Processor: {cpu()}", flush=True)
    with (
        tempfile.TemporaryDirectory() as scratch,
        DemoSite(copies=options.copies, per_page=options.per_page) as site,
    ):
        data = options.data or Path(scratch) / "data"
        queries = Path(scratch) / "queries.toml"
        queries.write_text(f'[[query]]\nname = "2d-art"\nper_page = {options.per_page}\n')
        environment = {
            **os.environ,
            "OGAART_DATA": str(data),
            "OGAART_SITE": site.base,
            "OGAART_QUERIES": str(queries),
            "OGAART_MODEL": options.model,
        }
        if options.model == "vgg16" and "OGAART_WEIGHTS" not in environment:
            environment["OGAART_WEIGHTS"] = str(Path(scratch) / "vgg16-drawn.pth")
            draw_weights(Path(environment["OGAART_WEIGHTS"]))
        passes, empty, baseline = [], [], []
        for number in range(1 + options.rounds):
            before = len(site.requests)
            found = one_pass(environment)
            found["asked"] = len(site.requests) - before
            found["files"] = count_files(data)
            passes.append(found)
            print(f"pass {number + 1}: {json.dumps(found)}", flush=True)
            if options.baseline is not None:
                other = Path(scratch) / "baseline"
                baseline.append(one_pass({**environment, "OGAART_DATA": str(other)}, options.baseline.resolve()))
                baseline[-1]["files"] = count_files(other)
                print(f"baseline: {json.dumps(baseline[-1])}", flush=True)
            if number:
                empty.append(empty_pass(environment, found["keys"]))
                print(f"empty: {json.dumps(empty[-1])}", flush=True)
    first, second, *_ = passes
    print(f"first : {first['wall']:7.1f} s, of which process start {first['start']:.1f} s, work {first['work']:.1f} s")
    print(
        f"second: {second['wall']:7.1f} s, of which process start {second['start']:.1f} s, work {second['work']:.1f} s "
        f"({second['work'] / first['work']:.2%} of the first): {second['asked']} requests, {second['embedded']} "
        f"embeddings, {second['upserted']} upserts, {second['changed']} rows changed"
    )
    wrong = compare(passes[1:], empty)
    if baseline:
        compare_versions(passes, baseline)
    wasted = {what: sum(one[what] for one in passes[1:]) for what in ("asked", "embedded", "upserted", "changed")}
    wrong += [f"passes after the first: {count} {what}" for what, count in wasted.items() if count]
    wrong += [error for one in passes for error in one["errors"]]
    for line in wrong:
        print(f"WRONG: {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
