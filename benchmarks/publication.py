"""What a publication costs: CPU time, bytes written and memory, of one new partition beside a full publication.

Makes the rows, vectors, miniatures and parts of so many pictures at real sizes (32 pictures an entry, 144
entries a partition), publishes them in full, adds one partition, publishes that, and publishes the same rows in full
again as the baseline. Each publication is the work of the assets ``catalog`` and ``publication`` without Dagster, in a
process of its own.

    .venv/bin/python -m benchmarks.publication FOLDER [--pictures 20000] [--model efficientnet_lite0]
"""

import argparse
import cProfile
import json
import pstats
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.made_partitions import PER_PARTITION, make_partition
from benchmarks.quality.report import cpu
from ogaart.core.garbage import keep_out_of_collections
from ogaart.resources.catalog.generations import Generations
from ogaart.resources.catalog.history import HistoryFiles
from ogaart.resources.catalog.publishing import audit, build, inputs_digest
from ogaart.resources.catalog.quality import assess
from ogaart.resources.catalog.tables import RUNS
from ogaart.resources.platform import Stores
from ogaart.resources.storage.array_parts import PREFIX
from ogaart.resources.storage.data_root import DataRoot
from ogaart.resources.storage.schema import ENTRIES
from ogaart.settings import Settings
from ogaart.workers.child import memory

KEPT = 2
NOT_MADE = frozenset({"site_totals", "recall"})
"""What made rows do not pass: no site has listed them, and of vectors drawn at random all are equally far."""


def publish(settings: Settings, *, full: bool = False) -> dict[str, float]:
    """Build, audit and switch; what each part cost."""
    keep_out_of_collections()  # as each run does
    stores = Stores(settings)
    generations = Generations(stores.root.generations)
    parts: dict[str, float] = {}

    def part(name: str) -> None:
        parts[name] = time.process_time() - sum(parts.values()) - began

    began = time.process_time()
    building = generations.begin(after=HistoryFiles(stores.root.history).last())
    generation, _ = build(stores, building, inputs_digest(stores), RUNS.schema.empty_table(), full=full)
    part("build")
    current = generations.replaceable()
    checks = assess(stores, generation, losses_accepted=True)
    part("checks")
    audits = audit(stores, generation, current)
    part("audits")
    failed = [one.message for one in (*audits, *checks) if not one.passed and one.name not in NOT_MADE]
    if failed:
        raise SystemExit("; ".join(failed))
    generations.record(generation.number, [one.row() for one in audits])
    HistoryFiles(stores.root.history).record(generation)
    generations.switch(generation.number)
    part("switch")
    generations.prune(KEPT)
    stores.close()
    return parts


def measured(settings: Settings, *, full: bool = False) -> dict[str, float]:
    """One publication in this process: CPU seconds in all and by part, MB written, MiB of memory at most."""
    before = _written()
    began = time.monotonic()
    with OwnMemory() as own:
        parts = publish(settings, full=full)
    return {
        "cpu": sum(parts.values()),
        **parts,
        "wall": time.monotonic() - began,
        "written": (_written() - before) / 1e6,
        "peak": memory()["peak"] / (1 << 20),
        "own": own.peak / (1 << 20),
    }


class OwnMemory:
    """The most memory of this process's own while a block runs, which no file has: looked at ten times a second.

    Pages of mapped files, which ``peak`` counts as well, are the system's to take back.
    """

    def __init__(self) -> None:
        self.peak = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(0.1):
            status = Path("/proc/self/status").read_text(encoding="ascii")
            own = next(line for line in status.splitlines() if line.startswith("RssAnon:"))
            self.peak = max(self.peak, int(own.split()[1]) * 1024)


def _written() -> int:
    lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    return int(dict(line.split(": ") for line in lines)["write_bytes"])


def own_bytes(folder: Path) -> dict[str, int]:
    """Bytes on the disk of a publication's files that no other has, by what they are: what was copied or written."""
    found: Counter[str] = Counter()
    unsealed = {path.parent for path in folder.glob("index/*/segments/*/mutable*")}
    here: Counter[int] = Counter()  # names of one file in this folder
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink()]
    for path in files:
        here[path.stat().st_ino] += 1
    for path in files:
        status = path.stat()
        if status.st_nlink == here.pop(status.st_ino, 0):
            name = path.relative_to(folder).parts[0]
            if name == "index":
                name = "index, unsealed" if unsealed.intersection(path.parents) else "index, sealed"
            elif any(parent.name.startswith(PREFIX) for parent in path.parents):
                name = "parts"
            found[name] += path.stat().st_blocks * 512
    return dict(found.most_common())


