"""A step is not passed over where it has to see what other partitions and processes did while, or after, it ran."""

import io
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image

from ogaart.cli.demo_command import QUERIES
from ogaart.core.stages import Stage
from ogaart.core.states import FileStatus
from ogaart.demo.http import DemoFault
from ogaart.demo.model import DemoContent
from ogaart.pipeline import discovery
from ogaart.pipeline.step import Step, open_step
from ogaart.resources.embedding.registry import VectorSpace
from ogaart.resources.index.collection import Collection
from ogaart.resources.platform import Stores
from ogaart.resources.storage.schema import EMBEDDINGS, FAILURES, POINTS, RAW_FILES
from ogaart.settings import Settings
from ogaart_tests.changing_site import ChangingSite
from ogaart_tests.pipeline.test_changing_site import PER_PAGE, entry
from ogaart_tests.pipeline.test_unchanged_steps import WORK
from ogaart_tests.world import World, copy_world, open_world

pytestmark = pytest.mark.slow

FIRST, SECOND = "2d-art/0000", "2d-art/0001"
TO_PICTURES = list(WORK)[: list(WORK).index(Stage.EMBEDDINGS)]


def encoded_again(png: bytes) -> bytes:
    """Other bytes with the same pixels."""
    content = io.BytesIO()
    Image.open(io.BytesIO(png)).save(content, "PNG", compress_level=0)
    return content.getvalue()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Two result pages; the last entry has a picture of the first one, in other bytes. Everything but embedded."""
    entries = [entry(number) for number in range(1, PER_PAGE + 2)]
    entries[0].numbered = True
    with open_world(
        tmp_path_factory.mktemp("elsewhere"),
        ChangingSite(site=DemoContent(entries), per_page=PER_PAGE),
        OGAART_ATTEMPTS="1",
    ) as opened:
        opened.settings.queries.write_text(QUERIES.replace("per_page = 24", f"per_page = {PER_PAGE}"))
        same = entries[0].files[0]
        opened.site.replace_file(entries[-1].files[0].fid, encoded_again(same.data), same.pictures)
        sweep(opened)
        for key in (FIRST, SECOND):
            run(opened, TO_PICTURES, key)
        yield opened


@pytest.fixture
def world(made: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return copy_world(made, tmp_path / "data", monkeypatch.setenv)


def sweep(world: World) -> None:
    stores = world.stores
    discovery.sweep(stores, stores.queries["2d-art"], refresh=True)
    stores.close()


def run(world: World, stages: list[Stage], key: str = FIRST) -> list[Stage]:
    """Run stages of a partition in a process's own stores; returns those that were not passed over."""
    stores, whole = Stores(type(world.settings)()), []
    for stage in stages:
        with open_step(stores, stage, key, f"run at {datetime.now(UTC)}") as step:
            WORK[stage](step)
        if not step.repeats:
            whole.append(stage)
    stores.close()
    return whole


class DisturbedStep(Step):
    """A step beside which another process does something: before its result is checked, when it has read its inputs."""

    meanwhile: Callable[[], object]

    def check(self, name: str, passed: bool, message: str) -> None:
        self.meanwhile()
        super().check(name, passed, message)


def run_beside(world: World, stage: Stage, meanwhile: Callable[[], object]) -> None:
    stores = Stores(type(world.settings)())
    step = DisturbedStep(stores, stage, FIRST, f"run at {datetime.now(UTC)}")
    step.meanwhile = meanwhile
    WORK[stage](step)
    stores.close()
    assert not step.repeats


def damage_a_picture(world: World) -> None:
    """Let the first entry's first file not be decoded any more."""
    stores = world.stores
    url = world.site.site.entry("entry-01").files[0].path
    [row] = [row for row in stores.tables.read(RAW_FILES, FIRST) if row["url"].endswith(url)]
    path = stores.blobs.path(str(row["sha256"]))
    size = path.stat().st_size
    path.chmod(0o644)
    path.write_bytes(bytes(size))
    stores.close()


