"""The plan: pure arithmetic, and its input from a site that was never crawled."""

from pathlib import Path

import dagster as dg
import pytest

from ogaart.core.errors import NoListing
from ogaart.definitions import defs
from ogaart.pipeline.crawl_estimate import ENOUGH, VECTOR_SHARE, Known, Rates, estimate
from ogaart.pipeline.crawl_plan import plan, survey
from ogaart.resources.platform import Stores
from ogaart_tests.changing_site import ChangingSite
from ogaart_tests.world import World, open_world

SITE = Known(listed=16_000, listing_pages=112)


def test_the_whole_site_takes_five_days_of_requests() -> None:
    found = estimate(SITE, delay=10.0, dimension=4096, seconds_per_picture=0.25)

    assert (found.listing_requests, found.entry_requests, found.file_requests) == (112, 16_000, 28_480)
    assert found.requests == 44_592
    assert found.hours_at_delay == pytest.approx(44_592 * 10.5 / 3600)
    assert found.images == 450_000
    assert found.embedding_hours == pytest.approx(450_000 * 0.25 / 3600)
    assert found.vector_bytes == round(450_000 * 4096 * 2 * VECTOR_SHARE)
    assert found.disk_bytes > found.download_bytes + found.vector_bytes + found.index_bytes + 2 * found.generation_bytes


def test_what_is_stored_already_is_not_requested_again() -> None:
    known = Known(100, 1, listings=1, entries=60, files=90, links=100, linked_bytes=5_000, images=900, embedded=800)

    found = estimate(known, delay=1.0, dimension=8, seconds_per_picture=1.0, rates=Rates(2.0, 1_000.0, 10.0))

    assert (found.listing_requests, found.entry_requests, found.file_requests) == (0, 40, 10 + 80)
    assert found.images == 900 + 400
    assert found.embedding_hours == pytest.approx((1_300 - 800) / 3600)


def test_nothing_is_left_once_everything_is_there() -> None:
    known = Known(10, 1, listings=1, entries=10, files=20, links=20, file_bytes=99, images=30, embedded=30)

    found = estimate(known, delay=10.0, dimension=8, seconds_per_picture=1.0)

    assert (found.requests, found.hours_at_delay, found.download_bytes, found.embedding_hours) == (0, 0, 0, 0)
    assert found.images == 30


def test_the_site_s_averages_yield_to_those_seen_here() -> None:
    few = Known(16_000, 112, entries=ENOUGH - 1, files=9, links=9, file_bytes=9, images=9)
    many = Known(16_000, 112, entries=1_000, files=1_500, links=1_600, file_bytes=3_000, images=20_000)

    assert Rates.of(few) == Rates()
    assert Rates.of(many) == Rates(1.6, 2.0, 20.0)


def test_speed_that_was_not_measured_is_left_open() -> None:
    assert estimate(SITE, delay=1, dimension=8, seconds_per_picture=None).embedding_hours is None


@pytest.mark.slow
def test_before_the_first_crawl_only_robots_and_one_result_page_are_requested(tmp_path: Path) -> None:
    with open_world(tmp_path, ChangingSite()) as world:
        stores = Stores(world.settings)
        with pytest.raises(NoListing, match="without --offline"):
            survey(stores, offline=True)

        report = plan(stores)

        stores.close()
        assert [request.path for request in world.site.requests] == ["/robots.txt", "/art-search-advanced"]
        figures = {row["figure"]: row["number"] for row in report.rows}
        assert figures["requests"] == 3 + 68 + round(68 * 1.78)
        assert figures["embedding"] > 0
        assert survey(Stores(world.settings), offline=True)[0] == Known(listed=68, listing_pages=3)
        assert len(world.site.requests) == 2


@pytest.mark.slow
def test_a_job_shows_the_plan_in_the_ui(demo_world: World) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        result = (
            defs()
            .resolve_job_def("plan")
            .execute_in_process(instance=instance, run_config={"ops": {"work_out_plan": {"config": {"offline": True}}}})
        )

    [output] = [e for e in result.all_events if e.event_type == dg.DagsterEventType.STEP_OUTPUT]
    table = output.step_output_data.metadata["plan"]
    assert isinstance(table, dg.TableMetadataValue)
    assert {record.data["figure"]: record.data["value"] for record in table.records}["requests"] == "0"
