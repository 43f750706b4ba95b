"""Partial downloads: the bytes received so far and what is needed to resume, kept over attempts, runs and kills.

Two files for each URL, named by the URL's sha256: ``.part`` holds the bytes, ``.json`` the response's head. The head is
written first, and only where the site sent a strong validator; without one the bytes cannot be trusted to fit.
"""

import hashlib
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

import psutil

from ogaart.core.fault_injection import Fault, fault
from ogaart.resources.site.fetch_record import url_key
from ogaart.resources.site.fetch_records import FETCHES
from ogaart.resources.storage.atomic_files import TEMPORARY, temporary
from ogaart.resources.storage.lock_names import fetch_lock
from ogaart.resources.storage.locks import Locked, hold
from ogaart.resources.storage.sealed_json import open_json, seal_json

CHUNK = 1 << 20

PARTIAL = "partial"
"""Folder of the partial downloads under the site's."""

ABANDONED_AFTER = timedelta(days=7)
"""A partial download that received no byte for this long is not going to be resumed."""


@dataclass(frozen=True)
class Head:
    """The head of the response whose body is being kept.

    Attributes:
        url: the URL requested.
        final_url: where redirects led.
        etag: as sent.
        last_modified: as sent.
        content_type: as sent.
        content_encoding: as sent, where the kept bytes are still in that encoding.
        total: the whole body's length, where it was announced.
    """

    url: str
    final_url: str
    etag: str | None
    last_modified: str | None
    content_type: str | None
    content_encoding: str | None
    total: int | None

    @property
    def validator(self) -> str | None:
        """What If-Range may hold: a strong ETag, else the time of the last change."""
        if self.etag and not self.etag.startswith("W/"):
            return self.etag
        return self.last_modified


class PartialDownload:
    """One URL's partial download, or the one in progress; its holder holds the URL's lock."""

    def __init__(self, folder: Path, url: str) -> None:
        key = url_key(url)
        self.path = folder / f"{key}.part"
        self._notes = folder / f"{key}.json"
        self._url = url

    def kept(self) -> Head | None:
        """The head of what is kept, or None where there is nothing that could be resumed."""
        try:
            notes = open_json(self._notes.read_bytes())
            if notes.pop("boot") != _boot() or notes["url"] != self._url or not self.size():
                return None
            return Head(**notes)
        except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def size(self) -> int:
        """Bytes kept so far."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def begin(self, head: Head, *, keep: bool = True) -> None:
        """Delete what was kept and start over; ``keep``: what is received may be resumed later."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.drop()
        self.path.touch()
        if keep and head.validator:
            draft = temporary(self._notes)
            draft.write_bytes(seal_json(asdict(head) | {"boot": _boot()}))
            draft.replace(self._notes)
            fault(Fault.BODY_BEGUN)

    def fill(self, chunks: Iterator[bytes]) -> str:
        """Append ``chunks``; what came before an error is kept.

        Returns:
            sha256 of all the bytes kept, in hex.
        """
        digest = hashlib.sha256()
        with self.path.open("r+b") as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
            for chunk in chunks:
                file.write(chunk)
                digest.update(chunk)
        fault(Fault.BODY_RECEIVED)
        return digest.hexdigest()

    def drop(self) -> None:
        """Delete what was kept: the notes first, since bytes without them are never resumed."""
        self._notes.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)


def abandoned(site: Path, older_than: timedelta = ABANDONED_AFTER) -> list[Path]:
    """Files of partial downloads that will not be resumed: nothing was received for ``older_than``.

    Heads whose bytes became a blob are among them, however recent.

    Args:
        site: the data root's folder for the site.
        older_than: time without a byte.
    """
    folder = site / PARTIAL
    found = sorted([*folder.glob("*.json"), *folder.glob("*.part")])
    return [path for path in found if not path.name.startswith(TEMPORARY) and _rests(path, older_than)]


def delete_abandoned(site: Path, path: Path, older_than: timedelta = ABANDONED_AFTER) -> bool:
    """Delete one of the files of ``abandoned``, unless its URL is being fetched by now; returns whether it is gone."""
    try:
        with hold(fetch_lock(site / FETCHES, path.stem)):
            if not _rests(path, older_than):
                return False
            path.unlink(missing_ok=True)
            return True
    except Locked:
        return False


def clean_up_partials(site: Path, older_than: timedelta = ABANDONED_AFTER) -> int:
    """Delete all abandoned partial downloads that are not in use; returns the number of files deleted."""
    return sum(delete_abandoned(site, path, older_than) for path in abandoned(site, older_than))


def _rests(path: Path, older_than: timedelta) -> bool:
    part = path.with_suffix(".part")
    try:
        return part.stat().st_mtime < time.time() - older_than.total_seconds()
    except FileNotFoundError:
        return True  # its bytes became a blob


def _boot() -> int:
    """Identifies one start of the machine: bytes that were never fsynced may not survive the next one.

    In units of ten minutes, since the kernel derives it from a clock that is being adjusted.
    """
    return round(psutil.boot_time() / 600)