@pytest.mark.parametrize("lacking", ["its vector", "derived bytes"])
def test_what_failed_and_another_partition_has_computed(world: World, lacking: str) -> None:
    if lacking == "derived bytes":
        run(world, [Stage.EMBEDDINGS])
        for space in (world.settings.data / "derived").iterdir():
            shutil.rmtree(space)
    damage_a_picture(world)
    run(world, [Stage.EMBEDDINGS])
    run(world, [Stage.EMBEDDINGS])
    assert run(world, [Stage.EMBEDDINGS]) == []
    stores = world.stores
    assert stores.tables.read(FAILURES, FIRST, Stage.EMBEDDINGS)

    run(world, [Stage.EMBEDDINGS], SECOND)

    assert run(world, [Stage.EMBEDDINGS]) == [Stage.EMBEDDINGS]
    assert stores.tables.read(FAILURES, FIRST, Stage.EMBEDDINGS) == []
    assert {row["status"] for row in stores.tables.read(EMBEDDINGS, FIRST)} == {"ok"}
    stores.close()


def test_a_sweep_while_a_result_page_is_read(world: World) -> None:
    def sweep_again() -> None:
        stores = world.stores
        found = stores.sweeps.latest("2d-art")
        assert found is not None
        stores.sweeps.store(replace(found, total=found.total + 1))
        stores.close()

    sweep_again()  # so that the page is looked at
    run_beside(world, Stage.SEARCH_PAGES, sweep_again)

    assert run(world, [Stage.SEARCH_PAGES]) == [Stage.SEARCH_PAGES]
    assert run(world, [Stage.SEARCH_PAGES]) == []


def test_another_page_of_an_entry_while_its_number_is_given_a_name(world: World) -> None:
    url = f"{world.site.base}/node/1"

    def read_again() -> None:
        stores = world.stores
        record = stores.fetch_records.read(url)
        assert record is not None
        stores.fetch_records.write(record.confirmed(datetime.now(UTC)))
        stores.close()

    read_again()
    run_beside(world, Stage.SEARCH_PAGES, read_again)

    assert run(world, [Stage.SEARCH_PAGES]) == [Stage.SEARCH_PAGES]
    assert run(world, [Stage.SEARCH_PAGES]) == []


def test_a_page_that_seems_older_than_the_sweep(world: World) -> None:
    stores = world.stores
    found = stores.sweeps.latest("2d-art")
    assert found is not None
    stores.sweeps.store(replace(found, at=datetime.now(UTC) + timedelta(hours=1)))  # the clock was set back since
    stores.close()
    before = len(world.site.requests)

    run(world, [Stage.SEARCH_PAGES])
    run(world, [Stage.SEARCH_PAGES])

    assert len(world.site.requests) == before + 2  # requested until it is newer


def test_a_collection_that_is_replaced_while_points_are_upserted(world: World) -> None:
    def replace_collection() -> None:
        stores = world.stores
        collection = Collection(stores, VectorSpace.of(stores.settings))
        collection.discard()
        with collection.writer():
            pass
        stores.close()

    run(world, [Stage.EMBEDDINGS])
    run_beside(world, Stage.QDRANT_COLLECTION, replace_collection)

    assert run(world, [Stage.QDRANT_COLLECTION]) == [Stage.QDRANT_COLLECTION]
    stores = world.stores
    points = [row["image_id"] for row in stores.tables.read(POINTS, FIRST)]
    with Collection(stores, VectorSpace.of(stores.settings)).writer() as index:
        assert len(index.retrieve(points, with_payload=False)) == len(points) > 0
    stores.close()


def test_a_file_of_two_entries_whose_failure_is_that_of_the_other_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OGAART_MAX_FILE_BYTES", "100000")
    first, second = world.site.site.entry("entry-01"), world.site.site.entry("entry-02")
    file = replace(first.files[0], fid=999, shown_name="shared.png", stored_name="shared.png")
    first.files.append(file)
    second.files.append(replace(file, data=bytes(200_000)))  # what its page states
    try:
        stores = Stores(Settings())
        stores.fetch_records.forget([f"{world.site.base}/node/1", f"{world.site.base}/content/entry-02"])
        stores.close()
        world.site.fail(file.path, DemoFault(status=500))
        run(world, [Stage.CONTENT_PAGES, Stage.FILE_LINKS, Stage.RAW_FILES])

        run(world, [Stage.RAW_FILES])  # the site is well again

        rows = world.stores.tables.read(RAW_FILES, FIRST)
        statuses = sorted(row["status"] for row in rows if row["url"].endswith("shared.png"))
        assert statuses == [FileStatus.OK, FileStatus.TOO_LARGE]
    finally:
        del first.files[-1], second.files[-1]
