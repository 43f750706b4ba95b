"""Foreseeable failures of a command: the sentence that is printed and the exit code."""

import errno
import sqlite3
from collections.abc import Mapping
from functools import cache

import duckdb
import sqlalchemy.exc
import yaml
from pydantic import ValidationError

from ogaart.cli.invalid_settings import what_is_wrong
from ogaart.core.exit_codes import (
    EXIT_DAMAGED,
    EXIT_FAILED,
    EXIT_NOTHING,
    EXIT_PARTLY,
    EXIT_REFUSED,
    EXIT_SITE_DOWN,
    EXIT_USAGE,
)
from ogaart.core.full_disk import is_disk_full
from ogaart.core.process_limits import lacking, way_out
from ogaart.settings import Settings

REPAIR = "run `ogaart verify --repair`"
_MAKE_ROOM = "delete what is not needed (`ogaart gc --yes`), or move the data root to another disk"
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_OUT_OF_PLACE = frozenset({errno.EISDIR, errno.ENOTDIR, errno.ELOOP})
"""Something else in the place of a file or a folder."""
_HELD = ("Could not set lock on file", "database is locked")
"""How DuckDB and SQLite report that another process has a database open for writing."""


@cache
def exit_codes() -> Mapping[type[Exception], int]:
    """Every declared failure with its exit code; a subclass that comes before its base has its own."""
    from ogaart.core.arrays import ArrayDamaged
    from ogaart.core.errors import (
        BadChoice,
        ExtraMissing,
        InstanceConfigInvalid,
        InstanceUnreachable,
        NoListing,
        SpaceInUse,
        TooFewPictures,
    )
    from ogaart.core.partitions import BadPartition
    from ogaart.likeness.projections import ProjectionInvalid
    from ogaart.pipeline.discovery import DiscoveryFailed, SweepRejected
    from ogaart.resources.catalog.cut import CatalogFailed
    from ogaart.resources.catalog.generations import GenerationMissing
    from ogaart.resources.embedding.embedder import EmbedderBroken
    from ogaart.resources.embedding.registry import UnknownModel, WeightsMissing
    from ogaart.resources.index.base import IndexBroken, IndexUnreachable
    from ogaart.resources.moderation.line_log import LogUnavailable
    from ogaart.resources.moderation.takedowns import DecisionsUnreadable
    from ogaart.resources.objects.store import ObjectsRefused
    from ogaart.resources.site.errors import FetchFailed, SiteDown
    from ogaart.resources.state.database import StateDamaged, StateRefused
    from ogaart.resources.storage.current_objects import JournalDamaged
    from ogaart.resources.storage.data_root import DataRootRefused
    from ogaart.resources.storage.locks import Locked
    from ogaart.resources.storage.tables import NewerFormat, TornTable
    from ogaart.resources.storage.vectors import SegmentDamaged
    from ogaart.search.errors import ContactMissing, InvalidParameter, NothingPublished
    from ogaart.sites.errors import InvalidQueries, ListingRefused, PageUnreadable, UnknownSite
    from ogaart.workers.process import ChildLost

    return {
        **dict.fromkeys((CatalogFailed, EmbedderBroken, WeightsMissing, ChildLost), EXIT_FAILED),
        **dict.fromkeys(
            (
                BadPartition,
                BadChoice,
                ContactMissing,
                ExtraMissing,
                InvalidQueries,
                UnknownSite,
                UnknownModel,
                InvalidParameter,
                ValidationError,
            ),
            EXIT_USAGE,
        ),
        **dict.fromkeys((SiteDown, FetchFailed, SweepRejected, ListingRefused, PageUnreadable), EXIT_SITE_DOWN),
        DiscoveryFailed: EXIT_PARTLY,
        **dict.fromkeys(
            (
                DataRootRefused,
                InstanceUnreachable,
                Locked,
                LogUnavailable,
                ObjectsRefused,
                SpaceInUse,
                StateRefused,
                TooFewPictures,
                IndexUnreachable,
                NewerFormat,
            ),
            EXIT_REFUSED,
        ),
        **dict.fromkeys((NoListing, NothingPublished), EXIT_NOTHING),
        **dict.fromkeys(
            (TornTable, JournalDamaged, SegmentDamaged, StateDamaged, IndexBroken, GenerationMissing), EXIT_DAMAGED
        ),
        **dict.fromkeys((DecisionsUnreadable, InstanceConfigInvalid, ArrayDamaged, ProjectionInvalid), EXIT_DAMAGED),
        **dict.fromkeys((duckdb.Error, sqlite3.Error, sqlalchemy.exc.DatabaseError), EXIT_DAMAGED),
        **dict.fromkeys((UnicodeDecodeError, yaml.YAMLError), EXIT_DAMAGED),
        **dict.fromkeys((OSError, MemoryError), EXIT_REFUSED),
    }


