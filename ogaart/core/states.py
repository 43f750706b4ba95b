"""The project's words, as types: the states of a row, the stages, the roles of a file.

The same words stand in code, tables, run metadata and user interfaces; nothing else belongs here.
"""

from enum import StrEnum


class RowState(StrEnum):
    """What a materialization found of a row, compared with what was stored."""

    NEW = "new"
    STALE = "stale"
    UNCHANGED = "unchanged"
    ORPHANED = "orphaned"
    FAILED = "failed"
    PENDING = "pending"


class ListingStatus(StrEnum):
    """What a result page turned out to be."""

    OK = "ok"
    NO_RESULTS = "no_results"
    PAST_END = "past_end"


class EntryStatus(StrEnum):
    """What a content page turned out to be."""

    OK = "ok"
    WITHHELD = "withheld"  # the page is there, its files are kept back by the site
    DELETED = "deleted"  # 404 or 410
    PRIVATE = "private"  # 401 or 403
    NOT_ART = "not_art"  # a collection, a forum topic, a FAQ: no art entry
    FAILED = "failed"  # not read yet, or not readable: see failures


class FileRole(StrEnum):
    """Why an entry links a file."""

    FILE = "file"
    PREVIEW = "preview"


class FileStatus(StrEnum):
    """What became of a linked file."""

    OK = "ok"
    LISTED = "listed"  # linked, not fetched: previews, or not reached yet
    MISSING = "missing"  # 404 or 410
    FORBIDDEN = "forbidden"  # 401, 403, or robots.txt
    TOO_LARGE = "too_large"
    FAILED = "failed"


class MemberStatus(StrEnum):
    """What became of a file's member (a loose picture is its own only member)."""

    PICTURE = "picture"
    NOT_A_PICTURE = "not_a_picture"  # sounds, texts, sources: nothing to do, no failure
    JUNK = "junk"  # __MACOSX, dot files, Thumbs.db
    FAILED = "failed"  # says it is a picture or an archive, and cannot be read: see failures
