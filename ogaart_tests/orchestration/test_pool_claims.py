"""Two runs that are the first to claim a slot of a pool, with Dagster's instance on a real PostgreSQL server."""

from contextlib import closing
from pathlib import Path
from threading import Timer

import dagster as dg
import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from ogaart.orchestration.dagster_internals import InterruptibleClaims
from ogaart.orchestration.instance import open_instance
from ogaart.settings import Settings
from ogaart_tests.postgres import Postgres, postgres

__all__ = ["postgres"]

OF_THE_OTHER = (
    """INSERT INTO concurrency_limits (concurrency_key, "limit", using_default_limit) VALUES ('collection', 1, true)""",
    "INSERT INTO concurrency_slots (concurrency_key, deleted) VALUES ('collection', false)",
)
"""What Dagster writes for the first claim from a pool, in one transaction."""


@pytest.mark.slow
def test_the_second_one_gets_its_slot(tmp_path: Path, postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    url = postgres.fresh("claims").replace("postgresql:", "postgresql+psycopg2:")
    monkeypatch.setenv("OGAART_DAGSTER_DATABASE", url)
    run = dg.DagsterRun("process", run_id="00000000-0000-4000-8000-000000000001")
    with (
        open_instance(Settings(data=tmp_path, dagster_database=SecretStr(url))) as instance,
        InterruptibleClaims(instance, run) as claims,
        closing(sa.create_engine(url).connect()) as other,
    ):
        for statement in OF_THE_OTHER:
            other.execute(sa.text(statement))
        Timer(1.0, other.commit).start()  # until then the claim waits

        assert claims.claim("collection", "step")
        [limit] = instance.event_log_storage.get_pool_limits()
        assert (limit.name, limit.limit) == ("collection", 1)
