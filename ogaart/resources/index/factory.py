"""Opens the collection: a Qdrant server where one is configured, else the in-process engine."""

from pathlib import Path

from ogaart.resources.index.base import VectorIndex
from ogaart.resources.storage.data_root import DataRoot
from ogaart.settings import Settings


def open_index(settings: Settings, root: Path, space: str, dimension: int, *, read_only: bool = False) -> VectorIndex:
    """Open a space's collection, making it where it is missing.

    Args:
        settings: a ``qdrant_url`` chooses the server, else the engine runs in this process.
        root: folder of the in-process home; the server home ignores it.
        space: model, weights and preparation.
        dimension: length of a vector.
        read_only: never write; the in-process home then takes no lock, and refuses a collection that is missing.

    Raises:
        IndexBroken: the files do not open, or are of another space.
        ogaart.resources.storage.locks.Locked: another process writes to the in-process home.
        IndexUnreachable: the server does not answer.
    """
    if settings.qdrant_url:
        from ogaart.resources.index.server import ServerIndex  # a second of imports that the other home need not pay

        return ServerIndex.connect(settings, space, dimension, read_only=read_only)
    from ogaart.resources.index.edge import EdgeIndex

    return EdgeIndex(root, space, dimension, read_only=read_only, scratch=DataRoot.of(settings).scratch)


def discard_index(settings: Settings, root: Path, space: str) -> None:
    """Remove a space's collection, broken or not; opening it again makes an empty one.

    Raises:
        ogaart.resources.storage.locks.Locked: another process writes to the in-process home.
        IndexUnreachable: the server does not answer.
    """
    if settings.qdrant_url:
        from ogaart.resources.index.server import ServerIndex

        ServerIndex.discard(settings, space)
    else:
        from ogaart.resources.index.edge import EdgeIndex

        EdgeIndex.discard(root, space)
