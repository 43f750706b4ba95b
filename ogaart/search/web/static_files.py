"""Static files under a path that holds their version: browsers keep them for a year, and never a stale one."""

import gzip
import hashlib
import mimetypes
import re
from dataclasses import dataclass
from pathlib import Path

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ogaart.search.web.methods import is_known

STATIC = Path(__file__).parent / "static"
FOREVER = "public, max-age=31536000, immutable"
_VERSION = re.compile(r"[0-9a-f]{10}")
_PACKED_ALREADY = ("image/png", "font/")


def static_version() -> str:
    """One hash over all static files: modules import each other by relative paths, so they change together."""
    digest = hashlib.sha256()
    for path in _paths():
        digest.update(f"{path.relative_to(STATIC)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:10]


@dataclass(frozen=True)
class _StaticFile:
    body: bytes
    compressed: bytes
    """By gzip; empty where that gains nothing."""
    media_type: str
    etag: str


class VersionedFiles:
    """Serves the static files with or without a version before their path; a page that is still open finds the newest.

    They are few and small, and each page needs twenty of them: they are read and compressed once, and sent from memory.

    Args:
        version: the present one.
    """

    def __init__(self, version: str) -> None:
        self._version = version
        self._files = {path.relative_to(STATIC).as_posix(): _read(path) for path in _paths()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with a file; only the present version's path is kept for long."""
        if scope["method"] != "GET":  # HEAD comes as one
            raise HTTPException(405)
        name = scope["path"].removeprefix(scope.get("root_path", "")).lstrip("/")
        version, _, rest = name.partition("/")
        named = _VERSION.fullmatch(version) is not None
        file = self._files.get(rest if named else name)
        if file is None:
            raise HTTPException(404)
        await self._answer(file, Headers(scope=scope), version == self._version)(scope, receive, send)

    @staticmethod
    def _answer(file: _StaticFile, request: Headers, present: bool) -> Response:
        headers = {"Cache-Control": FOREVER if present else "no-cache", "ETag": file.etag}
        if file.compressed:
            headers["Vary"] = "Accept-Encoding"
        if is_known(request, file.etag):
            return Response(status_code=304, headers=headers)
        if file.compressed and "gzip" in request.get("accept-encoding", ""):
            return Response(
                file.compressed, headers={**headers, "Content-Encoding": "gzip"}, media_type=file.media_type
            )
        return Response(file.body, headers=headers, media_type=file.media_type)


def _paths() -> list[Path]:
    return [path for path in sorted(STATIC.rglob("*")) if path.is_file()]


def _read(path: Path) -> _StaticFile:
    body = path.read_bytes()
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    compressed = b"" if media_type.startswith(_PACKED_ALREADY) else gzip.compress(body, 9, mtime=0)
    etag = f'W/"{hashlib.sha256(body).hexdigest()[:20]}"'  # weak: of both forms
    return _StaticFile(body, compressed if len(compressed) < len(body) else b"", media_type, etag)
