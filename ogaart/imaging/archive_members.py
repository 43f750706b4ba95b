"""A member of an archive as a row, and the end of a file's unpacking with one last row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ogaart.core.states import MemberStatus
    from ogaart.imaging.atlases.base import Atlas
    from ogaart.imaging.errors import Reason

Bytes = bytes  # the type, in classes that have a field of that name


@dataclass
class Member:
    """One member of a file, as found.

    ``data`` holds the bytes where it is a picture yet to be decoded, ``atlases`` what a text says of those beside it.
    """

    index: str
    path: str
    status: MemberStatus
    reason: Reason | None = None
    message: str | None = None
    format: str | None = None
    bytes: int | None = None
    sha256: str | None = None
    data: Bytes | None = None
    is_archive: bool = False
    certain: bool = True
    atlases: tuple[Atlas, ...] = ()


class Stop(Exception):
    """The file's unpacking ends here, with one last row."""

    def __init__(self, last: Member) -> None:
        super().__init__(last.message)
        self.last = last
