"""Files of a generation as files: packs linked into it, the bytes that it takes, and whether it may be served."""

import os
import shutil
from pathlib import Path, PurePath

from ogaart.core.arrays import ArrayDamaged
from ogaart.resources.catalog import generations as names
from ogaart.resources.catalog.kinship import DESCRIPTIONS
from ogaart.resources.storage.file_hashes import recorded_hashes
from ogaart.resources.storage.objects import PACKS, Cut
from ogaart.resources.storage.sparse_copy import has_hash


def link_packs(cut: Cut, target: Path) -> int:
    """Hard-link every pack of a cut into a generation; copies where links cannot be made. How many there are."""
    count = 0
    target.mkdir(parents=True, exist_ok=True)
    for key, pack in cut.files.items():
        if key.kind != PACKS:
            continue
        link = target / Path(key.name).relative_to(PACKS)
        link.parent.mkdir(parents=True, exist_ok=True)
        link_file(pack, link)
        count += 1
    return count


def link_file(stored: Path, target: Path) -> None:
    """Hard-link a file that never changes; a copy where links cannot be made."""
    try:
        os.link(stored, target)
    except OSError:  # another disk, or one without links
        shutil.copyfile(stored, target)


def file_sizes(path: Path) -> dict[str, int]:
    """Bytes of each file and folder directly under ``path``, but the index: its engine rewrites files to read them."""
    sizes = {}
    for item in sorted(p for p in path.iterdir() if p.name != names.INDEX):
        files = [item] if item.is_file() else [p for p in item.rglob("*") if p.is_file()]
        sizes[item.name] = sum(file.stat().st_size for file in files)
    return sizes


def require_servable(generation: names.Generation) -> None:
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
            raise names.GenerationMissing(f"{path} is missing: run `ogaart verify --repair`")
    for name, digest in recorded_hashes(generation.path / names.HASHES).items():
        path = generation.path / name
        if _is_read_whole(PurePath(name)) and not has_hash(path, digest):
            raise ArrayDamaged(f"{path} is not the array that was written")


_NOT_SERVED = frozenset({DESCRIPTIONS, names.CATALOG, names.INPUTS, names.HASHES})
"""What publishing and analysts read."""


def _is_read_whole(name: PurePath) -> bool:
    """Whether it is an array, or the projection, right in the generation's folder or in a folder of it."""
    outer = name.parts[0]
    return name.suffix in {".npy", ".npz"} and len(name.parts) <= 2 and outer not in {names.INDEX, *_NOT_SERVED}
