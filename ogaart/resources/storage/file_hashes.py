"""Hashes of files that do not change, listed in one sealed file, by which ``ogaart verify`` notices rot in each."""

import hashlib
from collections.abc import Set as AbstractSet
from pathlib import Path

from ogaart.resources.storage.atomic_files import write_durably, write_json
from ogaart.resources.storage.sealed_json import open_json
from ogaart.resources.storage.sparse_copy import sparse_sha256


def record_hashes(folder: Path, target: Path, *, without: AbstractSet[str] = frozenset()) -> None:
    """Write the hash of every file below a folder to ``target``.

    Args:
        folder: the folder; its files must not change meanwhile.
        target: the list.
        without: names under the folder, of one or two parts, that are left out; the list itself always is.
    """
    found = {}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        left_out = without & {relative.parts[0], "/".join(relative.parts[:2])}
        if path.is_file() and path != target and not left_out:
            found[relative.as_posix()] = sparse_sha256(path)
    write_json(target, {"files": found}, indent=0)


def changed_files(folder: Path, target: Path) -> list[tuple[Path, str]]:
    """The files that are missing or not as recorded, each with what is wrong; none where there is no list."""
    try:
        recorded: dict[str, str] = open_json(target.read_bytes())["files"]
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError) as cause:
        return [(target, f"the list of hashes is damaged: {cause}")]
    found = []
    for name, digest in recorded.items():
        try:
            if sparse_sha256(folder / name) != digest:
                found.append((folder / name, "not as it was written (its hash is wrong)"))
        except OSError as cause:
            found.append((folder / name, cause.strerror or type(cause).__name__))
    return found


def hash_note(path: Path) -> Path:
    """Where the hash of one file that people may change is noted, as ``sha256sum`` writes it."""
    return path.with_name(f"{path.name}.sha256")


def note_hash(path: Path) -> None:
    """Note the hash of a file as it is now."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    write_durably(hash_note(path), f"{digest}  {path.name}\n".encode())


def is_as_noted(path: Path) -> bool:
    """Whether a file is as it was when its hash was noted; true where none is."""
    note = hash_note(path)
    return (
        not note.exists()
        or note.read_bytes() == f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n".encode()
    )
