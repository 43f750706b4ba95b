"""A response of status 200 that is another page: another entry's, another query's results, HTML instead of a file."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from ogaart.core.stages import Stage
from ogaart.demo.http import DemoResponse
from ogaart.pipeline.discovery import DiscoveryFailed, sweep
from ogaart.resources.storage.rows import EntryRow
from ogaart.resources.storage.schema import ENTRIES, FAILURES, FILE_LINKS, RAW_FILES
from ogaart_tests.changing_site import ChangingSite
from ogaart_tests.pipeline.test_changing_site import entry
from ogaart_tests.pipeline.test_one_bad_answer import GOOD, KEY, Odd, failures, odd, pass_time, read, statuses, unread
from ogaart_tests.world import World

PAGE = "/content/entry-01"


def page_of(site: Odd, entry_slug: str, **changes: object) -> DemoResponse:
    """An entry's page, as the site would serve it with some fields changed."""
    found = site.site.entry(entry_slug)
    before = {name: getattr(found, name) for name in changes}
    for name, value in changes.items():
        setattr(found, name, value)
    try:
        return DemoResponse(200, site.pages.entry(found))
    finally:
        for name, value in before.items():
            setattr(found, name, value)


def rows(world: World) -> dict[str, EntryRow]:
    return {row["slug"]: row for row in world.stores.tables.read(ENTRIES, KEY)}


OTHERS: dict[str, Callable[[Odd], DemoResponse]] = {
    "another entry's page": lambda site: page_of(site, "entry-02"),
    "the page of another number": lambda site: page_of(site, "entry-01", nid=77),
    "a redirect to another entry": lambda _: DemoResponse(301, b"", headers={"Location": "/content/entry-02"}),
}


@pytest.mark.slow
@pytest.mark.parametrize("other", OTHERS)
def test_another_entrys_page_is_tried_again_and_loses_nothing(tmp_path: Path, other: str) -> None:
    with odd(tmp_path) as (site, world):
        before = world.stores.tables.read(ENTRIES, KEY)
        site.instead[PAGE] = OTHERS[other](site)
        asked = site.requests_for(PAGE)

        assert read(world, refresh=True).errors == ()
        assert site.requests_for(PAGE) - asked == 3  # OGAART_ATTEMPTS
        assert unread(world.stores.tables.read(ENTRIES, KEY)) == unread(before)
        assert failures(world) == [("OtherPage", 200)]

        del site.instead[PAGE]
        pass_time(world, timedelta(hours=7))
        read(world)
        assert (statuses(world), failures(world)) == (GOOD, [])
        assert rows(world)["entry-01"]["title"] == "Entry 1"


@pytest.mark.slow
def test_an_entry_whose_url_has_another_page_for_good_is_gone(tmp_path: Path) -> None:
    with odd(tmp_path) as (site, world):
        site.instead[PAGE] = OTHERS["another entry's page"](site)
        read(world, refresh=True)
        pass_time(world, timedelta(hours=7))

        assert read(world).errors == ()  # due by itself
        assert statuses(world) == GOOD | {"entry-01": "deleted"}
        assert failures(world) == [("Deleted", 200)]  # the listing shows it: it is requested again

        del site.instead[PAGE]
        pass_time(world, timedelta(hours=25))
        read(world)
        assert (statuses(world), failures(world)) == (GOOD, [])


@pytest.mark.slow
def test_a_page_of_another_kind_is_believed_the_second_time(tmp_path: Path) -> None:
    notice = b'<html><body><div class="node node-page view-mode-full">We are moving servers</div></body></html>'
    with odd(tmp_path) as (site, world):
        site.instead[PAGE] = DemoResponse(200, notice)
        assert read(world, refresh=True).errors == ()
        once = statuses(world), failures(world)
        pass_time(world, timedelta(hours=7))
        read(world)

        assert once == (GOOD, [("OtherPage", 200)])
        assert (statuses(world), failures(world)) == (GOOD | {"entry-01": "not_art"}, [])


@pytest.mark.slow
def test_a_page_that_lacks_files_licence_or_author_is_believed_the_second_time(tmp_path: Path) -> None:
    with odd(tmp_path) as (site, world):
        before = world.stores.tables.read(ENTRIES, KEY)
        links = world.stores.tables.read(FILE_LINKS, KEY)
        lacking: dict[str, dict[str, object]] = {
            "entry-00": {"licences": []}, "entry-01": {"files": []}, "entry-02": {"author": ""},
        }  # fmt: skip
        for slug, changes in lacking.items():
            site.instead[f"/content/{slug}"] = page_of(site, slug, **changes)
        assert read(world, refresh=True).errors == ()

        assert failures(world) == [("OtherPage", 200)] * 3
        assert unread(world.stores.tables.read(ENTRIES, KEY)) == unread(before)
        assert world.stores.tables.read(FILE_LINKS, KEY) == links

        pass_time(world, timedelta(hours=7))
        read(world)
        assert failures(world) == []
        assert (rows(world)["entry-00"]["licences"], rows(world)["entry-02"]["author"]) == ([], None)
        assert {row["slug"] for row in world.stores.tables.read(FILE_LINKS, KEY)} == {"entry-00", "entry-02"}


