"""The demo's whole graph by Celery workers, some of which are killed: the same content, and nothing repeated.

Once over one data root, and once with a folder of its own for each worker, which is lost with it: then what never
changes lies in a bucket, a worker is killed in each stage, and PostgreSQL, the broker and the S3 server are killed and
started again amid the crawl.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import dagster as dg
import pytest

from ogaart.core.stages import OFFLINE_STAGES, SITE_STAGES, STAGES, Stage
from ogaart.orchestration.instance import open_instance
from ogaart.orchestration.run_reaper import GRACE, reap
from ogaart.resources.catalog.generations import Generation, Generations
from ogaart.resources.storage.data_root import DataRoot
from ogaart_tests.changing_site import ChangingSite
from ogaart_tests.cluster.cluster import ASSETS, QUEUES, Cluster
from ogaart_tests.cluster.conftest import DELAY, Outcome, fresh_site, outcome
from ogaart_tests.cluster.servers import Redis, postgres, program
from ogaart_tests.object_servers import BUCKET, s3_server
from ogaart_tests.postgres import running
from ogaart_tests.ui import dagster_ui
from ogaart_tests.world import World, open_world

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(2400)]

KILLS = {
    Stage.SEARCH_PAGES: "table_drafted",
    Stage.CONTENT_PAGES: "body_received:5",
    Stage.FILE_LINKS: "table_drafted",
    Stage.RAW_FILES: "blob_written:2",
    Stage.EXTRACTED_IMAGES: "pack_drafted",
    Stage.EMBEDDINGS: "segment_drafted",
    Stage.QDRANT_COLLECTION: "points_upserted",
    Stage.CATALOG: "catalog_built",
    Stage.PUBLICATION: "publication_uploaded",
}
"""Where in each stage a worker is killed."""
KILLED_OVER_ONE_FOLDER = (Stage.CONTENT_PAGES, Stage.EMBEDDINGS)


@dataclass(frozen=True)
class Story:
    """What was seen while the demo was read, processed and published by workers.

    Attributes:
        outcome: what came of it.
        kills: how many workers were killed.
        killed_in: the steps during which.
        to_be_killed_in: the steps during which they were to be.
        runs: how many runs have each status.
        launched: how many were launched and never started.
        restarted: how often PostgreSQL was restarted: a step may fail whose events Dagster could not store.
        workers: by step, the kinds of workers that executed it.
        slots: runs that hold a slot of a pool at the end.
        canceled: the status of a run that was stopped while no worker had its step, and of one amid its crawl.
    """

    outcome: Outcome
    kills: int
    killed_in: list[str]
    to_be_killed_in: list[str]
    runs: Counter[dg.DagsterRunStatus]
    launched: int
    restarted: int
    workers: dict[str, set[str]]
    slots: tuple[str, ...]
    canceled: list[dg.DagsterRunStatus]


@pytest.fixture(scope="module", params=["one_folder", "own_folders"])
def story(request: pytest.FixtureRequest, of_one: Outcome, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Discovery, all partitions and a publication, during which workers and servers are killed."""
    folder = tmp_path_factory.mktemp("cluster")
    shared = request.param == "one_folder"
    redis = Redis(folder / "redis")
    with ExitStack() as stack:
        stack.callback(redis.stop)
        restarts = [partial(redis.restart, after=2.0)]
        if shared:
            values = {"OGAART_DAGSTER_DATABASE": stack.enter_context(postgres())}
        else:
            server = stack.enter_context(running(Path(program("initdb")).parent))
            objects = stack.enter_context(s3_server("rclone", folder / "s3"))
            restarts += [partial(objects.restart, after=2.0), partial(server.restart)]
            values = {
                "OGAART_DAGSTER_DATABASE": server.fresh("dagster").replace("postgresql:", "postgresql+psycopg2:"),
                "OGAART_DATABASE_URL": server.fresh("state"),
                "OGAART_OBJECTS": f"s3://{BUCKET}/ogaart",
                **objects.environment,
            }
        values |= {"OGAART_EXECUTOR": "celery", "OGAART_CELERY_BROKER": redis.url, "OGAART_CONCURRENT_RUNS": "3"}
        with open_world(folder, fresh_site(of_one.port), **values) as world:
            yield _happen(world, restarts, folder, shared=shared)


def _happen(world: World, restarts: Sequence[Callable[[], None]], folder: Path, *, shared: bool) -> Story:
    site = world.site
    with dagster_ui(world) as ui, open_instance(world.settings) as instance:
        cluster = Cluster(world, instance, ui, folder, shared=shared)
        try:
            cluster.start("site")
            cluster.run("discover")
            unsent = cluster.cancel(cluster.launch("publish"), "catalog", begun=False)
            crawl = cluster.launch(ASSETS, SITE_STAGES, cluster.partitions()[0])
            canceled = [unsent, cluster.cancel(crawl, Stage.CONTENT_PAGES.value, begun=True)]
            if shared:
                _all_at_once(cluster, site, restarts)
            else:
                _stage_by_stage(cluster, site, restarts)
        finally:
            cluster.stop(*QUEUES)
        pools = instance.event_log_storage.get_concurrency_keys()
        slots = [slot for pool in pools for slot in instance.event_log_storage.get_concurrency_info(pool).claimed_slots]
        # As the sensor does five minutes later, of a run that was being launched when PostgreSQL was restarted.
        launched = len(reap(instance, DataRoot.of(world.settings), datetime.now(UTC) + GRACE))
        return Story(
            outcome=outcome(site, published_in(cluster.folders["cpu"])),
            kills=cluster.kills,
            killed_in=sorted(broken_off(instance)),
            to_be_killed_in=sorted(KILLED_OVER_ONE_FOLDER if shared else KILLS),
            runs=Counter(run.status for run in instance.get_runs()),
            launched=launched,
            restarted=0 if shared else 1,
            workers=executed_by(instance),
            slots=tuple(slot.run_id for slot in slots),
            canceled=canceled,
        )


