"""How fast the search answers: a made publication of 100,000 pictures, 20 clients at one request a second, by image_id.

Prints latencies, the rate at which the service is saturated, its memory, how long its first answer takes after the
start, the processor time of the server's process for each answer, and an upload's latency beside that of the embedding
alone. Pictures have all that a publication has of them: points, miniatures, words, fused vectors, subjects and exact
parts. VGG16 has random weights: as slow as the published ones. The data are kept: a second run measures at once.

    .venv/bin/python -m benchmarks.search_load --data FOLDER [--model efficientnet_lite0]
"""

import argparse
import http.client
import io
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import requests
from numpy.typing import NDArray
from PIL import Image

from benchmarks.made_likeness import write_likeness
from benchmarks.quality.report import cpu
from ogaart.imaging.identity import image_id
from ogaart.imaging.limits import Limits
from ogaart.imaging.pictures import decode
from ogaart.likeness.grounds import without_ground
from ogaart.resources.catalog.generations import Generations
from ogaart.resources.embedding.embedder import Embedder
from ogaart.resources.embedding.projections import projection_of
from ogaart.resources.embedding.registry import VectorSpace
from ogaart.resources.index.base import Point
from ogaart.resources.index.factory import open_index
from ogaart.resources.serving import rows as serving_rows
from ogaart.resources.storage.data_root import DataRoot
from ogaart.settings import Settings
from ogaart.sites.licences import LICENCES, uses
from ogaart.words.index_tables import write_word_index

WORDS = [
    "tree",
    "rock",
    "sword",
    "knight",
    "space",
    "ship",
    "tile",
    "grass",
    "water",
    "fire",
    "dragon",
    "robot",
    "card",
    "house",
    "road",
    "ui",
    "button",
]
ART = Path(__file__).parent.parent / "ogaart" / "demo" / "art"
CLIENTS = 20
PER_ENTRY = 25
BLOCK = 2_000


