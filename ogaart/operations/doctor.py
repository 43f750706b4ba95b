"""``ogaart doctor``: what is installed, reachable and writable, and how to get what is missing.

Each check uses what it reports on: it loads the library, opens the collection, starts the model, runs the browser.
"""

import ctypes
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import requests

from ogaart.imaging.find_libarchive import find_libarchive
from ogaart.resources.embedding.backend_choice import Measured, choose
from ogaart.resources.embedding.embedder import Embedder, EmbedderBroken
from ogaart.resources.embedding.registry import (
    EmbeddingModel,
    VectorSpace,
    WeightsMissing,
    find_weights,
    model_named,
)
from ogaart.resources.index.base import IndexBroken
from ogaart.resources.index.factory import open_index
from ogaart.resources.state.database import StateDatabase, StateRefused, sqlite_problem
from ogaart.resources.state.root_identity import id_of
from ogaart.resources.storage.data_root import DataRoot, DataRootRefused
from ogaart.settings import Settings, shown_url
from ogaart.sites.errors import InvalidQueries, UnknownSite
from ogaart.sites.registry import open_site

LIBARCHIVE_HELP = (
    "install libarchive: apt-get install libarchive13 (Debian, Ubuntu), dnf install libarchive (Fedora), "
    "brew install libarchive (macOS), or name the library in LIBARCHIVE"
)
CHROMIUM_HELP = "only tests need it: apt-get install chromium, or brew install --cask chromium, or set CHROMIUM"
SECONDS = 20.0
"""How long a server or a program may take to respond."""
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
    yield _libarchive()
    yield from _storage(settings)
    yield _state(settings)
    yield _queries(settings)
    yield from _model(settings)
    yield _collection(settings)
    yield _chromium()
    contact = settings.contact or "empty: set OGAART_CONTACT to a mail address or URL before reading the real site"
    yield Finding("contact", bool(settings.contact), contact, needed=False)


def _libarchive() -> Finding:
    name = find_libarchive()
    if name is None:
        return Finding("libarchive", False, LIBARCHIVE_HELP)
    try:
        version = ctypes.CDLL(name).archive_version_number()
    except (OSError, AttributeError) as cause:
        return Finding("libarchive", False, f"{name} does not load ({cause}): {LIBARCHIVE_HELP}")
    return Finding("libarchive", True, f"{name}, version {version // 1_000_000}.{version // 1000 % 1000}")


def _storage(settings: Settings) -> Iterator[Finding]:
    root = DataRoot.of(settings)
    try:
        root.claim()
        root.require_writable()
        probe = root.root / f".tmp-probe-{uuid.uuid4().hex}"
        probe.write_bytes(b"probe")
        probe.unlink()
        yield Finding("data root", True, f"{root.root} is writable and owned by this host")
    except (OSError, DataRootRefused) as cause:
        yield Finding("data root", False, str(cause))
        return
    free = shutil.disk_usage(root.root).free
    enough = free >= settings.min_free_bytes
    yield Finding("disk", enough, f"{free / 2**30:.1f} GiB free, {settings.min_free_bytes / 2**30:.1f} GiB required")


def _state(settings: Settings) -> Finding:
    """Opens the database of state; a server's is claimed for this data root where it is new."""
    root = DataRoot.of(settings)
    if settings.database_url is None:
        problem = sqlite_problem(root.state) if root.state.exists() else ""
        detail = f"{problem}: run `ogaart verify --repair`" if problem else "SQLite (OGAART_DATABASE_URL is not set)"
        return Finding("database of state", not problem, f"{root.state}: {detail}")
    try:
        with closing(StateDatabase(settings)) as state, state.reading():
            return Finding("database of state", True, f"{state.where} belongs to this data root, id {id_of(root)}")
    except StateRefused as cause:
        return Finding("database of state", False, str(cause))


