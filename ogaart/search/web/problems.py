"""Every problem of a visitor in one table: status, title and way out, the same on pages and in the API."""

from dataclasses import dataclass

from ogaart.imaging.errors import Reason, Unreadable
from ogaart.resources.embedding.embedder import EmbedderBroken
from ogaart.resources.index.base import IndexBroken, IndexUnreachable, UnknownPoints
from ogaart.resources.moderation.line_log import LogUnavailable
from ogaart.resources.moderation.takedowns import DecisionsUnreadable
from ogaart.resources.moderation.visitor_reports import ReportsFull
from ogaart.resources.objects.store import ObjectsRefused
from ogaart.search.errors import (
    BundleTooLarge,
    EmptyFile,
    ForeignPage,
    HostRefused,
    InvalidParameter,
    LinkFailed,
    LinkRefused,
    NotFound,
    NothingPublished,
    PictureUnreadable,
    RequestTooSlow,
    TooBusy,
    TooLarge,
    TooManyRequests,
    UploadGone,
)  # fmt: skip

REFUSED = "See the API page for the parameters and routes."
INTERNAL = "Try again; if it happens again, tell the operator the time."


@dataclass(frozen=True)
class Problem:
    """A problem in words, as RFC 9457 wants it for machines and people need it.

    Attributes:
        status: HTTP status.
        title: what kind of problem; the same for all of the kind.
        detail: what is wrong here.
        way_out: what to do next.
        nearest: what may be meant, each with its path; pages link it.
    """

    status: int
    title: str
    detail: str
    way_out: str
    nearest: tuple[tuple[str, str], ...] = ()

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


@dataclass(frozen=True)
class _Answer:
    """How an exception is answered; without ``detail`` its own text is shown, which is this project's."""

    status: int
    title: str
    way_out: str
    detail: str = ""


_LATER = "Try again in a minute; the operator finds the cause in the log."
_ANSWERS: dict[type[Exception], _Answer] = {
    EmptyFile: _Answer(400, "Empty file", "Choose another file, or save the picture again."),
    InvalidParameter: _Answer(400, "Invalid parameter", "Correct the parameter that is named; the API page lists all."),
    HostRefused: _Answer(
        400, "Unknown host", "Use the name that the operator published; operators list names in OGAART_HOSTS."
    ),
    ForeignPage: _Answer(403, "Foreign page", "Open the picture on this site, and report it from its page."),
    UploadGone: _Answer(410, "Upload gone", "Upload the picture again; its new URL works for another hour."),
    NotFound: _Answer(404, "Not found", "Search for it; it may have moved."),
    TooLarge: _Answer(413, "Too large", "Save the picture smaller or as JPEG, and try again."),
    BundleTooLarge: _Answer(413, "Too large", "Make several bundles of fewer pictures."),
    RequestTooSlow: _Answer(
        408, "Too slow", "Try again on a faster connection, or save the picture smaller and send that."
    ),
    TooManyRequests: _Answer(429, "Too many requests", "Wait as long as Retry-After says, then continue more slowly."),
    LinkRefused: _Answer(403, "Link refused", "Save the picture and upload it instead."),
    LinkFailed: _Answer(502, "Link failed", "Check the link in a browser, or save the picture and upload it instead."),
    NothingPublished: _Answer(503, "Nothing published", "Run `ogaart materialize --all`, then `ogaart publish`."),
    IndexUnreachable: _Answer(503, "Index unreachable", _LATER, "the index of pictures does not answer"),
    IndexBroken: _Answer(
        503,
        "Index broken",
        "The operator publishes again with `ogaart publish`.",
        "the index of pictures cannot be read",
    ),
    EmbedderBroken: _Answer(
        503,
        "Model broken",
        "Search by words, or from a picture of the catalog; the operator reads the log.",
        "the embedding model does not work, so pictures cannot be compared",
    ),
    ObjectsRefused: _Answer(
        503,
        "Pictures unreachable",
        "Searching works all the same; try again in a minute.",
        "the bucket that holds the pictures does not answer",
    ),
    PictureUnreadable: _Answer(
        503,
        "Picture unreadable",
        "Searching works all the same, and the entry's page has the picture; the operator finds the file in the log.",
        "the file that holds this picture is damaged here",
    ),
    DecisionsUnreadable: _Answer(
        503,
        "Takedowns unreadable",
        "The operator repairs the line that the log names.",
        # The line names what its author wants out of sight.
        "nothing is served while takedowns cannot be read",
    ),
    LogUnavailable: _Answer(
        503,
        "Reports not taken",
        "Try again in a minute, or write to the operator.",
        "reports cannot be stored just now",
    ),
    ReportsFull: _Answer(
        503, "Reports full", "Write to the operator instead; the About page says how.", "no more reports are taken here"
    ),
    TooBusy: _Answer(503, "Too busy", "Try again in a few seconds."),
    UnknownPoints: _Answer(404, "Not found", "Start from another picture.", "the picture was withdrawn a moment ago"),
}
_ARCHIVES = frozenset({"zip", "7z", "rar", "tar", "gz", "bz2", "xz", "zst", "lha", "cab", "iso", "cpio", "lzma", "rpm"})
_UNPACK = "Unpack it, and send one of the pictures in it."
_FORMATS = (
    "Send a PNG, APNG, JPEG, GIF, WebP, AVIF, BMP, TGA, TIFF, ICO, CUR, ICNS, PCX, PPM, DDS, SGI, QOI, JPEG 2000, "
    "XPM, XBM, SVG, PSD, PSB, XCF, Aseprite, Krita or OpenRaster picture."
)
_TRANSPARENT = "fully transparent"
_SMALLER = _ANSWERS[TooLarge].way_out
_UNREADABLE: dict[Reason, str] = {
    Reason.CORRUPT: "this picture is damaged or incomplete",
    Reason.UNSUPPORTED: "this picture format is not supported",
    Reason.ENCRYPTED: "this file is encrypted",
    Reason.TIMED_OUT: "this picture took too long to decode",
    Reason.WORKER_CRASHED: "this picture cannot be decoded",
}
_OVER_A_LIMIT: dict[Reason, str] = {
    Reason.TOO_LARGE: "this file is larger than a picture may be",
    Reason.TOO_MANY_PIXELS: "this picture has more pixels than the limit",
    Reason.TOO_MANY_BYTES: "this file unpacks to more bytes than the limit",
    Reason.BOMB: "this file unpacks to more bytes than the limit",
    Reason.OUT_OF_MEMORY: "decoding this picture needs more memory than the limit",
}
_NOT_A_PICTURE = "this file is not a picture that can be read here"

