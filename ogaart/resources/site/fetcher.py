"""The site, asked in good manners: robots.txt first, in turn, again where that may help, and never led off the site."""

import io
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TypeVar
from urllib.parse import urljoin, urlsplit

import requests

from ogaart.core.fault_injection import Fault, fault
from ogaart.resources.site.body import BodyLimits, TooLarge, body
from ogaart.resources.site.errors import AttemptFailed, FetchFailed, SiteDown
from ogaart.resources.site.robots import MAX_BYTES, Robots, RobotsAnswer
from ogaart.resources.site.throttle import Throttle, Turn
from ogaart.resources.site.transport import Transport
from ogaart.settings import Settings
from ogaart.sites.registry import open_site

REDIRECTS = 5
"""Redirects followed for one URL."""

LONGEST_BACKOFF = 300.0
"""Seconds between two attempts at one URL, at most."""

T = TypeVar("T")


@dataclass
class SiteStats:
    """What a client did so far: requests made and saved, bytes received, seconds waited, attempts repeated."""

    requests: int = 0
    saved: int = 0
    bytes: int = 0
    wait_seconds: float = 0.0
    retries: int = 0


@dataclass
class Effort:
    """What one URL took so far: attempts, and the turn whose answer is being read."""

    attempts: int = 0
    turn: Turn | None = field(default=None, repr=False)


