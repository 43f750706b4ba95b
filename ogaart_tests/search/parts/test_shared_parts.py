"""Where a picture is from, by its exact pixels: the sheet it was cut from, and the pictures in a scene."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ogaart.cli.search_command import Answer
from ogaart.imaging.identity import pixel_sha256
from ogaart.resources.moderation.takedowns import decide
from ogaart.search.engine.service import SearchService
from ogaart.search.engine.visitors import LOCAL
from ogaart.search.filters import Filters
from ogaart.search.query import SearchQuery
from ogaart.search.results import Relation, Results, Verdict
from ogaart.search.web.schemas.results import ResultsRecord
from ogaart.settings import Settings
from ogaart_tests.likeness.patch_art import Picture, enlarged, ground, paste, sheet, sprite
from ogaart_tests.logs import decisions_of
from ogaart_tests.search.tiny_generation import ENTRIES, Entry, GridImageReader, image_id, pictures, png, publish

TILES = [ground(seed, 32, 32) for seed in range(80, 92)]
SHEET = [sprite(seed, 32, 32) for seed in range(40, 52)]
CARD = next(entry for entry in ENTRIES if entry.slug == "playing-cards")


def rgba_of(path: Path) -> Picture:
    found = np.asarray(Image.open(path).convert("RGBA")).copy()
    found[found[..., 3] == 0] = 0
    return found


@pytest.fixture(scope="module")
def parted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SearchService]:
    """A publication with patches: the tiny one's entries, and a sheet of 4 x 3 sprites."""
    root = tmp_path_factory.mktemp("parts")
    (root / "monsters.png").write_bytes(png(sheet(SHEET, 4, 32)))
    monsters = Entry("monsters", "Monsters", "Zoe", ("CC-BY 3.0",), ("monster",), f"{root}/*.png")
    settings = Settings(data=root / "data")
    publish(settings, (*ENTRIES, monsters), patches=True)
    with SearchService(settings, GridImageReader(patches=True)) as service:
        yield service


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SearchService]:
    """A publication of a sheet of 4 x 3 opaque tiles."""
    root = tmp_path_factory.mktemp("tiles")
    (root / "tiles.png").write_bytes(png(sheet(TILES, 4, 32)))
    settings = Settings(data=root / "data")
    publish(settings, (Entry("tiles", "Tiles", "Zoe", ("CC0",), ("tile",), f"{root}/*.png"),), patches=True)
    with SearchService(settings, GridImageReader(patches=True)) as service:
        yield service


def search(service: SearchService, picture: Picture, **more: object) -> Results:
    seen = service.read_image(png(picture), None, LOCAL)
    return service.search(SearchQuery(picture=seen, **more))  # type: ignore[arg-type]


def json_of(results: Results) -> dict[str, Any]:
    return ResultsRecord.of(results, following=None, upload=None).model_dump(mode="json")


@pytest.mark.parametrize(("change", "scale"), [(1, 1), (2, 2)], ids=["as it is", "x2"])
def test_a_sprite_cut_from_a_sheet_names_the_sheet_the_place_and_the_cell(
    parted: SearchService, change: int, scale: int
) -> None:
    results = search(parted, enlarged(SHEET[6], change))

    assert results.verdict == Verdict(
        Relation.PART,
        "This picture is a part of “Monsters” by Zoe, at x 64, y 32 (column 3, row 2)"
        + (", enlarged 2 times." if scale == 2 else "."),
    )
    [found] = results.part_of
    assert (found.hit.slug, found.place, found.cell, found.scale) == ("monsters", (64, 32, 32, 32), (3, 2), scale)
    assert [(hit.slug, hit.relation) for hit in results.hits[:1]] == [("monsters", Relation.PART)]
    assert results.contains == ()


