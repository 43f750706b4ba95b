"""The journal of fetch records: a sealed line for each response, from which the rows can be made again.

The first line names the file: one that takes its place, without the lines that were superseded, has another id.
"""

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ogaart.resources.site.fetch_record import FetchRecord
from ogaart.resources.storage.atomic_files import write_durably
from ogaart.resources.storage.sealed_json import append_lines, open_json, seal_json, whole_lines


@dataclass(frozen=True)
class JournalHead:
    """The first line.

    Attributes:
        id: names the file; empty where the line is damaged.
        follows: id of the file that it took the place of, with everything that still counted; empty: of none.
    """

    id: str = ""
    follows: str = ""


class FetchJournal:
    """The journal in one file; who changes it holds its lock."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def head(self) -> JournalHead | None:
        """What the first line says; None where there is no file."""
        for _, line in whole_lines(self.path):
            try:
                fields = open_json(line)
                return JournalHead(str(fields["journal"]), str(fields["follows"]))
            except (ValueError, KeyError, TypeError):
                break
        return JournalHead() if self.path.exists() else None

    def size(self) -> int:
        """Bytes of the file; 0 where there is none."""
        return self.path.stat().st_size if self.path.exists() else 0

    def append(self, records: Iterable[FetchRecord]) -> None:
        """Add records; they are on disk when this returns."""
        new = [] if self.size() else [_head()]
        append_lines(self.path, [*new, *(record.fields() for record in records)])

    def replace(self, records: Iterable[FetchRecord], follows: str = "") -> None:
        """Write the file again, with these records alone, in one step.

        Args:
            records: everything that still counts.
            follows: id of the file it takes the place of, where the rows shall lose what these records lack.
        """
        lines = [_head(follows), *(record.fields() for record in records)]
        write_durably(self.path, b"".join(seal_json(line) + b"\n" for line in lines))

    def records(self, start: int = 0, end: int | None = None) -> Iterator[tuple[int, FetchRecord]]:
        """The records between two positions, oldest first, each with the position after it; damaged ones left out."""
        for after, line in whole_lines(self.path, start, end):
            try:
                yield after, FetchRecord.of(open_json(line))
            except ValueError:
                continue

    def end(self, start: int = 0) -> int:
        """The position after the last whole line."""
        return max((after for after, _ in whole_lines(self.path, start)), default=start)


def _head(follows: str = "") -> dict[str, str]:
    return {"journal": secrets.token_hex(16), "follows": follows}