def _queries(settings: Settings) -> Finding:
    try:
        queries = open_site(settings).load_queries(settings.queries)
    except (InvalidQueries, UnknownSite, OSError) as cause:
        return Finding("queries", False, str(cause))
    return Finding("queries", True, f"{settings.queries}: {', '.join(queries)}")


def _model(settings: Settings) -> Iterator[Finding]:
    """Starts the model with its weights; nothing is downloaded, but their source is tried where they are missing."""
    name = f"weights of {settings.model}"
    try:
        found = find_weights(settings)
        space = VectorSpace.of(settings)
        if found.path is None:
            yield _downloadable(name, model_named(settings.model))
            return
        requested = choose(settings)
        with Embedder(settings) as embedder:
            embedder.start()
            used = embedder.choice
    except EmbedderBroken as cause:
        yield Finding(name, False, f"{found.path} does not load as weights of {settings.model}: {cause}")
        return
    except (WeightsMissing, OSError) as cause:
        yield Finding(name, False, str(cause))
        return
    yield Finding(name, True, f"{found.path}; space {space.name}")
    others = "; ".join(_measured(row) for row in used.measured if row.backend != used.backend)
    detail = f"{used.backend}: {used.reason}" + (f" ({others})" if others else "")
    yield Finding("embedding back end", used.backend == requested.backend, detail, needed=False)


def _measured(row: Measured) -> str:
    return f"{row.backend}: {row.refused or f'{row.milliseconds} ms'}"


def _downloadable(name: str, model: EmbeddingModel) -> Finding:
    """Weights that the first run would download: whether it can."""
    try:
        response = requests.head(model.source, timeout=SECONDS, allow_redirects=True)
        response.raise_for_status()
    except requests.RequestException as cause:
        return Finding(name, False, model.not_available(type(cause).__name__))
    size = int(response.headers.get("Content-Length") or 0) / 1e6
    return Finding(
        name, False, f"not here yet; the first run downloads {size:,.0f} MB from {model.source}", needed=False
    )


def _collection(settings: Settings) -> Finding:
    """Makes and opens a collection with the in-process engine, or lists those of the server."""
    if settings.qdrant_url is None:
        try:
            with TemporaryDirectory() as folder, closing(open_index(settings, Path(folder), "doctor", 4)) as index:
                index.count()
        except (IndexBroken, OSError) as cause:
            return Finding("collection", False, f"Qdrant's engine in the process does not work here: {cause}")
        return Finding("collection", True, "Qdrant's engine in the process (QDRANT_URL is not set)")
    shown = shown_url(settings.qdrant_url)
    key = settings.qdrant_api_key
    try:
        response = requests.get(
            f"{settings.qdrant_url.rstrip('/')}/collections",
            headers={"api-key": key.get_secret_value()} if key else {},
            timeout=settings.qdrant_timeout,
        )
    except (requests.RequestException, ValueError) as cause:
        reason = type(cause).__name__
        return Finding("collection", False, f"{shown} does not respond ({reason}): start it, or unset QDRANT_URL")
    if response.status_code in {401, 403}:
        return Finding(
            "collection", False, f"{shown} refuses the key (HTTP {response.status_code}): set QDRANT_API_KEY"
        )
    try:
        names = [one["name"] for one in response.json()["result"]["collections"]]
    except (ValueError, KeyError, TypeError):
        code = response.status_code
        return Finding("collection", False, f"{shown} does not respond as Qdrant does (HTTP {code}): check QDRANT_URL")
    return Finding("collection", True, f"{shown} has {len(names)} collections")


def _chromium() -> Finding:
    browser = chromium()
    if browser is None:
        return Finding("chromium", False, CHROMIUM_HELP, needed=False)
    try:
        done = subprocess.run([browser, "--version"], capture_output=True, text=True, timeout=SECONDS, check=True)
    except (OSError, subprocess.SubprocessError) as cause:
        return Finding("chromium", False, f"{browser} does not start ({cause}); {CHROMIUM_HELP}", needed=False)
    return Finding("chromium", True, f"{browser}: {done.stdout.strip()}", needed=False)
