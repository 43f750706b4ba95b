"""What a failure says of the process alone, and nothing of the file at which it happened."""

import errno
import re

LACKING = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""No more open files, or no more memory."""
_OF_RUST = re.compile(r"os error (\d+)")


def lacking(cause: BaseException) -> int | None:
    """The system's number where a process may have no more of something; else None.

    Args:
        cause: the system's own error, or one of a library that quotes its number, as Rust's do.
    """
    said = _OF_RUST.search(str(cause))
    code = cause.errno if isinstance(cause, OSError) else int(said[1]) if said is not None else None
    return code if code in LACKING else None
