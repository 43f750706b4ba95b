"""Metrics of the pipeline, read from what is stored."""

from pathlib import Path
from threading import Event, Thread

import pytest
import requests
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from ogaart.cli.demo_command import free_port
from ogaart.cli.failures import exit_codes
from ogaart.operations.metrics import PipelineMetrics, pipeline_metrics, serve_metrics
from ogaart_tests.ui import wait_until
from ogaart_tests.world import World, copy_data_root


def values(text: str) -> dict[str, float]:
    """Every sample, by its name with its labels in the order of their names."""
    return {
        " ".join([sample.name, *(value for _, value in sorted(sample.labels.items()))]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def figures(demo_world: World) -> dict[str, float]:
    """The metrics of the demo, which was read and published within the last hour."""
    return values(pipeline_metrics(demo_world.settings))


def test_requests_and_bytes_are_those_of_the_last_day(
    figures: dict[str, float], demo_world: World, first_requests: tuple[object, ...]
) -> None:
    assert figures["ogaart_site_requests_last_day"] == len(first_requests)
    assert figures["ogaart_site_requests_limit"] == demo_world.settings.requests_per_day
    [(received,)] = demo_world.sql("SELECT sum(bytes) FROM steps")
    assert figures["ogaart_site_received_bytes_last_day"] == received


def test_failures_are_those_of_the_rows(figures: dict[str, float], demo_world: World) -> None:
    [(stage, error_class, count)] = demo_world.sql(
        "SELECT stage, error_class, count(*) FROM failures WHERE next_try IS NULL GROUP BY ALL ORDER BY ALL LIMIT 1"
    )

    assert figures[f"ogaart_failures {error_class} true {stage}"] == count


def test_rates_are_those_of_the_last_hours_steps(figures: dict[str, float]) -> None:
    assert figures["ogaart_embeddings_per_second"] > 0
    assert figures["ogaart_images_per_second"] > 0
    assert figures["ogaart_steps_last_day embeddings"] >= 1


def test_the_publication_and_the_runs_are_told(figures: dict[str, float], demo_world: World) -> None:
    assert figures["ogaart_publication_generation"] == demo_world.generation.number
    assert figures["ogaart_publication_timestamp_seconds"] >= demo_world.generation.catalog.stat().st_mtime - 60
    assert figures["ogaart_runs QUEUED"] == 0
    assert figures["ogaart_runs_ended_last_day publish SUCCESS"] == 1
    assert figures["ogaart_pipeline_up"] == 1


def test_they_are_served_until_stopped(demo_world: World) -> None:
    stopped, port = Event(), free_port(0)
    server = Thread(target=serve_metrics, args=(demo_world.settings, "127.0.0.1", port, stopped))
    server.start()
    try:
        url = f"http://127.0.0.1:{port}/metrics"
        wait_until(lambda: _answers(url), 30, "the metrics to be served")
        assert "ogaart_publication_generation" in requests.get(url, timeout=30).text
    finally:
        stopped.set()
        server.join(10)
    assert not server.is_alive()


def test_while_the_database_is_away_only_that_is_told(demo_world: World, tmp_path: Path) -> None:
    data = tmp_path / "data"
    copy_data_root(demo_world.settings.data, data)
    settings = demo_world.settings.model_copy(update={"data": data})
    registry = CollectorRegistry()
    registry.register(PipelineMetrics(settings, None, tuple(exit_codes())))
    database = data / "state.db"
    database.rename(data / "away")
    database.mkdir()

    assert values(generate_latest(registry).decode()) == {"ogaart_pipeline_up": 0}


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=30).ok
    except requests.ConnectionError:
        return False