@pytest.mark.slow
def test_an_entry_posted_anew_under_its_name_is_believed_the_second_time(tmp_path: Path) -> None:
    with odd(tmp_path) as (site, world):
        site.edit("entry-01", nid=77, title="Posted again")
        read(world, refresh=True)
        once = rows(world)["entry-01"]["title"]
        pass_time(world, timedelta(hours=7))
        read(world)

        assert once == "Entry 1"
        assert (rows(world)["entry-01"]["title"], rows(world)["entry-01"]["nid"]) == ("Posted again", 77)
        assert failures(world) == []


@pytest.mark.slow
def test_an_entry_that_was_renamed_is_read_by_its_former_name(tmp_path: Path) -> None:
    with odd(tmp_path) as (site, world):
        site.instead["/content/entry-00"] = page_of(site, "entry-00", slug="other-name", title="An alias")
        site.instead[PAGE] = DemoResponse(301, b"", headers={"Location": "/content/new-name"})
        site.instead["/content/new-name"] = page_of(site, "entry-01", slug="new-name", title="Moved")

        assert read(world, refresh=True).errors == ()

        assert failures(world) == []
        assert [rows(world)[slug]["title"] for slug in ("entry-00", "entry-01")] == ["An alias", "Moved"]


@pytest.mark.slow
def test_a_first_reading_does_not_take_another_entrys_page(tmp_path: Path) -> None:
    with odd(tmp_path, entries=2) as (site, world):
        site.add_entry(entry(2))
        site.instead["/content/entry-02"] = page_of(site, "entry-00")
        world.discover(refresh=True)

        assert read(world).errors == ()
        assert statuses(world) == {"entry-00": "ok", "entry-01": "ok"}
        assert failures(world) == [("OtherPage", 200)]


@pytest.mark.slow
def test_html_in_the_place_of_a_file_without_a_length_is_tried_again(tmp_path: Path) -> None:
    error = DemoResponse(200, b"\n<!DOCTYPE html>\n<html><head><title>404</title></head><body>no</body></html>")
    with odd(tmp_path, entries=2) as (site, world):
        site.add_entry(entry(2))
        lengthless = ChangingSite.answer(site, "/content/entry-02")
        lengthless.body = lengthless.body.replace(b"; length=", b"; size=")
        site.instead["/content/entry-02"] = lengthless
        path = site.site.entry("entry-02").files[0].path
        site.instead[path] = error
        world.discover(refresh=True)

        read(world)
        [failure] = world.stores.tables.read(FAILURES, KEY, Stage.RAW_FILES)
        del site.instead[path]
        pass_time(world, timedelta(hours=2))
        read(world)

        assert (failure["error_class"], failure["next_try"] is not None) == ("UnexpectedContent", True)
        assert "a page of HTML" in failure["message"]
        assert {row["status"] for row in world.stores.tables.read(RAW_FILES, KEY)} == {"ok"}
        assert failures(world, Stage.RAW_FILES) == []


def other_listing(site: Odd, target: str, instead: tuple[str, str]) -> DemoResponse:
    return ChangingSite.answer(site, target.replace(*instead))


@pytest.mark.parametrize(
    "instead",
    [
        pytest.param(("field_art_type_tid%5B%5D=9", "keys=entry"), id="another query"),
        pytest.param(("sort_order=ASC", "sort_order=DESC"), id="another order"),
        pytest.param(("page=0", "page=1"), id="another page"),
    ],
)
def test_another_result_page_is_tried_again(tmp_path: Path, instead: tuple[str, str]) -> None:
    with odd(tmp_path, entries=5) as (site, world):
        stores = world.stores
        target = next(target for target in site.count() if target.endswith("page=0"))
        site.instead[target] = other_listing(site, target, instead)
        asked = site.requests_for(target)

        with pytest.raises(DiscoveryFailed, match=r"2d-art.*(another search|site answered another page)"):
            sweep(stores, stores.queries["2d-art"], refresh=True)
        tried = site.requests_for(target) - asked
        del site.instead[target]
        found = sweep(stores, stores.queries["2d-art"], refresh=True)

    assert tried == 3
    assert len(found.sweep.slugs) == 5


def test_a_search_redirected_to_another_one_is_not_its_answer(tmp_path: Path) -> None:
    with odd(tmp_path, entries=2) as (site, world):  # one page, which has no links to others
        stores = world.stores
        target = next(target for target in site.count() if target.endswith("page=0"))
        site.instead[target] = DemoResponse(302, b"", headers={"Location": "/art-search-advanced?keys=entry"})

        with pytest.raises(DiscoveryFailed, match=r"that of another search: .*keys=entry"):
            sweep(stores, stores.queries["2d-art"], refresh=True)
