"""Tags that send a step to a worker that has what it needs, in the words of each engine."""

from typing import Any

from ogaart.core.stages import STAGES, Stage, StepNeeds

CELERY_QUEUE = "dagster-celery/queue"
"""Tag by which dagster-celery chooses the queue of a step."""
K8S_CONFIG = "dagster-k8s/config"
"""Tag by which dagster-k8s sets the resources of a step's pod."""
WORKER_TAG = "ogaart/worker"
"""Tag that shows the kind of worker in Dagster's UI, where assets can be selected by it."""


def asset_tags(stage: Stage, source: dict[str, str]) -> dict[str, str]:
    """The tags of an asset: what it is made from, and the kind of worker that runs it."""
    return {**source, WORKER_TAG: STAGES[stage].needs.worker.value}


def step_tags(stage: Stage) -> dict[str, Any]:
    """The tags of an asset's step: where each engine runs it."""
    return needs_as_tags(STAGES[stage].needs)


def needs_as_tags(needs: StepNeeds) -> dict[str, Any]:
    """What a step needs as the tags that dagster-celery and dagster-k8s read; the in-process executor reads none."""
    return {
        CELERY_QUEUE: needs.worker.value,
        K8S_CONFIG: {
            "container_config": {
                "resources": {
                    "requests": {"cpu": f"{needs.cpus * 1000:.0f}m", "memory": f"{needs.memory_mib}Mi"},
                    "limits": {"memory": f"{needs.most_memory_mib}Mi"},
                }
            },
            "pod_template_spec_metadata": {"labels": {"ogaart-worker": needs.worker.value}},
        },
    }
