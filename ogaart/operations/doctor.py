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
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import requests

from ogaart.core.errors import ExtraMissing, InstanceConfigInvalid, InstanceUnreachable
from ogaart.imaging.find_libarchive import find_libarchive
from ogaart.orchestration.extras import require_extra
from ogaart.orchestration.instance import open_instance, try_database
from ogaart.resources.embedding.backend_choice import Measured, choose
from ogaart.resources.embedding.embedder import Embedder, EmbedderBroken
from ogaart.resources.embedding.registry import (
    EmbeddingModel,
    VectorSpace,
    WeightsMissing,
    find_weights,
    model_named,
)
from ogaart.resources.index.base import IndexBroken, IndexUnreachable
from ogaart.resources.index.factory import open_index
from ogaart.resources.objects.factory import open_objects
from ogaart.resources.objects.store import ObjectsRefused
from ogaart.resources.state.database import StateDamaged, StateDatabase, StateRefused
from ogaart.resources.state.layout import layout_problem
from ogaart.resources.state.root_identity import id_of
from ogaart.resources.state.sqlite_files import sqlite_problem
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
    objects = list(_objects(settings))
    yield from objects
    yield _state(settings, complete=all(finding.ok for finding in objects))
    yield _dagster(settings)
    yield _executor(settings)
    yield _queries(settings)
    yield from _model(settings)
    collection = _collection(settings)
    yield collection
    if settings.qdrant_url is not None and collection.ok:
        yield from _server(settings)
    yield _chromium()
    contact = settings.contact or "empty: set OGAART_CONTACT to a mail address or URL before reading the real site"
    yield Finding("contact", bool(settings.contact), contact, needed=False)


def _libarchive() -> Finding:
    name = find_libarchive()
    if name is None:
        named = os.environ.get("LIBARCHIVE")
        missing = f"LIBARCHIVE={named} is not a library that can be loaded as libarchive: " if named else ""
        return Finding("libarchive", False, f"{missing}{LIBARCHIVE_HELP}")
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
    except DataRootRefused as cause:
        yield Finding("data root", False, str(cause))
        return
    except OSError as cause:
        reason = cause.strerror or type(cause).__name__
        yield Finding("data root", False, f"{root.root}: {reason}: set OGAART_DATA to a folder that can be written")
        return
    free = shutil.disk_usage(root.root).free
    enough = free >= settings.min_free_bytes
    yield Finding("disk", enough, f"{free / 2**30:.1f} GiB free, {settings.min_free_bytes / 2**30:.1f} GiB required")


def _objects(settings: Settings) -> Iterator[Finding]:
    """Whether files can be stored in a bucket, where one is named, read and deleted again."""
    probe = DataRoot.of(settings).scratch / f"probe-{uuid.uuid4().hex}"
    try:
        store = open_objects(settings)
        if not store.remote:
            return
        probe.parent.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"probe")
        store.put(probe, probe)
        store.fetch([probe], fresh=True)
        store.delete(probe)
        yield Finding("objects", True, f"{settings.objects} can be written and read")
    except (ObjectsRefused, OSError) as cause:
        yield Finding("objects", False, str(cause))
    finally:
        with suppress(OSError):  # it is not there, or nothing can be
            probe.unlink()


def _state(settings: Settings, *, complete: bool) -> Finding:
    """Opens the database of state; a server's is claimed for this data root where it is new.

    Without its bucket (not ``complete``) it is not known which data root this is: whether the server responds is.
    """
    root = DataRoot.of(settings)
    if settings.database_url is None:
        problem = (sqlite_problem(root.state) or layout_problem(root.state)) if root.state.exists() else ""
        detail = f"{problem}: run `ogaart verify --repair`" if problem else "SQLite (OGAART_DATABASE_URL is not set)"
        return Finding("database of state", not problem, f"{root.state}: {detail}")
    try:
        with closing(StateDatabase(settings)) as state:
            if lacking := state.lacks():
                return Finding("database of state", False, f"{state.where}: {lacking}: run `ogaart verify --repair`")
            if not complete:
                return Finding("database of state", True, f"{state.where} responds; whose it is the bucket would tell")
            with state.reading():
                pass
            return Finding("database of state", True, f"{state.where} belongs to this data root, id {id_of(root)}")
    except (StateRefused, StateDamaged, ObjectsRefused) as cause:
        return Finding("database of state", False, str(cause))