def test_a_mirrored_sprite_without_an_opaque_window_is_found_beside_another_on_a_flat_ground(tmp_path: Path) -> None:
    net = ground(1, 40, 40)
    net[::5, ::5] = 0
    (tmp_path / "net.png").write_bytes(png(net))
    settings = Settings(data=tmp_path / "data")
    publish(settings, (Entry("net", "Net", "Zoe", ("CC0",), ("net",), f"{tmp_path}/*.png"),), patches=True)
    magenta = np.full((60, 120, 4), (255, 0, 255, 255), np.uint8)
    drawing = paste(paste(magenta, np.ascontiguousarray(net[:, ::-1]), 10, 8), sprite(5, 40, 40), 70, 8)

    with SearchService(settings, GridImageReader(patches=True)) as service:
        results = search(service, drawing)

    assert [part.hit.pixel_sha256 for part in results.contains] == [pixel_sha256(net)]


TILE = ground(70, 32, 32)
NEXT_TILE = paste(TILE, ground(71, 32, 7), 0, 25)


@pytest.mark.parametrize("repeated", [1, 2, 4])
def test_a_repeated_tile_is_not_another_tile_of_its_set_as_well(tmp_path: Path, repeated: int) -> None:
    for name, tile in (("tile", TILE), ("next", NEXT_TILE)):
        (tmp_path / f"{name}.png").write_bytes(png(tile))
    tiles = Entry("tiles", "Tiles", "Zoe", ("CC0",), ("tile",), f"{tmp_path}/*.png")
    settings = Settings(data=tmp_path / "data")
    publish(settings, (tiles,), patches=True)
    scene = paste(ground(1, 220, 120), TILE, 10, 60)
    scene[60:63, 10:13] = 255  # here what both have is covered, at the other places what only this one has
    for n in range(1, repeated):
        scene = paste(scene, TILE[:31], 10 + 40 * n, 60)

    with SearchService(settings, GridImageReader(patches=True)) as service:
        results = search(service, scene)

    assert [part.hit.pixel_sha256 for part in results.contains] == [pixel_sha256(TILE)]


def test_a_scene_names_every_known_picture_with_its_licence(parted: SearchService) -> None:
    card, ship = (rgba_of(pictures(entry)[0]) for entry in ENTRIES if entry.slug in ("playing-cards", "tanks"))
    scene = paste(paste(ground(1, 420, 320), card, 30, 40), ship, 250, 150)

    results = search(parted, scene)

    assert results.verdict == Verdict(Relation.CONTAINED, "This picture contains 2 known pictures of 2 entries.")
    height, width = card.shape[:2]
    places = {part.hit.slug: (part.place.x, part.place.y) for part in results.contains}
    assert places == {"playing-cards": (30, 40), "tanks": (250, 150)}
    assert {part.hit.slug: part.place[2:] for part in results.contains}["playing-cards"] == (width, height)
    assert {hit.slug for hit in results.hits if hit.relation is Relation.CONTAINED} == {"playing-cards", "tanks"}
    assert results.credits_path == "/credits?ids=" + ",".join(str(part.hit.image_id) for part in results.contains)


def test_a_picture_made_of_known_ones_alone_is_assembled(parted: SearchService) -> None:
    cards = [rgba_of(path) for path in pictures(CARD)[:4]]
    rows = [np.concatenate(cards[:2], axis=1), np.concatenate(cards[2:], axis=1)]

    results = search(parted, np.concatenate(rows, axis=0))

    assert results.verdict == Verdict(Relation.CONTAINED, "This picture is assembled from 4 known pictures of 1 entry.")


