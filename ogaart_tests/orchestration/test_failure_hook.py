"""A run that failed is reported once, by a POST or a command, and whatever the hook does harms nothing."""

import json
import shlex
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from pydantic import ValidationError

from ogaart.cli.invalid_settings import what_is_wrong
from ogaart.orchestration.failure_hook import HookFailed, call_hooks
from ogaart.orchestration.instance import failure_message
from ogaart.orchestration.sensors import failure_hook
from ogaart.resources.index.base import IndexUnreachable
from ogaart.resources.objects.store import ObjectsRefused
from ogaart.resources.state.database import StateDamaged, StateRefused
from ogaart.settings import Settings

_XML = "refused: 403 Forbidden: <?xml version='1.0'?>\n<Error><Code>SignatureDoesNotMatch</Code></Error>\nDebug source:"
CHAINS = (
    (IndexUnreachable("Qdrant at http://q: refused"), "refused", "IndexUnreachable: Qdrant at http://q: refused"),
    (
        IndexUnreachable("the shard is gone"),
        "No space left",
        "IndexUnreachable: the shard is gone (OSError: No space left)",
    ),
    (IndexUnreachable("the shard is gone"), "", "IndexUnreachable: the shard is gone"),
    (IndexUnreachable("is locked\n[SQL: BEGIN]\n(Background on this error)"), "", "IndexUnreachable: is locked"),
    (IndexUnreachable("no answer"), _XML, "IndexUnreachable: no answer (OSError: refused: 403 Forbidden)"),
    (IndexUnreachable("no answer"), "cut\nDetail: a row", "IndexUnreachable: no answer (OSError: cut)"),
    (ObjectsRefused("check AWS_REGION"), _XML, "ObjectsRefused: check AWS_REGION"),
    (StateRefused("is being restarted"), "(psycopg2.OperationalError) x", "StateRefused: is being restarted"),
    (StateDamaged("lacks a table"), "relation", "StateDamaged: lacks a table"),
)


@pytest.mark.parametrize(("error", "cause", "shown"), CHAINS, ids=[shown[:40] for *_, shown in CHAINS])
def test_a_failed_step_is_told_by_its_own_error(error: Exception, cause: str, shown: str) -> None:
    @dg.op
    def fails() -> None:
        if not cause:
            raise error
        raise error from OSError(cause)

    @dg.job
    def failing() -> None:
        fails()

    result = failing.execute_in_process(raise_on_error=False)

    [failed] = [event for event in result.all_events if event.is_step_failure]
    assert failure_message(failed.step_failure_data) == shown


REPORT = {"event": "run_failure", "run_id": "r", "job": "ingest", "partition": "2d-art/0000", "error": "it broke"}


@dataclass
class Receiver:
    """A web hook on loopback: what it received, and how it answers."""

    status: int = 204
    pause: float = 0.0
    received: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""


@contextmanager
def receiver(**how: Any) -> Iterator[Receiver]:
    """A running web hook."""
    hook = Receiver(**how)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.headers["Content-Type"] == "application/json"
            hook.received.append(json.loads(body))
            time.sleep(hook.pause)
            self.send_response(hook.status)
            self.send_header("Location", hook.url)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        hook.url = f"http://127.0.0.1:{server.server_port}/secret"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield hook
        server.shutdown()


def python(program: str) -> str:
    """A command that runs a Python program."""
    return shlex.join([sys.executable, "-c", program])


def settings(**values: str) -> Settings:
    return Settings(**values)  # type: ignore[arg-type]


def test_both_hooks_receive_the_report(tmp_path: Path) -> None:
    write = python(f"import sys; open({str(tmp_path / 'report')!r}, 'w').write(sys.stdin.read())")
    with receiver() as hook:
        called = call_hooks(settings(failure_webhook=hook.url, failure_command=write), REPORT)

    assert called == ["OGAART_FAILURE_WEBHOOK", "OGAART_FAILURE_COMMAND"]
    assert hook.received == [REPORT]
    assert json.loads((tmp_path / "report").read_text()) == REPORT