def _all_at_once(cluster: Cluster, site: ChangingSite, restarts: Sequence[Callable[[], None]]) -> None:
    """A backfill, with one worker of each kind killed."""
    in_crawl, in_embedding = (KILLS[stage] for stage in KILLED_OVER_ONE_FOLDER)
    cluster.start("site", in_crawl)
    cluster.start("cpu", in_embedding)
    cluster.materialize()
    _restart_amid_crawl(cluster, site, restarts)
    cluster.wait_until_idle()
    if cluster.missing():  # a run that was hit twice is not retried again by itself
        cluster.materialize()
        cluster.wait_until_idle()
    cluster.run("publish")


def _stage_by_stage(cluster: Cluster, site: ChangingSite, restarts: Sequence[Callable[[], None]]) -> None:
    """A worker killed in each stage: of the first partition those after the crawl, of the second the others."""
    first, second = cluster.partitions()
    cluster.start("cpu")
    cluster.complete(
        partial(cluster.launch, ASSETS, SITE_STAGES, first),
        meanwhile=partial(_restart_amid_crawl, cluster, site, restarts),
    )
    for crawling, processing in itertools.zip_longest(SITE_STAGES, OFFLINE_STAGES):
        cluster.start("site", KILLS[crawling])
        launches = [partial(cluster.launch, ASSETS, [crawling], second)]
        if processing is not None:
            cluster.start("cpu", KILLS[processing])
            launches.append(partial(cluster.launch, ASSETS, [processing], first))
        cluster.complete(*launches)
    cluster.complete(partial(cluster.launch, ASSETS, OFFLINE_STAGES, second))
    cluster.start("cpu", KILLS[Stage.CATALOG], KILLS[Stage.PUBLICATION])
    cluster.complete(partial(cluster.launch, "publish"))


def _restart_amid_crawl(cluster: Cluster, site: ChangingSite, restarts: Sequence[Callable[[], None]]) -> None:
    for restart in restarts:
        crawled = len(site.requests)
        cluster.wait(partial(_has_sent, site, crawled + 15), 600, "the crawl to continue")
        restart()
    cluster.reconnect()


def _has_sent(site: ChangingSite, requests: int) -> bool:
    return len(site.requests) > requests


def published_in(data: Path) -> Generation:
    """What is in service in a data root."""
    current = Generations(data / "generations").current()
    assert current is not None
    return current


def broken_off(instance: dg.DagsterInstance) -> list[str]:
    """The steps that were begun and did not end, by the runs that failed."""
    found = []
    for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE])):
        statistics = instance.get_run_step_stats(run.run_id)
        found += [step.step_key for step in statistics if step.start_time is not None and step.end_time is None]
    return found


def executed_by(instance: dg.DagsterInstance) -> dict[str, set[str]]:
    """By step, the queues of the workers that executed it, as their names tell."""
    found: dict[str, set[str]] = {}
    for run in instance.get_runs():
        for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
            event = entry.dagster_event
            name = event.engine_event_data.metadata.get("Celery worker") if event is not None else None
            if name is not None:
                found.setdefault(str(entry.step_key), set()).add(str(name.value).rpartition("-")[0])
    return found


def test_steps_run_where_their_tags_say(story: Story) -> None:
    expected = {stage.value: {"site" if facts.reads_site else "cpu-gpu"} for stage, facts in STAGES.items()}

    assert {step: story.workers[step] for step in expected} == expected
    assert story.workers["sweep_queries"] == {"site"}


def test_the_content_is_that_of_one_process(story: Story, of_one: Outcome) -> None:
    assert story.outcome.content == of_one.content


def test_workers_are_killed_in_the_stages_named(story: Story) -> None:
    assert story.kills == len(story.to_be_killed_in)
    assert set(story.to_be_killed_in) <= set(story.killed_in)


def test_a_kill_repeats_one_request_at_most(story: Story, of_one: Outcome) -> None:
    canceled_amid_crawl = 1
    assert len(story.outcome.requests) <= len(of_one.requests) + story.kills + canceled_amid_crawl


def test_the_delay_at_the_server_is_never_short(story: Story) -> None:
    times = [request.at for request in story.outcome.requests]

    assert min(after - before for before, after in itertools.pairwise(sorted(times))) >= DELAY - 0.005


def test_no_slot_stays_taken_and_no_run_stays_open(story: Story) -> None:
    assert story.slots == ()
    assert story.canceled == [dg.DagsterRunStatus.CANCELED] * 2
    assert set(story.runs) <= {
        dg.DagsterRunStatus.SUCCESS,
        dg.DagsterRunStatus.FAILURE,
        dg.DagsterRunStatus.CANCELED,
    }
    assert story.runs[dg.DagsterRunStatus.FAILURE] <= story.kills + story.launched + story.restarted
    assert story.launched <= 1
