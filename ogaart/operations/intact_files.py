"""Whether a file that never changes is as it was written, by the hash in it or in its name: before it is copied."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq

from ogaart.resources.moderation.line_log import Line
from ogaart.resources.storage.checksummed_parquet import SEALED, seal_holds
from ogaart.resources.storage.objects import parsed
from ogaart.resources.storage.packs import pack_is_as_written
from ogaart.resources.storage.segments import SegmentDamaged
from ogaart.resources.storage.vectors import Vectors


class FileKind(NamedTuple):
    """Files that never change.

    Attributes:
        folder: theirs, under the data root.
        pattern: their names in it.
        is_intact: whether one is as it was written.
    """

    folder: str
    pattern: str
    is_intact: Callable[[Path], bool]


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _is_blob(path: Path) -> bool:
    return _sha256(path) == path.name


def _is_segment(path: Path) -> bool:
    return _no_error(seal_holds, path) is True


def _is_vectors(path: Path) -> bool:
    """By the seal in it; one of versions that wrote none has the hash of its rows in its name."""
    holds = _no_error(seal_holds, path)
    if holds is not None:
        return holds
    try:
        Vectors(path.parent.parent, path.parent.name).segment(path.name)
        return SEALED not in (pq.read_schema(path).metadata or {})
    except (SegmentDamaged, ValueError):
        return False


def _is_object(path: Path) -> bool:
    """By the seal in it; one of versions that wrote none has its hash in its name."""
    found = parsed(path)
    holds = _no_error(pack_is_as_written if path.suffix == ".zip" else seal_holds, path)
    return found is not None and (holds or (holds is None and _sha256(path).startswith(found.commit)))


def _no_error(check: Callable[[Path], bool | None], path: Path) -> bool | None:
    try:
        return check(path)
    except ValueError:  # too short to hold a seal
        return False


LOGS = ("decisions", "reports")
"""Folders of logs, each line of which is a file."""
KINDS = (
    FileKind("blobs", "*/*/*", _is_blob),
    FileKind("vectors", "*/segment-*.parquet", _is_vectors),
    FileKind("derived", "*/segment-*.parquet", _is_segment),
    FileKind("objects", "*/*/*", _is_object),
)
"""In this order a copy in progress never has a table that refers to what is not there yet."""


def is_intact(root: Path, path: Path) -> bool:
    """Whether a file is as it was written; also of one that has no hash, such as what others have put there.

    Args:
        root: the data root, or a copy of it.
        path: a file under it.
    """
    name = path.relative_to(root)
    if name.parts[0] in LOGS and name.suffix == ".json":
        return Line(str(path), path.read_bytes()).is_whole
    kinds = (kind for kind in KINDS if name.parts[0] == kind.folder and name.match(f"{kind.folder}/{kind.pattern}"))
    return all(kind.is_intact(path) for kind in kinds)


def is_intact_table(path: Path) -> bool:
    """The same of a table's object, or of its file of a version before, which has no other name."""
    return _is_object(path) if parsed(path) is not None else _no_error(seal_holds, path) is not False
