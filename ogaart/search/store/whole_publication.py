"""Whether a publication has all of its files, and the small ones as they were written, before it is searched."""

from pathlib import PurePath

from ogaart.core.arrays import ArrayDamaged
from ogaart.resources.catalog.generations import CATALOG, HASHES, INDEX, INPUTS, KIN, Generation, GenerationMissing
from ogaart.resources.storage.file_hashes import recorded_hashes
from ogaart.resources.storage.sparse_copy import has_hash

_NOT_SERVED = frozenset({KIN, CATALOG, INPUTS, HASHES})
"""What publishing and analysts read."""


def require_whole(generation: Generation) -> None:
    """Refuse a generation that lacks a file, or of which an array that is read whole is not as it was written.

    A lost file would be taken for one that publications of earlier versions have not, and wrong ids for other pictures.
    These arrays are some bytes an image; what is larger, ``ogaart verify`` reads.

    Raises:
        GenerationMissing: a file or folder that its manifest names is not there.
        ArrayDamaged: an array does not have its hash.
        OSError: a file cannot be read.
    """
    for name in generation.manifest.get("files", {}):
        path = generation.path / name
        if name not in _NOT_SERVED and not path.exists():
            raise GenerationMissing(f"{path} is missing: run `ogaart verify --repair`")
    for name, digest in recorded_hashes(generation.path / HASHES).items():
        path = generation.path / name
        if _is_read_whole(PurePath(name)) and not has_hash(path, digest):
            raise ArrayDamaged(f"{path} is not the array that was written")


def _is_read_whole(name: PurePath) -> bool:
    """Whether it is an array, or the projection, right in the generation's folder or in a folder of it."""
    outer = name.parts[0]
    return name.suffix in {".npy", ".npz"} and len(name.parts) <= 2 and outer not in {INDEX, *_NOT_SERVED}
