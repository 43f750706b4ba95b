"""What names a process among those of all hosts and times, and whether it lives, where that can be seen from here."""

import socket

import psutil

from ogaart.core.durable_names import HOST_SPACE, process_mark, process_space


def this_process() -> str:
    """Its ``process_mark``, start time and host: ``<mark>:<time>@<host>``."""
    return f"{process_mark()}:{psutil.Process().create_time():.2f}@{socket.gethostname()}"


def is_alive(identity: str) -> bool | None:
    """Whether a process lives; None where it is another host's or container's, which cannot be seen.

    Args:
        identity: its ``this_process``; one without a host, of versions before, is of this one.
    """
    name, _, host = identity.partition("@")
    mark, _, started = name.partition(":")
    pid, _, space = mark.partition("n")
    if host not in {"", socket.gethostname()} or int(space or HOST_SPACE) != process_space():
        return None
    try:
        return f"{psutil.Process(int(pid)).create_time():.2f}" == started
    except psutil.NoSuchProcess:
        return False
