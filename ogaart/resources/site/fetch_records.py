"""What the site returned: one small JSON for each URL, written after the response's bytes are durable.

A record is the proof that a URL need not be requested again, so it is complete or absent; a torn one counts as absent.
No file is named after a URL: the name is the URL's sha256.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from filelock import FileLock

from ogaart.core.fault_injection import Fault, fault
from ogaart.resources.storage.atomic_files import write_json
from ogaart.resources.storage.lock_names import fetch_lock
from ogaart.resources.storage.sealed_json import open_json

FORMAT_VERSION = 1

FETCHES = "fetches"
"""Folder of the fetch records under the site's."""


@dataclass(frozen=True)
class FetchRecord:
    """One URL's last complete response.

    Attributes:
        url: the URL requested, without its fragment.
        final_url: where redirects led.
        status: HTTP status: 200, or 401, 403, 404 or 410 for what the site refuses.
        sha256: the blob that holds the body; null where the status is not 200.
        bytes: the body's length.
        etag: validator, as sent.
        last_modified: validator, as sent.
        content_type: as sent.
        content_encoding: as sent, where the stored bytes are still in that encoding.
        attempts: attempts that the response took, failed ones included.
        fetched_at: when the bytes came from the site.
        checked_at: when the site last confirmed them (304); else as fetched_at.
    """

    url: str
    final_url: str
    status: int
    sha256: str | None
    bytes: int
    etag: str | None
    last_modified: str | None
    content_type: str | None
    content_encoding: str | None
    attempts: int
    fetched_at: datetime
    checked_at: datetime

    def is_younger_than(self, age: timedelta, now: datetime | None = None) -> bool:
        """Whether the site confirmed it less than ``age`` ago; a time that far in the future is no proof."""
        return abs((now or datetime.now(UTC)) - self.checked_at) < age

    def confirmed(self, now: datetime) -> "FetchRecord":
        """The same response, confirmed again."""
        return replace(self, checked_at=now)


def url_key(url: str) -> str:
    """The name under which a URL's files lie: its sha256 in hex."""
    return hashlib.sha256(url.encode("utf-8", "surrogateescape")).hexdigest()


class FetchRecords:
    """The fetch records under one folder: ``<root>/ab/cdef….json``."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, url: str) -> Path:
        """Where a URL's record lies, or would lie."""
        key = url_key(url)
        return self.root / key[:2] / f"{key[2:]}.json"

    def read(self, url: str) -> FetchRecord | None:
        """The URL's record, or None where there is none, or only a torn one or one of another format."""
        try:
            fields = open_json(self.path(url).read_bytes())
            if fields.pop("format_version") != FORMAT_VERSION or fields["url"] != url:
                return None
            fields["fetched_at"] = datetime.fromisoformat(fields["fetched_at"])
            fields["checked_at"] = datetime.fromisoformat(fields["checked_at"])
            return FetchRecord(**fields)
        except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def write(self, record: FetchRecord) -> None:
        """Store a record; its blob must be durable already."""
        fields = {"format_version": FORMAT_VERSION} | asdict(record)
        fields["fetched_at"] = record.fetched_at.isoformat()
        fields["checked_at"] = record.checked_at.isoformat()
        write_json(self.path(record.url), fields, indent=1)
        fault(Fault.FETCH_RECORDED)

    @contextmanager
    def hold(self, url: str) -> Iterator[None]:
        """Keep other processes from fetching the same URL meanwhile; they wait, then find its record.

        All URLs share 256 lock files, since one each would never be cleaned up.
        """
        path = fetch_lock(self.root, url_key(url))
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path):
            yield
