"""Named points at which state changes; nothing happens there unless a test requests it.

Each place that a kill could catch between two states calls ``fault``. The environment variable ``OGAART_FAULT``
(``name``, ``name:n`` for the n-th pass, ``name:n:how``) makes that pass fail: ``kill`` (the default) ends the whole
process group as a power cut would, ``term`` signals this process to end, ``full`` is a disk without space.
"""

import errno
import os
import signal
from collections import Counter
from enum import StrEnum


class Fault(StrEnum):
    """The places where state changes; ``…_drafted``: bytes are written and have no final name yet."""

    OWNER_CLAIMED = "owner_claimed"
    FILE_DRAFTED = "file_drafted"
    REQUEST_SENT = "request_sent"
    BODY_BEGUN = "body_begun"
    BODY_RECEIVED = "body_received"
    BLOB_DRAFTED = "blob_drafted"
    BLOB_WRITTEN = "blob_written"
    STATE_DRAFTED = "state_drafted"
    FETCH_RECORDED = "fetch_recorded"
    SWEEP_STORED = "sweep_stored"
    PARTITIONS_ADDED = "partitions_added"
    RUN_STARTED = "run_started"
    SLOT_TAKEN = "slot_taken"
    TABLE_DRAFTED = "table_drafted"
    PACK_DRAFTED = "pack_drafted"
    POINTERS_SWITCHED = "pointers_switched"
    SEGMENT_DRAFTED = "segment_drafted"
    SEGMENT_WRITTEN = "segment_written"
    DERIVED_DRAFTED = "derived_drafted"
    DERIVED_WRITTEN = "derived_written"
    PATCHES_DRAFTED = "patches_drafted"
    COLLECTION_NAMED = "collection_named"
    SHARD_MADE = "shard_made"
    POINTS_UPSERTED = "points_upserted"
    INDEX_FLUSHED = "index_flushed"
    CUT_MADE = "cut_made"
    INDEX_COPIED = "index_copied"
    CATALOG_BUILT = "catalog_built"
    GENERATION_RENAMED = "generation_renamed"
    AUDITS_RECORDED = "audits_recorded"
    HISTORY_WRITTEN = "history_written"
    CURRENT_SWITCHED = "current_switched"
    COPY_DRAFTED = "copy_drafted"
    PUBLICATION_UPLOADED = "publication_uploaded"
    PUBLICATION_COPIED = "publication_copied"
    PUBLICATION_SWITCHED = "publication_switched"
    GENERATION_PRUNED = "generation_pruned"


passed: Counter[str] = Counter()
"""How often this process came by each point; counted only while the environment names a fault."""


def fault(point: Fault) -> None:
    """Fail here if the environment requests it; else do nothing.

    Raises:
        OSError: ENOSPC, where the environment requests a full disk.
        ValueError: the environment requests something else than ``kill``, ``term`` or ``full``.
    """
    wanted = os.environ.get("OGAART_FAULT")
    if wanted is None:
        return
    passed[point] += 1
    name, nth, how = [*wanted.split(":"), "", ""][:3]
    if name != point or passed[point] != int(nth or 1):
        return
    match how or "kill":
        case "kill":
            os.killpg(os.getpgid(0), signal.SIGKILL)
        case "term":
            os.kill(os.getpid(), signal.SIGTERM)
        case "full":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(point))
        case _:
            raise ValueError(f"OGAART_FAULT={wanted}: {how!r} is none of kill, term, full")
