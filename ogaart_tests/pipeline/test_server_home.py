"""The whole graph with its collection on a server: what it loses comes back, and the order of a publication."""

from pathlib import Path

import pytest

from ogaart.operations.garbage_collection import collect
from ogaart.operations.rebuild import rebuild
from ogaart.operations.verify import verify
from ogaart.resources.catalog.generations import Generations
from ogaart.resources.catalog.publishing import server_holds
from ogaart.resources.index.factory import open_index
from ogaart.resources.index.server_collections import IN_SERVICE
from ogaart_tests.pipeline.test_changing_site import Days, days
from ogaart_tests.qdrant_stub import QdrantStub, seeded


@pytest.mark.slow
def test_what_a_server_lost_is_there_again_after_the_next_publication(tmp_path: Path) -> None:
    with (
        QdrantStub() as stub,
        days(tmp_path, 4, QDRANT_URL=stub.url, OGAART_BACKOFF="0.01", OGAART_QDRANT_TIMEOUT="2") as few,
    ):
        stub.fault = seeded(3, 0.2, ("refused", "lost", "unheard", "cut", "read little"))
        few.world.all()
        [name] = stub.collections
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


def in_service(few: Days) -> int:
    current = Generations(few.world.stores.root.generations).current()
    return 0 if current is None else current.number


def searched(few: Days) -> list[int]:
    """What searches read of the publication in service."""
    generation = few.world.generation
    where = (few.world.settings, generation.index, generation.manifest["space"], 1280)
    with open_index(*where, read_only=True, published=True) as index:
        return list(index.ids())


@pytest.mark.slow
def test_points_are_deleted_after_the_switch_and_never_for_what_is_held_back(tmp_path: Path) -> None:
    with QdrantStub() as stub, days(tmp_path, 13, QDRANT_URL=stub.url) as few:
        few.world.all()
        [name] = stub.collections
        everything = stub.ids(name)
        deleted_in: list[int] = []

        def note(_method: str, what: str) -> None:
            if what == "points/delete":
                deleted_in.append(in_service(few))

        stub.fault = note
        for number in range(1, 12):
            few.site.delete(f"entry-{number:02}")
        few.world.discover(refresh=True)
        for _ in range(2):  # a second run confirms it
            few.world.materialize()

        held_back = few.world.publish()

        assert held_back.errors
        assert (in_service(few), stub.ids(name), deleted_in) == (1, everything, [])
        assert server_holds(few.world.stores, Generations(few.world.stores.root.generations).all()[-1])
        assert [
            row for row in verify(few.world.settings, few.world.quiet()).rows if row.get("what") == "collection"
        ] == []

        report = few.world.publish(accept_losses=True)

        assert (report.errors, report.exit_code) == ([], 0)
        assert set(deleted_in) == {in_service(few)} != {1}
        left = [int(str(i)) for (i,) in few.world.sql("SELECT image_id FROM images WHERE indexed ORDER BY 1")]
        assert stub.ids(name) == left != everything


@pytest.mark.slow
def test_a_rebuilt_index_is_searched_once_it_is_published_and_the_old_one_is_kept_as_a_snapshot(tmp_path: Path) -> None:
    with QdrantStub() as stub, days(tmp_path, 4, QDRANT_URL=stub.url) as few:
        few.world.all()
        [old] = stub.collections
        everything = stub.ids(old)
        settings = few.world.settings.model_copy(update={"qdrant_quantization": "scalar"})

        report = rebuild(settings, few.world.quiet(), "index")

        assert report.errors == []
        assert (searched(few), stub.snapshots) == (everything, [])
        [new] = [name for name in stub.collections if name != old]
        assert stub.ids(new) == everything
        assert set(stub.aliases.values()) == {old, new}
        assert few.world.publish().errors == []

        assert (searched(few), stub.collections) == (everything, [new])
        assert stub.snapshots == [(old, len(everything))]
        assert stub.aliases[IN_SERVICE] == new

        space = few.world.generation.manifest["space"]
        (few.world.stores.root.index / "another-space").mkdir()
        open_index(settings, tmp_path, "another-space", 8).close()
        collect(settings, delete=True, space="another-space")

        assert stub.collections == [new]
        assert space in new
