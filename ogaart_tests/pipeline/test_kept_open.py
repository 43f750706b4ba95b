"""What several partitions of a run share is opened once, and again after a partition that failed."""

import logging
from pathlib import Path

import pytest

from ogaart.core.stages import PARTITION_STAGES, SITE_STAGES
from ogaart.definitions import build_definitions
from ogaart.demo import plan
from ogaart.demo.model import DemoContent
from ogaart.orchestration.instance import open_instance, run_job
from ogaart.orchestration.launcher import RANGE_END, RANGE_START
from ogaart.resources.embedding import embedder
from ogaart.workers.kept_open import KeptOpen
from ogaart_tests.changing_site import ChangingSite
from ogaart_tests.world import open_world


class Door:
    """Notes how often it was opened and closed."""

    def __init__(self, log: list[str]) -> None:
        self._log = log

    def __enter__(self) -> "Door":
        self._log.append("opened")
        return self

    def __exit__(self, *_: object) -> None:
        self._log.append("closed")


def test_the_first_that_needs_it_opens_it_and_the_end_closes_it() -> None:
    log: list[str] = []

    with KeptOpen() as kept:
        assert log == []
        first = kept.get(Door, lambda: Door(log))
        assert kept.get(Door, lambda: Door(log)) is first
        assert log == ["opened"]

    assert log == ["opened", "closed"]


def test_what_was_closed_is_opened_again() -> None:
    log: list[str] = []

    with KeptOpen() as kept:
        kept.get(Door, lambda: Door(log))
        kept.close()
        kept.get(Door, lambda: Door(log))

    assert log == ["opened", "closed", "opened", "closed"]


@pytest.mark.slow
def test_the_partitions_of_a_run_share_the_process_with_the_model(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    queries = tmp_path / "three.toml"
    queries.write_text('[[query]]\nname = "2d-art"\nart_types = ["2D Art"]\nper_page = 2\n')
    site = ChangingSite(per_page=2, site=DemoContent(plan.load().by_age()[:6]))
    with open_world(tmp_path, site, OGAART_QUERIES=str(queries)) as world:
        world.discover()
        assert world.materialize(assets=tuple(s.value for s in PARTITION_STAGES if s in SITE_STAGES)).errors == []
        processed = [stage.value for stage in PARTITION_STAGES if stage not in SITE_STAGES]
        with open_instance(world.settings) as instance, caplog.at_level(logging.INFO, embedder.__name__):
            tags = {RANGE_START: "2d-art/0000", RANGE_END: "2d-art/0002"}
            outcome = run_job(instance, build_definitions(), None, assets=processed, tags=tags)

    assert not outcome.errors
    assert all(outcome.partitions[f"2d-art/000{page}"]["embeddings"]["embedded"] for page in range(3))
    assert sum("loaded in" in record.message for record in caplog.records) == 1
