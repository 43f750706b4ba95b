"""``ogaart demo``: the whole platform over a small OpenGameArt of real free art, on this machine alone."""

import os
import socket
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from ogaart.cli.search_command import search
from ogaart.core.exit_codes import EXIT_FAILED
from ogaart.demo.server import DemoSite
from ogaart.operations import runs
from ogaart.orchestration.services import Services
from ogaart.resources.embedding.embedder import Embedder, WeightsMissing
from ogaart.settings import Settings

QUERIES = """\
# The demo's site returns 24 entries a page, so that there are several partitions.
[[query]]
name = "2d-art"
art_types = ["2D Art"]
per_page = 24
"""
DELAY = 0.02


def run(settings: Settings, console: Console, *, data: Path, site_port: int, once: bool) -> int:
    """Serve the demo's site, materialize everything, publish, search; then serve until Ctrl-C.

    Args:
        settings: the settings; data root, site and queries are the demo's own.
        console: where progress is shown.
        data: the demo's data root.
        site_port: port of the demo's site; part of every URL stored, so keep it.
        once: exit after the search.

    Returns:
        The exit code; 1 where the picture searched for is not found.
    """
    with ExitStack() as stack:
        site = stack.enter_context(DemoSite(port=site_port, delay=DELAY))
        chosen = prepare(settings, console, data, site.base)
        start = time.monotonic()
        console.print(
            f"A small OpenGameArt of real free art is served at {site.base}; data under {chosen.data}", soft_wrap=True
        )
        for report in (
            runs.discover(chosen, console),
            runs.materialize(chosen, console, None),
            runs.publish(chosen, console),
        ):
            for error in report.errors:
                console.print(f"[red]{error}")
            if report.exit_code:
                return report.exit_code
        published = report.rows[-1]
        console.print(
            f"The graph took {time.monotonic() - start:.0f} s and {len(site.requests)} requests. "
            f"Publication {published['generation']}: {published['entries']} entries, {published['images']} pictures."
        )
        found = find_copy(chosen, console)
        if not once:
            _stay(chosen, console)
    return 0 if found else EXIT_FAILED


def prepare(settings: Settings, console: Console, data: Path, base: str) -> Settings:
    """The demo's settings, which also go into the environment, where runs read them."""
    data = data.resolve()
    queries = data / "queries.toml"
    os.environ.update(OGAART_DATA=str(data), OGAART_SITE=base, OGAART_QUERIES=str(queries))
    Settings()  # refuses a path that cannot be used, before anything is written there
    data.mkdir(parents=True, exist_ok=True)
    queries.write_text(QUERIES)
    os.environ["OGAART_MODEL"] = available_model(settings, console)
    return Settings()


def available_model(settings: Settings, console: Console) -> str:
    """The configured model; EfficientNet-Lite0 where none is configured and the weights of VGG16 are not available."""
    try:
        with Embedder(settings) as embedder:
            embedder.start()
            console.print(f"Model: {embedder.space.model}")
    except WeightsMissing as cause:
        if "OGAART_MODEL" in os.environ:
            raise
        console.print(f"Model: efficientnet_lite0, whose weights come with its package, instead of VGG16: {cause}")
        return "efficientnet_lite0"
    return settings.model


def find_copy(settings: Settings, console: Console) -> bool:
    """Search with a picture of the site, made smaller and saved as JPEG, as users find them; whether it is found."""
    from PIL import Image

    pictures = sorted((Path(__file__).parents[1] / "demo" / "art").rglob("*.png"))
    chosen = max(pictures[::40], key=lambda p: p.stat().st_size)
    with TemporaryDirectory() as folder, Image.open(chosen) as picture:
        small = picture.convert("RGBA")
        white = Image.new("RGBA", small.size, "white")
        white.alpha_composite(small)
        copy = Path(folder) / "copy.jpg"
        width, height = (max(8, round(side * 0.6)) for side in small.size)
        white.convert("RGB").resize((width, height)).save(copy, quality=85)
        console.print(f"\nSearch with {chosen.name} on white, at 60 %, saved as JPEG:")
        answer = search(settings, (str(copy),), 5)
    console.print(answer.text(), markup=False, soft_wrap=True)
    first = answer.records()[0] if answer.records() else None
    found = first is not None and chosen.name in f"{first['file']} {first['member_path']}"
    if not found:
        console.print(f"[red]The search did not find {chosen.name}, of which the picture is a copy.")
    return found


def _stay(settings: Settings, console: Console) -> None:
    """Serve the search page and the Dagster UI until interrupted."""
    from ogaart.search.web.app import serve

    page = settings.model_copy(update={"serve_port": free_port(settings.serve_port)})
    dagster_port = free_port(settings.dagster_port)
    services = Services(settings, "127.0.0.1", dagster_port)
    console.print(f"\nSearch page: http://{page.serve_host}:{page.serve_port}")
    console.print(f"Dagster UI:  http://127.0.0.1:{dagster_port}  (Ctrl-C stops both)")
    try:
        serve(page)
    except KeyboardInterrupt:
        console.print("stopping")
    finally:
        services.stop()


def free_port(wanted: int) -> int:
    """``wanted`` if no process listens there, else a free port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
