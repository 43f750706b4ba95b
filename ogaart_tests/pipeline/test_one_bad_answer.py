"""One bad answer is not the truth: what was read before stays until the site has proven otherwise."""

import dataclasses
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ogaart.core.stages import SITE_STAGES, Stage
from ogaart.definitions import defs
from ogaart.demo.http import DemoResponse
from ogaart.demo.model import DemoContent
from ogaart.operations.retry import FailureSelection, retry
from ogaart.orchestration.instance import Outcome, open_instance, run_job
from ogaart.orchestration.partition_status import partition_statuses
from ogaart.pipeline.refresh_tags import RefreshRequest
from ogaart.resources.storage.rows import EntryRow, FailureRow, LicenceHistoryRow
from ogaart.resources.storage.schema import ENTRIES, FAILURES, LICENCE_HISTORY, RAW_FILES
from ogaart_tests.changing_site import ChangingSite
from ogaart_tests.pipeline.test_changing_site import PER_PAGE, entry, picture
from ogaart_tests.world import World, open_world

KEY = "2d-art/0000"
LOG_IN = b"<!DOCTYPE html><html><head><title>Log in</title></head><body><form id='user-login'></form></body></html>"


class Odd(ChangingSite):
    """A site with other answers in place of some; ``refuses_after`` is the request from which it answers 403."""

    def __init__(self, entries: int) -> None:
        super().__init__(site=DemoContent([entry(n) for n in range(entries)]), per_page=PER_PAGE)
        self.instead: dict[str, DemoResponse] = {}
        self.refuses_after: int | None = None

    def answer(self, target: str) -> DemoResponse:
        if self.refuses_after is not None:
            self.refuses_after -= 1
            if self.refuses_after < 0:
                return DemoResponse(403, b"Forbidden", "text/plain")
        return self.instead.get(target) or super().answer(target)

    def requests_for(self, target: str) -> int:
        return self.count()[target]


@contextmanager
def odd(folder: Path, entries: int = 3, **environment: str) -> Iterator[tuple[Odd, World]]:
    site = Odd(entries)
    quick = {"OGAART_BACKOFF": "0.001", "OGAART_ATTEMPTS": "3", "OGAART_CIRCUIT_SECONDS": "0.01", **environment}
    with open_world(folder, site, **quick) as world:
        query = f'[[query]]\nname = "2d-art"\nart_types = ["2D Art"]\nper_page = {PER_PAGE}\n'
        world.settings.queries.write_text(query)
        world.discover()
        assert read(world).errors == ()
        yield site, world


def read(world: World, *, refresh: bool = False, due: datetime | None = None) -> Outcome:
    """Run the stages that read the site on the first partition."""
    request = RefreshRequest(due or datetime.now(UTC), due=due is not None)
    with open_instance(world.settings) as instance:
        return run_job(
            instance,
            defs(),
            None,
            partition=KEY,
            assets=[stage.value for stage in SITE_STAGES],
            tags=request.tags() if refresh or due else {},
        )


def pass_time(world: World, passed: timedelta) -> None:
    """Let failures and fetch records be older, as if time had passed."""
    with closing(world.stores) as stores:
        for record in stores.fetch_records.all():
            older = dataclasses.replace(
                record, fetched_at=record.fetched_at - passed, checked_at=record.checked_at - passed
            )
            stores.fetch_records.write(older)
    tables = world.stores.tables
    for stage in SITE_STAGES:
        rows: list[FailureRow] = []
        for row in tables.read(FAILURES, KEY, stage):
            due = row["next_try"]
            rows.append(
                {
                    **row,
                    "first_at": row["first_at"] - passed,
                    "last_at": row["last_at"] - passed,
                    "next_try": due - passed if due is not None else None,
                }
            )
        if rows:
            tables.commit(stage, KEY, {FAILURES.name: rows})


def statuses(world: World) -> dict[str, str]:
    return {row["slug"]: row["status"] for row in world.stores.tables.read(ENTRIES, KEY)}


def files(world: World) -> list[str]:
    return [row["status"] for row in world.stores.tables.read(RAW_FILES, KEY)]


def failures(world: World, stage: Stage = Stage.CONTENT_PAGES) -> list[tuple[str, int | None]]:
    return [(row["error_class"], row["http_status"]) for row in world.stores.tables.read(FAILURES, KEY, stage)]


GOOD = {"entry-00": "ok", "entry-01": "ok", "entry-02": "ok"}


