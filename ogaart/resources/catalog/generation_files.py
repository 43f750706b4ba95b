"""Files of a generation as files: packs linked into it, and the bytes that it takes."""

import os
import shutil
from pathlib import Path

from ogaart.resources.catalog import generations as names
from ogaart.resources.storage.objects import PACKS, Cut


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
