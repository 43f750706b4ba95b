"""All that Dagster loads: the assets of ``ogaart.assets``, with their checks, jobs, schedules and sensors."""

from functools import lru_cache

import dagster as dg

from ogaart import assets
from ogaart.orchestration import jobs, schedules, sensors
from ogaart.orchestration.asset_checks import catalog_checks
from ogaart.orchestration.executors import executor_for
from ogaart.orchestration.instance import refuse_split_root
from ogaart.orchestration.loggers import choose_log_format
from ogaart.resources.platform import Platform
from ogaart.settings import Settings


@dg.definitions
def defs() -> dg.Definitions:
    """The definitions, as Dagster's own processes load them.

    Raises:
        DataRootRefused: Dagster's history is not under the data root.
    """
    refuse_split_root(Settings())
    return build_definitions()


def build_definitions() -> dg.Definitions:
    """The asset graph and what runs it; made once in a process, for as long as the settings stay.

    Raises:
        ExtraMissing: the package of the executor that ``OGAART_EXECUTOR`` names is not installed.
    """
    settings = Settings()
    choose_log_format(settings)
    return _definitions(settings)


@lru_cache(maxsize=1)
def _definitions(settings: Settings) -> dg.Definitions:
    return dg.Definitions(
        assets=dg.load_assets_from_package_module(assets),
        asset_checks=[catalog_checks],
        jobs=jobs.JOBS,
        schedules=schedules.SCHEDULES,
        sensors=sensors.SENSORS,
        resources={"platform": Platform()},
        executor=executor_for(settings),
    )
