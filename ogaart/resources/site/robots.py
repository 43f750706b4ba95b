"""What robots.txt allows and how long it wants us to wait; stored with its age, one fact for each origin."""

import codecs
import io
import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import requests
from protego import Protego

from ogaart.core.user_agent import PRODUCT
from ogaart.resources.site.body import BodyLimits, BodyTooLarge, body
from ogaart.resources.site.errors import AttemptFailed, FetchFailed, SiteDown, SiteRefuses
from ogaart.resources.site.fetch_record import url_key
from ogaart.resources.site.headers import announced_length, reason_of
from ogaart.resources.state.database import StateDatabase
from ogaart.resources.state.facts import Facts
from ogaart.resources.state.locks import exclusive
from ogaart.resources.storage.atomic_files import read_json
from ogaart.resources.storage.lock_names import robots_lock

KIND = FOLDER = "robots"
MAX_BYTES = 512 << 10
"""What is read of a robots.txt; RFC 9309 requires 500 KiB at least."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_LINE_ENDS = re.compile(r"\r\n?|[\v\f\x1c-\x1e\x85\u2028\u2029]")
_INVISIBLE = re.compile("[\ufeff\u200b-\u200d\u2060\x00]")
# Written by people, and as clear to us as to them: "User-agent: ogaart/1.0", "Crawl-delay: 10 s", "Crawl-delay: 2,5".
_VERSIONED_AGENT = re.compile(r"^([ \t]*user-?agent[ \t]*:[ \t]*[\w.-]+)/[^#\n]*", re.MULTILINE | re.IGNORECASE)
_DELAY = re.compile(
    r"^([ \t]*crawl-?delay[ \t]*:[ \t]*)(\d+)(?:[.,](\d+))?[ \t]*(?:s|secs?|seconds?)?\.?[ \t]*(?=#|$)",
    re.MULTILINE | re.IGNORECASE | re.ASCII,
)
_RATE = re.compile(r"(\d{1,9})[ \t]*/[ \t]*(\d{1,9})([smhd]?)", re.IGNORECASE | re.ASCII)
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400}
_RULE = re.compile(
    r"^[ \t]*(?:user-?agents?|disallow|crawl-?delay|request-?rate|visit-?time|sitemaps?|site-?map|noindex|"
    r"clean-?param|content-signal|content-usage)[ \t]*:",
    re.MULTILINE | re.IGNORECASE,
)


@dataclass(frozen=True)
class RobotsAnswer:
    """How the site answered the request for its robots.txt: HTTP status and text."""

    status: int
    text: str


def read_robots(response: requests.Response, seconds: float) -> RobotsAnswer:
    """The robots.txt that a response holds.

    Args:
        response: the response, its body unread.
        seconds: how long its body may take.

    Raises:
        AttemptFailed: it holds something else, such as a page of HTML, or not all of it.
    """
    url, status = response.url, response.status_code
    if 400 <= status < 500:
        return RobotsAnswer(status, "")
    if status != 200:
        raise AttemptFailed("HttpStatus", f"{url} answered {reason_of(response)}", status)
    content = io.BytesIO()
    whole = announced_length(response)
    try:
        for chunk in body(response, BodyLimits(MAX_BYTES, 0.0, 0.0, seconds)):
            content.write(chunk)
    except BodyTooLarge:
        whole = None  # the rest does not count
    if whole is not None and content.tell() < whole:
        raise AttemptFailed("Truncated", f"{url}: {content.tell():,} of {whole:,} bytes came", status)
    text = decode_robots(content.getvalue())
    if not is_robots(text):
        raise AttemptFailed("NotRobots", f"{url} is not a robots.txt: it begins {text.strip()[:60]!r}", status)
    return RobotsAnswer(200, text)


def decode_robots(content: bytes) -> str:
    """The text of a robots.txt, whatever its encoding and line ends; lines end with a line feed."""
    marked = ((mark, encoding) for mark, encoding in _MARKS if content.startswith(mark))
    mark, encoding = next(marked, (b"", _unmarked(content)))
    return _plain(content[len(mark) :].decode(encoding, "replace"))


def _plain(text: str) -> str:
    return _LINE_ENDS.sub("\n", _INVISIBLE.sub("", text))


def _standard(text: str) -> str:
    """The rules as the standard writes them: agents without versions, delays as plain numbers of seconds."""
    text = _VERSIONED_AGENT.sub(r"\1", text)
    return _with_longest_delays(_DELAY.sub(lambda found: f"{found[1]}{found[2]}.{found[3] or 0} ", text))


def _with_longest_delays(text: str) -> str:
    """The rules with the longest delay and the slowest rate of all groups of an agent in each of them.

    RFC 9309: all groups of an agent are one. The parser merges their paths, and takes the last delay.
    """
    lines = text.split("\n")
    groups: list[tuple[set[str], list[tuple[int, str, float]]]] = [(set(), [])]  # agents; line, field, seconds
    rules_began = True
    for number, line in enumerate(lines):
        name, _, value = line.partition("#")[0].partition(":")
        field, value = re.sub(r"[\s_-]+", "", name.lower()), value.strip()
        if field in {"", "sitemap", "host"}:
            continue
        if field == "useragent":
            if rules_began:
                groups.append((set(), []))
            groups[-1][0].add(value.lower())
        elif (seconds := _seconds(field, value)) is not None:
            groups[-1][1].append((number, field, seconds))
        rules_began = field != "useragent"
    longest: dict[tuple[str, str], tuple[float, str]] = {}
    for agents, delays in groups:
        for number, field, seconds in _slowest(delays):
            for agent in agents:
                longest[agent, field] = max(longest.get((agent, field), (-1.0, "")), (seconds, lines[number]))
    for agents, delays in groups:
        for field in {field for _, field, _ in delays}:
            line = max((longest[agent, field] for agent in agents), default=(0.0, ""))[1]
            for number, own, _ in delays:
                lines[number] = line if own == field else lines[number]
    return "\n".join(lines)


def _slowest(delays: list[tuple[int, str, float]]) -> list[tuple[int, str, float]]:
    """Of a group's delays and of its rates the longest each."""
    best: dict[str, tuple[int, str, float]] = {}
    for one in delays:
        best[one[1]] = max(best.get(one[1], one), one, key=lambda delay: delay[2])
    return list(best.values())


