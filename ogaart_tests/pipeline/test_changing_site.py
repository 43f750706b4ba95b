"""A site that changes, read by scheduled runs: exactly what is there at each day's end, and nothing lost in between."""

import io
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from ogaart.cli.main import main
from ogaart.definitions import defs
from ogaart.demo import pictures
from ogaart.demo.model import DemoContent, DemoEntry, DemoFile
from ogaart.orchestration import launcher
from ogaart.orchestration.instance import open_instance, run_job
from ogaart.orchestration.launch_types import LaunchReason
from ogaart.resources.catalog.generations import Generations
from ogaart.resources.index.factory import open_index
from ogaart_tests.changing_site import ChangingSite
from ogaart_tests.world import World, open_world

PER_PAGE = 3
FIRST_POST = datetime(2020, 1, 1)  # noqa: DTZ001 - the site states no zone
SWEEP_ANEW = {"ops": {"sweep_queries": {"config": {"refresh": True}}}}


def picture(number: int) -> bytes:
    """A PNG that is like no other: a few coloured squares."""
    pixels = np.random.default_rng(number).integers(0, 256, (4, 4, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()


def entry(number: int) -> DemoEntry:
    """An entry with two files; its number is its age."""
    files = []
    for nth in (0, 1):
        data = picture(10 * number + nth)
        fid = 100 * number + nth
        name = f"picture-{number}-{nth}.png"
        files.append(DemoFile(fid, name, name, data, pictures=[pictures.expected(data)]))
    return DemoEntry(
        slug=f"entry-{number:02d}",
        nid=number,
        title=f"Entry {number}",
        author="Ada",
        posted_at=FIRST_POST + timedelta(days=number),
        licences=["CC0"],
        files=files,
    )


@dataclass
class Days:
    """A world whose schedule is on: each day a sweep, then what the autopilot launches, until it has nothing to do.

    ``accepts`` publishes with the operator's consent: all these days pass within one, and many withdrawals of one day
    are held back.
    """

    world: World
    accepts: bool = False
    log: list[str] = field(default_factory=list)
    definitions: dg.Definitions = field(default_factory=defs)

    @property
    def site(self) -> ChangingSite:
        return self.world.site

    def day(self, what: str, *, backwards: bool = False, lost: frozenset[str] | None = None) -> dict[str, int]:
        """Live a day through.

        Args:
            what: happened on the site.
            backwards: do what was launched together in the other order, as a queue might.
            lost: entries that may go today; with it, everything is published after each run, and none may see
                search lose anything else.
        """
        before = len(self.site.requests)
        searchable = frozenset() if lost is None else self.searchable() - lost
        runs: dict[str, int] = {}
        with open_instance(self.world.settings) as instance:
            outcome = run_job(instance, self.definitions, "discover", config=SWEEP_ANEW)
            assert outcome.success, outcome.errors
            for _ in range(30):
                stores = self.world.stores
                launches = launcher.choose(instance, stores, datetime.now(UTC))
                stores.close()
                if not launches:
                    break
                for batch in reversed(launches) if backwards else launches:
                    request = launcher.run_request(batch)
                    outcome = run_job(
                        instance,
                        self.definitions,
                        request.job_name,
                        partition=request.partition_key,
                        tags=dict(request.tags),
                    )
                    assert outcome.success, outcome.errors
                    runs[batch[0].reason] = runs.get(batch[0].reason, 0) + len(batch)
                    if searchable:
                        self.world.publish()
                        assert searchable <= self.searchable(), f"{what}: lost after {batch}"
            else:
                raise AssertionError(f"{what}: the autopilot never came to rest: {launches}")
        report = self.world.publish(accept_losses=self.accepts)
        assert (report.errors, report.exit_code) == ([], 0)
        requests = len(self.site.requests) - before
        self.log.append(f"{what}: {requests} requests, {', '.join(f'{n} x {r}' for r, n in runs.items())}")
        self.exact()
        return {"requests": requests, **runs}

    def searchable(self) -> frozenset[str]:
        """Entries that search finds now, by what is in service."""
        if Generations(self.world.stores.root.generations).current() is None:
            return frozenset()
        return frozenset(str(slug) for (slug,) in self.world.sql("SELECT DISTINCT slug FROM images WHERE indexed"))

    def exact(self) -> None:
        """Catalog and index hold what the site has, no more and no less."""
        truth = self.site.truth()
        expected = {(image["slug"], image["pixel_sha256"]) for image in truth["images"]}
        found = self.world.sql("SELECT slug, pixel_sha256, image_id FROM images WHERE indexed")
        assert {(slug, pixels) for slug, pixels, _ in found} == expected
        assert self.world.sql("SELECT count(*) FROM images") == [(len(expected),)]
        assert sorted(str(i) for i in self.index_ids()) == sorted(str(i) for _, _, i in found)
        live = self.world.sql("SELECT slug, title FROM entries WHERE status = 'ok'")
        assert sorted(live) == sorted((e["slug"], e["title"]) for e in truth["entries"] if e["status"] == "ok")
        places = self.world.sql("SELECT count(*) FROM occurrences")
        assert places == [(sum(len(image["occurrences"]) for image in truth["images"]),)]

    def index_ids(self) -> list[int]:
        generation = self.world.generation
        index = open_index(self.world.settings, generation.index, generation.manifest["space"], 1280, read_only=True)
        try:
            return list(index.ids())
        finally:
            index.close()


@contextmanager
def days(folder: Path, entries: int, **environment: str) -> Iterator[Days]:
    site = ChangingSite(site=DemoContent([entry(n) for n in range(entries)]), per_page=PER_PAGE)
    with open_world(folder, site, OGAART_CONFIRM_HOURS="0", **environment) as world:  # a day's runs may confirm
        query = f'[[query]]\nname = "2d-art"\nart_types = ["2D Art"]\nper_page = {PER_PAGE}\n'
        world.settings.queries.write_text(query)
        yield Days(world)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_week_of_changes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with days(tmp_path, entries=5) as week:
        site = week.site
        first = week.day("the first day")
        assert first[LaunchReason.NEW] == 2

        quiet = week.day("nothing happens")
        assert quiet == {"requests": 2}  # the sweep alone

        site.add_entry(entry(5))
        added = week.day("an entry is added at the end")
        assert added == {"requests": 2 + 1 + 2, LaunchReason.MEMBERS: 1, LaunchReason.PROCESS: 1}

        for number in range(6, 6 + PER_PAGE):
            site.add_entry(entry(number))
        page = week.day("a whole page's worth is added")
        assert page == {"requests": 3 + 9, LaunchReason.NEW: 1, LaunchReason.PROCESS: 1}

        site.delete("entry-01")
        deleted = week.day("an early entry is deleted: every page shifts", backwards=True, lost=frozenset({"entry-01"}))
        assert deleted["requests"] == 3 + 2  # the sweep, and the page that is gone, confirmed by another run

        site.delete("entry-04")
        site.add_entry(entry(20))
        swapped = week.day("a deletion and an upload on one day", lost=frozenset({"entry-04"}))
        assert swapped["requests"] == 3 + 2 + 3

        gone = frozenset({"entry-02", "entry-03", "entry-05"})
        for slug in gone:
            site.delete(slug)
        week.day("so many are deleted that a page ends", lost=gone)

        with capsys.disabled():
            sys.stdout.write("\n".join(["", *week.log, ""]))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_what_changes_within_an_entry_is_found_by_reading_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with days(tmp_path, entries=4, OGAART_ENTRY_REFRESH_DAYS="0", OGAART_REFRESH_DAYS="0") as week:
        site = week.site
        week.day("the first day")

        again = week.day("everything is old, nothing changed")
        assert again == {"requests": 2 + 4 * 3, LaunchReason.REFRESH: 2, LaunchReason.PROCESS: 2}

        site.edit("entry-01", title="Another title", licences=["CC-BY 4.0"])
        site.replace_file(200, picture(999))  # under its own URL, of another length
        same_length = _of_length(len(site.site.file(300)[1].data))
        site.replace_file(300, same_length)  # under its own URL, of the same length
        site.replace_file(1, picture(998), stored_name="another-name.png")
        week.day("an entry edited, files replaced")
        assert week.world.sql("SELECT title, licences FROM entries WHERE slug = 'entry-01'") == [
            ("Another title", ["CC-BY 4.0"])
        ]

        site.site.entry("entry-03").files.pop()
        week.day("a file taken away")
        with capsys.disabled():
            sys.stdout.write("\n".join(["", *week.log, ""]))


def _of_length(wanted: int) -> bytes:
    """Another picture in exactly as many bytes: readers of PNG ignore what follows its end."""
    number = next(n for n in range(5000, 6000) if len(picture(n)) <= wanted)
    data = picture(number)
    return data + bytes(wanted - len(data))


@pytest.mark.slow
def test_one_entry_is_read_again_at_once(tmp_path: Path) -> None:
    run = CliRunner().invoke
    with days(tmp_path, entries=2) as week:
        week.world.all()
        week.site.edit("entry-00", title="Corrected title", licences=["CC-BY 4.0"])
        week.site.edit("entry-01", title="Not asked for")
        week.site.replace_file(1, picture(997))
        before = len(week.site.requests)

        again = run(main, ["refresh", f"{week.site.base}/content/entry-00", "--json"])

        assert again.exit_code == 0, again.stderr
        assert len(week.site.requests) - before == 3  # the page, and each of its two files
        rows = {row["asset"]: row for row in json.loads(again.stdout)["rows"]}
        assert [rows["content_pages"][state] for state in ("new", "stale", "unchanged")] == [0, 1, 1]
        assert rows["raw_files"]["stale"] == 1
        assert rows["publication"]["state"] == "new"
        titles = week.world.sql("SELECT title, licences[1] FROM entries ORDER BY slug")
        assert titles == [("Corrected title", "CC-BY 4.0"), ("Entry 1", "CC0")]

        week.site.delete("entry-01")
        assert run(main, ["refresh", "entry-01"]).exit_code == 0
        assert week.searchable() == {"entry-00", "entry-01"}  # one refusal is not believed
        assert run(main, ["refresh", "entry-01", "--no-publish"]).exit_code == 0
        assert week.searchable() == {"entry-00", "entry-01"}
        assert run(main, ["publish"]).exit_code == 0
        assert week.searchable() == {"entry-00"}

        week.site.edit("entry-00", title="Corrected again")
        whole = run(main, ["refresh", "2d-art/0000", "--json"])
        assert whole.exit_code == 0, whole.stderr
        assert week.world.sql("SELECT title FROM entries WHERE slug = 'entry-00'") == [("Corrected again",)]
        assert run(main, ["refresh", "2d-art/0900"]).exit_code == 2
        assert run(main, ["refresh"]).exit_code == 2

        unknown = run(main, ["refresh", "never-seen"])
        assert unknown.exit_code == 2
        assert "no partition has an entry 'never-seen'" in unknown.stderr
