"""A site that changes while it is read, and a robots.txt that comes, goes and changes its mind: the end is right."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ogaart.demo.http import DemoResponse
from ogaart.demo.model import DemoContent
from ogaart.operations.retry import FailureSelection, retry
from ogaart.pipeline.discovery import DiscoveryFailed, SweepRejected, sweep
from ogaart.resources.site.client import SiteDown
from ogaart_tests.changing_site import ChangingSite
from ogaart_tests.pipeline.test_changing_site import PER_PAGE, Days, entry
from ogaart_tests.world import World, open_world

LISTING = "/art-search-advanced"
ROBOTS = "User-agent: *\n"


class Restless(ChangingSite):
    """A site that does something before it answers; ``robots`` is its robots.txt, or the status it answers instead."""

    def __init__(self, entries: int) -> None:
        super().__init__(site=DemoContent([entry(n) for n in range(entries)]), per_page=PER_PAGE)
        self.robots: str | int = ROBOTS
        self.before: Callable[[str, int], str | None] = lambda _target, _nth: None
        self.asked = 0

    def answer(self, target: str) -> DemoResponse:
        """Do it; the target that it returns is answered instead."""
        if target == "/robots.txt":
            if isinstance(self.robots, int):
                return DemoResponse(self.robots, b"", "text/plain")
            return DemoResponse(200, self.robots.encode(), "text/plain")
        self.asked += 1
        return super().answer(self.before(target, self.asked) or target)

    @property
    def slugs(self) -> frozenset[str]:
        return frozenset(one.slug for one in self.site.entries)


@contextmanager
def restless(folder: Path, entries: int = 8, **environment: str) -> Iterator[tuple[Restless, World]]:
    site = Restless(entries)
    with open_world(
        folder, site, OGAART_BACKOFF="0.001", OGAART_ATTEMPTS="2", OGAART_CONFIRM_HOURS="0", **environment
    ) as world:
        query = f'[[query]]\nname = "2d-art"\nart_types = ["2D Art"]\nper_page = {PER_PAGE}\n'
        world.settings.queries.write_text(query)
        yield site, world


def once(nth: int, act: Callable[[], object]) -> Callable[[str, int], str | None]:
    """Act before the nth answer."""

    def before(_target: str, number: int) -> str | None:
        if number == nth:
            act()
        return None

    return before


def several(*acts: Callable[[], object]) -> Callable[[], object]:
    return lambda: [act() for act in acts]


def adding(site: Restless, *numbers: int) -> Callable[[], object]:
    """Add entries."""

    def act() -> None:
        for number in numbers:
            site.add_entry(entry(number))

    return act


def swept(world: World, *, refresh: bool = True) -> frozenset[str]:
    stores = world.stores
    try:
        return sweep(stores, stores.queries["2d-art"], refresh=refresh).sweep.slugs
    finally:
        stores.close()


CHANGES: dict[str, Callable[[Restless], Callable[[str, int], str | None]]] = {
    "an entry of a page already read is deleted": lambda s: once(2, lambda: s.delete("entry-01")),
    "an entry of a page not yet read is deleted": lambda s: once(2, lambda: s.delete("entry-06")),
    "an entry is added at the end": lambda s: once(2, adding(s, 50)),
    "a whole page is added": lambda s: once(3, adding(s, 50, 51, 52)),
    "the last page vanishes": lambda s: once(3, several(lambda: s.delete("entry-06"), lambda: s.delete("entry-07"))),
    "an entry is deleted and another added": lambda s: once(3, several(lambda: s.delete("entry-07"), adding(s, 50))),
    "a page comes twice": lambda s: lambda target, nth: target.replace("page=1", "page=0") if nth == 2 else None,
    "a page is left out": lambda s: lambda target, nth: target.replace("page=1", "page=2") if nth == 2 else None,
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_between_two_pages_is_noticed_and_the_sweep_read_again(change: str, tmp_path: Path) -> None:
    with restless(tmp_path) as (site, world):
        site.before = CHANGES[change](site)

        found = swept(world)

        assert found == site.slugs
        assert site.asked <= 8  # three or four pages, at most twice


def test_a_site_that_never_holds_still_is_refused_and_the_sweep_before_stays(tmp_path: Path) -> None:
    with restless(tmp_path) as (site, world):
        before = swept(world)

        def stir(target: str, nth: int) -> None:
            if "page=1" in target:
                site.delete(min(site.slugs))

        site.before = stir
        with pytest.raises(SweepRejected, match="2d-art"):
            swept(world)
        kept = world.stores.sweeps.latest("2d-art")
        assert kept is not None
        assert kept.slugs == before

        site.before = lambda _target, _nth: None
        assert swept(world) == site.slugs


@pytest.mark.parametrize("seed", range(12))
def test_whatever_changes_meanwhile_the_next_quiet_sweep_is_right(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    with restless(tmp_path, entries=chance.randrange(1, 12)) as (site, world):
        numbers = iter(range(100, 1000))

        def stir(target: str, _nth: int) -> str | None:
            roll = chance.random()
            if roll < 0.3 and site.slugs:
                site.delete(chance.choice(sorted(site.slugs)))
            elif roll < 0.6:
                site.add_entry(entry(next(numbers)))
            elif roll < 0.7:
                return target.replace("page=1", f"page={chance.randrange(4)}")
            return None

        site.before = stir
        for _ in range(3):
            try:
                swept(world)
            except DiscoveryFailed:
                continue
        site.before = lambda _target, _nth: None

        assert swept(world) == site.slugs
        kept = world.stores.sweeps.latest("2d-art")
        assert kept is not None
        assert kept.total == len(site.slugs)


@pytest.mark.parametrize(
    "robots", [f"User-agent: *\nDisallow: {LISTING}\n", "User-agent: ogaart\nDisallow: /\n", 500, 403]
)
def test_a_robots_txt_that_forbids_or_fails_prevents_every_request(robots: str | int, tmp_path: Path) -> None:
    with restless(tmp_path, OGAART_ROBOTS_HOURS="0") as (site, world):
        site.robots = robots
        with pytest.raises((SiteDown, RuntimeError)) as raised:
            swept(world)
        assert "robots.txt" in str(raised.value)
        assert site.asked == 0

        site.robots = ROBOTS
        assert swept(world) == site.slugs


def test_without_a_robots_txt_everything_may_be_requested(tmp_path: Path) -> None:
    with restless(tmp_path) as (site, world):
        site.robots = 404
        assert swept(world) == site.slugs


def test_rules_that_change_in_the_middle_of_a_sweep_hold_from_then_on(tmp_path: Path) -> None:
    with restless(tmp_path, OGAART_ROBOTS_HOURS="0") as (site, world):
        site.before = once(2, lambda: setattr(site, "robots", f"User-agent: *\nDisallow: {LISTING}\n"))
        with pytest.raises((SiteDown, RuntimeError), match=r"robots\.txt"):
            swept(world)
        assert site.asked == 2
        assert world.stores.sweeps.latest("2d-art") is None

        site.robots = ROBOTS
        assert swept(world, refresh=False) == site.slugs
        assert site.asked == 3  # what was read before is recent enough


@pytest.mark.slow
def test_the_graph_waits_for_a_site_that_refuses_and_then_has_everything(tmp_path: Path) -> None:
    """Forbidden while files are fetched, failing while pages are: what was there stays in service, and all comes."""
    with restless(tmp_path, entries=4, OGAART_ROBOTS_HOURS="0") as (site, world):
        days = Days(world)
        world.all()
        days.exact()
        before = days.searchable()
        for number in (60, 61, 62):
            site.add_entry(entry(number))

        for refusal in ("User-agent: *\nDisallow: /sites/\n", 503, "User-agent: *\nDisallow: /content/\n"):
            site.robots = ROBOTS
            assert world.discover(refresh=True).exit_code == 0
            site.robots = refusal
            world.materialize()
            world.publish()
            assert before <= days.searchable()
        site.robots = ROBOTS
        assert world.discover(refresh=True).exit_code == 0
        forbidden = retry(
            world.settings, world.quiet(), FailureSelection(error_class="RobotsDisallowed")
        )  # or in an hour
        assert (forbidden.errors, forbidden.exit_code) == ([], 0)
        world.all()

        days.exact()


def test_an_invalid_page_is_fetched_again_before_it_is_stale(tmp_path: Path) -> None:
    with restless(tmp_path, entries=4) as (site, world):
        assert world.discover().exit_code == 0
        stores = world.stores
        url = stores.site_rules.listing_url(stores.queries["2d-art"], 1)
        site.before = lambda target, _nth: target.replace("page=1", "page=0")
        stores.site.get(url, refresh=True, page=True)
        stores.close()
        assert world.materialize(["2d-art/0001"], ("search_pages",)).exit_code != 0

        site.before = lambda _target, _nth: None
        assert world.materialize(["2d-art/0001"], ("search_pages",)).exit_code == 0


@pytest.mark.slow
def test_the_graph_over_a_site_that_changes_at_every_step(tmp_path: Path) -> None:
    chance = random.Random(7)
    with restless(tmp_path, entries=7) as (site, world):
        days = Days(world, accepts=True)
        numbers = iter(range(200, 300))

        def stir(_target: str, _nth: int) -> None:
            if chance.random() < 0.12:
                site.delete(chance.choice(sorted(site.slugs)))
                site.add_entry(entry(next(numbers)))

        site.before = stir
        for _ in range(2):
            world.discover(refresh=True)
            world.materialize()
            world.publish()
        site.before = lambda _target, _nth: None
        days.day("calm at last")
