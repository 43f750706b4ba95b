"""Files in a bucket (S3, Google Cloud Storage, Azure), through obstore; the data root holds copies of some.

Uploads of more than 8 MiB go in parts, downloads are streamed; a server that is away is waited for. Access is
configured by the environment variables that each provider's own tools read (``AWS_ENDPOINT_URL``, …).
"""

import os
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ogaart.core.durable_names import TEMPORARY, is_leftover, temporary
from ogaart.core.fault_injection import Fault, fault
from ogaart.resources.objects.credentials import lacking, refusal, require_credentials
from ogaart.resources.objects.folder import read_range
from ogaart.resources.objects.store import ObjectsRefused, StoredFile

if TYPE_CHECKING:
    from obstore.store import ObjectStore as Client

_PART = 8 << 20
_TRANSFERS = 16
"""Files that are fetched at a time."""
_PATIENCE = 120.0
"""Seconds for which a server that is away is waited for."""
_HASTE = 3.0
"""The same where a visitor waits; for as long again nothing more is requested of it."""
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT", "AZURE_STORAGE_ENDPOINT")
"""Where an endpoint without TLS is named, it may be used without."""


class Bucket:
    """A bucket as an ``ObjectStore``.

    Args:
        url: ``s3://bucket/prefix``, ``gs://…`` or ``az://container/…``.
        root: the data root, where copies lie.
        hasty: for what visitors wait for: a server that is away is hardly waited for, and spared for a moment.
    """

    remote = True

    def __init__(self, url: str, root: Path, *, hasty: bool = False) -> None:
        self.url = url
        self._root = root
        self._hasty = hasty
        self._spared_until = 0.0

    @cached_property
    def _client(self) -> "Client":
        try:
            from obstore.store import from_url
        except ModuleNotFoundError as cause:
            raise ObjectsRefused("OGAART_OBJECTS: obstore is not installed: `pip install 'ogaart[objects]'`") from cause
        require_credentials(self.url)
        with self._in_words():
            return from_url(
                self.url,
                client_options={
                    "timeout": timedelta(seconds=300),
                    "connect_timeout": timedelta(seconds=_HASTE if self._hasty else 10),
                    "allow_http": any(os.environ.get(name, "").startswith("http://") for name in _ENDPOINTS),
                },
                retry_config={
                    "max_retries": 1000,
                    "retry_timeout": timedelta(seconds=_HASTE if self._hasty else _PATIENCE),
                    "backoff": {
                        "base": 2,
                        "init_backoff": timedelta(seconds=0.1),
                        "max_backoff": timedelta(seconds=5),
                    },
                },
            )

    def put(self, file: Path, path: Path) -> None:
        """Upload a finished file, then move it to ``path``, where it is a copy."""
        self.upload(file, path)
        if file != path:
            file.replace(path)

    def upload(self, file: Path, path: Path) -> None:
        """Upload a finished file, which stays where it is."""
        import obstore

        try:
            with self._in_words():
                obstore.put(self._client, self._name(path), file, chunk_size=_PART, max_concurrency=4)
        except FileNotFoundError as cause:
            if not file.exists():
                raise
            raise ObjectsRefused(f"OGAART_OBJECTS ({self.url}): there is no such bucket: make it") from cause

    def fetch(self, paths: Iterable[Path], *, fresh: bool = False) -> None:
        """Download the files that have no copy at their paths; with ``fresh`` all of them."""
        wanted = []
        for path in paths:
            if fresh or not path.is_file():
                wanted.append(path)
            else:
                _note_use(path)
        if len(wanted) < 2:
            for path in wanted:
                self._download(path)
            return
        with ThreadPoolExecutor(min(_TRANSFERS, len(wanted))) as pool:
            list(pool.map(self._download, wanted))

    def read(self, path: Path, offset: int, length: int) -> bytes:
        """A range of a file's bytes: of its copy where there is one, else of the bucket.

        Raises:
            OSError: the file is missing, or shorter than that.
        """
        import obstore

        with suppress(FileNotFoundError):
            return read_range(path, offset, length)
        if length == 0:
            return b""
        size = self.size(path)
        if size is None or offset + length > size:
            raise OSError(f"{self.url}/{self._name(path)} is missing, or ends before offset {offset} + {length} bytes")
        try:
            with self._in_words():
                return bytes(obstore.get_range(self._client, self._name(path), start=offset, length=length))
        except ObjectsRefused:  # a server that sends the whole file instead
            self._download(path)
            return read_range(path, offset, length)

    def size(self, path: Path) -> int | None:
        """A file's length in bytes in the bucket; None where it is not there."""
        import obstore

        if time.monotonic() < self._spared_until:
            raise ObjectsRefused(f"OGAART_OBJECTS ({self.url}): it did not answer just now")
        try:
            with self._in_words():
                return obstore.head(self._client, self._name(path))["size"]
        except FileNotFoundError:
            return None
        except ObjectsRefused:
            if self._hasty:
                self._spared_until = time.monotonic() + _HASTE
            raise

    def files(self, folder: Path) -> Iterator[StoredFile]:
        """Every file in the bucket below a folder, in no order."""
        import obstore

        with self._in_words():
            for chunk in obstore.list(self._client, f"{self._name(folder)}/", chunk_size=1000):
                for found in chunk:
                    yield StoredFile(self._root / found["path"], found["size"], found["last_modified"].timestamp())

    def delete(self, path: Path) -> None:
        """Delete a file from the bucket, and its copy."""
        import obstore

        with suppress(FileNotFoundError), self._in_words():
            obstore.delete(self._client, self._name(path))
        path.unlink(missing_ok=True)

    def _download(self, path: Path) -> None:
        import obstore

        try:
            with self._in_words():
                found = obstore.get(self._client, self._name(path))
                path.parent.mkdir(parents=True, exist_ok=True)
                draft = temporary(path)
                try:
                    with draft.open("wb") as out:
                        for chunk in found.stream(min_chunk_size=1 << 20):
                            out.write(chunk)
                    fault(Fault.COPY_DRAFTED)
                    draft.chmod(0o444)
                    draft.replace(path)
                finally:
                    draft.unlink(missing_ok=True)
        except FileNotFoundError:
            path.unlink(missing_ok=True)

    def _name(self, path: Path) -> str:
        return path.relative_to(self._root).as_posix()

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        """Errors of the bucket as sentences; a missing file is a ``FileNotFoundError``."""
        from obstore.exceptions import BaseError

        try:
            yield
        except FileNotFoundError:
            raise
        except (BaseError, ValueError) as cause:
            first = (str(cause).strip().splitlines() or [type(cause).__name__])[0].partition(": <?xml")[0]
            said = refusal(self.url, str(cause)) or first
            raise ObjectsRefused(f"OGAART_OBJECTS ({self.url}): {said}{lacking(self.url)}") from cause


