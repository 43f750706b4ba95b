"""Where libarchive is installed: named by hand, found by the loader, or Homebrew's, which nothing links."""

import ctypes.util
import os
from pathlib import Path

_HOMEBREW = (
    Path("/opt/homebrew/opt/libarchive/lib/libarchive.13.dylib"),  # Apple silicon
    Path("/usr/local/opt/libarchive/lib/libarchive.13.dylib"),  # Intel
)


def find_libarchive() -> str | None:
    """Name or path of the libarchive to load, or None; ``LIBARCHIVE`` in the environment wins."""
    named = os.environ.get("LIBARCHIVE")
    if named:
        return named if Path(named).exists() else None
    brewed = next((str(path) for path in _HOMEBREW if path.exists()), None)
    return brewed or ctypes.util.find_library("archive")
