"""What can go wrong for a visitor, in one table: status, words, and a way out, the same on pages and in the API."""

from dataclasses import dataclass

from ogaart.imaging.errors import Reason, Unreadable
from ogaart.resources.embedding.embedder import EmbedderBroken
from ogaart.resources.index.base import IndexBroken, IndexUnreachable, UnknownPoints
from ogaart.resources.storage.takedowns import DecisionsUnreadable
from ogaart.search.errors import (
    BundleTooLarge,
    InvalidParameter,
    LinkFailed,
    LinkRefused,
    NotFound,
    NothingPublished,
    RequestTooSlow,
    TooBusy,
    TooLarge,
    TooManyRequests,
    UploadGone,
)

REFUSED = "See the API page for what can be asked, and how."
BROKEN = "Try again; if it stays, tell the operator the time."


@dataclass(frozen=True)
class Problem:
    """A problem in words, as RFC 9457 wants it for machines and people need it.

    Attributes:
        status: HTTP status.
        title: what kind of problem; the same for all of the kind.
        detail: what is wrong here.
        way_out: what to do next.
    """

    status: int
    title: str
    detail: str
    way_out: str

    def record(self, instance: str) -> dict[str, object]:
        """As ``application/problem+json``."""
        kind = self.title.lower().replace(" ", "-")
        return {
            "type": f"/api/docs#{kind}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
            "way_out": self.way_out,
        }


_PLAIN: dict[type[Exception], tuple[int, str, str]] = {
    InvalidParameter: (
        400,
        "Invalid parameter",
        "Correct the parameter that is named; the API page lists all of them.",
    ),
    UploadGone: (410, "Upload gone", "Upload the picture again; its new address works for another hour."),
    NotFound: (404, "Not found", "Search for it by words or by picture; it may stand elsewhere."),
    TooLarge: (413, "Too large", "Save the picture smaller or as JPEG, and try again."),
    BundleTooLarge: (413, "Too large", "Make several bundles of fewer pictures."),
    RequestTooSlow: (408, "Too slow", "Try again on a faster line, or save the picture smaller and send that."),
    TooManyRequests: (429, "Too many requests", "Wait as long as Retry-After says, then go on more slowly."),
    LinkRefused: (403, "Link refused", "Save the picture and upload it instead."),
    LinkFailed: (502, "Link failed", "Check the link in a browser, or save the picture and upload it instead."),
    NothingPublished: (503, "Nothing published", "Run `ogaart materialize --all`, then `ogaart publish`."),
    IndexUnreachable: (503, "Index unreachable", "Try again in a minute; the operator finds the cause in the log."),
    IndexBroken: (503, "Index broken", "The operator publishes again with `ogaart publish`."),
    EmbedderBroken: (
        503,
        "Network broken",
        "Search by words, or from a picture here; the operator reads the log.",
    ),
    DecisionsUnreadable: (503, "Decisions unreadable", "The operator mends the line that is named in the log."),
    TooBusy: (503, "Too busy", "Try again in a few seconds."),
    UnknownPoints: (404, "Not found", "The picture is not searched any more; start from another one."),
}
_TOO_LARGE = frozenset(
    {Reason.TOO_LARGE, Reason.TOO_MANY_PIXELS, Reason.TOO_MANY_BYTES, Reason.BOMB, Reason.OUT_OF_MEMORY}
)
_ARCHIVES = frozenset({"zip", "7z", "rar", "tar", "gz", "bz2", "xz", "zst", "lha", "cab"})
_ONE_OF_IT = "Unpack it, and send one of the pictures in it."
_FORMATS = "Send a PNG, JPEG, GIF, WebP, BMP, TGA, PSD or SVG picture."

KNOWN: tuple[type[Exception], ...] = (*_PLAIN, Unreadable)


def problem_of(error: Exception) -> Problem:
    """Put an error of ``KNOWN`` into words."""
    if isinstance(error, DecisionsUnreadable):
        # The line names whom somebody wanted out of sight.
        detail = "nothing is served while takedowns cannot be read"
        return Problem(503, "Decisions unreadable", detail, _PLAIN[DecisionsUnreadable][2])
    if isinstance(error, Unreadable):
        if error.error_class in _TOO_LARGE:
            return Problem(413, "Too large", error.message, _PLAIN[TooLarge][2])
        if error.error_class is Reason.NOT_A_PICTURE:
            stated = error.message.partition(":")[0]
            if stated in _ARCHIVES:
                return Problem(422, "No readable picture", f"this is a {stated} archive", _ONE_OF_IT)
            return Problem(422, "No readable picture", "this file is not a picture that can be read here", _FORMATS)
        return Problem(422, "No readable picture", error.message, _FORMATS)
    for kind, (status, title, way_out) in _PLAIN.items():
        if isinstance(error, kind):
            return Problem(status, title, str(error), way_out)
    raise TypeError(f"{type(error).__name__} is no known problem")


def all_problems() -> list[Problem]:
    """Every kind of problem, by status, for the API page."""
    # Where several errors are of one kind, the first is the usual one.
    kinds = {title: Problem(status, title, "", way_out) for status, title, way_out in reversed(_PLAIN.values())}
    kinds["No readable picture"] = Problem(422, "No readable picture", "", _FORMATS)
    kinds["Request refused"] = Problem(405, "Request refused", "", REFUSED)
    kinds["Server error"] = Problem(500, "Server error", "", BROKEN)
    return sorted(kinds.values(), key=lambda problem: (problem.status, problem.title))
