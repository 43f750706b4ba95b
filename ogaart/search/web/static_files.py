"""Static files under a path that holds their version: browsers keep them for a year, and never a stale one."""

import hashlib
import re
from pathlib import Path

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

STATIC = Path(__file__).parent / "static"
FOREVER = "public, max-age=31536000, immutable"
_VERSION = re.compile(r"[0-9a-f]{10}")


def static_version() -> str:
    """One hash over all static files: modules import each other by relative paths, so they change together."""
    digest = hashlib.sha256()
    for path in sorted(STATIC.rglob("*")):
        if path.is_file():
            digest.update(f"{path.relative_to(STATIC)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:10]


class VersionedFiles(StaticFiles):
    """Serves the static files with or without a version before their path; a page that is still open finds the newest.

    Args:
        version: the present one.
    """

    def __init__(self, version: str) -> None:
        super().__init__(directory=STATIC)
        self._version = version

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Answer with a file; only the present version's path is kept for long."""
        version, _, rest = path.partition("/")
        named = _VERSION.fullmatch(version) is not None
        response = await super().get_response(rest if named else path, scope)
        response.headers["Cache-Control"] = FOREVER if version == self._version else "no-cache"
        return response
