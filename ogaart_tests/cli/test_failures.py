"""Every command in every foreseeable trouble: one sentence, an exit code of the table, never a traceback."""

import json
import shutil
import socket
import sqlite3
import subprocess
import threading
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ogaart.cli.failures import exit_codes
from ogaart.cli.main import main
from ogaart.core.exit_codes import EXIT_CODES
from ogaart.resources.storage.lock_names import catalog_lock
from ogaart.resources.storage.locks import hold
from ogaart_tests.changing_site import ChangingSite
from ogaart_tests.torture.service import serving
from ogaart_tests.torture.small_site import records
from ogaart_tests.world import World, copy_world, open_world

KEY = "2d-art/0000"
READING = (
    ("sql", "SELECT count(*) FROM images"),
    ("search", "map"),
    ("search", "9152434947822855189"),
    ("doctor",),
    ("verify", "--quick"),
    ("verify",),
    ("block",),
    ("retry", "--where", "true", "--dry-run"),
    ("gc",),
)
SITE = (("discover", "--refresh"), ("plan",), ("materialize", KEY), ("refresh", "map-pin"))
WRITING = (
    ("plan", "--offline"),
    ("publish",),
    ("gc", "--yes"),
    ("gc", "--runs"),
    ("gc", "--runs", "--yes"),
    ("verify", "--repair"),
    ("rebuild", "index"),
    ("rebuild", "catalog"),
    ("retry", "--where", "true"),
    ("backup", "backup"),
    ("block", "author", "Kenney", "--reason", "test"),
)
SERVING = (("up", "--port", "0"), ("serve", "--port", "0"), ("demo", "--once", "--port", "0"))
ALL = (*READING, *SITE, *WRITING, *SERVING)


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A small platform, published."""
    with open_world(tmp_path_factory.mktemp("origin"), ChangingSite(per_page=24, site=records())) as world:
        world.all()
        yield world


@pytest.fixture
def world(origin: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A copy of it, which a test may damage; the current folder is its parent's."""
    for name, value in (("OGAART_ATTEMPTS", "1"), ("OGAART_CIRCUIT_SECONDS", "0"), ("OGAART_LOCK_SECONDS", "0.1")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("OGAART_MIN_FREE_BYTES", "1000")
    monkeypatch.chdir(tmp_path)
    return copy_world(origin, tmp_path / "data", monkeypatch.setenv)


def typed(*words: str) -> Result:
    return CliRunner().invoke(main, list(words))


def faults(result: Result) -> list[str]:
    """What is wrong with how a command ended."""
    found = []
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        found.append(f"a traceback: {result.exception!r}")
    elif result.exit_code not in EXIT_CODES:
        found.append(f"exit code {result.exit_code}")
    elif "Traceback" in result.output or 'File "' in result.output:
        found.append(f"a traceback in what it prints: {result.output[-500:]}")
    elif result.exit_code not in {0, 1} and not result.stderr.strip():
        found.append("no sentence")
    return found


def drive(commands: Sequence[Sequence[str]], *, codes: set[int]) -> None:
    """Run commands one after the other; each must end well or with one of the codes, in plain words."""
    wrong = []
    for words in commands:
        result = typed(*words)
        wrong += [f"{' '.join(words)}: {fault}" for fault in faults(result)]
        if not faults(result) and result.exit_code not in {0, *codes}:
            wrong.append(f"{' '.join(words)}: exit code {result.exit_code}: {result.stderr[-300:]}")
    assert wrong == []


# -- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("OGAART_MAX_PIXELS", "many", "OGAART_MAX_PIXELS='many'"),
        ("OGAART_SITE", "nonsense", "OGAART_SITE='nonsense'"),
        ("OGAART_MODEL", "vgg17", "available: efficientnet_lite0, vgg16"),
        ("OGAART_DATA", "/tmp/a?b", "contains '?'"),
        ("OGAART_DATA", "/tmp/100% art", "contains '%'"),
        ("OGAART_DATA", "/tmp/a*b", "contains '*'"),
        ("OGAART_DATA", "/tmp/a\nb", "contains '\\n'"),
    ],
)
def test_a_setting_that_cannot_be_used_ends_every_command(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    monkeypatch.setenv(name, value)
    for command in (words for words in ALL if words[0] != "demo" or name != "OGAART_DATA"):
        result = typed(*command)

        assert (result.exit_code, faults(result)) == (2, []), (command, result.output)
        assert words in result.stderr
        assert len(result.stderr.splitlines()) == 1


def test_a_data_root_that_cannot_be_used_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("OGAART_DATA", "OGAART_SITE", "OGAART_QUERIES"):  # which the demo sets: the test takes them back
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)

    result = typed("demo", "--once", "--port", "0", "--data", "100% art?")

    assert (result.exit_code, faults(result)) == (2, [])
    assert list(tmp_path.iterdir()) == []