def test_an_exact_copy_stays_an_exact_copy(parted: SearchService) -> None:
    results = search(parted, rgba_of(pictures(CARD)[2]))

    assert results.verdict == Verdict(Relation.SAME, "This exact picture is in “Playing cards” by Kenney.")
    assert results.hits[0].image_id == image_id("playing-cards", 2)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rgba: rgba[:, ::-1], ["mirrored"]),
        (lambda rgba: np.rot90(rgba), ["turned by a quarter"]),
        (lambda rgba: np.rot90(rgba, 2), ["upside down"]),
        (lambda rgba: np.rot90(rgba[:, ::-1], 3), ["mirrored", "turned by a quarter"]),
        (lambda rgba: enlarged(rgba[:, ::-1], 3), ["mirrored", "enlarged 3 times"]),
    ],
    ids=["mirrored", "turned", "upside down", "mirrored and turned", "mirrored and enlarged"],
)
def test_how_a_sprite_of_a_sheet_was_changed_is_said(
    parted: SearchService, change: Callable[[Picture], Picture], said: list[str]
) -> None:
    results = search(parted, np.ascontiguousarray(change(SHEET[6])))

    assert results.verdict == Verdict(
        Relation.PART,
        f"This picture is a part of “Monsters” by Zoe, at x 64, y 32 (column 3, row 2), {', '.join(said)}.",
    )
    [part] = json_of(results)["part_of"]
    assert part["changes"] == said
    assert f"x 64, y 32, 32 x 32 pixels, column 3, row 2, {', '.join(said)}\n" in Answer(json_of(results)).text()


def test_how_a_piece_of_a_scene_was_changed_is_said(parted: SearchService) -> None:
    [tanks] = [pictures(entry) for entry in ENTRIES if entry.slug == "tanks"]
    body, corner = rgba_of(tanks[0]), rgba_of(tanks[10])
    scene = paste(paste(ground(1, 420, 320), body, 10, 40), enlarged(corner[:, ::-1], 2), 200, 30)

    results = search(parted, scene)

    found = json_of(results)
    assert {part["place"]["x"]: part["changes"] for part in found["contains"]} == {
        10: [],
        200: ["mirrored", "enlarged 2 times"],
    }
    assert "at x 200, y 30, mirrored, enlarged 2 times  http" in Answer(found).text()


def test_a_mirrored_copy_is_a_near_copy(parted: SearchService) -> None:
    results = search(parted, np.ascontiguousarray(sheet(SHEET, 4, 32)[:, ::-1]))

    assert (results.hits[0].slug, results.hits[0].relation) == ("monsters", Relation.NEAR)
    assert results.part_of == results.contains == ()


def test_filters_and_decisions_hold_for_parts(parted: SearchService) -> None:
    only_free = search(parted, SHEET[6], filters=Filters(licences=("CC0",)))
    decisions = decisions_of(parted.settings.data)
    decide(decisions, "entry", "monsters", "asked for")
    blocked = search(parted, SHEET[6])
    decide(decisions, "entry", "monsters", "a mistake", lift=True)

    assert [results.part_of for results in (only_free, blocked)] == [(), ()]
    assert search(parted, SHEET[6]).part_of != ()


def test_later_pages_go_on_in_the_order_that_parts_have_a_part_in(parted: SearchService) -> None:
    every = [hit.image_id for hit in search(parted, SHEET[6], fold=False, limit=9).hits]

    pages = [search(parted, SHEET[6], fold=False, limit=3, offset=offset) for offset in (0, 3, 6)]

    assert [hit.image_id for page in pages for hit in page.hits] == every
    assert pages[0].hits[0].relation is Relation.PART
    assert [(len(page.part_of), page.verdict is not None) for page in pages] == [(1, True), (0, False), (0, False)]


@pytest.mark.parametrize("offset", [0, 1])
def test_parts_that_cannot_be_read_are_an_error_on_every_page(tmp_path: Path, offset: int) -> None:
    for n, tile in enumerate(TILES[:3]):
        (tmp_path / f"{n}.png").write_bytes(png(tile))
    settings = Settings(data=tmp_path / "data")
    publish(settings, (Entry("tiles", "Tiles", "Zoe", ("CC0",), ("tile",), f"{tmp_path}/*.png"),), patches=True)
    for heads in settings.data.glob("generations/*/patches/run-*/heads.npy"):
        heads.unlink()

    with SearchService(settings, GridImageReader(patches=True)) as service, pytest.raises(OSError, match="heads"):
        search(service, TILES[6], fold=False, limit=1, offset=offset)


