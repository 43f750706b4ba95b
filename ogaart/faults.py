"""Named points at which state changes; nothing happens there unless a test asks for it.

Each place that a kill could catch between two states calls ``fault``. The environment variable ``OGAART_FAULT``
(``name`` or ``name:n`` for the n-th pass) makes the process group die there by SIGKILL, as a power cut would.
"""

import os
import signal
from enum import StrEnum
from itertools import count


class Fault(StrEnum):
    """The places where state changes."""

    BLOB_WRITTEN = "blob_written"
    FETCH_RECORDED = "fetch_recorded"
    TABLE_WRITTEN = "table_written"
    JOURNAL_WRITTEN = "journal_written"
    TABLE_SWAPPED = "table_swapped"
    PACK_WRITTEN = "pack_written"
    SEGMENT_WRITTEN = "segment_written"
    POINTS_UPSERTED = "points_upserted"
    INDEX_FLUSHED = "index_flushed"
    CUT_MADE = "cut_made"
    CATALOG_BUILT = "catalog_built"
    GENERATION_RENAMED = "generation_renamed"
    CURRENT_SWITCHED = "current_switched"
    PARTITIONS_ADDED = "partitions_added"
    RUN_STARTED = "run_started"


_passes = {point: count(1) for point in Fault}


def fault(point: Fault) -> None:
    """Die here by SIGKILL, with the whole process group, if the environment says so; else nothing."""
    wanted = os.environ.get("OGAART_FAULT")
    if wanted is None:
        return
    name, _, nth = wanted.partition(":")
    if name == point and next(_passes[point]) == int(nth or 1):
        os.killpg(os.getpgid(0), signal.SIGKILL)