def made(points: int, dimension: int, seed: int = 1) -> Iterator[tuple[int, str, NDArray[np.float32], str]]:
    """Ids, entries, vectors in clusters as real art has them, and pixel hashes."""
    rng = np.random.default_rng(seed)
    centres = rng.gamma(0.4, size=(max(points // 100, 1), dimension)).astype(np.float32)
    for start in range(0, points, BLOCK):
        count = min(BLOCK, points - start)
        noise = rng.gamma(0.4, size=(count, dimension)).astype(np.float32)
        vectors = centres[rng.integers(0, len(centres), count)] + 0.7 * noise
        for n, vector in enumerate(vectors, start=start):
            slug, pixels = f"entry-{n // PER_ENTRY}", rng.bytes(32).hex()
            yield image_id(slug, pixels), slug, vector, pixels


def draw_weights(path: Path) -> None:
    """Write a state dict of VGG16 with weights drawn by lot."""
    import torch
    import torchvision

    torch.manual_seed(1)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(torchvision.models.vgg16(weights=None).state_dict(), path)


def publish(settings: Settings, points: int, *, with_graph: bool = True) -> None:
    """Make and publish the generation, as the catalog writes it."""
    space, dimension = VectorSpace.of(settings).name, VectorSpace.of(settings).dimension
    generations = Generations(settings.data / "generations")
    building = generations.begin()
    store = sqlite3.connect(building.path / "words.sqlite")
    store.executescript(serving_rows.serving_ddl())
    store.execute("INSERT INTO packs VALUES (1, 'packs/made.zip')")
    pack = building.path / "packs" / "made.zip"
    pack.parent.mkdir()
    pack.write_bytes(b"thumbnail")
    rng = random.Random(1)
    ids: list[int] = []
    keys: list[str] = []
    with open_index(settings, settings.data / "index", space, dimension) as index:
        batch: list[Point] = []
        for number, slug, vector, pixels in made(points, dimension):
            licence = LICENCES[hash(slug) % len(LICENCES)]
            title = " ".join(rng.choices(WORDS, k=3))
            tags = rng.sample(WORDS, 4)
            side = rng.choice((16, 32, 64, 128, 512))
            text = f"{title} {' '.join(tags)} author {' '.join(rng.choices(WORDS, k=30))}"
            batch.append(
                Point(number, vector, {
                    "slug": slug, "licences": [licence.name], "uses": uses([licence.name]), "tags": tags,
                    "author": f"author {hash(slug) % 500}", "art_type": "2D Art", "width": side, "height": side,
                    "pixels": side * side, "aspect": 1.0, "has_alpha": bool(number % 2), "pixel_art": side < 64,
                    "colours": 16, "colour_names": ["blue"], "pixel_sha256": pixels, "words": text, "fetched_at": 1,
                })
            )  # fmt: skip
            ids.append(number)
            keys.append(pixels)
            store.execute(
                "INSERT OR IGNORE INTO entries(slug, title, author, author_url, submitter, posted_at, art_type, tags,"
                " licences, licence_urls, notice,"
                " description, page_url, fetched_at, favourites) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                (slug, title, "author", None, "author", "2026-10-01T00:00:00", "2D Art", json.dumps(tags),
                 json.dumps([licence.name]), json.dumps([licence.url]), None, text, f"https://site/content/{slug}",
                 "2026-10-01T00:00:00Z", 0),
            )  # fmt: skip
            store.execute(
                "INSERT INTO images(image_id, slug, pixel_sha256, width, height, mode, format, frames,"
                " has_alpha, colours, palette,"
                " palette_shares, pixel_art, pack, thumb_offset, thumb_length)"
                " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                (number, slug, bytes.fromhex(pixels), side, side, "RGBA", "png", 1, 1, 16, "[255,65280]", "[0.6,0.4]",
                 1, 1, 0, 9),
            )  # fmt: skip
            store.execute(
                "INSERT INTO files VALUES (?,?,?,?,?)",
                (len(ids), 1, f"https://site/f/{number}.png", f"{number}.png", bytes(32)),
            )
            store.execute(
                "INSERT INTO places VALUES (?,?,?,?,?,?,?,?)", (number, len(ids), "", bytes(32), "png", 9, 0, 9)
            )
            if len(batch) == BLOCK:
                index.upsert(batch)
                batch = []
                print(f"\r{len(ids):,} points", end="", file=sys.stderr)
        index.upsert(batch)
        began = time.monotonic()
        if with_graph:
            index.flush()
            print(f"\ngraph built in {time.monotonic() - began:.0f} s", file=sys.stderr)
            index.copy_to(building.path / "index")
    if not with_graph:  # closing it has put it on the disk, and copying what is only read builds none
        with open_index(settings, settings.data / "index", space, dimension, read_only=True) as index:
            index.copy_to(building.path / "index")
    shutil.rmtree(settings.data / "index")
    store.executescript(serving_rows.INDEXES)
    write_word_index(store)
    facts = {"space": space, "model": settings.model, "images": len(ids), "entries": len(ids) // PER_ENTRY}
    store.executemany("INSERT INTO info VALUES (?, ?)", facts.items())
    store.commit()
    store.close()
    order = np.array(sorted(ids), np.int64)
    np.save(building.path / "signature_ids.npy", order)
    signatures = np.lib.format.open_memmap(
        building.path / "signatures.npy", mode="w+", dtype=np.uint8, shape=(len(order), 32, 32, 4)
    )
    noise = np.random.default_rng(2)
    for start in range(0, len(order), BLOCK):
        shape = (min(BLOCK, len(order) - start), 4, 4, 4)
        signatures[start : start + BLOCK] = noise.integers(0, 255, shape, np.uint8).repeat(8, 1).repeat(8, 2)
    signatures.flush()
    art = sorted(ART.rglob("*.png"))
    write_likeness(building.path, list(zip(ids, keys, strict=True)), art, projection_of(DataRoot.of(settings), space))
    manifest = {
        "number": building.number,
        "space": space,
        "model": settings.model,
        "dimension": dimension,
        "counts": {},
    }
    (building.path / "manifest.json").write_text(json.dumps(manifest))
    building.finish()
    generations.switch(building.number)


def ask(
    port: int, paths: Callable[[], str], pause: float, seconds: float, times: list[float], failed: list[int]
) -> None:
    """One client: requests for so many seconds, at most one in each ``pause``."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    end = time.monotonic() + seconds
    time.sleep(random.random() * pause)
    while (began := time.monotonic()) < end:
        connection.request("GET", paths())
        answer = connection.getresponse()
        answer.read()
        took = time.monotonic() - began
        (times if answer.status == 200 else failed).append(took if answer.status == 200 else answer.status)  # type: ignore[arg-type]
        time.sleep(max(0.0, pause - took))


def drive(port: int, paths: Callable[[], str], pause: float, seconds: float) -> tuple[list[float], int]:
    """All clients together: latencies in seconds, and how many requests failed."""
    times: list[float] = []
    failed: list[int] = []
    threads = [threading.Thread(target=ask, args=(port, paths, pause, seconds, times, failed)) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times, len(failed)


def main() -> None:
    """Make what is missing, serve it, search, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=100_000)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="vgg16", choices=("vgg16", "efficientnet_lite0"))
    parser.add_argument(
        "--without-graph", action="store_true", help="where fused vectors have the model's, no search asks the graph"
    )
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--uploads", type=int, default=40)
    parser.add_argument("--port", type=int, default=8399)
    parser.add_argument("--out", type=Path, help="file for the figures as JSON")
    arguments = parser.parse_args()
    drawn = arguments.data / "vgg16-drawn.pth" if arguments.model == "vgg16" else None
    if drawn is not None and not drawn.exists():
        draw_weights(drawn)
    settings = Settings(data=arguments.data / arguments.model, model=arguments.model, weights=drawn)
    if not (settings.data / "generations").exists():
        publish(settings, arguments.points, with_graph=not arguments.without_graph)
    ids = np.load(next(settings.data.glob("generations/*/signature_ids.npy")))
    environment = {
        **os.environ,
        "OGAART_DATA": str(settings.data),
        "OGAART_MODEL": settings.model,
        **({"OGAART_WEIGHTS": str(drawn)} if drawn is not None else {}),
        "OGAART_SERVE_PORT": str(arguments.port),
        "OGAART_SEARCHES_PER_MINUTE": "0",
        "OGAART_UPLOADS_PER_MINUTE": "0",
    }
    began = time.monotonic()
    server = subprocess.Popen([Path(sys.executable).parent / "ogaart", "serve"], env=environment)
    try:
        rng = random.Random(3)

        def by_id() -> str:
            return f"/api/v1/search?like={ids[rng.randrange(len(ids))]}"

        while True:
            try:
                drive_once(arguments.port, by_id())
                break
            except OSError:
                time.sleep(0.02)
        started = time.monotonic() - began
        process = psutil.Process(server.pid)
        drive(arguments.port, by_id, 0.5, 10.0)  # what a running service has read already
        rows = []
        kept: dict[str, Any] = {"points": len(ids), "model": settings.model}
        for name, paths in (
            ("by image_id", by_id),
            ("by image_id, licence and size filtered", lambda: f"{by_id()}&use=sell&use=drm&size=icon"),
            ("by words", lambda: f"/api/v1/search?q={rng.choice(WORDS)}+{rng.choice(WORDS)}"),
            ("page, by image_id", lambda: by_id().removeprefix("/api/v1")),
        ):
            spent = sum(process.cpu_times()[:2])
            times, failed = drive(arguments.port, paths, 1.0, arguments.seconds)
            each = (sum(process.cpu_times()[:2]) - spent) * 1000 / max(len(times) + failed, 1)
            p50, p95, p99 = np.percentile(times, [50, 95, 99]) * 1000
            kept[name] = {"answered": len(times), "p50": p50, "p95": p95, "cpu_ms": each}
            rows.append(f"| {name} | {len(times)} | {failed} | {p50:.0f} | {p95:.0f} | {p99:.0f} | {each:.1f} |")
        spent = sum(process.cpu_times()[:2])
        alone, uploads = upload_beside_embedding(settings, arguments.port, arguments.uploads)
        kept["upload_cpu_ms"] = (sum(process.cpu_times()[:2]) - spent) * 1000 / (len(uploads) + 1)
        alone_unknown, unknown = upload_beside_embedding(settings, arguments.port, arguments.uploads, unknown=True)
        times, _ = drive(arguments.port, by_id, 0.0, 10.0)
        memory = process.memory_info()
        size = f"{len(ids):,} points x {VectorSpace.of(settings).dimension}"
        print(f"{cpu()}: {settings.model}, {size}; first answer after {started:.1f} s")
        own, mapped = (memory.rss - memory.shared) >> 20, memory.shared >> 20
        print(
            f"saturated at {len(times) / 10:.0f} requests a second; {own} MiB of its own, {mapped} MiB of mapped files"
        )
        print(
            "\n| 20 clients, one request a second each | answered | failed | p50 ms | p95 ms | p99 ms | CPU ms each |"
        )
        print("| --- | --- | --- | --- | --- | --- | --- |")
        print("\n".join(rows))
        print("\n| One upload at a time | tried | p50 ms | p95 ms |")
        print("| --- | --- | --- | --- |")
        for name, series in (
            ("the embedding alone", alone),
            ("search by upload", uploads),
            ("the search beyond the embedding", beyond(uploads, alone)),
            ("the same of pictures that share no exact pixels", beyond(unknown, alone_unknown)),
        ):
            p50, p95 = np.percentile(series, [50, 95]) * 1000
            kept[name] = {"tried": len(series), "p50": p50, "p95": p95}
            print(f"| {name} | {len(series)} | {p50:.0f} | {p95:.0f} |")
        own_ms = f"{kept['upload_cpu_ms']:.1f} ms"
        print(f"\nAn upload takes {own_ms} of the server's own CPU time, beside that of its child processes.")
        if arguments.out is not None:
            arguments.out.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    finally:
        server.terminate()
        server.wait()


