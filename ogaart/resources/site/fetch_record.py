"""What the site returned for a URL: the proof that it need not be requested again."""

import hashlib
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from ogaart.resources.storage.sealed_json import seal_json

FORMAT_VERSION = 1


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

    @classmethod
    def of(cls, fields: Any) -> "FetchRecord":
        """The record that a JSON object holds.

        Raises:
            ValueError: it holds none, or one of another format.
        """
        try:
            values = dict(fields)
            if values.pop("format_version") != FORMAT_VERSION:
                raise ValueError("a fetch record of another format")
            for name in ("fetched_at", "checked_at"):
                values[name] = datetime.fromisoformat(values[name]).astimezone(UTC)
            return cls(**values)
        except (KeyError, TypeError, AttributeError) as cause:
            raise ValueError(f"not a fetch record ({cause})") from cause

    def fields(self) -> dict[str, Any]:
        """The record as a JSON object."""
        times = {"fetched_at": self.fetched_at.isoformat(), "checked_at": self.checked_at.isoformat()}
        return {"format_version": FORMAT_VERSION} | asdict(self) | times

    @property
    def line_bytes(self) -> int:
        """Bytes of its line in the journal."""
        return len(seal_json(self.fields())) + 1

    def is_younger_than(self, age: timedelta, now: datetime | None = None) -> bool:
        """Whether the site confirmed it less than ``age`` ago; a time that far in the future proves nothing."""
        return abs((now or datetime.now(UTC)) - self.checked_at) < age

    def confirmed(self, now: datetime) -> "FetchRecord":
        """The same response, confirmed again."""
        return replace(self, checked_at=now)


def url_key(url: str) -> str:
    """The name under which a URL's rows and files are stored: its sha256 in hex."""
    return hashlib.sha256(url.encode("utf-8", "surrogateescape")).hexdigest()
