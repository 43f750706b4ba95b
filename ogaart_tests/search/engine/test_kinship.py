"""What belongs to a picture, as the service and the API state it: cells, frames, and the family in other entries."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from ogaart.search.engine.kinship import Kinship, SheetCell
from ogaart.search.engine.service import SearchService
from ogaart.search.web.app import create_app
from ogaart.search.web.schemas import ImageRecord
from ogaart.settings import Settings
from ogaart_tests.search.tiny_generation import ENTRIES, GridImageReader, image_id, publish

SHEET, COPY, RECOLOUR = image_id("tanks", 0), image_id("robot-animated", 0), image_id("tanks", 1)
FRAMES = (image_id("robot-animated", 1), image_id("robot-animated", 2))
SOME = tuple(entry for entry in ENTRIES if entry.slug in ("tanks", "robot-animated"))
CELL = SheetCell(0, 0, 16, 32, 32, "named", "oak", 1.0, "LibGDX: a.atlas")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SearchService]:
    settings = Settings(data=tmp_path_factory.mktemp("kinship"))
    publish(settings, SOME)
    store = sqlite3.connect(settings.data / "generations" / "current" / "words.sqlite")
    store.execute("INSERT INTO cells VALUES (?, 0, 0, 16, 32, 32, 'named', 'oak', 1.0, 'LibGDX: a.atlas')", (SHEET,))
    store.executemany(
        "INSERT INTO families VALUES (?, ?, ?, ?, ?)",
        [
            (SHEET, SHEET, SHEET, "copy", 0.97),
            (COPY, SHEET, SHEET, "copy", 0.97),
            (RECOLOUR, SHEET, RECOLOUR, "recolour", 0.99),
        ],
    )
    store.executemany("INSERT INTO frames VALUES (?, ?, ?)", [(f, FRAMES[0], n) for n, f in enumerate(FRAMES)])
    store.commit()
    store.close()
    with SearchService(settings, GridImageReader()) as opened:
        yield opened


def test_a_picture_has_cells_frames_and_a_family_with_other_entries_first(service: SearchService) -> None:
    sheet, frame = service.hit(SHEET), service.hit(FRAMES[1])
    assert sheet is not None
    assert frame is not None

    found = service.kinship(sheet)

    assert found.cells == (CELL,)
    assert [(one.hit.image_id, one.kind, one.evidence) for one in found.family] == [
        (COPY, "copy", 0.97),
        (RECOLOUR, "recolour", 0.99),
    ]
    assert service.kinship(frame) == Kinship(frames=FRAMES)


def test_the_record_says_where_else_under_which_licence(service: SearchService) -> None:
    hit = service.hit(SHEET)
    assert hit is not None

    record = ImageRecord.with_history(hit, (), service.kinship(hit)).model_dump()

    assert record["cells"] == [
        {"number": 0, "x": 0, "y": 16, "width": 32, "height": 32, "kind": "named", "name": "oak", "confidence": 1.0,
         "source": "LibGDX: a.atlas"}
    ]  # fmt: skip
    relative = record["family"][0]
    assert (relative["slug"], relative["kind"], relative["licences"]) == (
        "robot-animated",
        "copy",
        list(next(entry for entry in SOME if entry.slug == "robot-animated").licences),
    )


def test_the_page_and_the_api_say_so(service: SearchService) -> None:
    with TestClient(create_app(service.settings, service), base_url="http://localhost") as client:
        page = client.get(f"/image/{SHEET}").text
        record = client.get(f"/api/v1/images/{SHEET}").json()
        frame = client.get(f"/api/v1/images/{FRAMES[1]}").json()

    section = page.partition("The same art in other entries")[2].partition("</section>")[0]
    assert f"/image/{COPY}" in section
    assert "· copy," in section
    assert f"/image/{RECOLOUR}" not in section
    assert [cell["name"] for cell in record["cells"]] == ["oak"]
    assert frame["animation"] == [str(one) for one in FRAMES]


def test_folding_knows_copies_and_frames(service: SearchService) -> None:
    with service.store() as (store, _):
        briefs = store.briefs([SHEET, COPY, RECOLOUR, *FRAMES])

    assert {briefs[i].copy_id for i in (SHEET, COPY)} == {SHEET}
    assert briefs[RECOLOUR].copy_id == RECOLOUR
    assert {briefs[i].animation_id for i in FRAMES} == {FRAMES[0]}
    assert briefs[FRAMES[0]].copy_id == FRAMES[0]


def test_a_publication_of_before_has_none(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    publish(settings, SOME[:1])
    store = sqlite3.connect(settings.data / "generations" / "current" / "words.sqlite")
    for table in ("cells", "families", "frames"):
        store.execute(f"DROP TABLE {table}")
    store.commit()
    store.close()

    with SearchService(settings, GridImageReader()) as service:
        slug = SOME[0].slug
        hit = service.hit(image_id(slug, 0))
        assert hit is not None
        assert service.kinship(hit) == Kinship()
        with service.store() as (serving, _):
            assert serving.briefs([hit.image_id])[hit.image_id].copy_id is None
