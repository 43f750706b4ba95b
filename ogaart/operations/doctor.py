"""``ogaart doctor``: what is installed, reachable and writable, and how to get what is missing."""

import os
import shutil
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ogaart.imaging.find_libarchive import find_libarchive
from ogaart.resources.storage.data_root import DataRoot, DataRootRefused
from ogaart.settings import Settings
from ogaart.sites.errors import InvalidQueries, UnknownSite
from ogaart.sites.registry import open_site

LIBARCHIVE_HELP = (
    "install libarchive: apt-get install libarchive13 (Debian, Ubuntu), dnf install libarchive (Fedora), "
    "brew install libarchive (macOS), or name the library in LIBARCHIVE"
)
CHROMIUM_HELP = "only tests need it: apt-get install chromium, or brew install --cask chromium, or set CHROMIUM"
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@dataclass(frozen=True)
class Finding:
    """The result of one check; those that are ``needed`` decide the exit code."""

    name: str
    ok: bool
    detail: str
    needed: bool = True


def chromium() -> str | None:
    """Path of a Chromium that tests can drive."""
    named = os.environ.get("CHROMIUM")
    if named:
        return named
    found = next((path for path in map(shutil.which, CHROMIUM_NAMES) if path), None)
    mac = Path("/Applications/Chromium.app/Contents/MacOS/Chromium")
    return found or (str(mac) if mac.exists() else None)


def examine(settings: Settings) -> Iterator[Finding]:
    """Run every check, one finding at a time."""
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("python", sys.version_info >= (3, 11), f"{version}; 3.11 or newer is required")
    library = find_libarchive()
    yield Finding("libarchive", library is not None, library or LIBARCHIVE_HELP)
    yield from _storage(settings)
    yield _queries(settings)
    yield _weights(settings)
    yield _collection(settings)
    browser = chromium()
    yield Finding("chromium", browser is not None, browser or CHROMIUM_HELP, needed=False)
    contact = settings.contact or "empty: set OGAART_CONTACT to a mail address or URL before reading the real site"
    yield Finding("contact", bool(settings.contact), contact, needed=False)


def _storage(settings: Settings) -> Iterator[Finding]:
    root = DataRoot.of(settings)
    try:
        root.claim()
        probe = root.root / f".tmp-probe-{uuid.uuid4().hex}"
        probe.write_bytes(b"")
        probe.unlink()
        yield Finding("data root", True, f"{root.root} is writable and owned by this host")
    except (OSError, DataRootRefused) as cause:
        yield Finding("data root", False, str(cause))
        return
    free = shutil.disk_usage(root.root).free
    enough = free >= settings.min_free_bytes
    yield Finding("disk", enough, f"{free / 2**30:.1f} GiB free, {settings.min_free_bytes / 2**30:.1f} GiB required")


def _queries(settings: Settings) -> Finding:
    try:
        return Finding(
            "queries", True, f"{settings.queries}: {', '.join(open_site(settings).load_queries(settings.queries))}"
        )
    except (InvalidQueries, UnknownSite) as cause:
        return Finding("queries", False, str(cause))


def _weights(settings: Settings) -> Finding:
    from ogaart.resources.embedding.registry import VectorSpace, WeightsMissing

    try:
        space = VectorSpace.of(settings).name
    except WeightsMissing as cause:
        return Finding(f"weights of {settings.model}", False, str(cause))
    return Finding(f"weights of {settings.model}", True, space)


def _collection(settings: Settings) -> Finding:
    if settings.qdrant_url is None:
        return Finding("collection", True, "Qdrant's engine in the process (QDRANT_URL is not set)")
    import requests

    try:
        answer = requests.get(f"{settings.qdrant_url.rstrip('/')}/readyz", timeout=settings.qdrant_timeout)
    except requests.RequestException as cause:
        return Finding("collection", False, f"{settings.qdrant_url} does not answer ({cause}): start it or unset it")
    return Finding("collection", answer.ok, f"{settings.qdrant_url} answers {answer.status_code}")