KNOWN: tuple[type[Exception], ...] = (*_ANSWERS, Unreadable)


def problem_of(error: Exception) -> Problem:
    """Map an error of ``KNOWN`` to its problem; no text of a library is passed on."""
    if isinstance(error, Unreadable):
        return _unreadable(error)
    for kind, answer in _ANSWERS.items():
        if isinstance(error, kind):
            nearest = error.nearest if isinstance(error, NotFound) else ()
            return Problem(answer.status, answer.title, answer.detail or str(error), answer.way_out, nearest)
    raise TypeError(f"{type(error).__name__} is not a known problem")


def _unreadable(error: Unreadable) -> Problem:
    # Its message may be a decoder's: the reason alone decides.
    if error.error_class in _OVER_A_LIMIT:
        return Problem(413, "Too large", _OVER_A_LIMIT[error.error_class], _SMALLER)
    stated = error.message.partition(":")[0]
    if error.error_class is Reason.NOT_A_PICTURE and stated in _ARCHIVES:
        return Problem(422, "No readable picture", f"this is a {stated} archive", _UNPACK)
    if error.error_class is Reason.NOT_A_PICTURE and _TRANSPARENT in error.message:
        detail = f"this picture is {_TRANSPARENT}: there is nothing in it to search with"
        return Problem(422, "No readable picture", detail, "Send a picture in which something can be seen.")
    detail = _UNREADABLE.get(error.error_class, _NOT_A_PICTURE)
    return Problem(422, "No readable picture", detail, _FORMATS)


def all_problems() -> list[Problem]:
    """Every kind of problem, by status, for the API page."""
    # Where several errors are of one kind, the first is the usual one.
    kinds = {one.title: Problem(one.status, one.title, "", one.way_out) for one in reversed(_ANSWERS.values())}
    kinds["No readable picture"] = Problem(422, "No readable picture", "", _FORMATS)
    kinds["Request refused"] = Problem(405, "Request refused", "", REFUSED)
    kinds["Server error"] = Problem(500, "Server error", "", INTERNAL)
    return sorted(kinds.values(), key=lambda problem: (problem.status, problem.title))