@pytest.mark.slow
@pytest.mark.parametrize(("status", "word"), [(403, "private"), (410, "deleted")])
def test_an_entry_is_withdrawn_by_two_refusals_hours_apart_and_comes_back(
    tmp_path: Path, status: int, word: str
) -> None:
    with odd(tmp_path) as (site, world):
        page = "/content/entry-01"
        site.instead[page] = DemoResponse(status, b"no", "text/plain")

        assert read(world, refresh=True).errors == ()
        once = (statuses(world), failures(world))
        assert read(world, refresh=True).errors == ()  # at once again: not hours apart
        listed = retry(world.settings, world.quiet(), FailureSelection(error_class="RefusedOnce"), dry_run=True)
        pass_time(world, timedelta(hours=7))
        before = site.requests_for(page)
        assert read(world).errors == ()  # due by itself
        twice = (statuses(world), failures(world), site.requests_for(page) - before)

        assert once == (GOOD, [("RefusedOnce", status)])
        assert [row["failures"] for row in listed.rows] == [1]
        assert twice == (GOOD | {"entry-01": word}, [(word.capitalize(), status)], 1)

        read(world)
        assert site.requests_for(page) - before == 1  # not before a day has passed
        del site.instead[page]
        pass_time(world, timedelta(hours=25))
        assert read(world).errors == ()
        assert (statuses(world), failures(world)) == (GOOD, [])


@pytest.mark.slow
def test_a_file_is_withdrawn_by_two_refusals_hours_apart_and_comes_back(tmp_path: Path) -> None:
    with odd(tmp_path) as (site, world):
        _, file = site.site.file(100)
        file.missing = True

        read(world, refresh=True)
        once = (files(world), failures(world, Stage.RAW_FILES))
        pass_time(world, timedelta(hours=7))
        read(world)
        twice = (files(world), failures(world, Stage.RAW_FILES))
        file.missing = False
        pass_time(world, timedelta(days=1))
        read(world)

        assert once == (["ok"] * 6, [("RefusedOnce", 404)])
        assert sorted(twice[0]) == ["missing", *["ok"] * 5]
        assert twice[1] == [("Missing", 404)]
        assert (files(world), failures(world, Stage.RAW_FILES)) == (["ok"] * 6, [])


@pytest.mark.slow
def test_a_site_that_refuses_everything_withdraws_nothing(tmp_path: Path) -> None:
    with odd(tmp_path) as (site, world):
        site.refuses_after = 2

        outcome = read(world, refresh=True)
        stormy = (outcome.success, statuses(world), files(world))
        site.refuses_after = None
        well = read(world, refresh=True)

        assert stormy == (False, GOOD, ["ok"] * 6)
        assert "refuses" in outcome.errors[0]
        assert (well.errors, statuses(world), failures(world)) == ((), GOOD, [])


@pytest.mark.slow
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(LOG_IN, id="log-in"),
        pytest.param(b"<html><body><h1>Access denied</h1></body></html>", id="denied"),
        pytest.param(b"<html><body>Maintenance, back soon", id="maintenance"),
    ],
)
def test_a_page_that_is_not_an_entry_s_is_tried_again_and_loses_nothing(tmp_path: Path, body: bytes) -> None:
    with odd(tmp_path) as (site, world):
        page = "/content/entry-01"
        before = world.stores.tables.read(ENTRIES, KEY)
        site.instead[page] = DemoResponse(200, body)
        asked = site.requests_for(page)

        assert read(world, refresh=True).errors == ()

        assert site.requests_for(page) - asked == 3  # OGAART_ATTEMPTS
        assert unread(world.stores.tables.read(ENTRIES, KEY)) == unread(before)
        [row] = world.stores.tables.read(FAILURES, KEY, Stage.CONTENT_PAGES)
        assert (row["error_class"], row["next_try"] is not None) == ("UnexpectedContent", True)

        del site.instead[page]
        pass_time(world, timedelta(hours=2))
        read(world)
        assert (statuses(world), failures(world)) == (GOOD, [])


def unread(rows: list[EntryRow]) -> list[EntryRow]:
    """Rows without the time of their last reading."""
    return [{**row, "fetched_at": None} for row in rows]