def describe(cause: Exception) -> tuple[int, str]:
    """Exit code and sentence of a failure.

    Args:
        cause: an instance of a class of ``exit_codes``.
    """
    code = next(code for kind, code in exit_codes().items() if isinstance(cause, kind))
    if isinstance(cause, ValidationError):
        return code, what_is_wrong(cause) if cause.title == Settings.__name__ else _first_line(cause)
    if isinstance(cause, OSError):
        return code, _of_system(cause)
    if isinstance(cause, duckdb.Error | sqlite3.Error | sqlalchemy.exc.DatabaseError):
        return _of_database(cause)
    if isinstance(cause, MemoryError):
        return code, f"not enough memory: {way_out(errno.ENOMEM)}"
    text = str(cause)
    if code == EXIT_DAMAGED and "ogaart " not in text and "the shipped file takes its place" not in text:
        text = f"{text}: {REPAIR}"
    return code, text


def _of_system(cause: OSError) -> str:
    """The operating system's reason, the file, and what to do."""
    where = f"{cause.filename}: " if cause.filename else ""
    reason = (cause.strerror or str(cause) or type(cause).__name__).lower()
    if is_disk_full(cause):
        return f"{where}{reason}: {_MAKE_ROOM}"
    if cause.errno == errno.ENOENT:
        return f"{where}{reason}: if it belongs to the data root, {REPAIR}"
    if cause.errno in _OUT_OF_PLACE:
        return f"{where}{reason}: if a file of the data root belongs there, move this away, then {REPAIR}"
    if cause.errno in _FORBIDDEN:
        return f"{where}{reason}: change its owner or mode, or set OGAART_DATA to a folder that you may write"
    if (code := lacking(cause)) is not None:
        return f"{where}{reason}: {way_out(code)}"
    return f"{where}{reason}"


def _of_database(cause: Exception) -> tuple[int, str]:
    """A database that is held by another process, that cannot be opened, or that is damaged."""
    text = _first_line(getattr(cause, "orig", None) or cause)
    if is_disk_full(cause):
        return EXIT_REFUSED, f"the disk is full ({text}): {_MAKE_ROOM}"
    if type(getattr(cause, "orig", None)).__module__.startswith("psycopg"):
        return EXIT_REFUSED, f"Dagster's database does not respond ({text}): start it, or set OGAART_DAGSTER_DATABASE"
    if any(sign in text for sign in _HELD):
        return EXIT_REFUSED, f"{text}: close the program that has it open for writing"
    if "readonly database" in text or "unable to open database" in text:
        return EXIT_REFUSED, f"{text}: check the owner and the mode of the data root"
    if (code := lacking(cause)) is not None:
        return EXIT_REFUSED, f"{text}: {way_out(code)}"
    return EXIT_DAMAGED, text if REPAIR in text else f"{text}: {REPAIR}"


def _first_line(cause: object) -> str:
    return (str(cause).strip().splitlines() or [type(cause).__name__])[0]
