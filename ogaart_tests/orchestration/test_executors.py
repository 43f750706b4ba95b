"""Which executor runs steps, and what a step tells it that it needs."""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import dagster as dg
import pytest

from ogaart.core.errors import ExtraMissing
from ogaart.core.stages import STAGES, Stage, WorkerKind
from ogaart.definitions import build_definitions
from ogaart.orchestration.executors import executor_for
from ogaart.orchestration.extras import PACKAGES, require_extra
from ogaart.orchestration.jobs import JOBS
from ogaart.pipeline.step_needs import CELERY_QUEUE, K8S_CONFIG, WORKER_TAG
from ogaart.settings import Settings


@cache
def steps() -> dict[str, dict[str, str]]:
    """The tags of every step of the whole project, by its name."""
    definitions = build_definitions()
    nodes = list(definitions.resolve_implicit_global_asset_job_def().nodes)
    for job in JOBS:
        if isinstance(job, dg.JobDefinition):
            nodes += job.nodes
    return {node.name: dict(node.definition.tags) for node in nodes}


def test_every_step_names_a_queue_and_the_resources_of_its_pod() -> None:
    from dagster_k8s.job import get_user_defined_k8s_config  # a second, which each worker of the tests would spend

    for name, tags in steps().items():
        assert tags[CELERY_QUEUE] in set(WorkerKind), name
        assert K8S_CONFIG in tags, name
        assert set(get_user_defined_k8s_config(tags).container_config["resources"]) == {"requests", "limits"}


@pytest.mark.parametrize("stage", Stage)
def test_steps_with_requests_and_only_those_go_to_the_worker_of_the_site(stage: Stage) -> None:
    assert (STAGES[stage].needs.worker is WorkerKind.SITE) == STAGES[stage].reads_site
    assert steps()[stage][CELERY_QUEUE] == STAGES[stage].needs.worker


def test_assets_can_be_selected_by_their_worker() -> None:
    graph = build_definitions().resolve_asset_graph()

    assert {key.path[-1] for key in graph.get_all_asset_keys() if graph.get(key).tags[WORKER_TAG] == "gpu"} == {
        "embeddings"
    }


def test_definitions_are_made_again_only_for_other_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    first = build_definitions()
    again = build_definitions()
    monkeypatch.setenv("OGAART_EXECUTOR", "celery")
    other = build_definitions()

    assert again is first
    assert other is not first
    assert isinstance(other.executor, dg.ExecutorDefinition)
    assert other.executor.name == "celery"


@pytest.mark.parametrize("name", ["in_process", "celery", "k8s"])
def test_the_setting_names_the_executor_of_launched_runs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OGAART_EXECUTOR", name)

    assert executor_for(Settings()).name == name
    dg.Definitions.validate_loadable(build_definitions())


def test_a_package_that_is_missing_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PACKAGES, "celery", "dagster_celery_of_tests")

    with pytest.raises(ExtraMissing, match=r"dagster-celery-of-tests is not installed: .*'ogaart\[celery\]'"):
        require_extra("celery")


def test_the_graph_loads_without_other_engines_and_without_what_workers_compute_with(tmp_path: Path) -> None:
    program = (
        "import sys, ogaart.definitions as d; d.build_definitions();"
        "print({'celery', 'kubernetes', 'scipy', 'torch'} & set(sys.modules))"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OGAART_")}

    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], env=environment, cwd=tmp_path, capture_output=True, text=True
    )

    assert done.stdout.strip() == "set()", done.stderr
