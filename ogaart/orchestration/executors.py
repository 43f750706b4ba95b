"""Which executor runs the steps of a run that Dagster launches: the one that ``OGAART_EXECUTOR`` names."""

import dagster as dg

from ogaart.orchestration.dagster_internals import interruptible_executor
from ogaart.orchestration.extras import require_extra
from ogaart.settings import Settings


def executor_for(settings: Settings) -> dg.ExecutorDefinition:
    """The executor of the code location.

    Commands such as ``ogaart materialize`` execute their runs in their own process, whatever this is.

    Raises:
        ExtraMissing: its package is not installed.
    """
    if settings.executor == "in_process":
        return interruptible_executor()
    require_extra(settings.executor)
    return _on_celery() if settings.executor == "celery" else _on_kubernetes()


def _on_celery() -> dg.ExecutorDefinition:
    def create(_context: dg.InitExecutorContext) -> dg.Executor:
        from ogaart.orchestration.celery_executor import StepsOnWorkers

        return StepsOnWorkers.of(Settings())

    return dg.ExecutorDefinition(
        "celery",
        requirements=dg.multiple_process_executor_requirements(),
        executor_creation_fn=create,
        description="Each step is executed by a worker (`ogaart worker`) that takes it from its queue.",
    )


def _on_kubernetes() -> dg.ExecutorDefinition:
    from ogaart.orchestration.kubernetes_executor import kubernetes_executor

    return kubernetes_executor()
