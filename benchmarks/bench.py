"""Every stage beside its baseline, each pair in one run: what ``make bench`` measures and docs/performance.md shows.

    .venv/bin/python -m benchmarks.bench [--only NAME ...] [--baseline TREE] [--keep] [--profile]

Each part is a benchmark of its own, which takes what it compares in turns; this module runs them, judges the figures by
their aims, and keeps them. ``--keep`` writes ``benchmarks/bench.json`` (parts that were not run stay as they are kept)
and the table of docs/performance.md, which is made from it. ``--baseline`` names a working tree of an earlier version
(``git worktree add FOLDER COMMIT``) whose passes over the demo run in turn with these. ``--profile`` prints, of what
falls short and can be run in a process alone, the functions that take longest. Parts: see ``PARTS``.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import stages
from benchmarks.quality.report import cpu

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / "benchmarks" / "bench.json"
DOCS = ROOT / "docs" / "performance.md"
PROFILED = 25
"""Functions of a profile that are printed."""


@dataclass(frozen=True)
class Row:
    """One figure and what it should be.

    Attributes:
        stage: what was measured.
        beside: what it is compared with, and that one's figure; empty where it is judged by itself.
        now: this version's figure, with its unit.
        figure: the number that is judged: a ratio, or the figure itself.
        aim: what it should be at least, or at most.
        least: whether ``aim`` is a least.
    """

    stage: str
    beside: str
    now: str
    figure: float
    aim: float
    least: bool = False

    @property
    def reached(self) -> bool:
        """Whether the figure is what it should be."""
        return self.figure >= self.aim if self.least else self.figure <= self.aim

    def cells(self) -> str:
        """The row of the table."""
        bound = f"{'≥' if self.least else '≤'} {self.aim:,g}"
        off = abs(self.figure - self.aim)
        far = f"{off:,.3g}" if off < 1_000 else f"{off:,.0f}"
        verdict = "reached" if self.reached else f"**not reached**, {'short by' if self.least else 'over by'} {far}"
        return f"| {self.stage} | {self.beside} | {self.now} | {self.figure:,.4g} | {bound} | {verdict} |"


@dataclass(frozen=True)
class Options:
    """What the parts need to know."""

    folder: Path
    baseline: Path | None
    pictures: int
    points: int


def run(module: str, *arguments: object) -> str:
    """What a benchmark prints."""
    command = [sys.executable, "-W", "ignore", "-m", f"benchmarks.{module}", *map(str, arguments)]
    print(f"-- {module} {' '.join(map(str, arguments))}", flush=True)
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=False, text=True)
    print(done.stdout, flush=True)
    if done.returncode not in {0, 1}:  # 1: it has judged its own figures, which are printed nonetheless
        raise SystemExit(f"benchmarks.{module} ended with {done.returncode}")
    return done.stdout


def figures(options: Options, module: str, *arguments: object) -> dict[str, Any]:
    """What a benchmark writes as JSON."""
    out = options.folder / f"{module}.json"
    run(module, *arguments, "--out", out)
    found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return found


def of_stages(_options: Options) -> list[Row]:
    """The network and the decoding of one picture on one thread, and the memory of their processes."""
    run("stages", "--keep")
    kept = json.loads(stages.KEPT.read_text(encoding="utf-8"))
    rows = []
    for stage, model, aim in (
        ("VGG16 fc2, exact", "vgg16", 2.2),
        ("EfficientNet-Lite0, exact", "efficientnet_lite0", 2.3),
    ):
        found = kept[model]
        before, now = (found["measured"][name]["milliseconds"] for name in ("torch", found["chosen"]))
        rows.append(
            Row(stage, f"PyTorch {before:.1f} ms", f"{found['chosen']} {now:.1f} ms", before / now, aim, least=True)
        )
        peak = found["peak_mib"][found["chosen"]]
        rows.append(Row(f"{stage}: memory", "", f"{peak:,} MiB", peak, 1_000))
    times = kept["decoding"]["milliseconds"]
    loop, now = times[stages.LOOP], times[stages.THIS]
    stage = "Decode, canonical pixels, features, thumbnail"
    rows.append(Row(stage, f"{stages.LOOP} {loop:.1f} ms", f"{now:.1f} ms", loop / now, 1.0, least=True))
    peak = kept["decoding"]["peak_mib"][stages.THIS]
    return [*rows, Row(f"{stage}: memory", "", f"{peak} MiB", peak, 200)]


def of_side_by_side(options: Options) -> list[Row]:
    """What runs beside each other."""
    found = figures(options, "side_by_side")
    both, pool = found["overlap"], found["pool"]
    return [
        Row(
            "Reading pictures while the network computes (Lite0)",
            f"reading {both['reading']:.1f} ms, network {both['network']:.1f} ms",
            f"both {both['both']:.1f} ms",
            both["overlap"],
            0.9,
            least=True,
        ),
        Row(
            "Two processes that unpack", f"one {pool['one']:.1f} ms", f"{pool['two']:.1f} ms", pool["ratio"], 1.5, True
        ),
    ]


def of_index(options: Options) -> list[Row]:
    """The index filled step by step beside at once."""
    found = figures(options, "index_build", "--points", 8_000, "--step", 500)
    steps, once = found["in steps"], found["at once"]
    return [
        Row(
            f"Index while crawling, {name}",
            f"at once {once[key]:,.1f} {unit}",
            f"in 16 steps {steps[key]:,.1f} {unit}",
            steps[key] / once[key],
            1.1,
        )
        for name, key, unit in (("CPU time", "cpu", "s"), ("bytes written", "written", "MB"))
    ]


def of_recall(options: Options) -> list[Row]:
    """Recall of the index on vectors of real pictures."""
    found = figures(options, "recall", "--pictures", options.points)
    rows = []
    for label, one in (
        ("Lite0, 10 hits", found["efficientnet_lite0"]["limit 10"]),
        ("Lite0, 100 hits", found["efficientnet_lite0"]["limit 100"]),
        ("fused", found["fused"]),
    ):
        stage = f"recall@10, {found['pictures']:,} pictures, {label}"
        rows.append(Row(stage, "exact comparison", f"{one['recall']:.3f}", one["recall"], 0.99, least=True))
        rows.append(Row(f"{stage}: a query, p50", "", f"{one['p50_ms']:.2f} ms", one["p50_ms"], 4))
    return rows


def of_publication(options: Options) -> list[Row]:
    """A publication in full, and one of one new partition; the disk that a picture takes."""
    found = figures(options, "publication", options.folder / "published", "--pictures", options.pictures)
    full, more = (found["publications"][name] for name in ("the same in full", "one partition more"))
    of = f"{found['pictures']:,} pictures"
    disk = sum(found["disk"].values()) / found["pictures"] / 1e3
    return [
        Row(f"Catalog in full, {of}: CPU time", "", f"{full['cpu']:.1f} s", full["cpu"], 40),
        Row(
            f"Catalog in full, {of}: memory, mapped files included", "", f"{full['peak']:,.0f} MiB", full["peak"], 1_024
        ),
        Row(f"Catalog in full, {of}: memory of its own", "", f"{full['own']:,.0f} MiB", full["own"], 1_024),
        Row(
            f"The first partition after a full publication, {of}: CPU time",
            f"in full {full['cpu']:.1f} s",
            f"{more['cpu']:.1f} s",
            more["cpu"],
            10,
        ),
        Row(
            f"The first partition after a full publication, {of}: written",
            f"in full {full['written']:,.0f} MB",
            f"{more['written']:,.0f} MB",
            more["written"],
            300,
        ),
        Row(f"Disk a picture (Lite0, no exact parts), {of}", "", f"{disk:.1f} KB", disk, 28),
    ]


def of_second_run(options: Options) -> list[Row]:
    """A pass that finds nothing changed beside the same Dagster steps with empty bodies."""
    arguments: list[object] = ["--model", "efficientnet_lite0"]
    if options.baseline is not None:
        arguments += ["--baseline", options.baseline]
    said = run("second_run", *arguments)
    rows = []
    for shared, ms in re.findall(
        r"^a partition of 7 steps, of (\d+) that share a run: (\d+) ms CPU", said, re.MULTILINE
    ):
        stage = f"Nothing changed, a partition of 7 steps, of {shared} that share a run: CPU time"
        rows.append(Row(stage, "", f"{ms} ms", float(ms), 450))
    for line, aim in (
        ("nothing changed / the same Dagster steps with empty bodies", 1.6),
        ("first pass, this version / the baseline", 1.1),
        ("nothing changed, this version / the baseline", 1.1),
    ):
        for ours, theirs, unit in re.findall(
            rf"^{re.escape(line)}: ([\d.]+) / ([\d.]+) (CPU s|s) ", said, re.MULTILINE
        ):
            stage = f"{line.partition(' / ')[0].partition(', this')[0]}, {unit}".capitalize()
            beside = line.partition(" / ")[2]
            rows.append(Row(stage, f"{beside} {theirs} {unit}", f"{ours} {unit}", float(ours) / float(theirs), aim))
    return rows


def of_keys(options: Options) -> list[Row]:
    """Looking up which pictures have a vector, among half a million."""
    found = figures(options, "vector_keys")
    (before, _), (now, _) = found["key columns"], found["file of keys"]
    stage = f"Keys of vectors, {found['pictures']:,} pictures"
    return [Row(stage, f"key columns {before:,.0f} ms", f"{now:.0f} ms", now, 50)]


def of_search(options: Options) -> list[Row]:
    """Searches by 20 clients."""
    folder = options.folder / "searched"
    found = figures(
        options, "search_load", "--data", folder, "--model", "efficientnet_lite0", "--points", options.points
    )
    by_id, stage = found["by image_id"], f"Search by image_id, {found['points']:,} pictures"
    beyond = found["the search beyond the embedding"]
    return [
        Row(f"{stage}: CPU time", "", f"{by_id['cpu_ms']:.1f} ms", by_id["cpu_ms"], 6),
        Row(f"{stage}: p95 with 20 clients", "", f"{by_id['p95']:.0f} ms", by_id["p95"], 25),
        Row(
            f"Search by picture beyond the embedding, {found['points']:,} pictures: p95",
            "",
            f"{beyond['p95']:.0f} ms",
            beyond["p95"],
            60,
        ),
    ]


PARTS: dict[str, Callable[[Options], list[Row]]] = {
    "stages": of_stages,
    "side-by-side": of_side_by_side,
    "index": of_index,
    "recall": of_recall,
    "publication": of_publication,
    "second-run": of_second_run,
    "keys": of_keys,
    "search": of_search,
}


def profile(part: str, options: Options) -> str:
    """The functions that take longest in what a part measures; empty where it runs in many processes."""
    if part == "publication":
        arguments = ("publication", options.folder / "published", "--once", "--profile")
    elif part == "search":
        arguments = ("search_profile", options.folder / "searched" / "efficientnet_lite0", "--functions", str(PROFILED))
    else:
        return ""
    command = [sys.executable, "-W", "ignore", "-m", f"benchmarks.{arguments[0]}", *map(str, arguments[1:])]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True, text=True)
    return "\n".join(done.stdout.splitlines()[: PROFILED + 8])


def table(kept: dict[str, Any]) -> str:
    """The table of docs/performance.md."""
    lines = ["| Measured | Beside | Now | Figure | Aim | |", "| --- | --- | --- | --- | --- | --- |"]
    notes = []
    for name in PARTS:
        if name not in kept:
            notes.append(f"`{name}`: not measured.")
            continue
        part = kept[name]
        lines += [Row(**row).cells() for row in part["rows"]]
        notes.append(f"`{name}`: {part['processor']}, load {part['load']:.1f} at its start, {part['day']}.")
    return "\n".join([*lines, "", *notes])


def write_table(kept: dict[str, Any]) -> str:
    """The text of docs/performance.md with the table of what is kept."""
    marked = re.compile(r"(<!-- bench -->\n).*?(<!-- /bench -->)", re.DOTALL)
    return marked.sub(lambda found: f"{found[1]}{table(kept)}\n{found[2]}", DOCS.read_text(encoding="utf-8"))


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="NAME")
    parser.add_argument("--baseline", type=Path)
    parser.add_argument("--pictures", type=int, default=20_000, help="of the publication")
    parser.add_argument("--points", type=int, default=21_000, help="of recall and searches")
    parser.add_argument("--folder", type=Path, help="where made data are kept for the next time")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--profile", action="store_true")
    arguments = parser.parse_args(given)
    kept: dict[str, Any] = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        options = Options(folder, arguments.baseline, arguments.pictures, arguments.points)
        for name in arguments.only:
            load = os.getloadavg()[0]
            rows = PARTS[name](options)
            if not rows:
                raise SystemExit(f"{name} printed no figure: what is kept of it stays")
            day = datetime.now(UTC).date().isoformat()
            kept[name] = {"processor": cpu(), "load": load, "day": day, "rows": [asdict(row) for row in rows]}
            if arguments.keep:
                KEPT.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        print(table({name: kept[name] for name in arguments.only}))
        for name in arguments.only if arguments.profile else ():
            if not all(Row(**row).reached for row in kept[name]["rows"]):
                print(f"-- {name} falls short\n{profile(name, options)}")
    if arguments.keep:
        DOCS.write_text(write_table(kept), encoding="utf-8")


if __name__ == "__main__":
    main()
