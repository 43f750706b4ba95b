"""Pictures can be reported; the operator sees each report, closes it, and can be reached."""

import math
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from ogaart.resources.moderation import visitor_reports
from ogaart.resources.moderation.line_log import Line, LineLog, LogUnavailable
from ogaart.resources.moderation.visitor_reports import ReportsFull, VisitorReports
from ogaart.search.engine.service import SearchService
from ogaart.search.errors import ContactMissing
from ogaart.search.web.app import create_app, require_contact
from ogaart.search.web.monitoring import Remembered
from ogaart.settings import Settings
from ogaart_tests.logs import reports_of
from ogaart_tests.search.tiny_generation import image_id
from ogaart_tests.ui import wait_until

ROBOT = image_id("robot-animated", 0)


@pytest.fixture
def settings_here(service: SearchService, tmp_path: Path) -> Settings:
    return service.settings.model_copy(update={"data": tmp_path, "contact": "op@example.org"})


@pytest.fixture
def client(service: SearchService, settings_here: Settings) -> Iterator[TestClient]:
    """The tiny publication; reports go to a data root of their own."""
    with TestClient(create_app(settings_here, service), base_url="http://localhost") as client:
        yield client


def test_a_report_is_a_row_that_the_operator_sees(client: TestClient, settings_here: Settings) -> None:
    form = client.get(f"/report?image={ROBOT}")
    sent = {
        "image": str(ROBOT),
        "reason": "licence",
        "note": "It is\x1b[31m GPL,\n<b>not</b> CC0",
        "contact": "me@x.org",
    }
    answer = client.post("/report", data=sent)

    [row] = VisitorReports(reports_of(settings_here.data)).open()
    assert "wrong licence" in form.text
    assert "Thank you" in answer.text
    assert row.id in answer.text
    assert (row.image_id, row.slug, row.reason, row.contact) == (str(ROBOT), "robot-animated", "licence", "me@x.org")
    assert row.note == "It is [31m GPL, <b>not</b> CC0"
    assert "ogaart_reports_open 1.0" in client.get("/metrics").text


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"image": str(ROBOT), "reason": "dull"}, 400),
        ({"image": "5", "reason": "mine"}, 404),
        ({"reason": "mine"}, 404),
    ],
)
def test_what_is_no_report_is_refused(client: TestClient, sent: dict[str, str], status: int) -> None:
    assert client.post("/report", data=sent).status_code == status


def test_reports_are_limited_for_each_client(client: TestClient) -> None:
    sent = {"image": str(ROBOT), "reason": "mine"}

    assert [client.post("/report", data=sent).status_code for _ in range(4)] == [200, 200, 200, 429]


def test_reports_are_closed_with_an_outcome_and_survive_a_torn_line(tmp_path: Path) -> None:
    reports = VisitorReports(reports_of(tmp_path))
    first = reports.add(1, "one", "mine")
    (tmp_path / "reports" / "+0000000002-7e57.json").write_text('{"id": "torn')
    second = reports.add(2, "two", "other", "later")

    assert [report.id for report in reports.open()] == [first.id, second.id]
    assert reports.close(first.id, "blocked")
    assert not reports.close(first.id, "again")
    assert [report.id for report in reports.open()] == [second.id]
    assert [(report.id, report.outcome) for report in reports.all()] == [(first.id, "blocked"), (second.id, "")]


def test_no_visitor_fills_the_disk_with_reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reports = VisitorReports(reports_of(tmp_path))
    first = reports.add(1, "one", "mine")
    monkeypatch.setattr(visitor_reports, "MAX_BYTES", 30)

    with pytest.raises(ReportsFull, match="close some of them"):
        reports.add(1, "one", "mine")

    assert reports.close(first.id, "blocked")
    assert reports.add(1, "one", "mine") in reports.open()


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.4", "::", "art.example.org"])
def test_a_page_for_others_names_a_contact(host: str) -> None:
    with pytest.raises(ContactMissing, match="OGAART_CONTACT"):
        require_contact(Settings(serve_host=host, contact=""))
    require_contact(Settings(serve_host=host, contact="op@example.org"))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.3.2.1"])
def test_a_page_for_this_machine_needs_none(host: str) -> None:
    require_contact(Settings(serve_host=host, contact=""))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin", "Origin": "null"}, 200),  # its own page, which sends no referrer
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Origin": "http://localhost:8080"}, 200),  # an old browser
        ({"Origin": "null"}, 200),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:9000"}, 403),  # another port of this machine
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://localhost.evil.example"}, 403),
    ],
)
def test_a_page_of_another_site_cannot_report(
    service: SearchService, settings_here: Settings, headers: dict[str, str], status: int
) -> None:
    with TestClient(create_app(settings_here, service), base_url="http://localhost") as client:
        answer = client.post("/report", data={"image": str(ROBOT), "reason": "other"}, headers=headers)

    assert answer.status_code == status
    assert len(VisitorReports(reports_of(settings_here.data)).open()) == (status == 200)


def test_reports_are_not_counted_again_for_each_look_at_the_metrics() -> None:
    now, counted = 0.0, 0

    def count() -> float:
        nonlocal counted
        counted += 1
        return counted

    remembered = Remembered(count, 10.0, clock=lambda: now)

    assert [remembered(), remembered()] == [1, 1]
    now = 11.0
    assert [remembered(), remembered()] == [2, 2]


def test_metrics_do_not_wait_for_a_database_that_is_away() -> None:
    back = threading.Event()

    def count() -> float:
        """Waits for the database, as a count does for half a minute."""
        back.wait(60)
        return 3.0

    remembered = Remembered(count, 0.0, patience=0.01)
    meanwhile = remembered()
    back.set()

    assert math.isnan(meanwhile)
    wait_until(lambda: remembered() == 3.0, 60, "reports are counted")


def test_metrics_are_answered_where_reports_cannot_be_counted(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: LineLog) -> list[Line]:
        raise LogUnavailable("connection refused")

    monkeypatch.setattr(LineLog, "lines", away)

    answer = client.get("/metrics")

    assert answer.status_code == 200
    assert "ogaart_reports_open NaN" in answer.text
    assert "ogaart_generation " in answer.text
