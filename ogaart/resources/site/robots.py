"""What robots.txt allows and how long it wants us to wait; kept with its age, one file for each origin."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from filelock import FileLock
from protego import Protego

from ogaart.core.user_agent import PRODUCT
from ogaart.resources.site.errors import AttemptFailed, FetchFailed, SiteDown
from ogaart.resources.site.fetch_records import url_key
from ogaart.resources.storage.atomic_files import write_durably
from ogaart.resources.storage.lock_names import robots_lock

MAX_BYTES = 512 << 10
"""What is read of a robots.txt; RFC 9309 asks for 500 KiB at least."""


@dataclass(frozen=True)
class RobotsAnswer:
    """What the site answered when asked for its robots.txt: HTTP status and text."""

    status: int
    text: str


class Rules:
    """One robots.txt, as it concerns us."""

    def __init__(self, answer: RobotsAnswer, fetched_at: float) -> None:
        self.fetched_at = fetched_at
        self._rules = Protego.parse(answer.text if answer.status == 200 else "")

    def allow(self, url: str) -> bool:
        """Whether we may ask for ``url``."""
        return self._rules.can_fetch(url, PRODUCT)

    @property
    def delay(self) -> float:
        """Seconds between two requests that it asks for; 0 where it says nothing."""
        delay = self._rules.crawl_delay(PRODUCT) or 0.0
        rate = self._rules.request_rate(PRODUCT)
        if rate is not None and rate.requests > 0:
            delay = max(delay, rate.seconds / rate.requests)
        return delay


class Robots:
    """The rules of each origin; asks again when they are too old.

    Args:
        folder: where the answers are kept.
        max_age: seconds after which one is asked again.
        fetch: asks the site for the robots.txt at a URL, politely.
        clock: the wall clock.
    """

    def __init__(
        self,
        folder: Path,
        max_age: float,
        fetch: Callable[[str], RobotsAnswer],
        clock: Callable[[], float] = time.time,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._max_age = max_age
        self._fetch = fetch
        self._clock = clock
        self._known: dict[str, Rules] = {}

    def rules(self, url: str) -> Rules:
        """The rules in force for ``url``.

        Raises:
            SiteDown: robots.txt cannot be had or is refused to us, so nothing may be asked.
        """
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        rules = self._known.get(origin)
        if rules is None or not self._is_fresh(rules):
            rules = self._load(origin)
            if rules is None or not self._is_fresh(rules):
                with FileLock(robots_lock(self._path(origin))):
                    rules = self._load(origin)  # another process may have been quicker
                    if rules is None or not self._is_fresh(rules):
                        rules = self._ask(origin)
            self._known[origin] = rules
        return rules

    def stored(self, url: str) -> Rules | None:
        """The rules kept for ``url``, however old, without asking; None where none are kept."""
        parts = urlsplit(url)
        return self._load(f"{parts.scheme}://{parts.netloc}")

    def _is_fresh(self, rules: Rules) -> bool:
        # A time in the future is a clock that jumped back: ask rather than trust it.
        return 0 <= self._clock() - rules.fetched_at < self._max_age

    def _path(self, origin: str) -> Path:
        return self._folder / f"{url_key(origin)[:16]}.json"

    def _load(self, origin: str) -> Rules | None:
        try:
            kept = json.loads(self._path(origin).read_bytes())
            if kept["origin"] != origin:
                return None
            return Rules(RobotsAnswer(int(kept["status"]), str(kept["text"])), float(kept["fetched_at"]))
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def _ask(self, origin: str) -> Rules:
        url = f"{origin}/robots.txt"
        try:
            answer = self._fetch(url)
        except (AttemptFailed, FetchFailed) as error:
            raise SiteDown(f"{url} could not be read, so nothing may be asked of the site: {error}") from error
        if answer.status in (401, 403):
            raise SiteDown(
                f"{url} answered {answer.status}: the site refuses us; set OGAART_CONTACT and ask its keepers"
            )
        now = self._clock()
        kept = {"origin": origin, "fetched_at": now, "status": answer.status, "text": answer.text}
        write_durably(self._path(origin), json.dumps(kept).encode())
        return Rules(answer, now)