def _seconds(field: str, value: str) -> float | None:
    """Seconds between two requests that a rule requires; None where it is another rule, or no number."""
    if field == "crawldelay" and re.fullmatch(r"\d+(\.\d+)?", value, re.ASCII):
        return float(value)
    rate = _RATE.match(value) if field == "requestrate" else None
    if rate is None or int(rate[1]) == 0:
        return None
    return int(rate[2]) * _UNITS[rate[3].lower()] / int(rate[1])


def is_robots(text: str) -> bool:
    """Whether a text may be a robots.txt: it has no line but comments, or at least one with a rule's name.

    An error message such as ``Error: no database`` is none, and must not count as "all is allowed". Nor do ``Host``
    and ``Allow`` prove one: they are headers too, which servers print in their messages.
    """
    lines = [line for line in (line.strip() for line in text.split("\n")) if line and not line.startswith("#")]
    if not lines:
        return True
    return not lines[0].startswith("<") and _RULE.search("\n".join(lines)) is not None


def _unmarked(content: bytes) -> str:
    """The encoding of a text without a byte order mark: in UTF-16, every other byte of ASCII is zero."""
    even, odd = content[0:200:2].count(0), content[1:200:2].count(0)
    if max(even, odd) * 4 < len(content[:200]):
        return "utf-8"
    return "utf-16-be" if even > odd else "utf-16-le"


