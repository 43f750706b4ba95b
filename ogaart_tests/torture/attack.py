"""Everything that can be done to the search service from outside, while well-behaved visitors go on using it.

Attackers and visitors come from addresses of their own (127.0.0.x), so that what counts by client is put to the test.
"""

import asyncio
import http.client
import itertools
import json
import random
import statistics
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import psutil

from ogaart_tests.torture.malformed import HOST, Malformed

ANSWER_SECONDS = 15.0
PATIENCE = 2.0
SLOWEST_BUSY = 3.0
"""Seconds within which a 503 must come, all attackers and visitors being on the same few cores."""
SLOWEST_VISIT = 3.0
"""Seconds that 19 of 20 visits may take at most."""
MOST_BYTES = 900 << 20
"""Resident memory that the service may gain: all uploads kept (256 MiB), all being received, and threads' own."""
PART = b'--b\r\nContent-Disposition: form-data; name="picture"; filename="a"\r\n\r\n'
WORDS = ("alien", "coin", "lava", "stone", "blob", "robot", "tank")


@dataclass(frozen=True)
class Force:
    """How hard it is attacked.

    Attributes:
        malformed: broken requests.
        drips: clients that send a picture a byte at a time.
        floods: clients that send bodies without end.
        heads: clients that send a head a byte at a time.
        readers: clients that send requests and do not read.
        seconds: how long these go on.
        crowd: clients that all search at once.
        crowd_seconds: how long these go on.
    """

    malformed: int = 6_000
    drips: int = 60
    floods: int = 20
    heads: int = 100
    readers: int = 40
    seconds: float = 20.0
    crowd: int = 200
    crowd_seconds: float = 10.0


@dataclass
class Attacked:
    """What came of it.

    Attributes:
        malformed: answers to broken requests, by status; 0: the connection was closed without one.
        slow: answers to slow and endless bodies, by status.
        crowd: answers to the crowd, by status.
        busy: seconds until each answer 503.
        visits: seconds of each well-behaved request while the service was under attack, by kind of attack.
        crowded: seconds of those that were answered by 200 while the crowd was there.
        gained: bytes of resident memory that the service gained at most.
        held: connections that were still held some seconds after all attackers had let go or been cut off.
        problems: what is not as promised.
    """

    malformed: Counter[int] = field(default_factory=Counter)
    slow: Counter[int] = field(default_factory=Counter)
    crowd: Counter[int] = field(default_factory=Counter)
    busy: list[float] = field(default_factory=list)
    visits: list[float] = field(default_factory=list)
    crowded: list[float] = field(default_factory=list)
    gained: int = 0
    held: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def failures(self) -> int:
        """Answers that no request may get: 500 and its like, but for 503."""
        counts = (self.malformed, self.slow, self.crowd)
        return sum(number for seen in counts for status, number in seen.items() if status >= 500 and status != 503)


class Visitors:
    """Well-behaved visitors and the operator's eye on memory; use it as a context manager."""

    def __init__(self, port: int, pid: int, count: int) -> None:
        self._port, self._service = port, psutil.Process(pid)
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._visit, args=(n,), daemon=True) for n in range(count)]
        self._threads.append(threading.Thread(target=self._weigh, daemon=True))
        self._start = self._service.memory_info().rss
        self.seconds: list[float] = []
        self.statuses: Counter[tuple[str, int]] = Counter()
        self.complaints: list[str] = []
        self.gained = 0

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _visit(self, number: int) -> None:
        chance = random.Random(number)
        own = (f"127.0.1.{number + 1}", 0)
        known = ["0"]
        while not self._stop.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60, source_address=own)
            try:
                for _ in range(20):
                    if self._stop.wait(0.05):
                        break
                    known = self._one(connection, chance, known)
            except (OSError, http.client.HTTPException) as error:
                self.complaints.append(f"a visitor: {type(error).__name__}: {error}")
            finally:
                connection.close()

    def _one(self, connection: http.client.HTTPConnection, chance: random.Random, known: list[str]) -> list[str]:
        kind = chance.choice(("words", "words", "like", "thumb", "thumb", "health"))
        path = {
            "words": f"/api/v1/search?q={chance.choice(WORDS)}",
            "like": f"/api/v1/search?like={chance.choice(known)}",
            "thumb": f"/thumb/{chance.choice(known)}.webp",
            "health": "/healthz",
        }[kind if known != ["0"] else "words"]
        began = time.monotonic()
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status == 200:
            self.seconds.append(time.monotonic() - began)
        self.statuses[kind if kind in ("thumb", "health") else "search", answer.status] += 1
        if answer.status == 200 and path.startswith("/api"):
            return [hit["image_id"] for hit in json.loads(body)["hits"]] or known
        return known

    def _weigh(self) -> None:
        while not self._stop.wait(0.1):
            with suppress(psutil.NoSuchProcess):
                self.gained = max(self.gained, self._service.memory_info().rss - self._start)

    def held(self) -> int:
        """Connections that the service holds from attackers' addresses."""
        return sum(
            1 for c in self._service.net_connections("tcp") if c.raddr and c.raddr.ip.startswith("127.0.2.")
        )  # fmt: skip


