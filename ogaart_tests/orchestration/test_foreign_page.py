"""A foreign web page, open in the operator's browser beside the Dagster UI, cannot command the platform."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from ogaart.demo import plan
from ogaart.demo.model import DemoContent
from ogaart_tests.changing_site import ChangingSite
from ogaart_tests.ui import REPOSITORY, browser_page, dagster_ui, graphql
from ogaart_tests.world import open_world

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(600)]

START = """mutation { startSchedule(scheduleSelector: {
    repositoryLocationName: "ogaart", repositoryName: "__repository__", scheduleName: "daily"}) { __typename } }"""
LAUNCH = """mutation { launchPipelineExecution(executionParams: {mode: "default", runConfigData: "{}", selector: {
    repositoryLocationName: "ogaart", repositoryName: "__repository__", pipelineName: "discover"}}) { __typename } }"""
SCHEDULE = """query($schedule: ScheduleSelector!) { scheduleOrError(scheduleSelector: $schedule) {
    ... on Schedule { scheduleState { status } } } runsOrError { ... on Runs { results { id } } } }"""
PAGE = """<!doctype html><title>foreign</title>
<img src="{base}/graphql?query={start}"> <img src="{base}/graphql?query={launch}">
<form id=form method=post enctype=text/plain action="{base}/graphql?query={start}" target=frame>
<input name='{{"query": "{{ version }}", "x": "' value='"}}'></form>
<iframe name=frame></iframe>
<script>
    const report = text => document.body.append(text + ";");
    const send = (kind, options) => fetch("{base}/graphql", {{method: "POST", body: JSON.stringify({{query: `{raw}`}}),
        ...options}}).then(r => report(kind + " " + r.status + r.type)).catch(() => report(kind + " failed"));
    document.getElementById("form").submit();
    send("plain", {{mode: "no-cors", headers: {{"Content-Type": "text/plain; application/json"}}}})
        .then(() => send("json", {{headers: {{"Content-Type": "application/json"}}}}))
        .then(() => {{
            const socket = new WebSocket("{base}/graphql".replace("http", "ws"), "graphql-ws");
            socket.onopen = () => report("socket open");
            socket.onclose = () => report("socket closed");
        }});
</script>"""


@contextmanager
def foreign_page(text: str) -> Iterator[str]:
    """A web server of another origin with one page; yields its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_port}/"
        server.shutdown()


def test_a_foreign_page_starts_no_schedule_and_no_run(tmp_path: Path) -> None:
    def state(base: str) -> tuple[str, int]:
        data = graphql(base, SCHEDULE, schedule={**REPOSITORY, "scheduleName": "daily"})
        return data["scheduleOrError"]["scheduleState"]["status"], len(data["runsOrError"]["results"])

    with (
        open_world(tmp_path, ChangingSite(site=DemoContent(plan.load().by_age()[:1]))) as world,
        dagster_ui(world) as base,
        browser_page() as page,
    ):
        text = PAGE.format(base=base, start=quote(START), launch=quote(LAUNCH), raw=START)
        refused: list[tuple[str, int]] = []
        page.on("response", lambda answer: refused.append((answer.request.resource_type, answer.status)))
        with foreign_page(text) as url:
            page.goto(url)
            expect(page.get_by_text("socket closed")).to_be_visible(timeout=30_000)
            page.wait_for_timeout(2_000)
            shown = page.inner_text("body")

        assert state(base) == ("STOPPED", 0)
        assert refused.count(("image", 403)) == 2
        assert "socket open" not in shown
        assert "json failed" in shown
        graphql(base, START)
        assert state(base) == ("RUNNING", 0)  # the same mutation, by a client that is not a web page