class Rules:
    """One robots.txt, as it concerns us."""

    def __init__(self, answer: RobotsAnswer, fetched_at: float) -> None:
        self.fetched_at = fetched_at
        self._rules = Protego.parse(_standard(_plain(answer.text)) if answer.status == 200 else "")

    def allow(self, url: str) -> bool:
        """Whether ``url`` may be requested."""
        return self._rules.can_fetch(url, PRODUCT)

    @property
    def delay(self) -> float:
        """Seconds between two requests that it requires; 0 where it states none."""
        delay = self._rules.crawl_delay(PRODUCT) or 0.0
        rate = self._rules.request_rate(PRODUCT)
        if rate is not None and rate.requests > 0:
            delay = max(delay, rate.seconds / rate.requests)
        return 0.0 if math.isnan(delay) else delay


class Robots:
    """The rules of each origin; read again when they are too old.

    Args:
        state: the database of state, in which they are stored.
        folder: where their locks are, and the files of versions before.
        max_age: seconds after which one is requested again.
        fetch: requests the robots.txt at a URL, politely.
        clock: the wall clock.
    """

    def __init__(
        self,
        state: StateDatabase,
        folder: Path,
        max_age: float,
        fetch: Callable[[str], RobotsAnswer],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._state = state
        self._facts = Facts(state, KIND)
        self._folder = folder
        self._max_age = max_age
        self._fetch = fetch
        self._clock = clock
        self._known: dict[str, Rules] = {}

    def rules(self, url: str) -> Rules:
        """The rules in force for ``url``.

        Raises:
            SiteDown: robots.txt cannot be read or is refused, so nothing may be requested.
        """
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        rules = self._known.get(origin)
        if rules is None or not self._is_fresh(rules):
            rules = self._load(origin)
            if rules is None or not self._is_fresh(rules):
                with exclusive(self._state, robots_lock(self._path(origin))):
                    rules = self._load(origin)  # another process may have been quicker
                    if rules is None or not self._is_fresh(rules):
                        rules = self._request(origin)
            self._known[origin] = rules
        return rules

    def stored(self, url: str) -> Rules | None:
        """The rules stored for ``url``, however old, without a request; None where there are none."""
        parts = urlsplit(url)
        return self._load(f"{parts.scheme}://{parts.netloc}")

    def _is_fresh(self, rules: Rules) -> bool:
        # A time in the future is a clock that jumped back: request it rather than trust it.
        return 0 <= self._clock() - rules.fetched_at < self._max_age

    def _path(self, origin: str) -> Path:
        return self._folder / f"{url_key(origin)[:16]}.json"

    def _load(self, origin: str) -> Rules | None:
        try:
            kept = self._stored(origin)
            answer = RobotsAnswer(int(str(kept["status"])), str(kept["text"]))
            if answer.status == 200 and not is_robots(_plain(answer.text)):
                return None
            return Rules(answer, float(str(kept["fetched_at"])))
        except (ValueError, KeyError, TypeError):
            return None

    def _stored(self, origin: str) -> dict[str, object]:
        kept = self._facts.read(origin)
        if kept is None:
            kept = read_json(self._path(origin))
        return kept if isinstance(kept, dict) and kept.get("origin") == origin else {}

    def _request(self, origin: str) -> Rules:
        url = f"{origin}/robots.txt"
        try:
            answer = self._fetch(url)
        except (AttemptFailed, FetchFailed) as error:
            raise SiteDown(f"{url} could not be read, so nothing may be requested: {error}") from error
        if answer.status in (401, 403):
            raise SiteRefuses(
                f"{url} answered {answer.status}: the site refuses this crawler; "
                "set OGAART_CONTACT and write to the site's operators"
            )
        now, before = self._clock(), self._stored(origin)
        missing = answer.status != 200 or _RULE.search(answer.text) is None
        if missing and before.get("status") == 200 and not before.get("missing"):
            # One answer, or an empty one, proves nothing: the rules are obeyed until a second one.
            answer = RobotsAnswer(200, str(before["text"]))
        kept = {"origin": origin, "fetched_at": now, "status": answer.status, "text": answer.text, "missing": missing}
        self._facts.write(origin, kept)
        return Rules(answer, now)
