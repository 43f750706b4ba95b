"""Folders of arrays that publications share: immutable, memory-mapped, named by their content, merged like an LSM's.

``<kind>-<hash>/`` holds NumPy's files, among them ``keys``: the hashes of the pixels of the pictures that it knows. A
publication links the folders of the one before, writes new ones of what is new, and merges small ones such that each is
at least twice as large as all smaller ones together: a picture is merged as often as the number of pictures can be
doubled. Pictures that are no longer published stay in their folder, where the search ignores them, until they are a
third of it.
"""

import hashlib
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from ogaart.core.arrays import load_array
from ogaart.core.process_limits import raise_if_lacking
from ogaart.resources.storage.atomic_files import sync_file, sync_folder, temporary
from ogaart.resources.storage.sparse_copy import link_files

GROWTH = 2
"""How many times as large as all smaller parts together a part is at least."""
DEAD = 1 / 3
"""Share of what is not published from which a part is written again without it."""
Keys = NDArray[np.void]
"""(N,) of 32 bytes each: hashes of pictures' pixels."""


@dataclass(frozen=True, eq=False)
class ArrayFolder(ABC):
    """One folder of arrays, mapped: nothing is read before it is needed."""

    arrays: ClassVar[tuple[str, ...]]
    """Names of its arrays, in the order of their hash."""

    path: Path

    @property
    def name(self) -> str:
        """Its folder's name, made of its content."""
        return self.path.name

    @cached_property
    def keys(self) -> Keys:
        """(P,) pictures, of 32 bytes each."""
        return self._array("keys")

    def _array(self, name: str) -> NDArray[Any]:
        # A memmap is a slow array: each access of a row or a slice makes another one.
        return np.asarray(load_array(self.path / f"{name}.npy", mapped=True))

    @abstractmethod
    def __len__(self) -> int:
        """Rows, by which folders are told as small or large."""

    @property
    def nbytes(self) -> int:
        """Bytes on disk."""
        return sum((self.path / f"{name}.npy").stat().st_size for name in self.arrays)

    def intact(self) -> bool:
        """Whether its content has the hash in its name; reads all of it.

        Raises:
            OSError: this process may not read it, or may open no more files.
        """
        try:
            return self.name.rpartition("-")[2] == _content_hash(self.path, self.arrays)
        except OSError as cause:
            raise_if_lacking(cause, self.path)
            return False


Folder = TypeVar("Folder", bound=ArrayFolder)
Merge = Callable[[Sequence[Folder], Sequence[NDArray[np.bool_]]], Folder]
"""Merges folders into one, of whose pictures those are kept that are said for each."""


def as_keys(hashes: Sequence[str]) -> Keys:
    """Hexadecimal hashes as an array of 32 bytes each, in their order."""
    return np.frombuffer(bytes.fromhex("".join(hashes)), "V32")


def as_hashes(keys: Keys) -> list[str]:
    """What ``as_keys`` was given."""
    digits = keys.tobytes().hex()
    return [digits[start : start + 64] for start in range(0, len(digits), 64)]


def distinct(keys: Keys) -> Keys:
    """Keys in their order as hexadecimal numbers, each once."""
    ordered = keys[np.argsort(_beginnings(keys), kind="stable")]
    first = _beginnings(ordered)
    if _begin_alike(ordered, first):
        return np.array(sorted({key.tobytes() for key in ordered}), "V32")
    return ordered[np.append(True, first[1:] != first[:-1])] if len(ordered) else ordered


def contained(keys: Keys, wanted: Keys) -> NDArray[np.bool_]:
    """Which of the keys are among those that are wanted."""
    if not len(wanted):
        return np.zeros(len(keys), np.bool_)
    ordered = wanted[np.argsort(_beginnings(wanted), kind="stable")]
    first = _beginnings(ordered)
    if _begin_alike(ordered, first):
        return np.isin(keys, wanted)
    at = np.searchsorted(first, _beginnings(keys))
    at[at == len(first)] = 0  # which begins otherwise
    return np.asarray(ordered[at] == keys)


def _beginnings(keys: Keys) -> NDArray[np.uint64]:
    """(N,) the first of 32 bytes, by which hashes are told apart and put in order."""
    return np.ascontiguousarray(keys).view(">u8").reshape(-1, 4)[:, 0].astype(np.uint64)


def _begin_alike(ordered: Keys, first: NDArray[np.uint64]) -> bool:
    """Whether different keys begin with the same bytes, which no hashes do but those that were looked for."""
    same = np.flatnonzero(first[1:] == first[:-1])
    return bool((ordered[same] != ordered[same + 1]).any())


def new_draft(folder: Path, kind: str) -> Path:
    """A folder for the arrays of a new folder of a kind, beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    draft = temporary(folder / kind)
    draft.mkdir()
    return draft


def write_header(raw: Path, path: Path, kind: "np.dtype[Any]", shape: tuple[int, ...]) -> None:
    """Make rows on disk, whose number was not known before, a NumPy file; the rows' own file is deleted."""
    with path.open("wb") as target, raw.open("rb") as source:
        np.lib.format.write_array_header_2_0(
            target, {"descr": np.lib.format.dtype_to_descr(kind), "fortran_order": False, "shape": shape}
        )
        shutil.copyfileobj(source, target, 1 << 20)
    raw.unlink()


def sync_arrays(draft: Path, arrays: Iterable[str]) -> None:
    """Have the arrays of a draft on disk, and their names."""
    for name in arrays:
        sync_file(draft / f"{name}.npy")
    sync_folder(draft)


def name_by_content(draft: Path, prefix: str, arrays: Sequence[str]) -> Path:
    """Give a draft, which lies on disk, the name of its content; durable on return."""
    folder = draft.parent
    path = folder / (prefix + _content_hash(draft, arrays))
    if path.exists():
        shutil.rmtree(draft)
    else:
        draft.rename(path)
    sync_folder(folder)
    return path


def tidied(folder: Path, parts: Sequence[Folder], keys: Keys, merge: Merge[Folder]) -> list[Folder]:
    """Merge what is to be merged, and link the rest into a folder.

    Args:
        folder: of the publication.
        parts: those of the publication before, and new ones, which lie in the folder.
        keys: pictures that are published.
        merge: writes a merged one into the folder.
    """
    kept = {part: contained(part.keys, keys) for part in parts}
    ordered = sorted(parts, key=len)
    many = to_merge([len(part) for part in ordered])
    merged, left = ordered[:many], ordered[many:]
    groups = [merged] if many else []
    groups += [[part] for part in left if 1 - kept[part].mean() > DEAD]
    rewritten = [merge(group, [kept[part] for part in group]) for group in groups]
    replaced = {part for group in groups for part in group}
    result = [*rewritten, *(part for part in parts if part not in replaced)]
    names = {part.name for part in result}
    for part in replaced:
        if part.path.parent == folder and part.name not in names:
            shutil.rmtree(part.path)
    return [part if part.path.parent == folder else _linked(part, folder) for part in result]


def to_merge(sizes: Sequence[int]) -> int:
    """How many of the smallest parts are merged, by their sizes, rising."""
    merged = total = 0
    for nth, size in enumerate(sizes):
        if nth and total * GROWTH >= size:
            merged = nth + 1
        total += size
    return merged


def _linked(part: Folder, folder: Path) -> Folder:
    """The same under another folder, by hard links; copied where links cannot be made."""
    target = folder / part.name
    link_files(part.path, target, (f"{name}.npy" for name in part.arrays))
    return type(part)(target)


def _content_hash(folder: Path, arrays: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for name in arrays:
        with (folder / f"{name}.npy").open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:32]
