"""An entry whose key changes on the site: one entry in search, the former key known, nothing downloaded twice."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ogaart.imaging.identity import image_id
from ogaart.operations.takedown import block
from ogaart.pipeline.renamed_entries import RenamedEntries, present_key
from ogaart.resources.moderation.takedowns import decide, read_decisions
from ogaart.resources.storage.rows import EntryRow
from ogaart.resources.storage.schema import SEARCH_RESULTS
from ogaart.search.engine import link_lookup
from ogaart.search.store.serving_store import ServingStore
from ogaart.sites.registry import open_site
from ogaart_tests.changing_site import ChangingSite
from ogaart_tests.pipeline.test_changing_site import Days, days, entry
from ogaart_tests.tables import open_tables
from ogaart_tests.tracing import AVAILABLE, opened

Change = Callable[[ChangingSite], None]


def unnamed(site: ChangingSite) -> None:
    """The site has no name for an entry yet: listings link its number, and its page states none."""
    found = site.site.entry("entry-01")
    found.slug, found.numbered = "/node/1", True


def named(site: ChangingSite) -> None:
    found = site.site.entry("/node/1")
    found.slug, found.numbered = "entry-01", False


def another_title(site: ChangingSite) -> None:
    site.site.entry("entry-01").slug = "a-better-name"


def nothing(_site: ChangingSite) -> None:
    """As it is."""


CASES: dict[str, tuple[Change, Change, str, str]] = {
    "a number gets a name": (unnamed, named, "/node/1", "entry-01"),
    "a name changes": (nothing, another_title, "entry-01", "a-better-name"),
}


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("case", CASES)
def test_an_entry_with_a_new_key_is_one_entry(tmp_path: Path, case: str) -> None:
    before, change, former, present = CASES[case]
    with days(tmp_path, entries=4) as week:
        before(week.site)
        week.day("the first day")
        history = week.world.sql(f"SELECT first_read_at FROM licence_history WHERE slug = '{former}'")
        pixels = week.world.sql(f"SELECT pixel_sha256, image_id FROM images WHERE slug = '{former}'")
        decide(week.world.stores.decisions, "entry", "/node/77", "another one")
        change(week.site)

        day = week.day("its key changes", lost=frozenset({former}))

        assert day["requests"] == 2 + 1  # the sweep and its page: not its files
        states = week.world.sql(f"SELECT slug, status FROM entries WHERE nid = 1 ORDER BY slug = '{present}'")
        assert states == [(former, "renamed"), (present, "ok")]
        assert week.world.sql(f"SELECT min(first_read_at) FROM licence_history WHERE slug = '{present}'") == history
        ids = {image_id(former, str(pixel)): image_id(present, str(pixel)) for pixel, _ in pixels}
        assert sorted(ids) == sorted(int(str(old)) for _, old in pixels)
        assert sorted(week.world.sql("SELECT image_id, new_image_id FROM renamed_images")) == sorted(ids.items())
        assert_served(week, former, present, ids)
        assert present_key(week.world.stores.tables, former) == present
        for lift in (False, True):
            assert block(week.world.settings, "entry", former, "by its former key", lift=lift).value == present
        assert week.day("nothing happens")["requests"] == 2


def assert_served(week: Days, former: str, present: str, ids: dict[int, int]) -> None:
    generation = week.world.generation
    store = ServingStore(generation.path, generation.number)
    try:
        assert {old: store.new_id(old) for old in ids} == ids
        base = week.world.settings.site
        link = f"{base}{former}" if former.startswith("/") else f"{base}/content/{former}"
        found = link_lookup.find(store, open_site(week.world.settings), link)
        assert found is not None
        assert found.entry == present or set(found.images) == set(ids.values())
    finally:
        store.close()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_entry_listed_by_two_names_is_one_and_stays_blocked(tmp_path: Path) -> None:
    with days(tmp_path, entries=2) as week:
        week.world.all()
        decide(week.world.stores.decisions, "entry", "entry-01", "its author wants that")
        twin = entry(1)
        twin.slug, twin.files = "Entry-01", week.site.site.entry("entry-01").files
        week.site.site.entries.append(twin)

        for _ in range(2):
            week.world.discover(refresh=True)
            assert week.world.materialize().errors == []
        week.world.publish()

        assert week.world.sql("SELECT slug, status FROM entries WHERE nid = 1 ORDER BY slug") == [
            ("Entry-01", "ok"),
            ("entry-01", "renamed"),
        ]
        assert read_decisions(week.world.stores.decisions).entries == ("entry-01", "Entry-01")
        assert week.searchable() == {"entry-00"}


def test_which_key_of_an_entry_stays(tmp_path: Path) -> None:
    def rows(*slugs: str, status: str = "ok") -> dict[str, EntryRow]:
        return {slug: {"slug": slug, "nid": 5, "status": status} for slug in slugs}

    def current(listed: set[str], own: dict[str, EntryRow], slug: str) -> str:
        return RenamedEntries(open_tables(tmp_path), "2d-art/0000", listed).current_key(slug, 5, own)

    assert current({"fox"}, rows("/node/5", "fox"), "/node/5") == "fox"
    assert current({"/node/5", "fox"}, rows("/node/5", "fox"), "/node/5") == "fox"
    assert current({"/node/5"}, rows("/node/5", "fox"), "fox") == "/node/5"  # its name was taken away
    assert current({"owl", "fox"}, rows("owl", "fox"), "owl") == "fox"
    assert current({"fox"}, rows("fox") | rows("owl", status="renamed"), "owl") == "fox"
    assert current({"owl"}, rows("fox") | rows("owl", status="renamed"), "owl") == "owl"  # it has its name again
    assert current({"owl"}, rows("owl") | rows("fox", status="deleted"), "owl") == "owl"


@pytest.mark.skipif(not AVAILABLE, reason="Linux' inotify")
def test_of_other_partitions_only_those_with_a_key_of_the_entry_are_read(tmp_path: Path) -> None:
    tables = open_tables(tmp_path)
    for number, slug in enumerate(("fox", "owl", "bee", "ant")):
        key = f"2d-art/{number:04}"
        tables.commit("search_pages", key, {"search_results": [{"slug": slug, "position": 0}]})
        nid = 1 if slug in {"fox", "bee"} else 10 + number
        tables.commit("content_pages", key, {"entries": [{"slug": slug, "nid": nid, "status": "ok"}]})
    own: dict[str, EntryRow] = {"fox": {"slug": "fox", "nid": 1, "status": "ok"}}

    with opened(tmp_path) as found:
        former = RenamedEntries(tables, "2d-art/0000", {"fox"}).former_keys("fox", 1, own)

    assert former == {"bee"}
    listings = tables.files(SEARCH_RESULTS)
    assert [path for path in listings if path.resolve() in {one.resolve() for one in found}] == [listings[2]]
