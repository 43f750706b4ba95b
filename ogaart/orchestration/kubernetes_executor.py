"""Steps as Kubernetes jobs: dagster-k8s's executor over one data root, whose runs show that they are alive."""

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

import dagster as dg
from dagster_k8s import k8s_job_executor

from ogaart.resources.storage.data_root import DataRoot
from ogaart.resources.storage.lock_names import run_lock
from ogaart.resources.storage.locks import hold_together
from ogaart.settings import Settings


def kubernetes_executor() -> dg.ExecutorDefinition:
    """dagster-k8s's executor; image, secrets and volumes of its pods are those of the run launcher."""
    original: Any = k8s_job_executor

    def create(context: dg.InitExecutorContext) -> dg.Executor:
        made = original.executor_creation_fn(context)
        made.execute = _while_alive(made.execute)
        return made  # type: ignore[no-any-return]

    return dg.ExecutorDefinition(
        original.name,
        original.config_schema,
        requirements=dg.multiple_process_executor_requirements(),
        executor_creation_fn=create,
        description=original.description,
    )


def _while_alive(execute: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    """Hold the run's lock while its steps are executed elsewhere."""

    @wraps(execute)
    def executing(plan_context: Any, execution_plan: Any) -> Iterator[Any]:
        root = DataRoot.of(Settings())
        run_id = plan_context.dagster_run.run_id
        with hold_together(run_lock(root, run_id), what=f"run {run_id}"):
            yield from execute(plan_context, execution_plan)

    return executing
