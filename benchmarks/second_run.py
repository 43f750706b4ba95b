"""Materialize everything twice on the demo enlarged tenfold: the second time must cost next to nothing.

    .venv/bin/python -m benchmarks.second_run [--model vgg16] [--copies 10] [--per-page 144]

The model is VGG16 with random weights, as slow as the published ones, or the demo's EfficientNet-Lite0. Each pass
is a process of its own that discovers, materializes every partition and publishes, as a person would at a terminal.
Process start (interpreter and imports) is measured in that process and subtracted; both are printed. Exits with 1
where the second pass sent requests to the site, embedded, upserted, or took more than 3 % of the first.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

MOST = 0.03
PASS = """
import time
from rich.console import Console
from ogaart.operations import runs
from ogaart.resources.embedding import embedder
from ogaart.resources.index import edge
from ogaart.settings import Settings
import json, os, sys
settings, console = Settings(), Console(quiet=True)
ready = time.time()
reports = {"discover": runs.discover(settings, console)}
after = {"discover": time.time()}
reports["materialize"] = runs.materialize(settings, console, None)
after["materialize"] = time.time()
reports["publish"] = runs.publish(settings, console)
after["publish"] = time.time()
taken = os.times()
rows = reports["materialize"].rows
print(json.dumps({
    "ready": ready,
    "cpu": round(taken.user + taken.system + taken.children_user + taken.children_system, 2),
    "after": after,
    "errors": [error for report in reports.values() for error in report.errors],
    "requests": sum(r.get("requests", 0) for r in rows) + sum(r["requests"] for r in reports["discover"].rows),
    "embedded": sum(r.get("embedded", 0) for r in rows),
    "upserted": sum(r.get("upserted", 0) for r in rows),
    "changed": sum(r.get("new", 0) + r.get("stale", 0) + r.get("orphaned", 0) for r in rows),
    "partitions": len({r["partition"] for r in rows}),
    "publication": reports["publish"].rows[-1],
}))
"""


def one_pass(environment: dict[str, str]) -> dict[str, Any]:
    """Run one pass; seconds of process start and of the work, with the counts."""
    began = time.time()
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PASS], env=environment, stdout=subprocess.PIPE, check=True, text=True
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


def main() -> int:
    from benchmarks.search_load import draw_weights
    from ogaart.demo.server import DemoSite

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--copies", type=int, default=10)
    parser.add_argument("--per-page", type=int, default=144, help="entries a result page; the site's own is 144")
    parser.add_argument("--data", type=Path, help="data root to use and keep")
    parser.add_argument("--model", choices=("vgg16", "efficientnet_lite0"), default="vgg16")
    options = parser.parse_args()
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
        passes = []
        for name in ("first", "second"):
            before = len(site.requests)
            found = one_pass(environment)
            found["asked"] = len(site.requests) - before
            passes.append(found)
            print(f"{name}: {json.dumps(found)}", flush=True)
    first, second = passes
    share = second["work"] / first["work"]
    print(f"first : {first['wall']:7.1f} s, of which process start {first['start']:.1f} s, work {first['work']:.1f} s")
    print(
        f"second: {second['wall']:7.1f} s, of which process start {second['start']:.1f} s, work {second['work']:.1f} s"
    )
    print(
        f"second / first: {share:.2%} of the work (at most {MOST:.0%}); second: {second['asked']} requests, "
        f"{second['embedded']} embeddings, {second['upserted']} upserts, {second['changed']} rows changed"
    )
    wasted = second["asked"] + second["embedded"] + second["upserted"] + second["changed"]
    failed = bool(wasted or share > MOST or first["errors"] or second["errors"])
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
