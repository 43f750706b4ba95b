"""How light the pages are and how soon they show: bytes on the wire, largest contentful paint, and a second visit.

Serves a publication and opens each page in a headless Chromium as a new visitor, several times; then once more as a
visitor who was there before. The LCP is the median of the visits.

    .venv/bin/python -m benchmarks.page_weight --data FOLDER

The data root is that of a publication (``ogaart demo``), with its model; nothing in it is changed.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import requests
from playwright.sync_api import Browser, sync_playwright

from ogaart.cli.demo_command import free_port
from ogaart.operations.doctor import CHROMIUM_HELP, chromium
from ogaart.resources.catalog.generations import Generations

VISITS = 7
MEASURED = """async () => {
    const paint = await new Promise((resolve) => {
        const seen = (list) => resolve(list.getEntries().at(-1).startTime);
        new PerformanceObserver(seen).observe({ type: "largest-contentful-paint", buffered: true });
    });
    const [page] = performance.getEntriesByType("navigation");
    const files = performance.getEntriesByType("resource");
    const all = files.reduce((sum, one) => sum + one.transferSize, page.transferSize);
    return { paint, html: page.transferSize, all, requests: files.length + 1 };
}"""


def served(base: str) -> list[tuple[str, str]]:
    """The pages that are measured: what they are called, and their paths."""
    hits = requests.get(f"{base}/api/v1/search?type=2D+Art&limit=100&fold=no&group=no", timeout=60).json()["hits"]
    one = max(hits, key=lambda hit: (max(hit["width"], hit["height"]) <= 256, len(hit["tags"])))
    return [
        ("home", "/"),
        ("60 results", "/search?type=2D+Art&fold=no"),
        ("more like this", f"/search?like={one['image_id']}"),
        ("one picture", f"/image/{one['image_id']}"),
        ("an entry", f"/entry/{one['slug']}"),
    ]


def visit(browser: Browser, url: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a new visitor's page takes, and the same page at the second visit."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.goto(url, wait_until="networkidle")
    first = page.evaluate(MEASURED)
    page.goto("about:blank")
    page.goto(url, wait_until="networkidle")
    again = page.evaluate(MEASURED)
    context.close()
    return first, again


def row(name: str, visits: Sequence[tuple[dict[str, Any], dict[str, Any]]]) -> str:
    """A row of the table."""
    first, again = visits[0]
    paints = [round(statistics.median(one[n]["paint"] for one in visits)) for n in (0, 1)]
    sizes = " | ".join(f"{value / 1000:.1f}" for value in (first["html"], first["all"]))
    return f"| {name} | {sizes} | {first['requests']} | {paints[0]} | {again['all'] / 1000:.1f} | {paints[1]} |"


def main() -> None:
    """Serve, visit, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a data root with a publication")
    arguments = parser.parse_args()
    generation = Generations(arguments.data / "generations").current()
    assert generation is not None, f"{arguments.data}: nothing is published"
    path = chromium()
    assert path is not None, CHROMIUM_HELP
    port = free_port(0)
    base = f"http://127.0.0.1:{port}"
    environment = {
        **os.environ,
        "OGAART_DATA": str(arguments.data),
        "OGAART_MODEL": str(generation.manifest["model"]),
        "OGAART_SERVE_PORT": str(port),
        "OGAART_SEARCHES_PER_MINUTE": "0",
    }
    server = subprocess.Popen([Path(sys.executable).parent / "ogaart", "serve"], env=environment)
    try:
        while True:
            try:
                requests.get(f"{base}/healthz", timeout=5).raise_for_status()
                break
            except requests.RequestException:
                time.sleep(0.2)
        print("| page | HTML, KB | all, KB | requests | LCP ms | again, KB | again, LCP ms |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=path, args=["--headless", "--no-sandbox"])
            for name, where in served(base):
                visit(browser, base + where)  # what a running server has read already
                print(row(name, [visit(browser, base + where) for _ in range(VISITS)]), flush=True)
            browser.close()
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
