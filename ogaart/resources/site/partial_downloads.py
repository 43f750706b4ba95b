"""Downloads that broke off: the bytes so far and what is needed to go on, kept over attempts, runs and kills.

Two files for each URL, named by the URL's sha256: ``.part`` holds the bytes, ``.json`` the answer's head. The head is
written first, and only where the site gave a strong validator; without one the bytes cannot be trusted to fit.
"""

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

import psutil

from ogaart.core.fault_injection import Fault, fault
from ogaart.resources.site.fetch_records import url_key
from ogaart.resources.storage.atomic_files import temporary

CHUNK = 1 << 20


@dataclass(frozen=True)
class Head:
    """The head of the answer whose body is being kept.

    Attributes:
        url: the URL asked.
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


class Partial:
    """One URL's broken download, or the one going on; its holder holds the URL's lock."""

    def __init__(self, folder: Path, url: str) -> None:
        key = url_key(url)
        self.path = folder / f"{key}.part"
        self._notes = folder / f"{key}.json"
        self._url = url

    def kept(self) -> Head | None:
        """The head of what is kept, or None where nothing is that could be gone on with."""
        try:
            notes = json.loads(self._notes.read_bytes())
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
        """Forget what was kept and begin anew; ``keep``: what comes may be gone on with later."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.drop()
        self.path.touch()
        if keep and head.validator:
            draft = temporary(self._notes)
            draft.write_text(json.dumps(asdict(head) | {"boot": _boot()}))
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
        """Forget what was kept: the notes first, so that bytes without them mean nothing."""
        self._notes.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)


def sweep_partials(folder: Path, older_than: timedelta) -> int:
    """Delete heads whose bytes became a blob, and what nobody went on with for ``older_than``.

    Returns:
        the number of files deleted.
    """
    oldest = time.time() - older_than.total_seconds()
    swept = 0
    for path in [*folder.glob("*.json"), *folder.glob("*.part")]:
        try:
            if path.stat().st_mtime < oldest or not path.with_suffix(".part").exists():
                path.unlink()
                swept += 1
        except FileNotFoundError:  # its holder was quicker
            continue
    return swept


def _boot() -> int:
    """Tells one start of the machine from another: bytes that were never fsynced do not outlive it for sure.

    In units of ten minutes, since the kernel derives it from a clock that is being adjusted.
    """
    return round(psutil.boot_time() / 600)
