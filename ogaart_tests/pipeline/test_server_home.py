"""The whole graph with its collection on a server: what the server loses is noticed when it is published."""

from pathlib import Path

import pytest

from ogaart_tests.pipeline.test_changing_site import days
from ogaart_tests.qdrant_stub import QdrantStub, seeded


@pytest.mark.slow
def test_what_a_server_lost_is_there_again_after_the_next_publication(tmp_path: Path) -> None:
    with (
        QdrantStub() as stub,
        days(tmp_path, 4, QDRANT_URL=stub.url, OGAART_BACKOFF="0.01", OGAART_QDRANT_TIMEOUT="2") as few,
    ):
        stub.fault = seeded(3, 0.2, ("refused", "lost", "unheard", "cut", "read little"))
        few.world.all()
        [name] = [collection.name for collection in stub.engine.get_collections().collections]
        everything = stub.ids(name)
        searchable = [int(str(i)) for (i,) in few.world.sql("SELECT image_id FROM images WHERE indexed ORDER BY 1")]
        assert everything == searchable
        assert len(everything) == 8

        stub.forget(name, everything[2:5])
        report = few.world.publish()  # though no row has changed

        assert (report.errors, report.exit_code) == ([], 0)
        assert stub.ids(name) == everything

        stub.engine.delete_collection(name)
        report = few.world.publish()

        assert (report.errors, report.exit_code) == ([], 0)
        assert stub.ids(name) == everything
        assert sum(stub.faults.values()) > 10