class Attack:
    """The attackers, on one event loop.

    Args:
        port: the service's, on loopback.
        seed: of every choice.
        force: how hard.
    """

    def __init__(self, port: int, seed: int, force: Force) -> None:
        self._port, self._force, self._seed = port, force, seed
        self._numbers = itertools.count()
        self.seen = Attacked()

    async def _open(self, number: int | None = None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        number = next(self._numbers) if number is None else number
        own = (f"127.0.2.{number % 200 + 1}", 0)
        return await asyncio.open_connection("127.0.0.1", self._port, local_addr=own)

    async def _status(self, reader: asyncio.StreamReader) -> int:
        """Status of the answer; 0 if the connection ends without one, -1 if nothing comes at all."""
        try:
            line = await asyncio.wait_for(reader.readline(), ANSWER_SECONDS)
            return int(line.split(b" ")[1]) if line.startswith(b"HTTP/1.1 ") else 0
        except TimeoutError:
            return -1
        except (OSError, ValueError):
            return 0

    async def _told(self, raw: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
        """Status for a request, whose end is told where the service waits for more of it."""
        with suppress(OSError):
            writer.write(raw)
        answer = asyncio.ensure_future(self._status(reader))
        await asyncio.wait({answer}, timeout=PATIENCE)
        if not answer.done():
            with suppress(OSError):
                writer.write_eof()
        return await answer

    async def malformed(self) -> None:
        """Broken requests, some at a time."""
        make, left = Malformed(self._seed), iter(range(self._force.malformed))

        async def send() -> None:
            for _ in left:
                raw = make()
                reader, writer = await self._open()
                status = await self._told(raw, reader, writer)
                self.seen.malformed[status] += 1
                if status >= 500 and status != 503:
                    body = await asyncio.wait_for(reader.read(3000), ANSWER_SECONDS)
                    self.seen.problems.append(f"{status} for {raw[:300]!r}: {body[-200:]!r}")
                if status == -1:
                    self.seen.problems.append(f"no answer within {ANSWER_SECONDS:g} s for {raw[:300]!r}")
                writer.transport.abort()

        await asyncio.gather(*(send() for _ in range(32)))

    async def slow(self) -> None:
        """Everything that takes its time or has no end, together."""
        force = self._force
        kinds: list[tuple[int, Callable[[float], Awaitable[None]]]] = [
            (force.drips, self._drip), (force.floods, self._flood), (force.heads, self._head),
            (force.readers, self._deaf),
        ]  # fmt: skip
        until = time.monotonic() + force.seconds
        await asyncio.gather(*(one(until) for count, one in kinds for _ in range(count)))

    async def _drip(self, until: float) -> None:
        """A picture of 5 MB, a byte at a time; from few addresses, and again when refused."""
        while time.monotonic() < until:
            reader, writer = await self._open(next(self._numbers) % 12)
            with suppress(OSError):
                head = b"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 5000000\r\n\r\n"
                writer.write(b"POST /api/v1/search HTTP/1.1\r\n" + HOST + head + PART)
                answer = asyncio.ensure_future(reader.readline())
                while not answer.done() and time.monotonic() < until:
                    writer.write(b"-")
                    await writer.drain()
                    await asyncio.wait({answer}, timeout=0.5)
                self._note(answer)
            writer.transport.abort()
            await asyncio.sleep(1)

    async def _flood(self, until: float) -> None:
        """A body without end, as fast as it goes, answered or not."""
        block = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
        while time.monotonic() < until:
            reader, writer = await self._open()
            answer = asyncio.ensure_future(reader.readline())
            with suppress(OSError):
                head = b"Content-Type: multipart/form-data; boundary=b\r\nTransfer-Encoding: chunked\r\n\r\n"
                writer.write(b"POST /search HTTP/1.1\r\n" + HOST + head)
                writer.write(b"%x\r\n" % len(PART) + PART + b"\r\n")
                while time.monotonic() < until:
                    writer.write(block)
                    await writer.drain()
                    await asyncio.sleep(0.01 if answer.done() else 0)  # there are visitors on these cores too
            self._note(answer)
            writer.transport.abort()

    async def _head(self, until: float) -> None:
        """A head without end, a byte at a time."""
        while time.monotonic() < until:
            reader, writer = await self._open()
            writer.write(b"GET /search?q=")
            with suppress(OSError):
                while time.monotonic() < until and not reader.at_eof():
                    writer.write(b"a")
                    await writer.drain()
                    await asyncio.sleep(0.5)
            writer.transport.abort()

    async def _deaf(self, until: float) -> None:
        """Pages requested by the hundred, none of them read."""
        _, writer = await self._open()
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        with suppress(OSError):
            writer.write((b"GET /search?q=alien HTTP/1.1\r\n" + HOST + b"\r\n") * 300)
            await asyncio.sleep(max(0.0, until - time.monotonic()))
        writer.transport.abort()

    def _note(self, answer: "asyncio.Future[bytes]") -> None:
        if not answer.done():
            answer.cancel()
            return
        with suppress(OSError, IndexError, ValueError):
            self.seen.slow[int(answer.result().split(b" ")[1])] += 1

    async def crowd(self) -> None:
        """Searches of many at once, each as soon as the one before is answered."""
        until = time.monotonic() + self._force.crowd_seconds

        async def search(number: int) -> None:
            chance = random.Random(number)
            while time.monotonic() < until:
                reader, writer = await self._open(number)
                with suppress(OSError):
                    for _ in range(50):
                        if time.monotonic() > until:
                            break
                        began = time.monotonic()
                        target = f"/search?q={chance.choice(WORDS)}&page={chance.randrange(1, 4)}"
                        writer.write(f"GET {target} HTTP/1.1\r\n".encode() + HOST + b"\r\n")
                        status, retry = await self._whole(reader)
                        self.seen.crowd[status] += 1
                        if status == 503:
                            self.seen.busy.append(time.monotonic() - began)
                            if not retry:
                                self.seen.problems.append("a 503 without Retry-After")
                            await asyncio.sleep(0.2)
                        if status <= 0:
                            break
                writer.transport.abort()

        await asyncio.gather(*(search(number) for number in range(self._force.crowd)))

    async def _whole(self, reader: asyncio.StreamReader) -> tuple[int, bool]:
        status = await self._status(reader)
        length, retry = 0, False
        while (line := await reader.readline()) not in (b"\r\n", b""):
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
            retry = retry or name.lower() == b"retry-after"
        await reader.readexactly(length)
        return status, retry


def attack(port: int, pid: int, seed: int, force: Force, *, visitors: int = 4) -> Attacked:
    """Attack the service on ``port``, whose process is ``pid``, and judge how it bears it."""
    with Visitors(port, pid, visitors) as those:
        attackers = Attack(port, seed, force)
        seen = attackers.seen
        time.sleep(1)
        for way in (attackers.malformed, attackers.slow):
            asyncio.run(way())
        seen.visits = those.seconds[:]
        refused = {key: count for key, count in those.statuses.items() if key[1] != 200}
        if refused:
            seen.problems.append(f"visitors were refused while attackers were slow or broken: {refused}")
        asyncio.run(attackers.crowd())
        seen.crowded = those.seconds[len(seen.visits) :]
        refused = {key: count for key, count in those.statuses.items() if key[1] != 200 and key[0] != "search"}
        if refused:
            seen.problems.append(f"visitors got no thumbnails, or the operator no word, in the crowd: {refused}")
        seen.held = _let_go(those)
        seen.gained = those.gained
        seen.problems += sorted(set(those.complaints))
    _judge(seen, those)
    return seen


def _let_go(those: Visitors) -> int:
    """Connections that are held some seconds after the last attacker went."""
    until = time.monotonic() + 20
    while (held := those.held()) and time.monotonic() < until:
        time.sleep(0.5)
    return held


def _judge(seen: Attacked, those: Visitors) -> None:
    for name, counts in (("slow bodies", seen.slow), ("the crowd", seen.crowd)):
        if bad := {status: count for status, count in counts.items() if status >= 500 and status != 503}:
            seen.problems.append(f"{name}: {bad}")
    if p95(seen.visits) > SLOWEST_VISIT:
        seen.problems.append(f"a visit in twenty took more than {p95(seen.visits):.2f} s under attack")
    if seen.busy and max(seen.busy) > SLOWEST_BUSY + 10:  # the longest wait in the line is ten seconds
        seen.problems.append(f"a 503 took {max(seen.busy):.2f} s")
    if seen.gained > MOST_BYTES:
        seen.problems.append(f"the service gained {seen.gained >> 20} MiB")
    if seen.held:
        seen.problems.append(f"{seen.held} connections of attackers are still held")
    if not those.statuses["health", 200]:
        seen.problems.append("the operator was told nothing")


def p95(seconds: list[float]) -> float:
    """What 19 of 20 do not exceed."""
    return statistics.quantiles(seconds, n=20)[-1] if len(seconds) > 1 else 0.0
