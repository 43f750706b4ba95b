"""States as types: of a row, a result page, an entry, a file and a file's member.

The same values appear in code, tables, run metadata and user interfaces.
"""

from enum import StrEnum


class RowState(StrEnum):
    """A row in a materialization, compared with what was stored."""

    NEW = "new"
    STALE = "stale"
    UNCHANGED = "unchanged"
    ORPHANED = "orphaned"
    FAILED = "failed"
    PENDING = "pending"


class ListingStatus(StrEnum):
    """The kind of a result page."""

    OK = "ok"
    NO_RESULTS = "no_results"
    PAST_END = "past_end"


class EntryStatus(StrEnum):
    """The kind of a content page."""

    OK = "ok"
    WITHHELD = "withheld"  # the page exists, the site withholds its files
    DELETED = "deleted"  # 404 or 410
    PRIVATE = "private"  # 401 or 403
    RENAMED = "renamed"  # the site lists it under another key, which has its rows
    NOT_ART = "not_art"  # a collection, a forum topic, a FAQ: not an art entry
    FAILED = "failed"  # not read yet, or not readable: see failures


TOMBSTONES = frozenset({EntryStatus.DELETED.value, EntryStatus.PRIVATE.value, EntryStatus.RENAMED.value})
"""Of entries that are no longer there, or no longer under that key."""


class FileRole(StrEnum):
    """The role of a file that an entry links."""

    FILE = "file"
    PREVIEW = "preview"


class FileStatus(StrEnum):
    """The outcome of a linked file."""

    OK = "ok"
    LISTED = "listed"  # linked, not fetched: previews, or not reached yet
    MISSING = "missing"  # 404 or 410
    FORBIDDEN = "forbidden"  # 401, 403, or robots.txt
    TOO_LARGE = "too_large"
    FAILED = "failed"


class MemberStatus(StrEnum):
    """The outcome of a file's member (a loose picture is its own only member)."""

    PICTURE = "picture"
    NOT_A_PICTURE = "not_a_picture"  # sounds, texts, sources: not a failure
    JUNK = "junk"  # __MACOSX, dot files, Thumbs.db
    FAILED = "failed"  # a picture or an archive by its bytes, and unreadable: see failures
