"""The publications of ``ogaart verify``: every file of each by its hash, and the audits of the one in service."""

import sqlite3
from collections.abc import Iterator, Set
from contextlib import closing
from pathlib import Path

import duckdb

from ogaart.core.process_limits import raise_if_lacking
from ogaart.operations.damage import PUBLICATION, Damage
from ogaart.resources.catalog.generations import (
    CATALOG,
    CELLS,
    CURRENT,
    HASHES,
    INPUTS,
    PACKS,
    PATCHES,
    Generation,
    GenerationMissing,
    Generations,
)
from ogaart.resources.catalog.history import HistoryFiles
from ogaart.resources.catalog.publishing import audit
from ogaart.resources.cells.pieces import pieces_in
from ogaart.resources.index.base import IndexBroken
from ogaart.resources.patches.runs import runs_in
from ogaart.resources.platform import Stores
from ogaart.resources.publications.publications import Publications
from ogaart.resources.serving.layers import immutable, layers_in
from ogaart.resources.storage.file_hashes import changed_files
from ogaart.resources.storage.packs import pack_is_as_written


def damaged_publications(stores: Stores, *, quick: bool = False) -> Iterator[Damage]:
    """Every damaged file of the history and of every publication that is kept; a failed audit of the one in service.

    Args:
        stores: where they are.
        quick: compare sizes only.
    """
    for path in HistoryFiles(stores.root.history).damaged():
        problem = "not as it was written; the next publication writes it again"
        yield Damage(PUBLICATION, str(path), problem, remove=(path,))
    generations = Generations(stores.root.generations)
    damaged = set()
    for number in generations.numbers():
        try:
            generation = generations.get(number)
        except GenerationMissing:
            damaged.add(number)  # reported with the state
            generation = Generation(number, generations.root / f"{number:06d}", {})
        for path, problem in _changed(stores, generation, quick=quick):
            damaged.add(number)
            yield Damage(PUBLICATION, str(path), problem, generation=number)
    for path, problem, number in Publications(stores.state, stores.objects).damage(quick=quick):
        damaged.add(number)
        yield Damage(PUBLICATION, str(path), problem, remove=(path,), generation=number)
    yield from _links(stores, generations, damaged)


def _links(stores: Stores, generations: Generations, damaged: Set[int]) -> Iterator[Damage]:
    """The link to the publication in service, and that to its catalog; with the failed audits of what they lead to."""
    link, catalog = generations.root / CURRENT, stores.root.root / CATALOG
    try:
        current = generations.current()
    except GenerationMissing as cause:
        if not damaged:
            yield Damage(PUBLICATION, str(generations.root), str(cause), remove=_misplaced(link))
        return
    if current is None:
        if not stores.objects.remote and any(one.audits and one.passed for one in generations.all()):
            yield Damage(PUBLICATION, str(link), "the link to the publication in service is missing")
        return
    if not stores.objects.remote and catalog.resolve() != current.catalog.resolve():
        problem = "does not lead to the catalog of the publication in service"
        yield Damage(PUBLICATION, str(catalog), problem, remove=_misplaced(catalog))
    if current.number not in damaged:
        for name, message in _failed(stores, current):
            yield Damage(PUBLICATION, str(current.path), f"{name}: {message}", generation=current.number)


def _misplaced(link: Path) -> tuple[Path, ...]:
    """What a publication does not replace by its link: a folder in its place."""
    return (link,) if link.is_dir() and not link.is_symlink() else ()


def _changed(stores: Stores, generation: Generation, *, quick: bool) -> Iterator[tuple[Path, str]]:
    """Files of a generation that are missing or not as they were written."""
    lost = generation.lost_files(remote=stores.objects.remote)
    yield from lost.items()
    folder = generation.path
    if quick:
        return
    reported = {*lost, folder / INPUTS}
    yield from ((path, problem) for path, problem in changed_files(folder, folder / HASHES) if path not in reported)
    for pack in sorted((folder / PACKS).rglob("*.zip")):
        if pack.is_symlink():
            continue
        stage, query, name = pack.relative_to(folder / PACKS).parts
        original = stores.tables.pack_path(stage, f"{query}/{name.removesuffix('.zip')}")
        if original.exists() and original.samefile(pack):
            continue  # one file of two names, which is checked with the packs
        if pack_is_as_written(pack) is False:
            yield pack, "not as it was written (its hash is wrong)"

    shared = [(run.path, run.intact) for run in runs_in(folder / PATCHES)]
    shared += [(piece.path, piece.intact) for piece in pieces_in(folder / CELLS)]
    for path, intact in shared:
        if not intact():
            yield path, "its content does not have the hash in its name"


def _failed(stores: Stores, current: Generation) -> list[tuple[str, str]]:
    """Audits that fail, and what SQLite finds wrong with the search's file: name and message of each.

    Raises:
        OSError: this process may not read a file, or may open no more.
    """
    try:
        failed = []
        for layer in layers_in(current.path):
            with closing(sqlite3.connect(immutable(layer.path), uri=True)) as words:
                [(answer,)] = words.execute("PRAGMA integrity_check(1)").fetchall()
            failed += [] if answer == "ok" else [(layer.path.name, str(answer))]
        return failed + [(a.name, a.message) for a in audit(stores, current, None, again=True) if not a.passed]
    except (duckdb.Error, sqlite3.Error, IndexBroken, OSError, ValueError) as cause:
        raise_if_lacking(cause, current.catalog if isinstance(cause, duckdb.Error) else current.path)
        return [(type(cause).__name__, str(cause))]
