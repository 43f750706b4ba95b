"""The child process that reads pictures for embedding: ``python -m ogaart.resources.embedding.reader``.

It decodes each picture once, prepares it for the model and computes the derived bytes, while another process holds the
model. What a hostile picture breaks here is that picture's row, and costs no reload of the model.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ogaart.imaging import pictures
from ogaart.imaging.errors import Unreadable
from ogaart.imaging.limits import Limits
from ogaart.likeness import cells
from ogaart.resources.embedding.derivations import DERIVATIONS, CanonicalPixels
from ogaart.resources.embedding.preprocessing import prepare
from ogaart.workers import child, protocol


def read(request: protocol.Message, limits: Limits, size: int) -> tuple[dict[str, Any], tuple[Any, ...]]:
    """Decode a picture, from bytes or a path; its prepared pixels and derived bytes, as far as they are wanted."""
    try:
        path = request.fields["path"]
        source = Path(path) if path else bytes(request.blobs[0])
        rgba = pictures.decode(source, limits).rgba
        inputs = [prepare(rgba, size)] if request.fields["embed"] else []
    except Unreadable as error:
        return {"kind": "failed", "error_class": error.error_class, "message": error.message}, ()
    except FileNotFoundError as error:
        return {"kind": "failed", "error_class": "FileNotFoundError", "message": str(error)}, ()
    except MemoryError:
        return {"kind": "failed", "error_class": "OutOfMemory", "message": "not enough memory to decode it"}, ()
    failed: dict[str, tuple[str, str]] = {}
    pixels = CanonicalPixels(rgba)
    derived = _kept({space: (space, partial(DERIVATIONS[space], pixels)) for space in request.fields["derive"]}, failed)
    atlases = {key: cells.named_sheet(boxes) for key, boxes in request.fields["named"].items()}
    named = _kept({key: (cells.SPACE, partial(cells.describe, rgba, one)) for key, one in atlases.items()}, failed)
    fields = {"kind": "read", "derived": list(derived), "named": list(named), "failed": failed}
    return fields, (*inputs, *derived.values(), *named.values())


def _kept(
    wanted: Mapping[str, tuple[str, Callable[[], bytes]]], failed: dict[str, tuple[str, str]]
) -> dict[str, bytes]:
    """What is kept of a picture, by key; (error class, message) of the derived spaces that failed are added."""
    derived: dict[str, bytes] = {}
    for key, (space, derive) in wanted.items():
        try:
            derived[key] = derive()
        except MemoryError:
            failed[space] = "OutOfMemory", f"not enough memory for {space}"
        except (ValueError, ArithmeticError, LookupError) as error:
            failed[space] = type(error).__name__, f"{space}: {error}"
    return derived


def main() -> None:
    """Serve until the parent closes the pipe."""
    out, requests = child.open_pipes()

    def reply(fields: dict[str, Any], blobs: tuple[Any, ...] = ()) -> None:
        protocol.send(out.write, {**fields, **child.memory()}, blobs)
        out.flush()

    start = requests.get().fields
    limits, size = Limits(**start["limits"]), int(start["size"])
    reply({"kind": "ready"})
    while True:
        reply(*read(requests.get(), limits, size))


if __name__ == "__main__":
    main()
