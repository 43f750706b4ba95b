"""Metrics of the pipeline in Prometheus' text format, read from what is stored: they are right after any restart.

Steps are executed by many short processes, on whichever machine a worker runs, so none of them could be scraped. What
they did is in their rows: every figure here is read from those, from Dagster's instance and from the publications.
"""

import logging
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Event, Lock

import dagster as dg
import duckdb
from prometheus_client import CollectorRegistry, generate_latest, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from ogaart.core.stages import Stage
from ogaart.orchestration.instance import open_instance
from ogaart.orchestration.run_status import ENDED, UNFINISHED
from ogaart.resources.catalog.generations import CURRENT, Generations
from ogaart.resources.platform import Stores
from ogaart.resources.publications.publications import Publications
from ogaart.resources.storage.data_root import DataRoot
from ogaart.resources.storage.schema import FAILURES, STEPS
from ogaart.resources.storage.sql import select_files
from ogaart.resources.storage.table_types import Table
from ogaart.settings import Settings

log = logging.getLogger(__name__)

FRESH = 15.0
"""Seconds for which figures are not read again, however many servers scrape them."""

_STEPS = """SELECT stage, count(*) AS steps, coalesce(sum(requests), 0), coalesce(sum(bytes), 0),
    coalesce(sum(embedded), 0), coalesce(sum("new" + stale), 0), sum(epoch(ended_at - started_at))
    FROM steps WHERE ended_at > ? GROUP BY stage"""
_FAILURES = """SELECT stage, error_class, count(*) FILTER (next_try IS NOT NULL), count(*) FILTER (next_try IS NULL)
    FROM failures GROUP BY stage, error_class"""


class PipelineMetrics(Collector):
    """The figures of one data root, read when they are collected.

    Args:
        settings: the settings; the data root is theirs.
        instance: Dagster's instance; None where the data root is read-only, which leaves its runs out.
        outages: failures after which only ``ogaart_pipeline_up`` is told, with the value 0, and the cause is logged;
            others, and without any all of them, are raised.
    """

    def __init__(
        self, settings: Settings, instance: dg.DagsterInstance | None, outages: tuple[type[Exception], ...] = ()
    ) -> None:
        self._settings, self._instance, self._outages = settings, instance, outages
        self._lock = Lock()
        self._read: list[GaugeMetricFamily] = []
        self._read_at = float("-inf")

    def describe(self) -> list[GaugeMetricFamily]:
        """Nothing: what there is depends on what is stored, and registering must not read it."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Every figure, at most ``FRESH`` seconds old."""
        with self._lock:
            if time.monotonic() - self._read_at > FRESH:
                try:
                    self._read = [*self._read_all(), _up(1)]
                except self._outages as cause:
                    log.warning("the figures cannot be read: %s", cause)
                    self._read = [_up(0)]
                self._read_at = time.monotonic()
            yield from self._read

    def _read_all(self) -> Iterator[GaugeMetricFamily]:
        stores = Stores(self._settings, claim=False)
        try:
            now = datetime.now(UTC)
            yield from _site(stores)
            with duckdb.connect() as con:
                yield from _steps(con, stores, now)
                yield from _failures(con, stores)
            if self._instance is not None:
                yield from _runs(self._instance, now)
            publications = Publications(stores.state, stores.objects)
            yield from publication_figures(Generations(stores.root.generations), publications)
        finally:
            stores.close()


def _up(value: float) -> GaugeMetricFamily:
    return _gauge("pipeline_up", "Whether what is stored could be read; 0: the log has the cause.", value)


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"ogaart_{name}", text, value=value)


def _site(stores: Stores) -> Iterator[GaugeMetricFamily]:
    sent = stores.site.requests_of_last_day()
    yield _gauge("site_requests_last_day", "Requests sent to the site in the last 24 hours.", sent)
    limit = stores.settings.requests_per_day
    yield _gauge("site_requests_limit", "Requests that scheduled runs may make in 24 hours.", limit)
    free = shutil.disk_usage(stores.root.root).free
    yield _gauge("free_bytes", "Free space of the disk that holds the data root.", free)


def _view(con: duckdb.DuckDBPyConnection, stores: Stores, table: Table) -> None:
    files = [str(path) for path in stores.tables.files(table)]
    con.execute(f"CREATE VIEW {table.name} AS {select_files(con, table, files)}")


