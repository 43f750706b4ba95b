"""What all processes know about the site: the delay, the pause, the circuit, refusals, the requests of a day."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

DAY = 86_400.0
STRETCH = 600
"""Seconds of which the requests are counted together; a day's count looks back this much further at most."""
JUMP = 60.0
"""Seconds by which something begins after now that has begun: then the clock was set back since."""
SERVED = 3
"""Addresses kept of those that the site served last."""
CONFIRMED_WITHIN = 300.0
"""Seconds, besides two delays, after which a good response does not make an answer of a refusal any more: a site may
have refused us then, and serve us again."""


@dataclass
class Span:
    """A stretch of time: the wall clock's second it began at, and its length in seconds."""

    since: float = 0.0
    seconds: float = 0.0

    def left(self, now: float) -> float:
        """Seconds left; never more than its length, since the clock may have jumped back."""
        return min(max(self.since + self.seconds - now, 0.0), self.seconds)


@dataclass(frozen=True)
class Refusal:
    """A response of 401, 403, 404 or 410 that no good response has followed yet.

    Attributes:
        url: the URL requested.
        final_url: where redirects led.
        status: HTTP status.
        content_type: as sent.
        attempts: attempts it took.
        at: wall clock when it came.
    """

    url: str
    final_url: str
    status: int
    content_type: str | None
    attempts: int
    at: float

    @property
    def time(self) -> datetime:
        """When it came."""
        return datetime.fromtimestamp(self.at, UTC)


@dataclass
class SiteState:
    """What all processes know about the site.

    Attributes:
        asked_at: wall clock at the last response's first byte.
        delay: seconds between requests that were in force then.
        in_flight: a request is under way; seen by another process: its sender died, and when it arrived is unknown.
        pause: what the site requested by Retry-After.
        failures: failures in a row.
        failing: keys of different URLs among them, as many as the breaker needs.
        shut: how long the open circuit stays open.
        trips: how often in a row it opened.
        asked: requests sent in each stretch of the last day, whatever their outcome, by its beginning (epoch seconds).
        answered_at: wall clock at the last good response.
        served: URLs that the site served last, newest first.
        refusals: refusals in a row, one for each URL, oldest first; none of them counts until a good response follows,
            and soon.
    """

    asked_at: float = 0.0
    delay: float = 0.0
    in_flight: bool = False
    pause: Span = field(default_factory=Span)
    failures: int = 0
    failing: list[str] = field(default_factory=list)
    shut: Span = field(default_factory=Span)
    trips: int = 0
    asked: dict[str, int] = field(default_factory=dict)
    answered_at: float = 0.0
    served: list[str] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)

    def follow_clock(self, now: float) -> None:
        """Let what is in force, and began after now, begin now: it would be in force until the clock is there again."""
        for span in (self.pause, self.shut):
            if span.since > now + JUMP:
                span.since = now

    def count(self, now: float) -> None:
        """Count a request that is sent now, and drop what is older than a day."""
        stretch = str(int(now // STRETCH * STRETCH))
        self.asked = {since: n for since, n in self.asked.items() if abs(now - int(since)) < DAY + STRETCH}
        self.asked[stretch] = self.asked.get(stretch, 0) + 1

    def of_last_day(self, now: float) -> int:
        """Requests sent in the last 24 hours."""
        return sum(n for since, n in self.asked.items() if abs(now - int(since)) < DAY + STRETCH)

    def reset_breaker(self) -> None:
        """The site responded in good order: failures are counted from zero."""
        self.failures, self.failing, self.trips, self.shut = 0, [], 0, Span()

    def note_served(self, url: str) -> None:
        """Remember a URL that the site served."""
        self.served = [url, *(other for other in self.served if other != url)][:SERVED]

    def controls(self) -> list[str]:
        """URLs that the site served, and has not refused since: whether it serves them decides about refusals."""
        refused = {refusal.url for refusal in self.refusals}
        return [url for url in self.served if url not in refused]

    def may_confirm(self, refusal: Refusal, at: float) -> bool:
        """Whether a good response at that time tells that the refusal was an answer."""
        return refusal.at <= at <= refusal.at + CONFIRMED_WITHIN + 2 * self.delay

    def note_refused(self, refusal: Refusal) -> None:
        """Add a refusal to those in a row; a URL refused again is one refusal still."""
        self.refusals = [*(r for r in self.refusals if r.url != refusal.url), refusal]


def state_of(fields: Mapping[str, Any]) -> SiteState:
    """The state whose fields, as ``asdict`` returns them, were stored.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: they are not a state's.
    """
    spans = {name: Span(**fields[name]) for name in ("pause", "shut")}
    return SiteState(**{**fields, **spans, "refusals": _refusals(fields.get("refusals", []))})


def _refusals(stored: Iterable[dict[str, object]]) -> list[Refusal]:
    return [replace(Refusal("", "", 0, None, 0, 0.0), **refusal) for refusal in stored]  # type: ignore[arg-type]