# -- the data root ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_an_empty_data_root(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OGAART_DATA", str(tmp_path / "new"))

    drive((*READING, *WRITING[2:]), codes={2, 5, 6, 7})
    assert typed("sql", "SELECT 1").exit_code == 7
    assert typed("materialize", "--all").exit_code == 2


@pytest.mark.slow
def test_a_data_root_of_another_host(world: World) -> None:
    (world.settings.data / "owner.json").write_text(json.dumps({"host": "elsewhere"}))

    drive((*READING, *SITE, *WRITING, SERVING[0]), codes={1, 5})
    assert typed("materialize", KEY).exit_code == 5


@pytest.mark.slow
def test_what_others_hold(world: World) -> None:
    with ExitStack() as held:
        held.enter_context(hold(catalog_lock(world.stores.root), what="the catalog"))
        drive((("gc", "--yes"), ("publish",)), codes={5, 6})
        assert typed("gc", "--yes").exit_code == 5


# -- rot --------------------------------------------------------------------------------------------------------------


def overwrite(path: Path) -> None:
    """Put nonsense of the same length where the file's content was."""
    path.chmod(0o644)
    path.write_bytes(b"\xff\x00nonsense\n" * (path.stat().st_size // 11 + 1))


def database(home: Path) -> Path:
    return home / "dagster" / "history" / "runs.db"


@pytest.mark.slow
@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda data: overwrite(data / "owner.json"), id="owner"),
        pytest.param(lambda data: overwrite(data / "ogaart.duckdb"), id="catalog"),
        pytest.param(lambda data: (data / "ogaart.duckdb").resolve().unlink(), id="no catalog"),
        pytest.param(lambda data: shutil.rmtree(data / "generations"), id="no generations"),
        pytest.param(lambda data: overwrite(next(data.rglob("manifest.json"))), id="manifest"),
        pytest.param(lambda data: overwrite(next(data.rglob("words.sqlite"))), id="words"),
        pytest.param(lambda data: overwrite(next((data / "tables" / "images").rglob("*.parquet"))), id="table"),
        pytest.param(lambda data: overwrite(next((data / "vectors").rglob("*.parquet"))), id="vectors"),
        pytest.param(lambda data: overwrite(next((data / "packs").rglob("*.zip"))), id="pack"),
        pytest.param(lambda data: overwrite(database(data)), id="runs.db"),
    ],
)
def test_what_has_rotted(world: World, spoil: Callable[[Path], None]) -> None:
    (world.settings.data / "decisions.jsonl").touch()
    spoil(world.settings.data)

    drive((*READING, ("publish",), ("gc", "--runs"), ("backup", "backup")), codes=set(EXIT_CODES))


# -- the site ---------------------------------------------------------------------------------------------------------


