"""``python -m ogaart_tests.torture``: all parts, one after the other, and one table of what was seen."""

import argparse
import datetime
import logging
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from ogaart_tests.postgres import binaries, running
from ogaart_tests.torture.parts import ON_A_SERVER, PARTS, Part, Sizes

SOAK_SECONDS = 1200.0
BESIDE = {"site"}
"""Parts that run in a process of their own beside the first ones, where there are others and no server crashes."""


def main() -> int:
    """Read the command line, run, print; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m ogaart_tests.torture", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=list(PARTS), help="these parts alone")
    parser.add_argument("--seed", type=int, default=1, help="of every choice (default 1)")
    parser.add_argument("--seconds", type=float, default=180.0, help="length of the storm (default 180)")
    parser.add_argument("--soak", action="store_true", help=f"the storm alone, {SOAK_SECONDS:.0f} s of it")
    parser.add_argument("--answers", type=int, default=10_000, help="answers of the hostile site (default 10,000)")
    parser.add_argument("--files", type=int, default=8_000, help="broken archives and pictures (default 8,000)")
    parser.add_argument("--pages", type=int, default=5_000, help="broken pages (default 5,000)")
    parser.add_argument("--malformed", type=int, default=6_000, help="malformed requests (default 6,000)")
    parser.add_argument(
        "--postgresql", action="store_true", help="databases on a PostgreSQL server of its own, which crashes as well"
    )
    parser.add_argument("--folder", type=Path, help="where data roots are made; by default a temporary folder")
    chosen = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    sizes = Sizes(chosen.seed, chosen.seconds, chosen.answers, chosen.files, chosen.pages, chosen.malformed)
    names = chosen.only or [name for name in PARTS if not chosen.postgresql or name in ON_A_SERVER]
    if chosen.soak:
        names, sizes = ["storm"], sizes.lasting(SOAK_SECONDS)
    with tempfile.TemporaryDirectory(prefix="ogaart-torture-") as folder:
        root = chosen.folder or Path(folder)
        if not chosen.postgresql:
            return _all(names, root, sizes)
        programs = binaries()
        if programs is None:
            parser.error("PostgreSQL is not installed: apt-get install postgresql")
        with running(programs) as server:
            return _all(names, root, replace(sizes, server=server))


def _all(names: list[str], root: Path, sizes: Sizes) -> int:
    return _run({name: partial(PARTS[name], root / name, sizes) for name in names}, sizes)


def _run(parts: dict[str, Callable[[], Part]], sizes: Sizes) -> int:
    began, done = time.monotonic(), {}
    with ProcessPoolExecutor(1, get_context("spawn")) as beside:
        # It waits more than it works: it does so while others work.
        beside_others = BESIDE if len(parts) > 1 and sizes.server is None else set()
        ahead = {name: beside.submit(part) for name, part in parts.items() if name in beside_others}
        for name, part in parts.items():
            print(f"{name} …", file=sys.stderr, flush=True)
            at = time.monotonic()
            done[name] = ahead[name].result() if name in ahead else part()
            print(f"{name}: {time.monotonic() - at:.0f} s", file=sys.stderr, flush=True)
    today = datetime.datetime.now(datetime.UTC).date()
    print(f"{today}, seed {sizes.seed}, {os.cpu_count()} cores, {time.monotonic() - began:.0f} s in all\n")
    rows = [("What", "Seen"), *(row for part in done.values() for row in part.rows)]
    problems = [problem for part in done.values() for problem in part.problems]
    rows.append(("**losses and broken promises, of all parts**", f"**{len(problems)}**"))
    width = max(len(name) for name, _ in rows)
    for number, (name, seen) in enumerate(rows):
        print(f"| {name:<{width}} | {seen} |")
        if number == 0:
            print(f"|{'-' * (width + 2)}|------|")
    for problem in problems:
        print(f"\nBROKEN: {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
