"""``ogaart up``: the Dagster UI and daemon on the project's own instance, until they end or are stopped."""

import signal

from ogaart.orchestration.services import Services
from ogaart.settings import Settings


def run(settings: Settings, host: str, port: int) -> int:
    """Run UI and daemon until they end or are interrupted; returns the exit code.

    Raises:
        Locked: they run already.
    """
    services = Services(settings, host, port)
    print(f"Dagster UI: http://{host}:{port}", flush=True)  # noqa: T201
    signal.signal(signal.SIGTERM, lambda *_: services.terminate())
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job would ignore it
    try:
        return services.wait()
    except KeyboardInterrupt:
        services.stop()
        return 0