def evict(root: Path, limit: int, kept: dict[Path, float]) -> int:
    """Delete the copies that were unused for longest, until those that are left fit; and what killed downloads left.

    A process that has a copy open reads on: its bytes go with its last reader. What was used lately is kept even where
    that exceeds the limit, since it may just be opened.

    Args:
        root: the data root of a bucket.
        limit: bytes that copies may take.
        kept: folders of copies, each with the seconds for which a copy is kept after its last use.

    Returns:
        How many were deleted.
    """
    copies: list[tuple[float, int, Path, bool]] = []
    now = time.time()
    for folder, seconds in kept.items():
        for parent, _, names in os.walk(root / folder):
            for name in names:
                path = Path(parent) / name
                if name.startswith(TEMPORARY):
                    if is_leftover(path):
                        path.unlink(missing_ok=True)
                    continue
                with suppress(FileNotFoundError):
                    status = path.lstat()
                    used = max(status.st_atime, status.st_mtime)
                    copies.append((used, status.st_size, path, used < now - seconds))
    excess = sum(size for _, size, _, _ in copies) - limit
    deleted = 0
    for _, size, path, unused in sorted(copies):
        if excess <= 0:
            break
        if unused:
            path.unlink(missing_ok=True)
            excess -= size
            deleted += 1
    return deleted


def _note_use(path: Path) -> None:
    """Let a copy count as used now: disks do not note it at each reading."""
    with suppress(OSError):
        os.utime(path, (time.time(), path.stat().st_mtime))