def _steps(con: duckdb.DuckDBPyConnection, stores: Stores, now: datetime) -> Iterator[GaugeMetricFamily]:
    _view(con, stores, STEPS)
    day = con.execute(_STEPS, [now - timedelta(days=1)]).fetchall()
    hour = {row[0]: row for row in con.execute(_STEPS, [now - timedelta(hours=1)]).fetchall()}
    received = sum(row[3] for row in day)
    yield _gauge("site_received_bytes_last_day", "Bytes received from the site in the last 24 hours.", received)
    seconds = GaugeMetricFamily(
        "ogaart_step_seconds_last_day", "Seconds that steps of the last 24 hours took, by stage.", labels=["stage"]
    )
    steps = GaugeMetricFamily("ogaart_steps_last_day", "Steps of the last 24 hours, by stage.", labels=["stage"])
    for stage, count, _, _, _, _, took in sorted(day):
        steps.add_metric([stage], count)
        seconds.add_metric([stage], took)
    yield steps
    yield seconds
    for name, text, stage, column in (
        ("embeddings_per_second", "Pictures embedded a second", Stage.EMBEDDINGS, 4),
        ("images_per_second", "Rows of pictures made a second", Stage.EXTRACTED_IMAGES, 5),
    ):
        row = hour.get(stage)
        rate = row[column] / row[6] if row is not None and row[6] else 0.0
        yield _gauge(name, f"{text}, in the steps that ended within the last hour.", rate)


def _failures(con: duckdb.DuckDBPyConnection, stores: Stores) -> Iterator[GaugeMetricFamily]:
    _view(con, stores, FAILURES)
    found = GaugeMetricFamily(
        "ogaart_failures",
        "What failed and has not succeeded since, by stage and class; permanent: not tried again by itself.",
        labels=["stage", "error_class", "permanent"],
    )
    for stage, error_class, retried, permanent in sorted(con.execute(_FAILURES).fetchall()):
        for text, count in (("false", retried), ("true", permanent)):
            if count:
                found.add_metric([stage, error_class, text], count)
    yield found


def _runs(instance: dg.DagsterInstance, now: datetime) -> Iterator[GaugeMetricFamily]:
    waiting = Counter(run.status for run in instance.get_runs(dg.RunsFilter(statuses=list(UNFINISHED))))
    unfinished = GaugeMetricFamily("ogaart_runs", "Runs that have not ended, by status.", labels=["status"])
    for status in UNFINISHED:
        unfinished.add_metric([status.value], waiting[status])
    yield unfinished
    records = instance.get_run_records(dg.RunsFilter(statuses=list(ENDED), updated_after=now - timedelta(days=1)))
    ended = Counter((record.dagster_run.job_name, record.dagster_run.status.value) for record in records)
    done = GaugeMetricFamily(
        "ogaart_runs_ended_last_day", "Runs that ended within 24 hours, by job and status.", labels=["job", "status"]
    )
    for labels, count in sorted(ended.items()):
        done.add_metric(list(labels), count)
    yield done


def publication_figures(generations: Generations, publications: Publications) -> Iterator[GaugeMetricFamily]:
    """Number and time of the publication in service.

    Args:
        generations: of this host, which decide where nothing is shared.
        publications: shared by all hosts through a bucket: any host tells the same, also one that publishes nothing.
    """
    at: float | None
    if publications.shared:
        number = publications.number_in_service()
        at = publications.stored_at(number) if number else None
    else:
        current = generations.replaceable()
        number = current.number if current is not None else 0
        at = (generations.root / CURRENT).lstat().st_mtime if current is not None else None
    yield _gauge("publication_generation", "Number of the publication in service; 0: none yet.", number)
    if at is not None:
        text = "When the publication was put in service, in seconds since 1970."
        yield _gauge("publication_timestamp_seconds", text, at)


@contextmanager
def _instance(settings: Settings) -> Iterator[dg.DagsterInstance | None]:
    """Dagster's instance, which is only opened to write; None where that is impossible."""
    root = DataRoot.of(settings)
    if root.root.exists() and not root.writable:
        yield None
        return
    with open_instance(settings) as instance:
        yield instance


def pipeline_metrics(settings: Settings) -> str:
    """All figures once, as text."""
    with _instance(settings) as instance:
        registry = CollectorRegistry()
        registry.register(PipelineMetrics(settings, instance))
        return generate_latest(registry).decode()


def serve_metrics(
    settings: Settings, host: str, port: int, stopped: Event, outages: tuple[type[Exception], ...] = ()
) -> None:
    """Serve the figures at ``/metrics`` until ``stopped`` is set.

    Args:
        settings: the settings.
        host: address to listen on.
        port: port to listen on.
        stopped: ends it.
        outages: as for ``PipelineMetrics``.

    Raises:
        OSError: the address cannot be used.
    """
    with _instance(settings) as instance:
        registry = CollectorRegistry()
        registry.register(PipelineMetrics(settings, instance, outages))
        server, thread = start_http_server(port, host, registry)
        try:
            stopped.wait()
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
