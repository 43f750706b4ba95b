"""Two replicas behind the proxy that is deployed, replaced one after the other while a publication is switched."""

import json
import os
import signal
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from ogaart.cli.demo_command import free_port
from ogaart.demo import plan
from ogaart.demo.model import DemoContent
from ogaart_tests.changing_site import ChangingSite
from ogaart_tests.deploy.proxy import proxy
from ogaart_tests.torture.service import serving
from ogaart_tests.ui import wait_until
from ogaart_tests.world import World, open_world

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1200)]


@dataclass
class Answers:
    """What came of searches for a word: the pictures that answers had together, and what failed."""

    found: set[frozenset[str]] = field(default_factory=set)
    failed: list[str] = field(default_factory=list)
    count: int = 0


@contextmanager
def searched(url: str) -> Iterator[Answers]:
    """Search all the time meanwhile, by three clients."""
    answers, stop = Answers(), threading.Event()

    def search() -> None:
        while not stop.wait(0.02):
            try:
                with urllib.request.urlopen(url, timeout=120) as response:
                    body = json.load(response)
            except OSError as cause:
                answers.failed.append(str(cause))
                continue
            answers.found.add(frozenset(hit["image_id"] for hit in body["hits"]))
            answers.count += 1

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def publish_newcomers(world: World, newcomers: DemoContent) -> None:
    """Let entries come to the site, and publish them."""
    for entry in newcomers.entries:
        world.site.add_entry(entry)
    for report in (world.discover(refresh=True), world.materialize(), world.publish()):
        assert report.errors == []


@contextmanager
def replica(world: World, port: int) -> Iterator[int]:
    """A search page at a port; yields its process."""
    with serving(world.settings.data, dict(os.environ), port) as (_, process, _):
        yield process


def _wait_for_more(answers: Answers) -> None:
    seen = answers.count
    wait_until(lambda: answers.count > seen + 20, 120, "more answers through the proxy")


def test_no_request_is_dropped_and_no_answer_mixes_two_publications(tmp_path: Path) -> None:
    entries = plan.load().by_age()[:6]
    newcomers = DemoContent([replace(entry, title=f"Rolling {entry.title}") for entry in entries[4:]])
    with ExitStack() as stack:
        world = stack.enter_context(open_world(tmp_path, ChangingSite(site=DemoContent(entries[:4]))))
        world.all()
        ports = (free_port(0), free_port(0))
        replicas = {port: stack.enter_context(replica(world, port)) for port in ports}
        url = stack.enter_context(proxy(tmp_path / "nginx", ports))
        with ExitStack() as replacements, searched(f"{url}/api/v1/search?q=rolling") as answers:
            _wait_for_more(answers)
            for port in ports:
                os.kill(replicas[port], signal.SIGTERM)
                os.waitpid(replicas[port], 0)
                if port == ports[0]:
                    publish_newcomers(world, newcomers)
                replacements.enter_context(replica(world, port))
                _wait_for_more(answers)
            wait_until(lambda: len(answers.found) == 2, 120, "an answer of each publication")
    assert answers.failed == []
    without, with_newcomers = sorted(answers.found, key=len)
    assert without == frozenset()
    assert len(with_newcomers) >= len(newcomers.entries)
