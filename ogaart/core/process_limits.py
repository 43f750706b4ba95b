"""What a failure says of the process alone, and nothing of the file at which it happened."""

import errno
import os
import re
from pathlib import Path

LACKING = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EACCES, errno.EPERM, errno.EROFS})
"""No more open files, no more memory, or no right to the file."""
_FORBIDDEN = "change its owner or mode"
_WAYS_OUT = {
    errno.EMFILE: "let the process open more files (`ulimit -n 4096`)",
    errno.ENFILE: "end other programs, or let the system open more files (`sysctl fs.file-max`)",
    errno.ENOMEM: "end other programs, or let this one have more memory",
    errno.EROFS: "mount its disk writable",
}
_OF_RUST = re.compile(r"os error (\d+)")
_OF_DUCKDB = tuple(
    (re.compile(f"{kind} Error: .*{text}"), code)
    for kind, code, text in (
        ("Out of Memory", errno.ENOMEM, ""),
        *(("IO", code, re.escape(os.strerror(code))) for code in sorted(LACKING)),
    )
)
_OF_SQLITE = {"SQLITE_NOMEM": errno.ENOMEM, "SQLITE_IOERR_NOMEM": errno.ENOMEM}


def lacking(cause: BaseException) -> int | None:
    """The system's number where a process may have no more of something, or may not use a file; else None.

    Args:
        cause: the system's own error, or one of a library: Rust's and DuckDB's quote what the system said.
    """
    if isinstance(cause, OSError):
        code = cause.errno
    elif isinstance(cause, MemoryError):
        code = errno.ENOMEM
    else:
        code = _quoted(cause)
    return code if code in LACKING else None


def way_out(code: int) -> str:
    """What to do about what a process lacks, by the number that ``lacking`` returns."""
    return _WAYS_OUT.get(code, _FORBIDDEN)


def raise_if_lacking(cause: BaseException, path: Path) -> None:
    """Raise the system's own error of a file where a failure says nothing of it: what follows else is of damaged files.

    Args:
        cause: what reading the file has raised.
        path: the file, for the message, where the failure does not name one.

    Raises:
        OSError: the process may have no more of something, or may not use the file.
    """
    code = lacking(cause)
    if code is None and getattr(cause, "sqlite_errorname", "") == "SQLITE_CANTOPEN":  # of all that the system may say
        code = _why_not_opened(path)
    if code is not None:
        raise OSError(code, os.strerror(code), getattr(cause, "filename", None) or str(path)) from cause


def _quoted(cause: BaseException) -> int | None:
    said = str(cause)
    if (number := _OF_RUST.search(said)) is not None:
        return int(number[1])
    of_duckdb = (code for pattern, code in _OF_DUCKDB if pattern.match(said))
    return next(of_duckdb, _OF_SQLITE.get(getattr(cause, "sqlite_errorname", "")))


def _why_not_opened(path: Path) -> int | None:
    try:
        os.close(os.open(path, os.O_RDONLY))
    except OSError as cause:
        return lacking(cause)
    return None