@contextmanager
def site_that(respond: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    """A site on loopback that responds to every page in one way."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/robots.txt":
                return page(self, b"", 404)
            return respond(self)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def page(handler: BaseHTTPRequestHandler, body: bytes, status: int = 200, **headers: str) -> None:
    handler.send_response(status)
    for name, value in {"Content-Type": "text/html", "Content-Length": str(len(body)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


@pytest.mark.slow
@pytest.mark.parametrize(
    "respond",
    [
        pytest.param(
            lambda h: page(h, b"<html><title>Log in</title><form action=/user/login></form>"), id="log-in page"
        ),
        pytest.param(
            lambda h: page(h, b"", 302, Location="http://localhost:9/elsewhere"), id="redirect to another site"
        ),
        pytest.param(lambda h: page(h, b"x" * 300_000), id="too large"),
        pytest.param(lambda h: page(h, b"", 302, Location=h.path), id="redirect to itself"),
        pytest.param(lambda h: page(h, b"no", 403), id="403"),
        pytest.param(lambda h: page(h, b"later", 503, Retry_After="9999999999"), id="503"),
        pytest.param(lambda h: page(h, b""), id="empty"),
        pytest.param(lambda h: page(h, b"", Content_Length="5000000000"), id="cut off"),
        pytest.param(lambda h: h.wfile.write(b"not HTTP\r\n"), id="not HTTP"),
    ],
)
def test_what_the_site_returns(
    world: World, respond: Callable[[BaseHTTPRequestHandler], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OGAART_MAX_PAGE_BYTES", "200000")
    with site_that(respond) as base:
        monkeypatch.setenv("OGAART_SITE", base)

        drive((("discover", "--refresh"), ("plan",)), codes={1, 2, 3, 4, 7})


@pytest.mark.slow
def test_a_site_that_is_down(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        monkeypatch.setenv("OGAART_SITE", f"http://127.0.0.1:{probe.getsockname()[1]}")

    drive((("discover", "--refresh"), ("plan",), ("materialize", KEY), ("refresh", "map-pin")), codes={1, 2, 3, 4, 7})


# -- usage ------------------------------------------------------------------------------------------------------------


def test_every_kind_of_failure_has_a_code_of_the_table() -> None:
    assert set(exit_codes().values()) <= set(EXIT_CODES)


def test_a_database_that_another_program_writes_is_not_called_damaged(tmp_path: Path) -> None:
    from ogaart.cli.failures import describe

    path = tmp_path / "x.db"
    with sqlite3.connect(path) as one, sqlite3.connect(path, timeout=0) as other:
        one.execute("CREATE TABLE t (a)")
        one.commit()
        one.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.Error) as caught:
            other.execute("INSERT INTO t VALUES (1)")

    assert describe(caught.value) == (5, "database is locked: close the program that has it open for writing")


# -- the disk ---------------------------------------------------------------------------------------------------------


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """A file system of its own in a folder; where nothing may be mounted the test is skipped."""
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=False).returncode:
        pytest.skip("this test needs the right to mount a file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(path: Path) -> None:
    """Take all the room that is left on a disk."""
    with path.open("wb", buffering=0) as out, suppress(OSError):
        while True:
            out.write(bytes(4096))


@pytest.mark.slow
def test_a_full_disk(origin: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OGAART_MIN_FREE_BYTES", "0")
    monkeypatch.setenv("OGAART_ATTEMPTS", "1")
    monkeypatch.chdir(tmp_path)
    commands = (
        *READING[:2], ("verify", "--quick"), *SITE, ("publish",), ("verify", "--repair"), ("rebuild", "index"),
        ("gc", "--runs", "--yes"), WRITING[-3], WRITING[-1], *SERVING[:2],
    )  # fmt: skip
    with mounted(tmp_path / "disk", "size=64m") as disk:
        copy_world(origin, disk / "data", monkeypatch.setenv)
        fill(disk / "filler")

        drive(commands, codes={5})

        assert list((disk / "data" / "decisions").glob("*.json")) == []
        assert typed("gc", "--yes").exit_code == 0, "what makes room must work on a full disk"


@pytest.mark.slow
def test_a_read_only_disk(origin: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with mounted(tmp_path / "disk", "size=512m") as disk:
        world = copy_world(origin, disk / "data", monkeypatch.setenv)
        (tmp_path / "link").symlink_to(disk / "data")
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)

        drive((*READING, ("metrics",), ("reports",), ("backup", "backup")), codes={1})
        with sqlite3.connect(tmp_path / "backup" / "dagster" / "history" / "runs.db") as runs:
            assert runs.execute("SELECT count(*) FROM runs").fetchone()[0] > 0
        assert {typed(*words).exit_code for words in (*SITE, *WRITING) if words[0] != "backup"} == {5}
        with serving(tmp_path / "link") as (port, _, _):
            answer = urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/search?q=map", timeout=60)
            number = json.load(answer)["hits"][0]["image_id"]
            assert urllib.request.urlopen(f"http://127.0.0.1:{port}/thumb/{number}.webp", timeout=60).status == 200
    assert world.settings.data.is_relative_to(disk)
