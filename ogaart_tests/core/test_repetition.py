"""A thread that repeats something ends when it is told to, and at no error."""

import logging
import threading
from collections import deque

import pytest

from ogaart.core.repetition import repeat
from ogaart_tests.ui import wait_until


def test_an_error_ends_one_call_and_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    ended, calls, causes = threading.Event(), list[int](), deque([KeyError("a"), KeyError("a"), RecursionError("b")])

    def act() -> None:
        calls.append(1)
        if causes:
            raise causes.popleft()

    thread = threading.Thread(target=repeat, args=(act, 0.01, ended, "acting"), daemon=True)
    thread.start()
    wait_until(lambda: len(calls) > 4, 60, "calls after the errors")
    ended.set()
    thread.join()

    assert [type(record.exc_info[1]) for record in caplog.records if record.exc_info] == [KeyError, RecursionError]
    assert caplog.records[0].levelno == logging.ERROR
    assert "acting failed; it is tried again in 0.01 s" in caplog.text
