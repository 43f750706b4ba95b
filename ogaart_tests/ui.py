"""A real Dagster UI with its daemon, and a real headless Chromium, for tests that work as a person does."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from ogaart.cli.demo_command import free_port
from ogaart.operations.doctor import CHROMIUM_HELP, chromium
from ogaart.orchestration.services import Services
from ogaart_tests.world import World

REPOSITORY = {"repositoryLocationName": "ogaart", "repositoryName": "__repository__"}
"""How GraphQL requests name the project's definitions."""
SCREENSHOTS = os.environ.get("OGAART_SCREENSHOTS")  # read before a world clears the environment
CHROMIUM_ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def browser_page(width: int = 1400, height: int = 900, *, dark: bool = False) -> Iterator[Page]:
    """A fresh page of a headless Chromium; fails, saying how to get one, where there is none."""
    path = chromium()
    assert path is not None, f"no Chromium found: {CHROMIUM_HELP}"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_ARGUMENTS)
        try:
            yield browser.new_page(
                viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
            )
        finally:
            browser.close()


@contextmanager
def dagster_ui(world: World) -> Iterator[str]:
    """The Dagster UI and daemon on the world's instance; yields the UI's base URL."""
    port = free_port(0)
    services = Services(world.settings, "127.0.0.1", port)
    base = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: services.poll() is not None or _answers(base), 120, "the Dagster UI to answer")
        assert services.poll() is None, "the Dagster UI ended while it started"
        yield base
    finally:
        services.stop()


def graphql(base: str, query: str, **variables: Any) -> dict[str, Any]:
    """The data of a GraphQL request, sent as a command-line client sends it; an error fails the test."""
    answer = requests.post(f"{base}/graphql", json={"query": query, "variables": variables}, timeout=60)
    assert answer.ok, answer.text
    assert "errors" not in answer.json(), answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


def wait_until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait for ``condition``; fail after ``seconds``, naming ``what`` was awaited."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds:g} s for {what}"
        time.sleep(0.5)


def keep_screenshot(page: Page, name: str, folder: Path) -> Path:
    """Take a screenshot into ``folder``; with OGAART_SCREENSHOTS set, also into that folder, for the docs."""
    path = folder / name
    page.screenshot(path=path)
    if SCREENSHOTS:
        Path(SCREENSHOTS).mkdir(parents=True, exist_ok=True)
        with Image.open(path) as picture:
            picture.convert("RGB").quantize(256).save(Path(SCREENSHOTS) / name, optimize=True)
    return path


def _answers(base: str) -> bool:
    try:
        return requests.get(f"{base}/server_info", timeout=5).ok
    except requests.ConnectionError:
        return False
