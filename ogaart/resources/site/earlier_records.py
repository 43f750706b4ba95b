"""Fetch records as versions before stored them: one JSON file a URL, read until ``ogaart upgrade`` makes them rows."""

from collections.abc import Iterator
from pathlib import Path

from ogaart.resources.site.fetch_record import FetchRecord, url_key
from ogaart.resources.storage.sealed_json import open_json


class EarlierRecords:
    """The files under one folder: ``<root>/ab/cdef….json``, named by the URL's sha256."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def read(self, url: str) -> FetchRecord | None:
        """The URL's record, or None where there is none, or only a damaged one or one of another format."""
        key = url_key(url)
        try:
            record = _record(self._root / key[:2] / f"{key[2:]}.json")
        except (FileNotFoundError, ValueError):
            return None
        return record if record.url == url else None

    def files(self) -> Iterator[tuple[Path, FetchRecord | None]]:
        """Every file with its record; None where it is damaged or of another format."""
        for path in sorted(self._root.glob("*/*.json")):
            try:
                yield path, _record(path)
            except FileNotFoundError:
                continue
            except ValueError:
                yield path, None


def _record(path: Path) -> FetchRecord:
    return FetchRecord.of(open_json(path.read_bytes()))
