"""When the site may be asked: one delay, one Retry-After and one circuit breaker for the whole platform.

The host's lock is held from the wait until the answer's first byte, and the next delay counts from there, so that two
requests never reach the site closer together than the delay, whatever process they come from.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from filelock import FileLock

from ogaart.resources.site.errors import SiteDown
from ogaart.resources.site.fetch_records import url_key
from ogaart.resources.storage.lock_names import host_lock
from ogaart.settings import Settings

LONGEST_SHUT = 3600.0
"""Seconds between two probes of a site that stays down, at most."""

DAY = 86_400.0
STRETCH = 600
"""Seconds of which the requests are counted together; a day's count looks back this much further at most."""


@dataclass
class Span:
    """A stretch of time: the wall clock's second it began at, and its length in seconds."""

    since: float = 0.0
    seconds: float = 0.0

    def left(self, now: float) -> float:
        """Seconds left; never more than its length, since the clock may have jumped back."""
        return min(max(self.since + self.seconds - now, 0.0), self.seconds)


@dataclass
class SiteState:
    """What all processes know of the site; lies beside the lock as JSON.

    Attributes:
        asked_at: wall clock at the last answer's first byte.
        delay: seconds between requests that were in force then.
        in_flight: a request is on its way; seen by another process: its sender died, nobody knows when it arrived.
        pause: what the site asked for by Retry-After.
        failures: failures in a row.
        failing: keys of different URLs among them, as many as the breaker needs.
        shut: how long the open circuit stays open.
        trips: how often in a row it opened.
        asked: requests sent in each stretch of the last day, whatever came of them, by its beginning (epoch seconds).
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

    def count(self, now: float) -> None:
        """Count a request that is sent now, and forget what is older than a day."""
        stretch = str(int(now // STRETCH * STRETCH))
        self.asked = {since: n for since, n in self.asked.items() if abs(now - int(since)) < DAY + STRETCH}
        self.asked[stretch] = self.asked.get(stretch, 0) + 1

    def of_last_day(self, now: float) -> int:
        """Requests sent in the last 24 hours."""
        return sum(n for since, n in self.asked.items() if abs(now - int(since)) < DAY + STRETCH)


class Turn:
    """The right to send one request now; tell it what came of it before the ``with`` block ends."""

    def __init__(self, owner: "Throttle", state: SiteState, url: str) -> None:
        self._owner = owner
        self._state = state
        self._url = url
        self._before = (state.failures, list(state.failing), state.trips)

    def answered(self) -> None:
        """The site answered in good order: the breaker starts to count anew."""
        state = self._state
        state.failures, state.failing, state.trips, state.shut = 0, [], 0, Span()

    def failed(self, message: str, pause: float | None = None, *, unreachable: bool = False) -> None:
        """The request failed, or the site asked for a pause.

        Args:
            message: what happened.
            pause: seconds for which the site wants no request, from anybody.
            unreachable: no connection came about, which no other URL would change.

        Raises:
            SiteDown: the pause is longer than ``max_wait``, or the circuit opens.
        """
        if pause:
            self._owner.pause(self._state, pause)
        self._owner.count_failure(self._state, self._url, message, unreachable=unreachable)
        self._owner.check_pause(self._state)

    def broke(self) -> None:
        """After the ``with`` block: the body broke off, so that the good beginning did not count after all."""
        self._owner.remember_broken(self._url, *self._before)


class Throttle:
    """Hands out turns to ask one host, one at a time over all processes.

    Args:
        folder: where ``<host>.lock`` and ``<host>.json`` lie.
        host: host, with its port where it has one.
        settings: circuit_failures, circuit_urls, circuit_seconds, max_wait.
        clock: the wall clock; persisted, so it is the same for all processes, but it may jump.
    """

    def __init__(self, folder: Path, host: str, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        name = host.replace(":", "_").replace("[", "").replace("]", "")
        folder.mkdir(parents=True, exist_ok=True)
        self._host = host
        self._lock = FileLock(host_lock(folder, name), poll_interval=0.02)
        self._file = folder / f"{name}.json"
        self._settings = settings
        self._clock = clock
        # This process's own memory, by a clock that does not jump; the later of both clocks wins.
        self._asked_at = float("-inf")
        self._pause_until = float("-inf")
        self._late: tuple[str, int, list[str], int] | None = None

    @contextmanager
    def turn(self, url: str, delay: float | None) -> Iterator[Turn]:
        """Wait for the right to ask ``url``, and hold it until the block ends.

        Args:
            url: what will be asked.
            delay: seconds since the last answer's first byte, at least; None, where robots.txt is yet to tell: the
                delay in force last, whoever kept it.

        Raises:
            SiteDown: the circuit is open, or the site wants a pause longer than ``max_wait``.
        """
        with self._lock:
            state = self._load()
            try:
                self._count_late(state)
                self._refuse_while_shut(state)
                self.check_pause(state)
            except SiteDown:
                self._save(state)
                raise
            if delay is not None:
                state.delay = delay
            time.sleep(self._wait(state, max(state.delay, self._settings.delay)))
            state.pause = Span()
            state.asked_at, state.in_flight = self._clock(), True
            state.count(state.asked_at)
            self._save(state)
            try:
                yield Turn(self, state, url)
            finally:
                self._asked_at = time.monotonic()
                state.asked_at, state.in_flight = self._clock(), False
                self._save(state)

    def requests_of_last_day(self) -> int:
        """Requests that all processes together sent in the last 24 hours, failed and redirected ones included."""
        return self._load().of_last_day(self._clock())

    def pause(self, state: SiteState, seconds: float) -> None:
        """Ask nothing for ``seconds``; a longer pause already in force stays."""
        now = self._clock()
        if seconds > state.pause.left(now):
            state.pause = Span(now, seconds)
        self._pause_until = max(self._pause_until, time.monotonic() + seconds)

    def check_pause(self, state: SiteState) -> None:
        """Refuse to sit out a pause longer than ``max_wait``.

        Raises:
            SiteDown: it is longer.
        """
        left = self._pause_left(state)
        if left > self._settings.max_wait:
            raise SiteDown(
                f"{self._host} wants no request for {left:.0f} s, OGAART_MAX_WAIT is {self._settings.max_wait:.0f} s: "
                "run again later",
                retry_after=left,
            )

    def count_failure(self, state: SiteState, url: str, message: str, *, unreachable: bool = False) -> None:
        """Count one failure; open the circuit where it is one too many, or where a probe failed.

        Raises:
            SiteDown: the circuit is open now.
        """
        state.failures += 1
        key = url_key(url)
        if key not in state.failing and len(state.failing) < self._settings.circuit_urls:
            state.failing.append(key)
        everywhere = unreachable or len(state.failing) >= self._settings.circuit_urls
        probing = state.trips > 0
        if not probing and not (everywhere and state.failures >= self._settings.circuit_failures):
            return
        seconds = min(self._settings.circuit_seconds * 2.0**state.trips, LONGEST_SHUT)
        state.shut = Span(self._clock(), seconds)
        state.trips = min(state.trips + 1, 32)
        raise SiteDown(
            f"{self._host} failed {state.failures} times in a row, last: {message}; next probe in {seconds:.0f} s",
            retry_after=max(seconds, self._pause_left(state)),
        )

    def remember_broken(self, url: str, failures: int, failing: list[str], trips: int) -> None:
        """Take back the last turn's success; written down with the next turn, since the lock is no longer ours."""
        self._late = (url, failures, failing, trips)

    def _count_late(self, state: SiteState) -> None:
        if self._late is None:
            return
        url, failures, failing, trips = self._late
        self._late = None
        if state.failures == 0:  # nobody else had news since
            state.failures, state.failing, state.trips = failures, failing, trips
        self.count_failure(state, url, "a body broke off")

    def _refuse_while_shut(self, state: SiteState) -> None:
        left = state.shut.left(self._clock())
        if left > 0:
            raise SiteDown(
                f"{self._host} failed {state.failures} times in a row; it is not asked for another {left:.0f} s",
                retry_after=left,
            )

    def _pause_left(self, state: SiteState) -> float:
        return max(state.pause.left(self._clock()), self._pause_until - time.monotonic())

    def _wait(self, state: SiteState, delay: float) -> float:
        """Seconds to sleep now; the pause is known to be short enough."""
        since_answer = delay if state.in_flight else Span(state.asked_at, delay).left(self._clock())
        own = self._asked_at + delay - time.monotonic()
        return max(since_answer, own, self._pause_left(state), 0.0)

    def _load(self) -> SiteState:
        try:
            fields = json.loads(self._file.read_bytes())
            fields["pause"] = Span(**fields["pause"])
            fields["shut"] = Span(**fields["shut"])
            return SiteState(**fields)
        except FileNotFoundError:
            return SiteState()
        except (ValueError, TypeError, KeyError):
            return SiteState(in_flight=True)  # torn: the last request may have been just now

    def _save(self, state: SiteState) -> None:
        """Replace the state; one fixed draft name will do, since only the lock's holder writes."""
        draft = self._file.with_suffix(".new")
        draft.write_text(json.dumps(asdict(state)))
        draft.replace(self._file)