@pytest.mark.slow
def test_a_new_entry_whose_page_is_bad_once_is_read_within_the_run(tmp_path: Path) -> None:
    with odd(tmp_path, entries=2) as (site, world):
        site.add_entry(entry(2))
        good = ChangingSite.answer(site, "/content/entry-02")
        cut = dataclasses.replace(good, body=good.body[: len(good.body) // 2])
        site.instead["/content/entry-02"] = cut
        asked = site.requests_for("/content/entry-02")
        original = site.answer

        def once(target: str) -> DemoResponse:
            found = original(target)
            if target == "/content/entry-02":
                site.instead.pop(target, None)
            return found

        site.answer = once  # type: ignore[method-assign]
        world.discover(refresh=True)

        assert read(world).errors == ()

        assert site.requests_for("/content/entry-02") - asked == 2
        assert (statuses(world), failures(world)) == (GOOD, [])


@pytest.mark.slow
def test_licences_have_a_history(tmp_path: Path) -> None:
    with odd(tmp_path, entries=2) as (site, world):
        [first] = history(world, "entry-01")
        read(world, refresh=True)
        [confirmed] = history(world, "entry-01")
        site.edit("entry-01", licences=["CC-BY 4.0"])
        read(world, refresh=True)
        old, new = history(world, "entry-01")
        site.instead["/content/entry-01"] = DemoResponse(404, b"", "text/plain")
        read(world, refresh=True)

        assert first["licences"] == ["CC0"]
        assert (first["first_read_at"], first["changed_at"]) == (first["last_read_at"], None)
        assert confirmed["last_read_at"] > first["last_read_at"]
        assert confirmed["first_read_at"] == first["first_read_at"]
        assert (old["licences"], old["last_read_at"]) == (["CC0"], confirmed["last_read_at"])
        assert old["changed_at"] == new["first_read_at"]
        assert (new["licences"], new["changed_at"]) == (["CC-BY 4.0"], None)
        assert world.stores.blobs.has(old["first_page_sha256"])
        assert world.stores.blobs.has(new["page_sha256"])
        assert len(history(world, "entry-01")) == 2  # a refusal states no licences


def history(world: World, slug: str) -> list[LicenceHistoryRow]:
    rows = [row for row in world.stores.tables.read(LICENCE_HISTORY, KEY) if row["slug"] == slug]
    return sorted(rows, key=lambda row: row["first_read_at"])


@pytest.mark.slow
def test_a_refresh_reads_the_result_page_again(tmp_path: Path) -> None:
    with odd(tmp_path) as (site, world):
        listing = next(target for target in site.count() if target.startswith("/art-search"))
        before = site.requests_for(listing)

        read(world)
        unasked = site.requests_for(listing) - before
        read(world, refresh=True)

        assert (unasked, site.requests_for(listing) - before) == (0, 1)


@pytest.mark.slow
def test_what_is_due_is_read_again_and_files_where_their_page_changed(tmp_path: Path) -> None:
    with odd(tmp_path, OGAART_ENTRY_REFRESH_DAYS="0") as (site, world):
        site.edit("entry-01", title="Another title")
        before = len(site.requests)

        read(world, due=datetime.now(UTC))
        asked = [request.target for request in site.requests[before:]]
        again = len(site.requests)
        read(world, due=datetime.now(UTC) - timedelta(hours=1))  # nothing was due then

        pages = [f"/content/{slug}" for slug in GOOD]
        assert [target for target in asked if target.startswith("/content/")] == pages
        assert len(asked) == 3 + 2  # the pages, and the two files of the entry that changed
        assert len(site.requests) == again


@pytest.mark.slow
def test_files_of_changed_pages_wait_until_the_day_has_requests_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with odd(tmp_path, OGAART_ENTRY_REFRESH_DAYS="0", OGAART_REQUESTS_PER_DAY="1") as (site, world):
        site.edit("entry-01", title="Another title")
        site.replace_file(100, picture(999))
        before = len(site.requests)

        read(world, due=datetime.now(UTC))
        spent = [request.path for request in site.requests[before:]]
        monkeypatch.setenv("OGAART_REQUESTS_PER_DAY", "6000")
        read(world, due=datetime.now(UTC))
        later = [request.path for request in site.requests[before + len(spent) :]]

        assert spent == [f"/content/{slug}" for slug in GOOD] + [site.site.file(100)[1].path]  # another length: new
        assert later == [f"/content/{slug}" for slug in GOOD] + [site.site.file(101)[1].path]


@pytest.mark.slow
def test_a_page_over_a_limit_is_requested_again_also_after_it_was_given_up(tmp_path: Path) -> None:
    page = "/content/entry-01"
    with odd(tmp_path, OGAART_ENTRY_REFRESH_DAYS="0") as (site, world):
        site.instead[page] = DemoResponse(200, b"<html>" + b"<div>" * 3000 + b"</html>")
        read(world, refresh=True)
        [first] = world.stores.tables.read(FAILURES, KEY, Stage.CONTENT_PAGES)
        world.stores.tables.commit(
            Stage.CONTENT_PAGES, KEY, {FAILURES.name: [{**first, "attempts": 10, "next_try": None}]}
        )
        [status] = partition_statuses(world.stores, [KEY], datetime.now(UTC))
        before = len(site.requests)
        read(world, due=first["last_at"])  # given up then: no older than others that were read
        in_vain = [request.target for request in site.requests[before:] if request.target == page]
        del site.instead[page]
        read(world)
        kept = failures(world)
        read(world, due=datetime.now(UTC))

        assert (first["error_class"], first["next_try"] is not None) == ("PageOverLimit", True)
        assert not status.entries["entry-01"].fails  # so it is refreshed by its age
        assert (status.entries["entry-01"].given_up_at, in_vain) == (first["last_at"], [])
        assert kept == [("PageOverLimit", None)]
        assert (statuses(world), failures(world)) == (GOOD, [])
