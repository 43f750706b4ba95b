"""Opens the collection: a Qdrant server where one is configured, else the in-process engine."""

from pathlib import Path
from typing import TYPE_CHECKING

from ogaart.resources.index.base import VectorIndex
from ogaart.resources.storage.data_root import DataRoot
from ogaart.settings import Settings

if TYPE_CHECKING:
    from ogaart.resources.index.server import ServerIndex


def open_index(
    settings: Settings, root: Path, space: str, dimension: int, *, read_only: bool = False, published: bool = False
) -> VectorIndex:
    """Open a space's collection, making it where it is missing.

    Args:
        settings: a ``qdrant_url`` chooses the server, else the engine runs in this process.
        root: folder of the in-process home; the server home ignores it.
        space: model, weights and preparation.
        dimension: length of a vector.
        read_only: never write; the in-process home then takes no lock, and refuses a collection that is missing.
        published: on a server, read what searches read; otherwise what is written to, which differs after a rebuild.

    Raises:
        IndexBroken: the files do not open, or are of another space.
        ogaart.resources.storage.locks.Locked: another process writes to the in-process home.
        IndexUnreachable: the server does not answer.
    """
    if settings.qdrant_url:
        return _server_index().connect(settings, space, dimension, read_only=read_only, published=published)
    from ogaart.resources.index.edge import EdgeIndex

    return EdgeIndex(root, space, dimension, read_only=read_only, scratch=DataRoot.of(settings).scratch)


def discard_index(settings: Settings, root: Path, space: str) -> None:
    """Give up a space's collection, broken or not; opening it again to write makes an empty one.

    In the process it is removed. On a server searches read it until ``publish_index``; ``delete_unused`` removes it.

    Raises:
        ogaart.resources.storage.locks.Locked: another process writes to the in-process home.
        IndexUnreachable: the server does not answer.
    """
    if settings.qdrant_url:
        _server_index().discard(settings, space)
    else:
        from ogaart.resources.index.edge import EdgeIndex

        EdgeIndex.discard(root, space)


def delete_index(settings: Settings, space: str) -> None:
    """Remove all of a space from the server, after a snapshot; in the process, its folder is all there is.

    Raises:
        IndexUnreachable: the server does not answer, or makes no snapshot.
    """
    if settings.qdrant_url:
        _server_index().delete_space(settings, space)


def publish_index(settings: Settings, space: str) -> None:
    """On a server, let searches read the collection that is written to; in the process publications hold copies.

    Raises:
        IndexUnreachable: the server does not answer.
    """
    if settings.qdrant_url:
        _server_index().publish(settings, space)


def delete_unused(settings: Settings, space: str) -> None:
    """On a server, remove the collections that a rebuild has replaced; the caller holds the collection's lock.

    Raises:
        IndexUnreachable: the server does not answer, or makes no snapshot.
    """
    if settings.qdrant_url:
        _server_index().delete_unused(settings, space)


def _server_index() -> "type[ServerIndex]":
    from ogaart.resources.index.server import ServerIndex  # a second of imports that the other home need not pay

    return ServerIndex
