"""Every fault point is used in the platform, and does nothing unless a test requests it."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import ogaart
from ogaart.core.fault_injection import Fault, fault, passed

SOURCES = [p for p in Path(ogaart.__file__).parent.rglob("*.py") if p.name != "fault_injection.py"]


@pytest.mark.parametrize("point", Fault)
def test_each_point_is_passed_somewhere(point: Fault) -> None:
    assert any(re.search(rf"\bfault\(Fault\.{point.name}\)", source.read_text()) for source in SOURCES)


def test_without_a_word_from_the_environment_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OGAART_FAULT", raising=False)
    before = passed.copy()

    for point in Fault:
        fault(point)

    assert passed == before


def test_a_full_disk_is_an_error_of_the_nth_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OGAART_FAULT", f"blob_written:{passed[Fault.BLOB_WRITTEN] + 2}:full")

    fault(Fault.BLOB_WRITTEN)
    with pytest.raises(OSError, match="No space left"):
        fault(Fault.BLOB_WRITTEN)
    fault(Fault.BLOB_WRITTEN)


@pytest.mark.parametrize(("how", "signum"), [("kill", signal.SIGKILL), ("term", signal.SIGTERM)])
def test_the_process_ends_there(how: str, signum: int) -> None:
    program = (
        "from ogaart.core.fault_injection import Fault, fault\n"
        "fault(Fault.CUT_MADE)\nprint('alive')\nfault(Fault.CUT_MADE)"
    )

    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"OGAART_FAULT": f"cut_made:2:{how}"},
        start_new_session=True,
        capture_output=True,
        check=False,
    )

    assert done.returncode == -signum
