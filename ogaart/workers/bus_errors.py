"""A process that is killed by SIGBUS reports why: its disk was full while it wrote through a mapped file.

Room is checked before such writes, but another process may take it meanwhile. The signal ends the process in the
middle of foreign code, where Python cannot run any more; a small shell next to it learns of it through a pipe.
"""

import faulthandler
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LISTENER = """
found=
while IFS= read -r line; do
  printf '%s\\n' "$line" >&2
  case $line in *"Bus error"*) found=1 ;; esac
done
[ -z "$found" ] || printf '%s\\n' "$1" >&2
"""


@contextmanager
def report_bus_errors(folder: Path) -> Iterator[None]:
    """While this is open, a SIGBUS of this process ends with a sentence on stderr.

    Where fatal errors are reported already (PYTHONFAULTHANDLER, pytest), nothing is changed.

    Args:
        folder: where the process writes, for the message.
    """
    if faulthandler.is_enabled():
        yield
        return
    message = (
        f"ogaart: the disk under {folder} is full: the process was ended while it wrote to a mapped file (SIGBUS). "
        "Nothing stored is lost; free some space (ogaart gc) and run it again."
    )
    listener = subprocess.Popen(
        ["/bin/sh", "-c", _LISTENER, "sh", message],
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    assert listener.stdin is not None
    faulthandler.enable(listener.stdin)
    try:
        yield
    finally:
        faulthandler.disable()
        listener.stdin.close()
        listener.wait()
