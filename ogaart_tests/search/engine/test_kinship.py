"""What belongs to a picture, as the service and the API state it: cells, frames, and the family in other entries."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from ogaart.likeness.fusion import Weights
from ogaart.search.engine.kinship import Kinship, SheetCell, linked_with
from ogaart.search.engine.service import SearchService
from ogaart.search.filters import Filters
from ogaart.search.query import SearchQuery
from ogaart.search.results import PartBox
from ogaart.search.web.app import create_app
from ogaart.search.web.schemas.images import ImageRecord
from ogaart.settings import Settings
from ogaart_tests.search.tiny_generation import ENTRIES, GridImageReader, image_id, publish

SHEET, COPY, RECOLOUR = image_id("tanks", 0), image_id("robot-animated", 0), image_id("tanks", 1)
FRAMES = (image_id("robot-animated", 1), image_id("robot-animated", 2))
SOME = tuple(entry for entry in ENTRIES if entry.slug in ("tanks", "robot-animated"))
CELL = SheetCell(0, 0, 16, 32, 32, "named", "oak", 1.0, "LibGDX: a.atlas")


def _size(store: sqlite3.Connection, one: int) -> tuple[int, int]:
    width, height = store.execute("SELECT width, height FROM images WHERE image_id = ?", (one,)).fetchone()
    return width, height


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
    pixels = dict(store.execute("SELECT image_id, pixel_sha256 FROM images"))
    store.executemany(
        "INSERT INTO parts VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (pixels[FRAMES[0]], pixels[SHEET], 4, 8, 16, 16, 0.9),
            (pixels[FRAMES[1]], pixels[SHEET], 0, 0, *_size(store, SHEET), 0.9),  # all of it: a copy
        ],
    )
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
    assert (service.kinship(frame).frames, service.kinship(frame).family) == (FRAMES, ())


def test_a_picture_has_those_that_contain_it_and_those_that_it_contains(service: SearchService) -> None:
    sheet, sprite = service.hit(SHEET), service.hit(FRAMES[0])
    assert sheet is not None
    assert sprite is not None

    [whole] = service.kinship(sprite).part_of
    [part] = service.kinship(sheet).contains

    assert (whole.hit.image_id, whole.place, round(whole.share, 2)) == (SHEET, PartBox(4, 8, 16, 16), 0.9)
    assert (part.hit.image_id, part.place) == (FRAMES[0], PartBox(4, 8, 16, 16))
    assert service.kinship(sheet).part_of == service.kinship(sprite).contains == ()
    with service.store() as (store, _):
        assert (linked_with(store, SHEET), linked_with(store, FRAMES[0])) == (frozenset(FRAMES), frozenset({SHEET}))
    assert service.kinship(sheet).credits_path == f"/credits?ids={FRAMES[0]}"
    with TestClient(create_app(service.settings, service), base_url="http://localhost") as client:
        page, record = client.get(f"/image/{FRAMES[0]}").text, client.get(f"/api/v1/images/{FRAMES[0]}").json()
        containing = client.get(f"/image/{SHEET}").text
    assert "This picture is a part of" in page
    assert "x 4, y 8 · 16 × 16 pixels" in page
    assert record["part_of"][0]["place"] == {"x": 4, "y": 8, "width": 16, "height": 16}
    assert "This picture contains 1 known picture" in containing
    times = sprite.width / 16
    assert f"16 × 16 pixels · enlarged {times:g} times" in page
    assert record["part_of"][0]["changes"] == [f"enlarged {times:g} times"]
    assert f"at x 4, y 8 · reduced to {1 / times:.0%}".replace("%", " %") in containing


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
    for table in ("cells", "families", "frames", "parts"):
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


def test_the_frames_of_its_animation_come_first_unless_a_visitor_weighs_or_filters_otherwise(
    service: SearchService,
) -> None:
    def found(**more: object) -> list[int]:
        query = SearchQuery(positive=(FRAMES[0],), fold=False, limit=50, **more)  # type: ignore[arg-type]
        return [hit.image_id for hit in service.search(query).hits]

    usual = found()
    weighed = found(weights=Weights(1, 1, 0))

    assert usual[0] == FRAMES[1]
    assert sorted(usual) == sorted(weighed)
    assert FRAMES[1] not in found(filters=Filters(authors=("nobody",)))
    assert FRAMES[0] not in usual
