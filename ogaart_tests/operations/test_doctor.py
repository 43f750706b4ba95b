"""ogaart doctor: what is there, what is missing, how to get it, and its exit code."""

import json
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path

import pytest
from click.testing import CliRunner
from pydantic import SecretStr

from ogaart.cli.demo_command import free_port
from ogaart.cli.main import main
from ogaart.operations.doctor import Finding, examine
from ogaart.resources.embedding.registry import VectorSpace
from ogaart.resources.index.factory import open_index
from ogaart.resources.objects import bucket
from ogaart.resources.state.database import StateDatabase
from ogaart.settings import Settings
from ogaart_tests.postgres import Postgres, postgres
from ogaart_tests.qdrant_stub import QdrantStub

__all__ = ["postgres"]

LITE = "efficientnet_lite0"


def test_it_names_what_is_missing_and_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OGAART_DATA", str(tmp_path))
    monkeypatch.setenv("OGAART_MODEL", "vgg16")
    monkeypatch.setenv("OGAART_WEIGHTS", str(tmp_path / "none.pth"))
    monkeypatch.setenv("OGAART_QUERIES", str(tmp_path / "none.toml"))

    result = CliRunner().invoke(main, ["doctor", "--json"])

    findings = {f["name"]: f for f in json.loads(result.stdout)}
    assert result.exit_code == 1
    assert not findings["queries"]["ok"]
    assert "OGAART_QUERIES" in findings["queries"]["detail"]
    assert findings["libarchive"]["ok"]
    assert findings["data root"]["ok"]


def test_it_is_content_where_all_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OGAART_DATA", str(tmp_path))
    monkeypatch.setenv("OGAART_MODEL", "efficientnet_lite0")
    monkeypatch.setenv("OGAART_QUERIES", str(Path(__file__).parents[2] / "queries.toml"))

    result = CliRunner().invoke(main, ["doctor"])

    assert result.exit_code == 0, result.output
    assert "ok      weights of efficientnet_lite0" in result.stdout


def doctor(
    monkeypatch: pytest.MonkeyPatch, data: Path, until: str = "contact", **environment: str
) -> dict[str, Finding]:
    """What the doctor finds in an environment, by name, up to one of its checks.

    It has no weights, whose model would take seconds to start.
    """
    no_weights = {"OGAART_MODEL": "vgg16", "TORCH_HOME": str(data / "empty"), "HTTPS_PROXY": "http://127.0.0.1:9"}
    for name, value in {"OGAART_DATA": str(data), **no_weights, **environment}.items():
        monkeypatch.setenv(name, value)
    found: dict[str, Finding] = {}
    for one in examine(Settings()):
        found[one.name] = one
        if one.name == until:
            break
    return found


def test_weights_that_are_missing_are_not_reported_as_ok(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = doctor(monkeypatch, tmp_path, "weights of vgg16")["weights of vgg16"]

    assert (found.ok, found.needed) == (False, True)
    assert "OGAART_WEIGHTS" in found.detail


@pytest.mark.slow
def test_a_file_that_does_not_hold_weights_is_opened_and_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = tmp_path / "weights.pth"
    weights.write_bytes(b"not a state dict")

    model = {"OGAART_MODEL": "efficientnet_lite0", "OGAART_WEIGHTS": str(weights)}
    name = "weights of efficientnet_lite0"
    found = doctor(monkeypatch, tmp_path / "data", name, **model)[name]

    assert not found.ok
    assert str(weights) in found.detail
    assert "not a state dict of efficientnet_lite0" in found.detail
    assert "SIGABRT" not in found.detail


def test_what_runs_need_besides_is_opened_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dagster's instance, its database, the broker of workers: each is reported by what it does when it is used."""
    monkeypatch.setenv("DAGSTER_HOME", "")
    nowhere = {
        "OGAART_DAGSTER_DATABASE": "postgresql+psycopg2://user:secret@127.0.0.1:1/x",
        "OGAART_EXECUTOR": "celery",
        "OGAART_CELERY_BROKER": "redis://:secret@127.0.0.1:1/0",
    }
    fresh = doctor(monkeypatch, tmp_path / "fresh", "executor")
    apart = doctor(monkeypatch, tmp_path / "apart", "executor", **nowhere)
    for name in nowhere:
        monkeypatch.delenv(name)
    home = tmp_path / "broken" / "dagster"
    home.mkdir(parents=True)
    (home / "dagster.yaml").write_text("storage: nonsense")
    broken = doctor(monkeypatch, home.parent, "dagster")["dagster"]

    assert fresh["dagster"].ok
    assert not (tmp_path / "fresh" / "dagster").exists()
    assert fresh["executor"].ok
    assert not apart["dagster"].ok
    assert "OGAART_DAGSTER_DATABASE" in apart["dagster"].detail
    assert not apart["executor"].ok
    assert "OGAART_CELERY_BROKER" in apart["executor"].detail
    assert not any("secret" in found.detail for found in apart.values())
    assert not broken.ok
    assert "dagster.yaml" in broken.detail


@pytest.mark.parametrize("data", ["file", "file/below"])
def test_a_data_root_that_cannot_be_made_names_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: str
) -> None:
    (tmp_path / "file").write_text("")

    found = doctor(monkeypatch, tmp_path / data, "queries", OGAART_QUERIES=str(tmp_path))

    assert "OGAART_DATA" in found["data root"].detail
    assert "OGAART_QUERIES" in found["queries"].detail
    assert not any("Errno" in one.detail for one in found.values())