def _dagster(settings: Settings) -> Finding:
    """Opens Dagster's instance; one that no run has made yet is not made."""
    home = DataRoot.of(settings).dagster
    if settings.dagster_database is None and not home.exists():
        return Finding("dagster", True, f"{home}: the first run makes it")
    try:
        try_database(settings)
        with open_instance(settings) as instance:
            runs = instance.get_runs_count()
    except (DataRootRefused, InstanceConfigInvalid, InstanceUnreachable, ExtraMissing, OSError) as cause:
        return Finding("dagster", False, str(cause))
    kind = "SQLite" if settings.dagster_database is None else "PostgreSQL (OGAART_DAGSTER_DATABASE)"
    return Finding("dagster", True, f"{home}: {runs:,} runs in {kind}")


def _executor(settings: Settings) -> Finding:
    """Loads the package of the executor, and connects to the broker of workers."""
    name = settings.executor
    if name == "in_process":
        return Finding("executor", True, "in_process: steps are executed in the run's process")
    try:
        require_extra(name)
    except ExtraMissing as cause:
        return Finding("executor", False, f"{name}: {cause}")
    return _broker(settings) if name == "celery" else Finding("executor", True, f"{name}: its package is installed")


def _broker(settings: Settings) -> Finding:
    # These two come with the extra.
    from kombu.connection import Connection
    from kombu.exceptions import OperationalError

    from ogaart.orchestration.celery_executor import app_arguments

    broker = app_arguments(settings)["broker"]
    try:
        with Connection(broker, connect_timeout=SECONDS) as connection:  # type: ignore[no-untyped-call]
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=SECONDS)
    except (OperationalError, OSError) as cause:
        reason = f"{shown_url(broker)} does not respond ({type(cause).__name__})"
        return Finding("executor", False, f"celery: {reason}: start it, or correct OGAART_CELERY_BROKER")
    return Finding("executor", True, f"celery: {shown_url(broker)} responds")


def _queries(settings: Settings) -> Finding:
    try:
        queries = open_site(settings).load_queries(settings.queries)
    except (InvalidQueries, UnknownSite) as cause:
        return Finding("queries", False, str(cause))
    except OSError as cause:
        reason = cause.strerror or type(cause).__name__
        return Finding("queries", False, f"{settings.queries}: {reason}: set OGAART_QUERIES to a file of queries")
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
        if requested.refused:
            yield Finding("embedding back end", False, requested.refused)
            return
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
    near = next((f", {row.fidelity}" for row in used.measured if row.backend == used.backend and row.fidelity), "")
    detail = f"{used.backend}: {used.reason}{near}" + (f" ({others})" if others else "")
    yield Finding("embedding back end", used.backend == requested.backend, detail, needed=False)


def _measured(row: Measured) -> str:
    if row.refused or row.fidelity is None:
        return f"{row.backend}: {row.refused or f'{row.milliseconds} ms'}"
    return f"{row.backend}: {row.milliseconds} ms, {row.fidelity}"


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


def _server(settings: Settings) -> Iterator[Finding]:
    """Whether the server can make a collection as the settings say, and the one that it has is as they say."""
    from ogaart.resources.index.server import ServerIndex  # a second of imports that the other home need not pay
    from ogaart.resources.index.server_requests import Server
    from ogaart.resources.index.server_settings import ServerShape

    once = settings.model_copy(update={"attempts": 1})
    name = "collection settings"
    try:
        server = Server.of(once)
        refused = ServerShape.of(settings).refused_by(server.ask(server.client.info).version)
        if refused is not None:
            yield Finding(name, False, refused)
            return
        space = VectorSpace.of(settings)
        with closing(ServerIndex.connect(once, space.name, space.dimension, read_only=True)) as index:
            differing = index.settings_differ()
    except (IndexBroken, WeightsMissing):  # none is made yet, or the space is unknown, which other checks say
        return
    except IndexUnreachable as cause:
        yield Finding(name, False, str(cause))
        return
    yield Finding(name, differing is None, differing or "the collection is as OGAART_QDRANT_… say", needed=False)


def _chromium() -> Finding:
    browser = chromium()
    if browser is None:
        return Finding("chromium", False, CHROMIUM_HELP, needed=False)
    try:
        done = subprocess.run([browser, "--version"], capture_output=True, text=True, timeout=SECONDS, check=True)
    except (OSError, subprocess.SubprocessError) as cause:
        return Finding("chromium", False, f"{browser} does not start ({cause}); {CHROMIUM_HELP}", needed=False)
    return Finding("chromium", True, f"{browser}: {done.stdout.strip()}", needed=False)