def test_strangers_are_parts_of_nothing(parted: SearchService) -> None:
    for seed in range(900, 910):
        results = search(parted, sprite(seed, 40, 40))
        assert (results.part_of, results.contains) == ((), ())


def test_what_shares_too_little_for_proof_is_shown_with_its_place_and_nothing_is_claimed(parted: SearchService) -> None:
    repainted = SHEET[6].copy()
    repainted[:21] = sprite(970, 32, 32)[:21]
    ship = rgba_of(next(path for entry in ENTRIES if entry.slug == "tanks" for path in pictures(entry)))
    beside_a_ship = paste(paste(ground(5, 300, 200), repainted, 20, 30), ship, 120, 60)

    alone, in_a_scene = search(parted, repainted), search(parted, beside_a_ship)

    assert alone.verdict is not None
    assert alone.verdict.relation is Relation.SIMILAR
    assert (alone.part_of, alone.contains) == ((), ())
    assert (alone.hits[0].slug, alone.hits[0].relation) == ("monsters", Relation.SIMILAR)
    assert [(one.hit.slug, one.place, one.cell) for one in alone.similar_cells] == [
        ("monsters", (64, 32, 32, 32), (3, 2))
    ]
    assert [part.hit.slug for part in in_a_scene.contains] == ["tanks"]
    assert ("monsters", Relation.SIMILAR) in [(hit.slug, hit.relation) for hit in in_a_scene.hits[:3]]


def test_a_scene_with_a_piece_of_a_sheet_is_like_that_piece_alone(tiles: SearchService) -> None:
    scene = paste(ground(6, 120, 90), TILES[6], 30, 20)

    results = search(tiles, paste(scene, sprite(7, 60, 60), 60, 30))

    assert (results.part_of, results.contains) == ((), ())
    [found] = results.similar_cells
    x, y, width, height = found.place
    assert 64 <= x < x + width <= 96
    assert 32 <= y < y + height <= 64
    assert f"x {x}, y {y}, {width} x {height} pixels" in Answer(json_of(results)).text()


@pytest.mark.parametrize("colour", [(255, 0, 255), (255, 255, 255), (0, 0, 0)], ids=["magenta", "white", "black"])
@pytest.mark.parametrize("scale", [1, 3])
def test_the_ground_around_a_tile_is_no_part_of_its_sheet(
    tiles: SearchService, colour: tuple[int, int, int], scale: int
) -> None:
    on_ground = np.full((56, 56, 4), 255, np.uint8)
    on_ground[..., :3] = colour

    results = search(tiles, enlarged(paste(on_ground, TILES[6], 12, 12), scale))

    [found] = results.part_of
    assert (found.place, found.cell, found.scale) == ((64, 32, 32, 32), (3, 2), scale)


def test_a_publication_without_patches_is_searched_as_before(service: SearchService) -> None:
    seen = GridImageReader(patches=True).read_image(png(SHEET[6]), None, service.info().space)

    results = service.search(SearchQuery(picture=seen))

    assert (results.part_of, results.contains) == ((), ())
    assert results.hits


def test_api_and_command_line_name_the_place(parted: SearchService) -> None:
    record = json_of(search(parted, SHEET[6]))

    [part] = record["part_of"]
    assert part["place"] == {"x": 64, "y": 32, "width": 32, "height": 32}
    assert (part["column"], part["row"], part["scale"], part["mirrored"], part["changes"]) == (3, 2, 1.0, False, [])
    assert part["licences"] == ["CC-BY 3.0"]
    said = "part of  Monsters, by Zoe: CC-BY 3.0\n      x 64, y 32, 32 x 32 pixels, column 3, row 2\n"
    assert f"{said}      {part['file']}\n      {part['page_url']}" in Answer(record).text()
    since = ("file", "member_path", "changes")
    older = {**record, "part_of": [{key: value for key, value in part.items() if key not in since}]}
    assert f"{said}      {part['page_url']}" in Answer(older).text()
