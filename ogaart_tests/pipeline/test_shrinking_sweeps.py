"""A search that finds far fewer entries than before is out of order, until another sweep finds the same hours later."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from ogaart.demo.http import DemoResponse
from ogaart.demo.model import DemoContent, DemoEntry
from ogaart.pipeline import acceptance
from ogaart.pipeline.discovery import MANY, Discovery, DiscoveryFailed, sweep
from ogaart.resources.site.client import FetchFailed
from ogaart_tests.changing_site import ChangingSite
from ogaart_tests.pipeline.test_changing_site import FIRST_POST
from ogaart_tests.world import World, open_world

PER_PAGE = 30
NOTHING = "/art-search-advanced?keys=nothing-of-that-name"


def plain(number: int) -> DemoEntry:
    """An entry without files."""
    posted = FIRST_POST + timedelta(days=number)
    return DemoEntry(f"entry-{number:02d}", 1 + number, f"Entry {number}", "Ada", posted, ["CC0"])


class Shrinking(ChangingSite):
    """A site whose search finds nothing for the pages from ``empty_from`` on."""

    empty_from: int | None = None

    def answer(self, target: str) -> DemoResponse:
        is_listing = target.startswith("/art-search-advanced")
        is_empty = is_listing and self.empty_from is not None and int(target.rpartition("=")[2]) >= self.empty_from
        return super().answer(NOTHING if is_empty else target)


@contextmanager
def shrinking(folder: Path, entries: int = MANY + 10) -> Iterator[tuple[Shrinking, World]]:
    site = Shrinking(site=DemoContent([plain(n) for n in range(entries)]), per_page=PER_PAGE)
    with open_world(folder, site, OGAART_BACKOFF="0.001", OGAART_ATTEMPTS="2") as world:
        query = f'[[query]]\nname = "2d-art"\nart_types = ["2D Art"]\nper_page = {PER_PAGE}\n'
        world.settings.queries.write_text(query)
        yield site, world


def swept(world: World) -> Discovery:
    stores = world.stores
    try:
        return sweep(stores, stores.queries["2d-art"], refresh=True)
    finally:
        stores.close()


def hours_pass(world: World, hours: float) -> None:
    sweeps = world.stores.sweeps
    known = sweeps.latest("2d-art")
    assert known is not None
    assert known.fewer_at is not None
    sweeps.store(replace(known, fewer_at=known.fewer_at - timedelta(hours=hours)))


def test_a_search_that_finds_nothing_all_at_once_is_not_believed(tmp_path: Path) -> None:
    with shrinking(tmp_path) as (site, world):
        whole = swept(world).sweep.slugs
        site.empty_from = 0
        for _ in range(2):
            with pytest.raises(
                DiscoveryFailed, match=r"counts 0 entries, it counted 60 .* if a sweep from .* finds them"
            ):
                swept(world)
        during = world.stores.sweeps.latest("2d-art")
        site.empty_from = None
        well = swept(world).sweep

    assert during is not None
    assert during.slugs == whole == well.slugs
    assert well.fewer_at is None


def test_what_another_sweep_finds_hours_later_counts(tmp_path: Path) -> None:
    with shrinking(tmp_path) as (site, world):
        swept(world)
        site.site.entries[:] = site.site.entries[:5]
        with pytest.raises(DiscoveryFailed):
            swept(world)
        hours_pass(world, 7)

        assert len(swept(world).sweep.slugs) == 5


@pytest.mark.parametrize("left", [MANY + 10 - MANY, 31])
def test_fewer_entries_that_are_few_or_not_half_are_believed(tmp_path: Path, left: int) -> None:
    with shrinking(tmp_path) as (site, world):
        swept(world)
        site.site.entries[:] = site.site.entries[:left]

        assert len(swept(world).sweep.slugs) == left


def test_a_query_that_was_narrowed_finds_fewer(tmp_path: Path) -> None:
    with shrinking(tmp_path) as (_, world):
        swept(world)
        world.settings.queries.write_text('[[query]]\nname = "2d-art"\ntitle = "Entry 7"\n')

        assert swept(world).sweep.slugs == {"entry-07"}


def test_a_result_page_without_results_is_not_accepted_where_a_sweep_found_some(tmp_path: Path) -> None:
    with shrinking(tmp_path, entries=8) as (site, world):
        site.empty_from = 0
        stores = world.stores
        query = stores.queries["2d-art"]
        url = stores.site_rules.listing_url(query, 0)

        with pytest.raises(FetchFailed, match="the last sweep found 8 there"):
            stores.site.get(url, page=True, accept=acceptance.listing(stores.site_rules, query, 0, swept=8))
        assert stores.site.get(url, page=True, accept=acceptance.listing(stores.site_rules, query, 0, swept=3))
