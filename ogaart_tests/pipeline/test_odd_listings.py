"""Result pages with odd rows: what is consistent is accepted, each odd row is a failure, other queries go on."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ogaart.demo.http import DemoResponse
from ogaart.demo.model import DemoContent
from ogaart.pipeline.discovery import Discovery, DiscoveryFailed, sweep
from ogaart.resources.storage.schema import FAILURES, SEARCH_RESULTS
from ogaart_tests.changing_site import ChangingSite
from ogaart_tests.pipeline.test_changing_site import PER_PAGE, entry
from ogaart_tests.world import World, open_world

Edit = Callable[[str, int], str]
LOGIN = '<html><body class="page-user"><form id="user-login" action="/user/login"></form></body></html>'


class Edited(ChangingSite):
    """A site whose result pages are edited before they are sent: ``edit(html, page)``."""

    rewrite: Edit = staticmethod(lambda html, _page: html)

    def answer(self, target: str) -> DemoResponse:
        found = super().answer(target)
        if target.startswith("/art-search-advanced"):
            found.body = self.rewrite(found.body.decode(), int(target.rpartition("page=")[2])).encode()
        return found


@contextmanager
def edited(folder: Path, edit: Edit, entries: int = 8) -> Iterator[World]:
    site = Edited(site=DemoContent([entry(n) for n in range(entries)]), per_page=PER_PAGE)
    site.rewrite = edit
    with open_world(folder, site, OGAART_BACKOFF="0.001", OGAART_ATTEMPTS="2") as world:
        query = f'[[query]]\nname = "2d-art"\nart_types = ["2D Art"]\nper_page = {PER_PAGE}\n'
        world.settings.queries.write_text(query)
        yield world


def swept(world: World) -> Discovery:
    stores = world.stores
    try:
        return sweep(stores, stores.queries["2d-art"], refresh=True)
    finally:
        stores.close()


def linked_elsewhere(html: str, _page: int) -> str:
    return html.replace('href="/content/entry-01"', 'href="/users/entry-01"')


def twice_on_its_page(html: str, page: int) -> str:
    return html.replace("/content/entry-01", "/content/entry-00") if page == 0 else html


def twice_on_two_pages(html: str, page: int) -> str:
    return html.replace("/content/entry-04", "/content/entry-00") if page == 1 else html


def counted_and_not_shown(html: str, page: int) -> str:
    return html.replace("views-row", "views-row-hidden", 1) if page == 0 else html


def last_page_without_rows(html: str, page: int) -> str:
    return html.replace("views-row", "views-row-hidden") if page == 2 else html


ODD = {
    "a row that links no entry": (linked_elsewhere, 7, "RowWithoutEntry"),
    "a row twice on its page": (twice_on_its_page, 7, "RowRepeated"),
    "a row twice on two pages": (twice_on_two_pages, 7, "RowRepeated"),
    "a row counted and not shown": (counted_and_not_shown, 7, "RowNotShown"),
    "a last page that shows none of its rows": (last_page_without_rows, 6, "RowNotShown"),
}


@pytest.mark.parametrize("case", ODD)
def test_a_small_gap_is_accepted_with_a_warning(case: str, tmp_path: Path) -> None:
    edit, entries, _ = ODD[case]
    with edited(tmp_path, edit) as world:
        found = swept(world)

    assert (found.sweep.total, len(found.sweep.slugs)) == (8, entries)
    assert len(found.warnings) == 8 - entries
    assert "odd results" in found.note()


@pytest.mark.slow
@pytest.mark.parametrize("case", ODD)
def test_each_odd_row_is_a_failure_and_the_others_are_read(case: str, tmp_path: Path) -> None:
    edit, entries, error = ODD[case]
    with edited(tmp_path, edit) as world:
        assert world.discover().exit_code == 0
        for _ in range(2):  # a second run keeps the rows as they are
            report = world.materialize(assets=("search_pages",))
        assert (report.exit_code, report.errors) == (0, [])
        tables = world.stores.tables
        failures = [
            row for key in tables.partitions(SEARCH_RESULTS) for row in tables.read(FAILURES, key, "search_pages")
        ]
        listed = {row["slug"] for key in tables.partitions(SEARCH_RESULTS) for row in tables.read(SEARCH_RESULTS, key)}

    assert [(row["error_class"], row["attempts"]) for row in failures] == [(error, 1)] * (8 - entries)
    assert len(listed) == entries


def test_an_entry_linked_by_its_number_has_the_name_that_its_page_states(tmp_path: Path) -> None:
    number = entry(1).nid
    with edited(tmp_path, lambda html, _: html.replace("/content/entry-01", f"/node/{number}")) as world:
        found = swept(world)
        requested = [request.path for request in world.site.requests]

    assert found.warnings == ()
    assert found.sweep.slugs == {one.slug for one in world.site.site.entries}
    assert requested.count(f"/node/{number}") == 1  # and stored: reading the entry needs no other request


def test_an_entry_whose_page_states_no_name_keeps_its_number(tmp_path: Path) -> None:
    with edited(tmp_path, lambda html, _: html.replace("/content/entry-01", "/node/999999")) as world:
        found = swept(world)

    assert "/node/999999" in found.sweep.slugs


def test_a_number_and_a_name_of_one_entry_are_one(tmp_path: Path) -> None:
    number = entry(1).nid
    with edited(tmp_path, lambda html, _: html.replace("/content/entry-00", f"/node/{number}")) as world:
        found = swept(world)

    assert len(found.sweep.slugs) == 7
    assert "'entry-01' is listed again" in found.warnings[0]


@pytest.mark.slow
def test_the_graph_over_entries_linked_by_number(tmp_path: Path) -> None:
    numbers = {n: entry(n).nid for n in (1, 6)}

    def edit(html: str, _page: int) -> str:
        for n, number in numbers.items():
            html = html.replace(f"/content/entry-0{n}", f"/node/{number}")
        return html

    with edited(tmp_path, edit) as world:
        world.all()
        found = world.sql("SELECT slug FROM entries WHERE status = 'ok' ORDER BY slug")
        images = world.sql("SELECT DISTINCT slug FROM images WHERE indexed ORDER BY slug")
        asked = [request.path for request in world.site.requests]

    assert found == images == [(f"entry-{n:02}",) for n in range(8)]
    assert len(asked) == len(set(asked)) + 2  # of the three result pages, whose paths are one


def test_a_gap_beyond_what_is_tolerated_is_refused(tmp_path: Path) -> None:
    with (
        edited(tmp_path, lambda html, _: html.replace('href="/content/', 'href="/users/'), 4) as world,
        pytest.raises(DiscoveryFailed, match=r"2d-art.*3 is tolerated"),
    ):
        swept(world)


def test_other_queries_go_on_and_the_failure_is_one_sentence(tmp_path: Path) -> None:
    with edited(tmp_path, lambda html, _: html if 'value="robot"' in html else LOGIN) as world:
        with world.settings.queries.open("a") as file:
            file.write('[[query]]\nname = "robots"\nkeys = "robot"\n')

        with pytest.raises(DiscoveryFailed) as raised:
            world.discover()
        kept = world.stores.sweeps.latest("robots")

    assert re.fullmatch(r"query 2d-art: .*: no element of class .* 1 other queries are done", str(raised.value))
    assert kept is not None


def test_a_recent_sweep_says_that_it_used_stored_pages_and_how_to_refetch(tmp_path: Path) -> None:
    with edited(tmp_path, lambda html, _: html) as world:
        [first] = world.discover().rows
        [second] = world.discover().rows
        [third] = world.discover(refresh=True).rows

    assert (first["note"], third["note"]) == ("", "")
    assert second["requests"] == 0
    assert re.match(r"3 of 3 result pages were not fetched.*`ogaart discover --refresh`", second["note"])
