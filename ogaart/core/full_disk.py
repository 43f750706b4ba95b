"""How a full disk is told: by the operating system, by SQLite, by DuckDB."""

import errno

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_OF_SQLITE = frozenset(
    f"SQLITE_{name}"
    for name in (
        "FULL",
        "IOERR_WRITE",
        "IOERR_FSYNC",
        "IOERR_TRUNCATE",
        "IOERR_SHMSIZE",
        "IOERR_SHMMAP",
        "IOERR_SHMOPEN",
    )
)
"""SQLite writes a file beside each database even to read it, and calls that an I/O error where there is no room."""


def is_disk_full(cause: BaseException) -> bool:
    """Whether a failure means that a disk is full, or a quota used up."""
    if isinstance(cause, OSError):
        return cause.errno in FULL
    origin = getattr(cause, "orig", None) or cause  # SQLAlchemy wraps SQLite's
    return getattr(origin, "sqlite_errorname", "") in _OF_SQLITE or "No space left on device" in str(origin)
