"""Why a bucket cannot be used, and the way out: no credentials, no server.

A bucket of Google's without credentials is refused at once, but on a machine that has a metadata service.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ogaart.cli.demo_command import free_port
from ogaart.resources.objects import bucket
from ogaart.resources.objects.bucket import Bucket
from ogaart.resources.objects.store import ObjectsRefused


@contextmanager
def answering(status: int, headers: dict[str, str]) -> Iterator[str]:
    """A server that gives the same answer to everything; its host and port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def refusal(host: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """How a bucket is refused where the metadata service would be at ``host``."""
    monkeypatch.setenv("HOME", str(root))
    monkeypatch.setenv("GCE_METADATA_HOST", host)
    with pytest.raises(ObjectsRefused) as caught:
        Bucket("gs://bucket/root", root).size(root / "blobs")
    return str(caught.value)


@pytest.mark.parametrize("headers", [{}, {"Metadata-Flavor": "Another"}])
def test_what_is_not_a_metadata_service_is_not_asked_for_a_role(
    headers: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering(200, headers) as host:
        found = refusal(host, tmp_path, monkeypatch)

    assert found.startswith(f"OGAART_OBJECTS (gs://bucket/root): no metadata service of Google's at {host}. No cred")
    assert refusal(host, tmp_path, monkeypatch) == found  # nothing listens there any more


def test_a_metadata_service_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket, "_PATIENCE", 0.1)

    with answering(200, {"Metadata-Flavor": "Google"}) as host:
        assert "token" in refusal(host, tmp_path, monkeypatch)


def test_credentials_of_googles_tools_need_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT_KEY", "not a key")

    assert "metadata service" not in refusal("127.0.0.1:9", tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("url", "variables"),
    [
        ("s3://pictures/root", {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key", "AWS_ENDPOINT_URL": "http://{}"}),
        ("az://pictures/root", {"AZURE_STORAGE_ACCOUNT_NAME": "account", "AZURE_STORAGE_ACCOUNT_KEY": "a2V5",
                                "AZURE_STORAGE_ENDPOINT": "http://{}/account"}),
    ],
)  # fmt: skip
def test_a_server_that_is_away_is_named_with_the_variable_that_named_it(
    url: str, variables: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket, "_PATIENCE", 0.1)
    host = f"127.0.0.1:{free_port(0)}"
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(host))

    with pytest.raises(ObjectsRefused) as caught:
        Bucket(url, tmp_path).size(tmp_path / "blobs")

    endpoint = [*variables][-1]
    assert (
        str(caught.value) == f"OGAART_OBJECTS ({url}): http://{host} does not respond: start it, or correct {endpoint}"
    )
