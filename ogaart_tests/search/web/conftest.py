"""One server and one Chromium for the tests of a module; a page of a new visitor for each test."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from ogaart.operations.doctor import CHROMIUM_HELP, chromium
from ogaart.search.engine.remote_images import RemoteImageFetcher
from ogaart.search.engine.service import SearchService
from ogaart.settings import Settings
from ogaart_tests.search.serving import serving
from ogaart_tests.search.tiny_generation import GridImageReader
from ogaart_tests.ui import CHROMIUM_ARGUMENTS


@pytest.fixture(scope="module")
def site(settings: Settings) -> Iterator[str]:
    """The whole application; links may lead to this machine, where the tests' own pictures are."""
    remote = RemoteImageFetcher(
        settings.max_upload_bytes, "test", permitted=lambda address: address.is_loopback, ports=None
    )
    unlimited = settings.model_copy(update={"searches_per_minute": 0, "uploads_per_minute": 0})
    with SearchService(unlimited, GridImageReader(), remote) as service, serving(unlimited, service) as base:
        yield base


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = chromium()
    assert path is not None, f"no Chromium found: {CHROMIUM_HELP}"
    expect.set_options(timeout=30_000)  # a busy machine takes more than the usual five seconds
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, site: str) -> Iterator[Page]:
    """A page of a new visitor; whatever its scripts or the security policy complain about fails the test."""
    context = browser.new_context(base_url=site, permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.set_default_timeout(20_000)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    yield page
    context.close()
    assert complaints == []