def beyond(uploads: list[float], alone: list[float]) -> list[float]:
    """Seconds that each upload took beyond its embedding."""
    return [whole - part for whole, part in zip(uploads, alone, strict=True)]


def upload_beside_embedding(
    settings: Settings, port: int, count: int, *, unknown: bool = False
) -> tuple[list[float], list[float]]:
    """Embed each of so many pictures alone, then search by it over HTTP: seconds of both.

    Args:
        settings: of the publication.
        port: of the server.
        count: pictures, which the publication's own are made of: each is a part of many.
        unknown: change each pixel's colour by one of 255 steps, so that no exact pixels are found.
    """
    pictures = sorted(ART.rglob("*.png"))[:: max(1, 400 // count)][:count]
    alone: list[float] = []
    uploads: list[float] = []
    with Embedder(settings) as embedder:
        for number, path in enumerate([pictures[0], *pictures]):
            content = path.read_bytes()
            rgba = decode(content, Limits()).rgba
            if unknown:
                content = stepped(rgba)
                rgba = decode(content, Limits()).rgba
            # The subject on a flat background is embedded by itself as well.
            subject = without_ground(rgba)
            forms = [rgba] if subject is None else [rgba, subject]
            began = time.monotonic()
            embedder.embed_rgba(forms)
            embedded = time.monotonic()
            answer = requests.post(f"http://127.0.0.1:{port}/api/v1/search", files={"picture": content}, timeout=120)
            answered = time.monotonic()
            answer.raise_for_status()
            if number:  # the first one of each loads the model
                alone.append(embedded - began)
                uploads.append(answered - embedded)
    return alone, uploads


def stepped(rgba: NDArray[np.uint8]) -> bytes:
    """A PNG file of a picture, each channel of its colours changed by one step."""
    changed = rgba.copy()
    changed[..., :3] ^= 1
    file = io.BytesIO()
    Image.fromarray(changed, "RGBA").save(file, "PNG")
    return file.getvalue()


def drive_once(port: int, path: str) -> tuple[float, int]:
    """One request: seconds, status."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    began = time.monotonic()
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.read()
    return time.monotonic() - began, answer.status


if __name__ == "__main__":
    main()