def test_without_hooks_nothing_is_called() -> None:
    assert call_hooks(settings(), REPORT) == []


@pytest.mark.parametrize(("status", "says"), [(500, "HTTP status 500"), (302, "HTTP status 302")])
def test_a_response_other_than_success_is_a_failure_and_a_redirect_is_not_followed(status: int, says: str) -> None:
    with receiver(status=status) as hook, pytest.raises(HookFailed, match=says):
        call_hooks(settings(failure_webhook=hook.url), REPORT)

    assert len(hook.received) == 1


def test_a_hook_that_hangs_is_left_after_its_time() -> None:
    start = time.monotonic()
    with receiver(pause=30.0) as hook, pytest.raises(HookFailed) as caught:
        call_hooks(settings(failure_webhook=hook.url, failure_command=python("import time; time.sleep(60)")), REPORT, 1)

    assert time.monotonic() - start < 10
    assert "OGAART_FAILURE_COMMAND: the command was killed after 1 s" in str(caught.value)
    assert "OGAART_FAILURE_WEBHOOK" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("/nowhere/at-all", "cannot be started"),
        ("'", "cannot be started"),
        ("", "cannot be started"),
        (python("import sys; sys.exit('no disk')"), "exit code 1: no disk"),
    ],
)
def test_a_command_that_fails_names_its_cause(command: str, says: str) -> None:
    with pytest.raises(HookFailed, match=says):
        call_hooks(settings(failure_command=command), REPORT)


def test_a_server_that_is_down_is_a_failure_whose_message_keeps_the_url_secret() -> None:
    with pytest.raises(HookFailed, match="the request failed") as caught:
        call_hooks(settings(failure_webhook="http://127.0.0.1:1/secret"), REPORT)

    assert "secret" not in str(caught.value)


def test_a_url_of_another_kind_is_refused_and_not_repeated() -> None:
    with pytest.raises(ValidationError) as caught:
        settings(failure_webhook="file:///etc/secret")

    assert what_is_wrong(caught.value) == (
        "OGAART_FAILURE_WEBHOOK=***: expected a URL that begins with http:// or https://"
    )


@dg.op
def breaks() -> None:
    raise RuntimeError("it broke")


@dg.job
def failing() -> None:
    breaks()


def tick(instance: dg.DagsterInstance, cursor: str | None) -> tuple[list[Any], str | None]:
    """One tick of the sensor, as the daemon does it."""
    with dg.build_sensor_context(instance=instance, cursor=cursor) as context:
        found = failure_hook.evaluate_tick(context)
    reactions = [*(found.dagster_run_reactions or [])]
    return [*reactions, *([found.skip_message] if found.skip_message else [])], found.cursor


@pytest.mark.parametrize("status", [204, 500])
def test_each_failed_run_is_reported_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    with receiver(status=status) as hook, dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        monkeypatch.setenv("OGAART_FAILURE_WEBHOOK", hook.url)
        _, cursor = tick(instance, None)  # the first tick reports nothing of before
        tags = {"dagster/partition": "2d-art/0001", "ogaart/reason": "new partition"}
        run = failing.execute_in_process(instance=instance, raise_on_error=False, tags=tags).run_id
        said = []
        for _ in range(3):
            done, cursor = tick(instance, cursor)
            said += done

    [report] = hook.received
    assert {k: report[k] for k in ("event", "run_id", "job", "partition", "status", "reason", "error")} == {
        "event": "run_failure",
        "run_id": run,
        "job": "failing",
        "partition": "2d-art/0001",
        "status": "FAILURE",
        "reason": "new partition",
        "error": "RuntimeError: it broke",
    }
    assert abs(report["ended_at"] / 1e6 - datetime.now(UTC).timestamp()) < 60
    failed = [text for text in said if isinstance(text, str) and "failure hook" in text]
    assert len(failed) == (status == 500)
