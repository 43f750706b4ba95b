"""Content-addressed bytes, exactly as served: a file's name is the sha256 of what it holds.

A blob is written under a temporary name, fsynced and renamed, so it is whole or absent; two writers of the same bytes
do no harm. Reading checks nothing; ``verify`` does, against a disk that rots.
"""

import hashlib
import re
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ogaart.core.fault_injection import Fault, fault
from ogaart.core.process_limits import raise_if_lacking
from ogaart.resources.objects.folder import Folder
from ogaart.resources.objects.store import ObjectStore, StoredFile
from ogaart.resources.storage.atomic_files import TEMPORARY, make_folders, process_mark, sync_file, sync_folder

CHUNK = 1 << 20
_NAME = re.compile("[0-9a-f]{64}")


class BlobWriter:
    """Bytes on their way into the store; ``sha256`` and ``bytes`` are final once the ``with`` block has ended."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._digest = hashlib.sha256()
        self.bytes = 0

    def write(self, data: bytes) -> None:
        """Append ``data``."""
        self._out.write(data)
        self._digest.update(data)
        self.bytes += len(data)

    @property
    def sha256(self) -> str:
        """Hash of all that was written so far, in hex."""
        return self._digest.hexdigest()


class Blobs:
    """The blob store under one folder: ``<root>/ab/cd/<sha256>``.

    Args:
        root: the folder.
        objects: where blobs are durable; by default there.
    """

    def __init__(self, root: Path, objects: ObjectStore | None = None) -> None:
        self.root = root
        self.objects: ObjectStore = objects or Folder()

    def path(self, sha256: str) -> Path:
        """Where the blob lies, or would lie; of a bucket it is the place of the copy.

        Raises:
            ValueError: ``sha256`` is not 64 hexadecimal digits in lower case.
        """
        if not _NAME.fullmatch(sha256):
            raise ValueError(f"blob name {sha256!r}: expected a sha256 as 64 hexadecimal digits")
        return self.root / f"{sha256[:2]}/{sha256[2:4]}/{sha256}"

    def has(self, sha256: str) -> bool:
        """Whether the blob is there."""
        return self.objects.size(self.path(sha256)) is not None

    def size(self, sha256: str) -> int | None:
        """Its length in bytes, or None where it is missing."""
        return self.objects.size(self.path(sha256))

    def sizes(self, wanted: Iterable[str]) -> dict[str, int]:
        """The length in bytes of those that are there, in as few requests as there can be."""
        names = set(wanted)
        if self.objects.remote:
            return {file.path.name: file.bytes for file in self.stored() if file.path.name in names}
        found = ((sha256, self.size(sha256)) for sha256 in names)
        return {sha256: size for sha256, size in found if size is not None}

    def stored(self) -> Iterator[StoredFile]:
        """Every blob there is, in no order, without those that are being written."""
        return (file for file in self.objects.files(self.root) if len(file.path.name) == 64)

    def local(self, sha256: str) -> Path:
        """The path of a file with its bytes; there is none where the blob is missing."""
        path = self.path(sha256)
        self.objects.fetch([path])
        return path

    def read(self, sha256: str) -> bytes:
        """All its bytes, not verified.

        Raises:
            FileNotFoundError: there is no such blob.
        """
        return self.local(sha256).read_bytes()

    def verify(self, sha256: str) -> bool:
        """Whether the blob is there and its bytes still have that hash.

        Raises:
            OSError: this process may not read it, or may open no more files.
        """
        self.objects.fetch([self.path(sha256)], fresh=True)
        try:
            with self.path(sha256).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == sha256
        except OSError as cause:  # missing, a folder in its place, a disk that does not read it
            raise_if_lacking(cause, self.path(sha256))
            return False

    def put(self, source: bytes | BinaryIO) -> str:
        """Store bytes, or all that a stream holds; returns their sha256 in hex."""
        with self.writer() as writer:
            if isinstance(source, bytes):
                writer.write(source)
            else:
                while chunk := source.read(CHUNK):
                    writer.write(chunk)
        return writer.sha256

    @contextmanager
    def writer(self) -> Iterator[BlobWriter]:
        """Write a blob piece by piece; it is stored when the block ends well, and nothing is when it raises."""
        self.root.mkdir(parents=True, exist_ok=True)
        # The process id tells the clean-up whose it was; the rest tells two threads of one process apart.
        draft = self.root / f"{TEMPORARY}{process_mark()}-{uuid.uuid4().hex}"
        try:
            with draft.open("xb") as out:
                writer = BlobWriter(out)
                yield writer
            self.adopt(draft, writer.sha256)
        finally:
            draft.unlink(missing_ok=True)

    def adopt(self, file: Path, sha256: str) -> None:
        """Move ``file``, whose bytes have that hash, into the store; an older copy of the blob is replaced.

        Args:
            file: a file on the store's own file system.
            sha256: the hash of its bytes, which the caller vouches for.
        """
        target = self.path(sha256)
        make_folders(target.parent, self.root)
        sync_file(file)
        fault(Fault.BLOB_DRAFTED)
        self.objects.put(file, target)
        target.chmod(0o444)  # not before: a kill would leave a partial download that cannot be resumed
        sync_folder(target.parent)
        fault(Fault.BLOB_WRITTEN)
