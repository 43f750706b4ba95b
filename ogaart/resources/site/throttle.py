"""When a request may be sent: one delay, one Retry-After and one circuit breaker for the whole platform.

The host's lock is held from the wait until the response's first byte, and the next delay counts from there, so that two
requests never reach the site closer together than the delay, whatever process they come from. Written by hand: no
library keeps a delay over several processes that may be killed at any point.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from ogaart.resources.site.errors import SiteDown, SiteRefuses
from ogaart.resources.site.fetch_record import url_key
from ogaart.resources.site.site_state import DAY, Refusal, SiteState, Span
from ogaart.resources.site.site_state_store import HeldState, SiteStateStore
from ogaart.resources.site.waits import Waits
from ogaart.resources.state.database import StateDatabase
from ogaart.resources.state.locks import LockLost
from ogaart.settings import Settings

LONGEST_SHUT = 3600.0
"""Seconds between two probes of a site that stays down, at most."""

LONGEST_PAUSE = DAY
"""Seconds for which a Retry-After is honoured at most; then one request tests whether it still applies."""


class Late(NamedTuple):
    """A success that is taken back: its URL, the URL requested that led there, the breaker's numbers before it.

    ``failed``: whether it counts as a failure.
    """

    url: str
    requested: str
    failures: int
    failing: list[str]
    trips: int
    failed: bool


class Turn:
    """The right to send one request now; report its outcome before the ``with`` block ends."""

    def __init__(self, owner: "Throttle", state: SiteState, url: str) -> None:
        self._owner = owner
        self._state = state
        self.url = url
        self.requested = url  # or what was redirected here
        self._before = (state.failures, list(state.failing), state.trips)
        self.at = state.asked_at
        self.refusals = len(state.refusals)

    def answered(self, *, served: bool = False) -> None:
        """The site responded in good order: the breaker counts from zero.

        Args:
            served: it returned what the URL holds, so that a later request for it tests whether the site serves us.
        """
        if self._state.trips:
            self._owner.waits.tell(f"{self._owner.host} responds again")
        self._state.reset_breaker()
        self._state.answered_at = self._owner.now()
        if served:
            self._state.note_served(self.url)

    def refused(self, refusal: Refusal) -> None:
        """The site refused: an answer if a good response follows, else a sign that it refuses us."""
        self._state.note_refused(refusal)
        self.refusals = len(self._state.refusals)
        if not self._state.trips:
            self._state.reset_breaker()

    def failed(self, message: str, pause: float | None = None, *, unreachable: bool = False) -> None:
        """The request failed, or the site requested a pause.

        Args:
            message: what happened.
            pause: seconds for which the site wants no request from any process.
            unreachable: no connection was established, which no other URL would change.

        Raises:
            SiteDown: the pause is longer than ``max_wait``, or the circuit opens.
        """
        if pause:
            self._owner.pause(self._state, pause)
        self._owner.count_failure(self._state, self.url, message, unreachable=unreachable)
        self._owner.check_pause(self._state)

    def take_back(self, *, failed: bool = True) -> None:
        """After the ``with`` block: the body was not valid, so its valid beginning does not count.

        Args:
            failed: count it as a failure; else it is as if there had been no response.
        """
        self._owner.take_back(Late(self.url, self.requested, *self._before, failed))


class Throttle:
    """Grants turns to send a request to one host, one at a time over all processes.

    Args:
        state: the database of state.
        folder: where the host's lock is, and the journal of what is in force.
        host: host, with its port where it has one.
        settings: circuit_failures, circuit_urls, circuit_seconds, max_wait, timeout_connect.
        waits: sleeps and reports.
        clock: the wall clock, which may jump; where the database is on a server, that one's counts.
    """

    def __init__(
        self,
        state: StateDatabase,
        folder: Path,
        host: str,
        settings: Settings,
        waits: Waits | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        name = host.rpartition("@")[2].replace(":", "_").replace("[", "").replace("]", "")
        self.host = host.rpartition("@")[2]
        self.waits = waits or Waits()
        self._store = SiteStateStore(state, folder, name, clock)
        self._settings = settings
        # This process's own memory, by a clock that does not jump; the later of both clocks wins.
        self._asked_at = float("-inf")
        self._pause_until = float("-inf")
        self._late: Late | None = None

    @contextmanager
    def turn(self, url: str, delay: float | None) -> Iterator[Turn]:
        """Wait for the right to request ``url``, and hold it until the block ends.

        Args:
            url: what will be requested.
            delay: seconds since the last response's first byte, at least; None, where robots.txt is yet to tell: the
                delay in force last, whichever process kept it.

        Raises:
            SiteDown: the circuit is open, or the site wants a pause longer than ``max_wait``.
        """
        with ExitStack() as stack:
            while True:
                try:
                    held = stack.enter_context(self._held())
                    state = self._begin(held, delay)
                    break
                except LockLost as cause:  # nothing was sent yet
                    self.waits.tell(f"{cause}: waiting for another turn to send a request to {self.host}")
                    stack.close()
            try:
                yield Turn(self, state, url)
            finally:
                self._asked_at = time.monotonic()
                self._end(held, state, stack)

    def _begin(self, held: HeldState, delay: float | None) -> SiteState:
        """Wait until a request may be sent, and store that it is sent now."""
        state = held.load()
        state.follow_clock(self.now())
        try:
            self._count_late(state)
            self._refuse_while_shut(state)
            self.check_pause(state)
        except SiteDown:
            held.save(state)
            raise
        if delay is not None:
            state.delay = delay
        seconds = self._wait(state, max(state.delay, self._settings.delay), shared=held.lock.shared)
        self.waits.sleep(seconds, f"the next request to {self.host} is due then")
        state.pause = Span()
        state.asked_at, state.in_flight = self._store.now_at_latest(), True
        state.count(state.asked_at)
        held.save(state)
        return state

    def _end(self, held: HeldState, state: SiteState, lock: ExitStack) -> None:
        """Store that the response has begun, and what it was; also where the lock was lost meanwhile."""
        sent_at = state.asked_at
        state.asked_at, state.in_flight = self._store.now_at_latest(), False
        try:
            held.save(state)
        except LockLost:
            lock.close()
            with self._held() as again:
                newest = again.load()
                if newest.asked_at != sent_at:  # another process has sent a request since
                    if state.pause.left(self.now()) > newest.pause.left(self.now()):
                        newest.pause = state.pause
                    newest.asked_at = max(newest.asked_at, state.asked_at)
                    state = newest
                again.save(state)

    def now(self) -> float:
        """Seconds since 1970, by the clock that all processes share."""
        return self._store.now()

    def state(self) -> SiteState:
        """What is known about the site now, read without waiting for a turn."""
        return self._store.read()

    def requests_of_last_day(self) -> int:
        """Requests that all processes together sent in the last 24 hours, failed and redirected ones included."""
        return self.state().of_last_day(self.now())

    def confirm_refusals(self, record: Callable[[Refusal], None], before: float) -> None:
        """Record the refusals that came shortly before a good response; they count from now on.

        Older ones are dropped: whether they were answers cannot be known any more.

        Args:
            record: makes one durable.
            before: wall clock when the good response was requested.
        """
        with self._held() as held:
            state = held.load()
            for refusal in state.refusals:
                if state.may_confirm(refusal, before):
                    record(refusal)
            state.refusals = [refusal for refusal in state.refusals if refusal.at > before]
            held.save(state)

    def refuse(self, also: str) -> SiteRefuses:
        """Open the circuit since the site refuses us, and drop the refusals in a row: none of them was an answer.

        Args:
            also: what it refused besides, for the message.
        """
        with self._held() as held:
            state = held.load()
            seconds = self._open_circuit(state)
            refusals, state.refusals = state.refusals, []
            held.save(state)
        last = f", last {refusals[-1].status} for {refusals[-1].url}" if refusals else ""
        message = (
            f"{self.host} refused {len(refusals)} URLs in a row{last}, {also}: it refuses this crawler; "
            f"none of this is recorded; next request in {seconds:.0f} s. "
            "If it lasts, set OGAART_CONTACT and write to the site's operators"
        )
        self.waits.tell(message)
        return SiteRefuses(message, retry_after=max(seconds, self._pause_left(state)))

    def pause(self, state: SiteState, seconds: float) -> None:
        """Send nothing for ``seconds``; a longer pause already in force is kept."""
        now, seconds = self.now(), min(seconds, LONGEST_PAUSE)
        if seconds > state.pause.left(now):
            state.pause = Span(self._store.now_at_latest(), seconds)
        self._pause_until = max(self._pause_until, time.monotonic() + seconds)
        self.waits.tell(f"{self.host} requests a pause of {seconds:.0f} s")

    def check_pause(self, state: SiteState) -> None:
        """Refuse to wait for a pause longer than ``max_wait``.

        Raises:
            SiteDown: it is longer.
        """
        left = self._pause_left(state)
        if left > self._settings.max_wait:
            raise SiteDown(
                f"{self.host} wants no request for {left:.0f} s, OGAART_MAX_WAIT is {self._settings.max_wait:.0f} s: "
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
        seconds = self._open_circuit(state)
        message = f"{self.host} failed {state.failures} times in a row, last: {message}; next probe in {seconds:.0f} s"
        self.waits.tell(message)
        raise SiteDown(message, retry_after=max(seconds, self._pause_left(state)))

    def take_back(self, late: Late) -> None:
        """Take back the last turn's success; written down with the next turn, since the lock is no longer ours."""
        self._late = late

    def _held(self) -> AbstractContextManager[HeldState]:
        """Hold the host's lock; a long wait for another process is reported."""
        message = f"waiting for other processes that are sending requests to {self.host}"
        return self._store.held(lambda: self.waits.tell(message))

    def _open_circuit(self, state: SiteState) -> float:
        seconds: float = min(self._settings.circuit_seconds * 2.0**state.trips, LONGEST_SHUT)
        state.shut = Span(self._store.now_at_latest(), seconds)
        state.trips = min(state.trips + 1, 32)
        return seconds

    def _count_late(self, state: SiteState) -> None:
        if self._late is None:
            return
        late, self._late = self._late, None
        state.served = [served for served in state.served if served != late.url]
        if state.failures == 0:  # no other process had news since
            state.failures, state.failing, state.trips = late.failures, late.failing, late.trips
        if late.failed:
            self.count_failure(state, late.requested, "what came broke off, led elsewhere or was not what it should be")

    def _refuse_while_shut(self, state: SiteState) -> None:
        left = state.shut.left(self.now())
        if left > 0:
            why = f"failed {state.failures} times in a row" if state.failures else "refused everything"
            raise SiteDown(
                f"{self.host} {why}; no request is sent for another {left:.0f} s",
                retry_after=left,
            )

    def _pause_left(self, state: SiteState) -> float:
        return max(state.pause.left(self.now()), self._pause_until - time.monotonic())

    def _wait(self, state: SiteState, delay: float, *, shared: bool) -> float:
        """Seconds to sleep now; the pause is known to be short enough."""
        since_answer = delay if state.in_flight else Span(state.asked_at, delay).left(self.now())
        if state.in_flight and shared:  # its sender may live, and still be opening its connection
            since_answer = max(delay, Span(state.asked_at, self._settings.timeout_connect + delay).left(self.now()))
        own = self._asked_at + delay - time.monotonic()
        return max(since_answer, own, self._pause_left(state), 0.0)
