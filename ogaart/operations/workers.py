"""Workers that execute steps for runs on this data root."""

from collections.abc import Sequence

from ogaart.orchestration.extras import require_extra
from ogaart.settings import Settings


def run_worker(settings: Settings, queues: Sequence[str], processes: int) -> int:
    """Run a Celery worker in this process until it is stopped; returns its exit code.

    Raises:
        ExtraMissing: dagster-celery is not installed.
        DataRootRefused: another host owns the data root.
    """
    require_extra("celery")
    from ogaart.orchestration.celery_worker import serve_steps

    return serve_steps(settings, queues, processes)
