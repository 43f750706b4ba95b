"""Requests sent politely: robots.txt first, in turn, retried where that may help, and never led off the site."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import requests

from ogaart.core.fault_injection import Fault, fault
from ogaart.resources.site.errors import AttemptFailed, FetchFailed, SiteDown
from ogaart.resources.site.headers import check_framing, joined, reason_of, redirect_target, retry_after, shown, text_of
from ogaart.resources.site.robots import FOLDER, Robots, RobotsAnswer, read_robots
from ogaart.resources.site.site_state import Refusal
from ogaart.resources.site.throttle import Throttle, Turn
from ogaart.resources.site.transport import Transport
from ogaart.resources.site.waits import Waits
from ogaart.resources.state.database import StateDatabase
from ogaart.settings import Settings
from ogaart.sites.registry import open_site

REFUSALS = frozenset({401, 403, 404, 410})
"""Statuses by which the site refuses: an answer, unless it refuses everything."""

REDIRECTS = 5
"""Redirects followed for one URL."""

LONGEST_BACKOFF = 300.0
"""Seconds between two attempts at one URL, at most."""

T = TypeVar("T")


@dataclass
class SiteStats:
    """What a client did so far.

    Attributes:
        requests: requests sent, redirects and robots.txt included.
        saved: calls answered from the fetch records.
        bytes: bytes received.
        wait_seconds: seconds waited.
        retries: attempts repeated.
        answered: good responses, which are progress.
    """

    requests: int = 0
    saved: int = 0
    bytes: int = 0
    wait_seconds: float = 0.0
    retries: int = 0
    answered: int = 0


@dataclass
class Effort:
    """What one URL took so far: attempts, the turn whose response is being read, and the refusal that it was."""

    attempts: int = 0
    turn: Turn | None = field(default=None, repr=False)
    refusal: Refusal | None = None


class Fetcher:
    """Sends requests to one site.

    Args:
        settings: site, contact, delay, time-outs, attempts, back-off, circuit.
        state: the database of state.
        root: the data root's folder for the site.
        stats: counted up.
        waits: sleeps and reports.
    """

    def __init__(self, settings: Settings, state: StateDatabase, root: Path, stats: SiteStats, waits: Waits) -> None:
        self._settings = settings
        self._stats = stats
        self._rules = open_site(settings)
        self._waits = waits
        # One lock for all of the site's host names: they are one machine.
        self.throttle = Throttle(state, root, urlsplit(settings.site).netloc, settings, waits)
        self._robots = Robots(state, root / FOLDER, settings.robots_hours * 3600, self._fetch_robots)
        self._transport = Transport(settings)

    def is_on_site(self, url: str) -> bool:
        """Whether ``url`` may be requested at all: on the site, and no less protected than the configured base."""
        if self._settings.site.startswith("https:") and not url.startswith("https:"):
            return False
        if any(sign < " " or "\ud800" <= sign <= "\udfff" for sign in url):  # controls, and what UTF-8 cannot hold
            return False
        return self._rules.is_on_site(url)

    def crawl_delay(self, *, fetch: bool) -> float | None:
        """Seconds between requests that robots.txt wants; None where it is not stored and may not be requested."""
        url = f"{self._settings.site}/"
        rules = self._robots.rules(url) if fetch else self._robots.stored(url)
        return rules.delay if rules is not None else None

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def retrying(self, effort: Effort, action: Callable[[], T]) -> T:
        """Try ``action`` as often as the settings allow, waiting longer each time."""
        most = self._settings.attempts
        while True:
            effort.attempts += 1
            try:
                return action()
            except AttemptFailed as error:
                if effort.attempts >= most:
                    raise _given_up(error, effort.attempts) from error
                longest = min(self._settings.backoff * 2.0 ** (effort.attempts - 1), LONGEST_BACKOFF)
                seconds = longest * random.uniform(0.5, 1.0)  # noqa: S311  (jitter, no secret)
                self._waits.tell(f"attempt {effort.attempts} of {most} failed, next in {seconds:.1f} s: {error}")
            self._stats.retries += 1
            self._sleep(seconds)

    def follow(
        self, effort: Effort, url: str, headers: dict[str, str], *, robots: bool = True, counted: bool = True
    ) -> requests.Response:
        """Request ``url`` and follow its redirects within the site; each step waits its turn.

        Args:
            effort: counted up.
            url: what to request.
            headers: headers to send.
            robots: obey robots.txt; only its own request does not.
            counted: a refusal counts towards a site that refuses everything.
        """
        seen = [url]
        while True:
            delay = self._permitted_delay(url) if robots else None
            response = self._send(effort, url, headers, delay, seen[0] if counted and robots else None)
            target = redirect_target(response)
            if target is None:
                return response
            response.close()
            url = joined(url, target)
            if not self.is_on_site(url):
                _count_against_the_site(effort)
                message = f"{seen[0]} leads to {shown(target, 300)}, which is not on {self._settings.site}"
                raise FetchFailed("RedirectOffSite", message, response.status_code, retryable=True)
            if url in seen or len(seen) > REDIRECTS:
                _count_against_the_site(effort)
                message = f"{seen[0]} is redirected in a circle or more than {REDIRECTS} times, last to {url}"
                raise FetchFailed("RedirectLoop", message, response.status_code, retryable=True)
            seen.append(url)

    def confirm_refusals(self, record: Callable[[Refusal], None]) -> None:
        """Find out whether refusals in a row are answers, by requesting what the site served before.

        Where it serves that, they are, and are recorded. Where no such URL is known, few refusals stay undecided.

        Raises:
            SiteRefuses: it refuses that too, or nothing was ever served and there are many refusals.
        """
        state = self.throttle.state()
        if not state.refusals:
            return
        statuses = []
        for url in state.controls():
            effort = Effort()
            try:
                response = self.retrying(effort, lambda url=url, effort=effort: self._control(effort, url))  # type: ignore[misc]
            except FetchFailed as error:
                statuses.append(f"{error.error_class} for {url}")
                continue
            response.close()
            if response.status_code == 200 and effort.turn is not None and effort.turn.url == url:
                self.throttle.confirm_refusals(record, effort.turn.at)
                return
            statuses.append(f"{response.status_code} for {url}")
        if statuses:
            raise self.throttle.refuse(f"and what it served before ({', '.join(statuses)})")
        if len(state.refusals) >= self._settings.circuit_refusals:
            raise self.throttle.refuse("and has served nothing yet")

    def _control(self, effort: Effort, url: str) -> requests.Response:
        return self.follow(effort, url, {"Accept-Encoding": "gzip"}, counted=False)

    def _send(
        self, effort: Effort, url: str, headers: dict[str, str], delay: float | None, wanted: str | None
    ) -> requests.Response:
        """Send one request when it is our turn; returns the response's head.

        Args:
            effort: keeps the turn.
            url: what to request.
            headers: headers to send.
            delay: seconds since the last response, at least.
            wanted: the URL under which a refusal is noted; None where none is.
        """
        began = time.monotonic()
        with self.throttle.turn(url, delay) as turn:
            self._stats.wait_seconds += time.monotonic() - began
            self._stats.requests += 1
            try:
                response = self._transport.send(url, headers)
                fault(Fault.REQUEST_SENT)
                check_framing(response)
            except AttemptFailed as error:
                turn.failed(str(error), unreachable=error.connecting)
                raise
            status = response.status_code
            if status in (408, 429) or status >= 500:
                response.close()
                message = f"{url} answered {reason_of(response)}"
                if "Retry-After" in response.headers:
                    message += f", Retry-After: {shown(response.headers['Retry-After'])}"
                turn.failed(message, self._pause(response, effort.attempts))
                raise AttemptFailed("HttpStatus", message, status)
            self._note(turn, response, wanted, effort)
            return response

    def _note(self, turn: Turn, response: requests.Response, wanted: str | None, effort: Effort) -> None:
        """Report the kind of the response to the throttle; a redirect is none yet, where it leads decides."""
        effort.turn = turn
        turn.requested = wanted or turn.url
        status = response.status_code
        if response.is_redirect:
            return
        if status not in REFUSALS:
            self._stats.answered += 1
            turn.answered(served=status in (200, 206, 304) and wanted is not None)
        elif wanted is not None:
            kind = text_of(response, "Content-Type")
            effort.refusal = Refusal(wanted, response.url, status, kind, effort.attempts, turn.at)
            turn.refused(effort.refusal)

    def _pause(self, response: requests.Response, attempt: int) -> float | None:
        """Seconds for which nothing is sent: what Retry-After states; after a 429 without one, our own back-off."""
        pause = retry_after(response)
        if not pause and response.status_code == 429:  # none, of no length, or a date in the past
            return min(self._settings.backoff * 2.0**attempt, LONGEST_BACKOFF)
        return pause

    def _permitted_delay(self, url: str) -> float:
        """The delay before ``url`` may be requested, if it may."""
        rules = self._robots.rules(url)
        if not rules.allow(url):
            # Rules change, and looking at them again costs no request of its own.
            raise FetchFailed("RobotsDisallowed", f"robots.txt forbids {url}", retryable=True)
        if rules.delay > self._settings.max_wait:
            raise SiteDown(
                f"robots.txt wants {rules.delay:g} s between requests, OGAART_MAX_WAIT is {self._settings.max_wait:g} s"
            )
        return max(rules.delay, self._settings.delay)

    def _fetch_robots(self, url: str) -> RobotsAnswer:
        """Request a robots.txt; any response that is neither it nor a plain refusal raises."""
        effort = Effort()

        def attempt() -> RobotsAnswer:
            with self.follow(effort, url, {"Accept-Encoding": "identity"}, robots=False) as response:
                return read_robots(response, self._settings.timeout_read)

        return self.retrying(effort, attempt)

    def _sleep(self, seconds: float) -> None:
        self._stats.wait_seconds += seconds
        self._waits.sleep(seconds)


def _count_against_the_site(effort: Effort) -> None:
    """A site that redirects everything elsewhere serves nothing: after enough such URLs in a row it counts as down."""
    if effort.turn is not None:
        effort.turn.take_back()


def _given_up(error: AttemptFailed, attempts: int) -> Exception:
    message = f"{error.message} (attempt {attempts}, OGAART_ATTEMPTS reached)"
    if error.connecting:
        return SiteDown(f"the site cannot be reached: {message}")
    return FetchFailed(error.error_class, message, error.http_status, retryable=True)
