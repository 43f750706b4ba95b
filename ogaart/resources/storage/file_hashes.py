"""Hashes of files that do not change, listed in one sealed file, by which ``ogaart verify`` notices rot in each."""

import contextlib
import hashlib
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path

from ogaart.core.process_limits import raise_if_lacking
from ogaart.resources.storage.atomic_files import write_durably, write_json
from ogaart.resources.storage.sealed_json import open_json
from ogaart.resources.storage.sparse_copy import has_hash, sparse_hash

Inodes = Mapping[tuple[int, int], str]
"""Hashes of files by device and inode."""


def record_hashes(
    folder: Path, target: Path, *, without: AbstractSet[str] = frozenset(), known: Inodes | None = None
) -> None:
    """Write the hash of every file below a folder to ``target``.

    Args:
        folder: the folder; its files must not change meanwhile.
        target: the list.
        without: names under the folder, of one or two parts, that are left out; the list itself always is.
        known: hashes of files that are linked here from elsewhere, as they were when they were written: what has
            changed since stays noticeable, and is not read again.
    """
    found = {}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        left_out = without & {relative.parts[0], "/".join(relative.parts[:2])}
        if path.is_file() and path != target and not left_out:
            status = path.stat()
            recorded = (known or {}).get((status.st_dev, status.st_ino))
            found[relative.as_posix()] = recorded or sparse_hash(path)
    write_json(target, {"files": found}, indent=0)


def linked_hashes(folder: Path, target: Path) -> Inodes:
    """The recorded hashes of files that have other names as well; none where the list is missing or damaged."""
    found = {}
    for name, digest in (_recorded(target) or {}).items():
        with contextlib.suppress(OSError):
            status = (folder / name).stat()
            if status.st_nlink > 1:
                found[status.st_dev, status.st_ino] = digest
    return found


def keep_hashes(target: Path, names: AbstractSet[str]) -> None:
    """Leave only files of these names in a list, durable on return; a damaged list is removed."""
    kept = {name: digest for name, digest in (_recorded(target) or {}).items() if Path(name).name in names}
    write_json(target, {"files": kept, "partly": True}, indent=0)


def recorded_hashes(target: Path) -> Mapping[str, str]:
    """The hashes of a list; none where it is missing or damaged, which ``missing_files`` tells.

    Raises:
        OSError: this process may not read it, or may open no more files.
    """
    return _recorded(target) or {}


def missing_files(folder: Path, target: Path) -> list[Path]:
    """The files of a list of whole folders that are not there; the list itself where it is missing or damaged."""
    recorded = _recorded(target)
    return [target] if recorded is None else [path for name in recorded if not (path := folder / name).is_file()]


def is_as_recorded(folder: Path, target: Path, names: Iterable[str]) -> bool:
    """Whether some files of a folder are as its list has them: before their content is copied into others."""
    try:
        recorded = _recorded(target) or {}
        return all(has_hash(folder / name, recorded.get(name)) for name in names)
    except OSError:
        return False


def copy_as_recorded(folder: Path, target: Path, name: str, copy: Path) -> bool:
    """Copy a file of a folder; whether it is there as its list has it, without which the copy is of no use."""
    try:
        return has_hash(folder / name, (_recorded(target) or {}).get(name), copy)
    except OSError:
        return False


def _recorded(target: Path) -> dict[str, str] | None:
    """A list's hashes; None where it is missing or damaged.

    Raises:
        OSError: this process may not read it, or may open no more files.
    """
    try:
        return dict(open_json(target.read_bytes())["files"])
    except (OSError, ValueError, KeyError, TypeError) as cause:
        raise_if_lacking(cause, target)
        return None


def changed_files(folder: Path, target: Path) -> list[tuple[Path, str]]:
    """The files that are missing or not as recorded, each with what is wrong; none where there is no list.

    Raises:
        OSError: this process may not read one, or may open no more files.
    """
    try:
        listed = open_json(target.read_bytes())
        recorded: dict[str, str] = listed["files"]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as cause:
        raise_if_lacking(cause, target)
        return [(target, f"the list of hashes is damaged: {cause}")]
    found = []
    for name, digest in recorded.items():
        if "partly" in listed and not (folder / name).exists():
            continue  # what the list covers may be deleted, and is never changed
        try:
            if not has_hash(folder / name, digest):
                found.append((folder / name, "not as it was written (its hash is wrong)"))
        except OSError as cause:
            raise_if_lacking(cause, folder / name)
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
