"""What is known of a publication in a bucket: its number, and every file with its size and the hash that names it."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ogaart.resources.storage.sealed_json import open_json, seal_json

FOLDER = "publications"
"""Folder under the data root, and in the bucket."""


@dataclass(frozen=True)
class PublishedFile:
    """A file of a publication.

    Attributes:
        name: its path under the publication's folder.
        object: its path under the data root, which is its name in the bucket.
        bytes: its size.
        digest: ``sparse_hash`` of it; empty for a pack, which has a seal of its own and is read by ranges.
    """

    name: str
    object: str
    bytes: int
    digest: str

    @property
    def is_pack(self) -> bool:
        """Whether it is read from the bucket by ranges, and not copied."""
        return not self.digest


@dataclass(frozen=True)
class PublicationRecord:
    """A publication in a bucket.

    Attributes:
        number: its number.
        files: all its files, by name.
    """

    number: int
    files: tuple[PublishedFile, ...]

    @property
    def objects(self) -> frozenset[str]:
        """The paths of its files under the data root."""
        return frozenset(file.object for file in self.files)

    def to_bytes(self) -> bytes:
        """As sealed JSON."""
        files = [[file.name, file.object, file.bytes, file.digest] for file in self.files]
        return seal_json({"number": self.number, "files": files})

    @classmethod
    def of(cls, data: bytes) -> "PublicationRecord":
        """What ``to_bytes`` has written.

        Raises:
            ValueError: it is damaged.
        """
        found: Any = open_json(data)
        try:
            files = tuple(PublishedFile(str(n), str(o), int(b), str(d)) for n, o, b, d in found["files"])
            record = cls(int(found["number"]), files)
        except (KeyError, TypeError) as cause:
            raise ValueError(f"not a record of a publication: {cause}") from cause
        if any(_leads_out(path) for file in files for path in (file.name, file.object)):
            raise ValueError("a file's path leads out of the data root")
        return record


def object_of(digest: str) -> str:
    """Where a file with this hash is stored: equal files of several publications are one."""
    return f"{FOLDER}/files/{digest[:2]}/{digest}"


def record_path(root: Path, number: int) -> Path:
    """Where the record of a publication is stored, beside its row."""
    return root / FOLDER / "records" / f"{number:06d}.json"


def _leads_out(path: str) -> bool:
    return PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts
