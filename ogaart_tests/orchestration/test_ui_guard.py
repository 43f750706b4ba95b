"""Which requests the guard in front of the Dagster UI lets through to the real Dagster UI."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from ogaart.orchestration.dagster_internals import webserver_app
from ogaart.orchestration.ui_guard import UIGuard

MUTATION = "mutation { setNuxSeen }"
READ = "{ version }"
BASE = "http://localhost:3000"
SOCKET = "ws://localhost:3000/graphql"
OWN = {"Sec-Fetch-Site": "same-origin", "Origin": BASE}
FOREIGN = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """The real Dagster UI over an empty workspace, behind the guard."""
    folder = tmp_path_factory.mktemp("ui")
    workspace = folder / "workspace.yaml"
    workspace.write_text("load_from: []\n")
    with dg.DagsterInstance.local_temp(str(folder)) as instance, webserver_app(instance, workspace) as app:
        yield TestClient(UIGuard(app, ["dagster.example"]), base_url=BASE)


def post(client: TestClient, headers: dict[str, str] | None = None, query: str = MUTATION) -> int:
    return int(client.post("/graphql", json={"query": query}, headers=headers).status_code)


def test_the_ui_s_own_pages_and_command_line_clients_command_it(client: TestClient) -> None:
    assert client.get("/").status_code == 200
    assert post(client, OWN) == 200
    assert post(client) == 200
    assert post(client, {"Origin": "https://dagster.example", "Host": "dagster.example"}) == 200
    assert client.get("/graphql", params={"query": READ}).json()["data"]["version"] == dg.__version__


DEEP = "{ setNuxSeen " * 400 + "}" * 400


@pytest.mark.parametrize(
    "query",
    [
        MUTATION,
        f"query A {READ} mutation B {{ setNuxSeen }}",
        f"# {READ}\n{MUTATION}",
        f"mutation {DEEP}",
        f"query A {READ} mutation B {DEEP}",
        f"mutation A(a: {'[' * 400}Int{']' * 400}) {{ setNuxSeen }}",
    ],
    ids=["plain", "beside a query", "after a comment", "deep", "deep beside a query", "deep variable"],
)
def test_a_mutation_by_get_is_refused_from_any_client(client: TestClient, query: str) -> None:
    assert client.get("/graphql", params={"query": query}).status_code == 405
    assert client.get("/graphql", params=[("query", query), ("query", READ)]).status_code == 405
    assert client.get("/graphql", params={"query": query}, headers=OWN).status_code == 405


@pytest.mark.parametrize(
    "headers",
    [
        FOREIGN,
        {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:8080"},  # another port of this machine
        {"Origin": "null"},  # a sandboxed frame, or a file
        {"Origin": "http://localhost:3000.evil.example"},
        {"Origin": "https://evil.example"},  # a browser of before Sec-Fetch-Site
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
def test_another_web_page_commands_nothing_and_reads_nothing(client: TestClient, headers: dict[str, str]) -> None:
    assert post(client, headers) == 403
    assert client.get("/graphql", params={"query": READ}, headers=headers).status_code == 403
    assert client.options("/graphql", headers=headers).status_code == 403
    with pytest.raises(WebSocketDisconnect), client.websocket_connect(SOCKET, headers=headers):
        pass


@pytest.mark.parametrize(
    "content_type", ["text/plain", "text/plain; application/json", "application/x-www-form-urlencoded", "", None]
)
def test_a_body_that_a_form_could_send_is_refused(client: TestClient, content_type: str | None) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    body: dict[str, Any] = {"content": f'{{"query": "{MUTATION}"}}', "headers": headers}

    assert client.post("/graphql", **body).status_code == 415
    assert client.post("/graphql", params={"query": MUTATION}, **body).status_code == 415
    assert client.post("/report_asset_materialization/catalog", **body).status_code == 415


@pytest.mark.parametrize("host", ["evil.example", "evil.example:3000", "localhost.evil.example", "[::ffff:1]", "a:b:c"])
def test_a_name_that_was_rebound_to_this_machine_is_refused(client: TestClient, host: str) -> None:
    headers = {"Host": host, "Origin": f"http://{host}"}

    assert post(client, headers) in {400, 403}
    assert client.get("/", headers=headers).status_code in {400, 403}
    with pytest.raises(WebSocketDisconnect), client.websocket_connect(SOCKET, headers=headers):
        pass


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]:3000", "LOCALHOST:3000", "dagster.example"])
def test_names_of_this_machine_and_of_the_setting_are_accepted(client: TestClient, host: str) -> None:
    assert post(client, {"Host": host, "Origin": f"http://{host}"}) == 200


def test_a_link_opens_the_ui_and_no_frame_shows_it(client: TestClient) -> None:
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}

    opened = client.get("/assets/catalog?view=checks", headers=link)

    assert opened.status_code == 200
    assert opened.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert client.get("/", headers={**link, "Sec-Fetch-Dest": "iframe"}).status_code == 403
    assert client.get("/graphql", params={"query": READ}, headers=link).status_code == 403


def test_a_websocket_of_the_ui_s_own_page_opens(client: TestClient) -> None:
    with client.websocket_connect(SOCKET, headers=OWN, subprotocols=["graphql-ws"]) as socket:
        socket.send_json({"type": "connection_init"})
        assert socket.receive_json()["type"] == "connection_ack"


def test_a_refusal_names_the_way_out(client: TestClient) -> None:
    assert "OGAART_DAGSTER_HOSTS" in client.get("/", headers={"Host": "dagster.internal"}).text


def test_the_plain_ui_would_have_obeyed(tmp_path: Path) -> None:
    """Why there is a guard; once this fails, Dagster has one of its own."""
    (tmp_path / "workspace.yaml").write_text("load_from: []\n")
    with (
        dg.DagsterInstance.local_temp(str(tmp_path)) as instance,
        webserver_app(instance, tmp_path / "workspace.yaml") as app,
    ):
        plain = TestClient(app, base_url=BASE)

        assert plain.get("/graphql", params={"query": MUTATION}, headers=FOREIGN).json()["data"] == {"setNuxSeen": True}
