"""The decoding process's own start: its environment, its limits, and its errors in this package's words."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from ogaart.imaging.errors import Reason
from ogaart.imaging.find_libarchive import find_libarchive
from ogaart.workers.process import REUSING_MEMORY, Child, ChildLost, clean_environment

if TYPE_CHECKING:
    from ogaart.imaging.limits import Limits

START_SECONDS = 60.0
# One thread: each further one of a maths library takes address space, which is limited.
_SET = {"LC_CTYPE": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


def start_worker(limits: Limits, scratch: Path) -> Child:
    """Start the process that unpacks and decodes.

    Args:
        limits: what it keeps to.
        scratch: directory for unlinked temporary files.

    Raises:
        ChildLost: it does not start.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    environment = clean_environment(("LIBARCHIVE",), ("OPENBLAS_CORE", "OPENBLAS_L2")) | REUSING_MEMORY | _SET
    library = find_libarchive()
    if library is not None and Path(library).is_absolute():
        environment["LIBARCHIVE"] = library
    child = Child("ogaart.imaging.worker", "the decoding process", environment, scratch)
    child.request({"op": "start", "limits": dataclasses.asdict(limits), "scratch": str(scratch)}, seconds=START_SECONDS)
    return child


def reason_of(lost: ChildLost) -> tuple[Reason, str]:
    """Why a member's row fails, the child having been lost over it."""
    if lost.timed_out:
        return Reason.TIMED_OUT, f"{lost} (OGAART_MEMBER_SECONDS)"
    return Reason.WORKER_CRASHED, str(lost)