def test_a_library_that_does_not_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = tmp_path / "libarchive.so"
    library.write_bytes(b"not a library")

    found = doctor(monkeypatch, tmp_path / "data", "libarchive", LIBARCHIVE=str(library))["libarchive"]

    assert not found.ok
    assert "does not load" in found.detail


def test_a_browser_that_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = doctor(monkeypatch, tmp_path, CHROMIUM="/bin/false")["chromium"]

    assert (found.ok, found.needed) == (False, False)


@pytest.mark.parametrize(
    ("status", "body", "ok", "words"),
    [
        (200, b'{"result": {"collections": [{"name": "a"}]}}', True, "has 1 collections"),
        (403, b"forbidden", False, "set QDRANT_API_KEY"),
        (200, b"<html>another server</html>", False, "does not respond as Qdrant does"),
    ],
)
def test_the_collections_of_a_server_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, body: bytes, ok: bool, words: str
) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://operator:secret@127.0.0.1:{server.server_port}"
        found = doctor(monkeypatch, tmp_path, "collection", QDRANT_URL=url)["collection"]
    finally:
        server.shutdown()
        server.server_close()

    assert found.ok is ok
    assert words in found.detail
    assert "secret" not in found.detail


def test_a_server_that_does_not_respond(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = doctor(monkeypatch, tmp_path, "collection", QDRANT_URL="http://operator:secret@127.0.0.1:9")["collection"]

    assert not found.ok
    assert "secret" not in found.detail


def on_a_server(
    monkeypatch: pytest.MonkeyPatch, folder: Path, stub: QdrantStub, **variables: str
) -> dict[str, Finding]:
    return doctor(monkeypatch, folder, "collection settings", QDRANT_URL=stub.url, **variables)


def test_a_collection_on_a_server_that_differs_from_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with QdrantStub() as stub:
        space = VectorSpace.of(Settings(model=LITE))
        open_index(Settings(qdrant_url=stub.url), tmp_path, space.name, space.dimension).close()

        variables = {"OGAART_MODEL": LITE, "OGAART_QDRANT_REPLICAS": "2"}
        found = on_a_server(monkeypatch, tmp_path, stub, **variables)["collection settings"]

    assert (found.ok, found.needed) == (False, False)
    assert "OGAART_QDRANT_REPLICAS is 2, the collection has 1" in found.detail
    assert "ogaart rebuild index" in found.detail


def test_a_server_that_is_too_old_for_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with QdrantStub() as stub:
        stub.version = "1.15.5"

        found = on_a_server(monkeypatch, tmp_path, stub)["collection settings"]

    assert (found.ok, found.needed) == (False, True)
    assert "Qdrant 1.15.5 does not know OGAART_QDRANT_QUANTIZATION=turbo2" in found.detail


def test_a_server_without_a_collection_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with QdrantStub() as stub:
        found = on_a_server(monkeypatch, tmp_path, stub)

    assert "collection settings" not in found
    assert found["collection"].ok


def test_long_lines_wrap_in_a_pipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OGAART_DATA", str(tmp_path))
    monkeypatch.setenv("OGAART_MODEL", "vgg16")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "empty"))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")

    printed = CliRunner().invoke(main, ["doctor"]).stdout.splitlines()

    assert any("MISSING weights of vgg16" in line for line in printed)
    assert [line for line in printed if len(line) > 100 and " " in line.strip()] == []


@pytest.mark.parametrize("also_down", [False, True])
def test_without_the_bucket_it_is_known_whether_the_database_responds(
    also_down: bool, tmp_path: Path, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket, "_PATIENCE", 0.1)
    variables = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key",
                 "AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port(0)}"}  # fmt: skip
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    url = f"postgresql://ogaart:secret@127.0.0.1:{free_port(0)}/state" if also_down else postgres.fresh("doctor")
    with (
        closing(
            StateDatabase(Settings(data=tmp_path / "other", database_url=SecretStr(postgres.fresh("doctor"))))
        ) as state,
        state.reading(),
    ):
        pass  # which makes its tables

    found = examine(Settings(data=tmp_path / "data", objects="s3://pictures/root", database_url=SecretStr(url)))
    objects, database = [finding for finding in islice(found, 6) if finding.name in {"objects", "database of state"}]

    assert (objects.ok, database.ok) == (False, not also_down)
    assert "does not respond: start it, or correct AWS_ENDPOINT_URL" in objects.detail
    assert ("OGAART_DATABASE_URL (" if also_down else "responds; whose it is the bucket would tell") in database.detail
