"""A process that is killed by SIGBUS reports why: a mapped file had no room on the disk, or was cut off meanwhile.

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
if [ -n "$found" ]; then
  printf '%s\\n' "$1" >&2
  [ -z "$2" ] || mv "$2.watched" "$2"
else
  [ -z "$2" ] || rm -f "$2.watched"
fi
"""


def disk_full(folder: Path) -> str:
    """The sentence for a process that was ended by SIGBUS."""
    return (
        f"the disk under {folder} is full, or a file there was cut off: the process was ended while it used a mapped "
        "file (SIGBUS). Nothing stored is lost by that; free some space (ogaart gc) and run it again. Where there is "
        "room, run `ogaart verify --repair`."
    )


@contextmanager
def report_bus_errors(folder: Path, note: Path | None = None) -> Iterator[None]:
    """While this is open, a SIGBUS of this process ends with a sentence on stderr.

    Where fatal errors are reported already (PYTHONFAULTHANDLER, pytest), nothing is changed.

    Args:
        folder: where the process writes, for the message.
        note: a file that is there afterwards if the process was ended in this way. It comes from another name beside
            it, since a full disk may have no room for a new file.
    """
    if faulthandler.is_enabled():
        yield
        return
    if note is not None:
        note.parent.mkdir(parents=True, exist_ok=True)
        note.with_name(f"{note.name}.watched").touch()
    listener = subprocess.Popen(
        ["/bin/sh", "-c", _LISTENER, "sh", f"ogaart: {disk_full(folder)}", str(note or "")],
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
