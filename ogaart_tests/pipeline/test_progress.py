"""A step tells its progress, and what it waits for, in the log of its run."""

import time
from pathlib import Path

import pytest

from ogaart.demo.http import DemoFault
from ogaart.demo.model import DemoContent
from ogaart.orchestration.instance import open_instance
from ogaart.pipeline.progress import Progress, duration
from ogaart_tests.changing_site import ChangingSite
from ogaart_tests.pipeline.test_changing_site import PER_PAGE, entry
from ogaart_tests.world import World, open_world

KEY = "2d-art/0000"


def test_a_line_has_count_rate_time_left_and_the_item_in_work() -> None:
    lines: list[str] = []

    with Progress(lines.append, "content_pages of 2d-art/0000", 0.05) as progress:
        progress.begin(4, "entries")
        progress.start("https://site/content/a")
        progress.advance()
        progress.start("https://site/content/b")
        time.sleep(0.2)

    assert len(lines) >= 2  # also while one item takes long
    assert lines[-1].startswith("content_pages of 2d-art/0000: 1 of 4 entries, ")
    assert " a minute, " in lines[-1]
    assert lines[-1].endswith(" left, now https://site/content/b")


def test_a_step_that_counts_nothing_tells_how_long_it_has_run_and_what_is_in_work() -> None:
    lines: list[str] = []

    with Progress(lines.append, "discover", 0.05) as progress:
        progress.start("https://site/search?page=0")
        time.sleep(0.12)
        progress.begin(2, "result pages of all")
        progress.advance()
        progress.start("https://site/search?page=1")
        time.sleep(0.12)

    assert lines[0] == "discover: running for 0 s, now https://site/search?page=0"
    assert lines[-1].startswith("discover: 1 of 2 result pages of all, ")
    assert lines[-1].endswith(", now https://site/search?page=1")


def test_a_step_that_waits_says_so_instead_of_how_long_the_rest_takes() -> None:
    progress = Progress(what="raw_files of 2d-art/0000")
    progress.begin(4, "files")
    progress.start("https://site/a.png")
    progress.advance()

    with progress.waiting("the site is down"):
        assert progress.line() == "raw_files of 2d-art/0000: 1 of 4 files, waiting: the site is down"
    assert progress.line().endswith("now https://site/a.png")


def test_nothing_is_logged_once_the_step_ended() -> None:
    lines: list[str] = []
    with Progress(lines.append, "a step", 0.01):
        time.sleep(0.05)
    ended = len(lines)

    time.sleep(0.05)

    assert lines[0] == "a step: running for 0 s"
    assert len(lines) == ended


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0 s"), (89, "89 s"), (91, "2 min"), (5400, "1.5 h")])
def test_durations_are_short(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def log_of_last_run(world: World) -> list[str]:
    with open_instance(world.settings) as instance:
        run = instance.get_runs(limit=1)[0]
        return [entry.user_message for entry in instance.all_logs(run.run_id) if entry.level == 20]


@pytest.mark.slow
def test_the_dagster_log_tells_progress_and_retries_with_their_cause(tmp_path: Path) -> None:
    site = ChangingSite(site=DemoContent([entry(n) for n in range(3)]), per_page=PER_PAGE, latency=0.3)
    settings = {"OGAART_PROGRESS_SECONDS": "0.2", "OGAART_BACKOFF": "0.01"}
    with open_world(tmp_path, site, **settings) as world:
        query = f'[[query]]\nname = "2d-art"\nart_types = ["2D Art"]\nper_page = {PER_PAGE}\n'
        world.settings.queries.write_text(query)
        site.fail("/art-search-advanced", DemoFault(503))
        world.discover()
        swept = log_of_last_run(world)
        site.fail("/content/entry-01", DemoFault(503))

        world.materialize([KEY], ("search_pages", "content_pages"))
        lines = log_of_last_run(world)
        world.materialize([KEY])
        world.publish()
        built = log_of_last_run(world)

    assert any(line.startswith("discover: ") and f"now {site.base}/art-search-advanced?" in line for line in swept)
    assert any("attempt 1 of 5 failed" in line and "answered 503" in line for line in swept)
    assert any("of 3 entries" in line and f"now {site.base}/content/entry-0" in line for line in lines)
    assert any("attempt 1 of 5 failed" in line and "answered 503" in line for line in lines)
    assert any(line.startswith("catalog: running for ") for line in built)
