"""What names a process among those of all hosts and times, and whether it lives, where that can be seen from here."""

import socket
from functools import cache
from pathlib import Path

import psutil

from ogaart.core.durable_names import HOST_SPACE, process_mark, process_space


def this_process() -> str:
    """Its ``process_mark``, start time, host, and that host's boot: ``<mark>:<time>@<host>/<boot>``."""
    return f"{process_mark()}:{psutil.Process().create_time():.2f}@{socket.gethostname()}/{_boot()}"


def is_alive(identity: str) -> bool | None:
    """Whether a process lives; None where it is another host's or container's, which cannot be seen.

    Args:
        identity: its ``this_process``; one without a boot or a host, of versions before, is of this one, and nothing
            is known of what is not an identity.
    """
    name, _, place = identity.partition("@")
    host, _, boot = place.partition("/")
    mark, _, started = name.partition(":")
    pid, _, space = mark.partition("n")
    if host not in {"", socket.gethostname()} or boot not in {"", _boot()}:
        return None
    try:
        if int(space or HOST_SPACE) != process_space():
            return None
        return f"{psutil.Process(int(pid)).create_time():.2f}" == started
    except psutil.NoSuchProcess:
        return False
    except ValueError:
        return None


@cache
def _boot() -> str:
    """The kernel's own id of this boot; empty where the system has none.

    Names of hosts do not tell machines apart: many are called ``localhost``, and all machines that run
    the same containers have hosts, and namespaces of process ids, of the same names.
    """
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