def disk_bytes(root: DataRoot) -> dict[str, int]:
    """Bytes on the disk by folder of the data root, without originals and thumbnails; what is linked counts once."""
    seen: set[int] = set()
    found: Counter[str] = Counter()
    for path in sorted(root.root.rglob("*")):
        if path.is_symlink() or not path.is_file() or path.suffix == ".zip":
            continue
        name, about = path.relative_to(root.root).parts[0], path.stat()
        if name not in {"blobs", "packs", "dagster"} and about.st_ino not in seen:
            seen.add(about.st_ino)
            found[name] += about.st_blocks * 512
    return dict(found.most_common())


def in_a_process(arguments: argparse.Namespace, *more: str) -> dict[str, float]:
    """The same in a new process."""
    command = [sys.executable, "-m", "benchmarks.publication", str(arguments.folder), "--model", arguments.model]
    done = subprocess.run([*command, "--once", *more], stdout=subprocess.PIPE, check=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main(given: Sequence[str] | None = None) -> None:
    """Make what is missing, publish three times, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=int, default=20_000)
    parser.add_argument("--model", default="efficientnet_lite0", choices=("vgg16", "efficientnet_lite0"))
    parser.add_argument("--once", action="store_true", help="publish what is there, in this process")
    parser.add_argument("--profile", action="store_true", help="with --once: by function, on standard error")
    parser.add_argument("--full", action="store_true", help="share nothing with the publication before")
    parser.add_argument("--out", type=Path, help="file for the figures as JSON")
    arguments = parser.parse_args(given)
    settings = Settings(data=arguments.folder, model=arguments.model)
    if arguments.once:
        keep_out_of_collections()  # as a run's process does
        with cProfile.Profile() if arguments.profile else nullcontext() as profile:
            found = measured(settings, full=arguments.full)
        if profile is not None:
            pstats.Stats(profile, stream=sys.stderr).sort_stats("cumulative").print_stats(90)
        print(json.dumps(found))
        return
    stores = Stores(settings)
    wanted = max(1, arguments.pictures // PER_PARTITION)
    made = len(stores.tables.partitions(ENTRIES))
    for number in range(made, wanted):
        make_partition(stores, number, flush=number + 1 == wanted)
        print(f"\r{(number + 1) * PER_PARTITION:,} pictures", end="", file=sys.stderr)
    rows = {"first": in_a_process(arguments)}
    make_partition(stores, max(made, wanted))
    stores.close()
    rows["one partition more"] = in_a_process(arguments)
    newest = Generations(stores.root.generations).current()
    own = own_bytes(newest.path) if newest is not None else {}
    rows["the same in full"] = in_a_process(arguments, "--full")
    count = (max(made, wanted) + 1) * PER_PARTITION
    print(f"{cpu()}: {count:,} pictures, of which {PER_PARTITION:,} are new; {arguments.model}\n")
    print("| publication | CPU s | of it build, checks, audits | wall s | MB written | peak MiB | of its own |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, found in rows.items():
        of_it = ", ".join(f"{found[part]:.1f}" for part in ("build", "checks", "audits"))
        print(
            f"| {name} | {found['cpu']:.1f} | {of_it} | {found['wall']:.0f} | {found['written']:,.0f} "
            f"| {found['peak']:,.0f} | {found['own']:,.0f} |"
        )
    print("\n| of one partition more | MB | bytes a picture |\n| --- | --- | --- |")
    for name, size in own.items():
        print(f"| {name} | {size / 1e6:.1f} | {size / count:.1f} |")
    disk = disk_bytes(stores.root)
    print("\n| on the disk, with two publications | MB | bytes a picture |\n| --- | --- | --- |")
    for name, size in disk.items():
        print(f"| {name} | {size / 1e6:.1f} | {size / count:.1f} |")
    if arguments.out is not None:
        kept = {"pictures": count, "publications": rows, "own": own, "disk": disk}
        arguments.out.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