class Fetcher:
    """Sends requests to one site.

    Args:
        settings: site, contact, delay, time-outs, attempts, back-off, circuit.
        root: folder of robots.txt and the platform-wide lock.
        stats: counted up.
    """

    def __init__(self, settings: Settings, root: Path, stats: SiteStats) -> None:
        self._settings = settings
        self._stats = stats
        self._rules = open_site(settings)
        # One lock for all of the site's host names: they are one machine.
        self._throttle = Throttle(root, urlsplit(settings.site).netloc, settings)
        self._robots = Robots(root / "robots", settings.robots_hours * 3600, self._fetch_robots)
        self._transport = Transport(settings)

    def is_on_site(self, url: str) -> bool:
        """Whether ``url`` may be asked at all: it is on the site, and no less protected than the configured base."""
        if self._settings.site.startswith("https:") and not url.startswith("https:"):
            return False
        if any(sign < " " or "\ud800" <= sign <= "\udfff" for sign in url):  # control signs, and what no UTF-8 holds
            return False
        return self._rules.is_on_site(url)

    def crawl_delay(self, *, ask: bool) -> float | None:
        """Seconds between requests that robots.txt wants; None where it is not stored and may not be asked for."""
        url = f"{self._settings.site}/"
        rules = self._robots.rules(url) if ask else self._robots.stored(url)
        return rules.delay if rules is not None else None

    def requests_of_last_day(self) -> int:
        """Requests that all processes of the platform sent in the last 24 hours, whatever came of them."""
        return self._throttle.requests_of_last_day()

    def close(self) -> None:
        """Let go of the connections."""
        self._transport.close()

    def retrying(self, effort: Effort, action: Callable[[], T]) -> T:
        """Try ``action`` as often as the settings say, waiting longer each time."""
        while True:
            effort.attempts += 1
            try:
                return action()
            except AttemptFailed as error:
                if effort.attempts >= self._settings.attempts:
                    raise _given_up(error, effort.attempts) from error
            self._stats.retries += 1
            longest = min(self._settings.backoff * 2.0 ** (effort.attempts - 1), LONGEST_BACKOFF)
            self._sleep(longest * random.uniform(0.5, 1.0))  # noqa: S311  (jitter, no secret)

    def follow(self, effort: Effort, url: str, headers: dict[str, str], *, robots: bool = True) -> requests.Response:
        """Ask for ``url`` and go where it is redirected to, within the site; each step waits its turn."""
        seen = [url]
        while True:
            delay = self._permitted_delay(url) if robots else None
            response = self._ask(effort, url, headers, delay)
            target = self._transport.redirect_target(response)
            if target is None:
                return response
            response.close()
            url = _joined(url, target)
            if not self.is_on_site(url):
                message = f"{seen[0]} leads to {target}, which is not on {self._settings.site}"
                raise FetchFailed("RedirectOffSite", message, response.status_code, retryable=False)
            if url in seen or len(seen) > REDIRECTS:
                message = f"{seen[0]} is redirected in a circle or more than {REDIRECTS} times, last to {url}"
                raise FetchFailed("RedirectLoop", message, response.status_code, retryable=False)
            seen.append(url)

    def _ask(self, effort: Effort, url: str, headers: dict[str, str], delay: float | None) -> requests.Response:
        """Send one request when it is our turn; returns the answer's head."""
        began = time.monotonic()
        with self._throttle.turn(url, delay) as turn:
            self._stats.wait_seconds += time.monotonic() - began
            self._stats.requests += 1
            try:
                response = self._transport.send(url, headers)
                fault(Fault.REQUEST_SENT)
            except AttemptFailed as error:
                turn.failed(str(error), unreachable=error.connecting)
                raise
            status = response.status_code
            if status in (408, 429) or status >= 500:
                response.close()
                message = f"{url} answered {status} {response.reason}"
                turn.failed(message, self._pause(response, effort.attempts))
                raise AttemptFailed("HttpStatus", message, status)
            turn.answered()
            effort.turn = turn
            return response

    def _pause(self, response: requests.Response, attempt: int) -> float | None:
        """Seconds for which nobody should ask: what Retry-After says; a 429 without one gets our own back-off."""
        pause = _retry_after(response)
        if pause is None and response.status_code == 429:
            return min(self._settings.backoff * 2.0**attempt, LONGEST_BACKOFF)
        return pause

    def _permitted_delay(self, url: str) -> float:
        """The delay before ``url`` may be asked, if it may."""
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
        """Ask for a robots.txt; any answer that is neither it nor a plain no raises."""
        effort = Effort()

        def attempt() -> RobotsAnswer:
            with self.follow(effort, url, {"Accept-Encoding": "identity"}, robots=False) as response:
                if 400 <= response.status_code < 500:
                    return RobotsAnswer(response.status_code, "")
                if response.status_code != 200:
                    raise AttemptFailed("HttpStatus", f"{url} answered {response.status_code}", response.status_code)
                text = io.BytesIO()
                limits = BodyLimits(MAX_BYTES, 0.0, 0.0, self._settings.timeout_read)
                try:
                    for chunk in body(response, limits):
                        text.write(chunk)
                except TooLarge:
                    pass  # the rest does not count
                return RobotsAnswer(200, text.getvalue().decode("utf-8", "replace"))

        return self.retrying(effort, attempt)

    def _sleep(self, seconds: float) -> None:
        self._stats.wait_seconds += seconds
        time.sleep(seconds)


def _joined(url: str, target: str) -> str:
    """Where a redirect leads; empty, which is nowhere, where its target is no URL."""
    try:
        return urljoin(url, target).partition("#")[0]
    except ValueError:
        return ""


def _retry_after(response: requests.Response) -> float | None:
    """Seconds that Retry-After asks for, in either of its forms; None where it is missing or unreadable."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        until = parsedate_to_datetime(text)
        # The site's own clock, where it tells: ours may be wrong.
        now = parsedate_to_datetime(response.headers["Date"]) if "Date" in response.headers else datetime.now(UTC)
        return max((until - now).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return None


def _given_up(error: AttemptFailed, attempts: int) -> Exception:
    message = f"{error.message} (attempt {attempts}, OGAART_ATTEMPTS reached)"
    if error.connecting:
        return SiteDown(f"the site cannot be reached: {message}")
    return FetchFailed(error.error_class, message, error.http_status, retryable=True)
