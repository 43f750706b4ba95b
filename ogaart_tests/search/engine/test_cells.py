"""A sprite that was cut from a sheet and altered finds the sheet, by its cells, with the place."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ogaart import demo
from ogaart.likeness import cells
from ogaart.likeness.fusion import USUAL, Weights
from ogaart.likeness.projections import Projection
from ogaart.resources.catalog.generations import PROJECTION
from ogaart.search.candidates.cell_index import CellIndex
from ogaart.search.candidates.fused_scan import highest
from ogaart.search.engine.service import SearchService
from ogaart.search.engine.visitors import LOCAL
from ogaart.search.filters import Filters
from ogaart.search.query import SearchQuery
from ogaart.search.results import Relation, Results, SharedPart
from ogaart.search.web.schemas.results import ResultsRecord
from ogaart_tests.world import World

SHEET = Path(demo.__file__).parent / "art" / "naev-data" / "space" / "caesar.png"
SIDE = 40
COLUMN, ROW = 2, 3


@pytest.fixture
def service(demo_world: World) -> Iterator[SearchService]:
    with SearchService(demo_world.settings) as opened:
        yield opened


def altered(form: str) -> bytes:
    """A cell of the sheet, 1.5 times as large, and as a JPEG on white."""
    left, top = COLUMN * SIDE, ROW * SIDE
    cell = Image.open(SHEET).convert("RGBA").crop((left, top, left + SIDE, top + SIDE))
    cell = cell.resize((60, 60), Image.Resampling.BICUBIC)
    out = io.BytesIO()
    if form == "JPEG":
        white = Image.new("RGBA", cell.size, "white")
        white.alpha_composite(cell)
        white.convert("RGB").save(out, form, quality=85)
    else:
        cell.save(out, form)
    return out.getvalue()


def search(service: SearchService, form: str, **more: object) -> Results:
    return service.search(SearchQuery(picture=service.read_image(altered(form), None, LOCAL), **more))  # type: ignore[arg-type]


def sheet_of(results: Results) -> SharedPart:
    found = [part for part in (*results.part_of, *results.similar_cells) if part.hit.member_path.endswith("caesar.png")]
    assert found, results.verdict
    return found[0]


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_an_altered_sprite_finds_its_sheet_first_with_its_place(service: SearchService, form: str) -> None:
    results = search(service, form)

    part = sheet_of(results)
    assert results.hits[0].member_path.endswith("caesar.png")
    assert results.hits[0].relation in (Relation.PART, Relation.SIMILAR)
    # The ship turns by a few degrees from one frame to the next.
    assert abs(part.place.x // SIDE - COLUMN) <= 1
    assert abs(part.place.y // SIDE - ROW) <= 1
    assert (part.place.width, part.place.height, part.exact) == (SIDE, SIDE, False)
    record = ResultsRecord.of(results, following=None, upload=None)
    assert [one.exact for one in (*record.part_of, *record.similar_cells)][:1] == [False]


def test_a_tile_with_a_rim_of_one_colour_is_compared_with_it_and_without(service: SearchService) -> None:
    """The rim looks like a ground: a cell of a sheet keeps it if its margins are transparent."""
    side, depth, gap = 40, 12, 10
    tile = np.full((side, side, 4), (60, 160, 60, 255), np.uint8)
    tile[depth:-depth, depth:-depth, :3] = np.indices((16, 16)).sum(axis=0)[..., None] * np.array([8, 5, 2])
    rimmed, spaced = np.zeros((2, side + 2 * gap, side + 2 * gap, 4), np.uint8)
    rimmed[:side, :side] = spaced[gap : gap + side, gap : gap + side] = tile
    described = [
        cells.distinct_cells(sheet, cells.named_sheet([box]))[0]
        for sheet, box in ((rimmed, (0, 0, side, side)), (spaced, (0, 0, side + 2 * gap, side + 2 * gap)))
    ]
    assert [int(cell["side"]) for cell in described] == [16, side]
    on_white = Image.new("RGB", (3 * side, 3 * side), "white")
    on_white.paste(Image.fromarray(tile), (side, side))

    for picture, forms in ((Image.fromarray(tile), [side, 16]), (on_white, [3 * side, side, 16])):
        out = io.BytesIO()
        picture.save(out, "PNG")
        read = service.read_image(out.getvalue(), None, LOCAL)

        assert [form.side for form in read.trimmed] == forms
        for cell in described:
            assert any(np.array_equal(form.parts, cell["parts"]) for form in read.trimmed)


def test_cells_obey_filters_blocks_and_weights(service: SearchService, demo_world: World) -> None:
    everything = search(service, "PNG")
    entry = sheet_of(everything).hit.slug

    without = search(service, "PNG", without_entries=(entry,))
    other = search(service, "PNG", filters=Filters(entry="catapult"))
    subject = search(service, "PNG", weights=Weights(1, 0, 0))

    assert all(part.hit.slug != entry for part in (*without.part_of, *without.similar_cells))
    assert {part.hit.slug for part in (*other.part_of, *other.similar_cells)} <= {"catapult"}
    assert (subject.part_of, subject.similar_cells) == ((), ())


@pytest.mark.parametrize(
    ("weights", "sides"), [(USUAL, {"shape", "colours"}), (Weights(1, 1, 0), {"shape"})], ids=["usual", "no colours"]
)
def test_a_sheet_says_why_by_the_cell_that_is_like_the_picture(
    service: SearchService, weights: Weights, sides: set[str]
) -> None:
    results = search(service, "PNG", weights=weights)

    first = results.hits[0]
    assert first.member_path.endswith("caesar.png")
    assert first.why.keys() == sides
    assert min(first.why.values()) > 0.8
    assert all(hit.why for hit in results.hits)


def test_no_more_cells_are_published_than_the_setting_says(demo_world: World, service: SearchService) -> None:
    most = demo_world.settings.cells_per_sheet
    [(sheets,)] = demo_world.sql(
        "SELECT count(DISTINCT image_id) FROM cells JOIN images USING (image_id) WHERE indexed"
    )
    folder = demo_world.generation.path
    with service.store() as (store, _):
        projection = Projection.from_bytes((folder / PROJECTION).read_bytes())
        index = CellIndex.open(folder, projection, store.columns)

    assert index is not None
    assert demo_world.generation.manifest["counts"]["compared_cells"] == len(index)
    assert 0 < len(index) <= most * int(str(sheets))
    assert np.isfinite(index.typical)


@pytest.mark.parametrize("count", [1, 5, 40, 300])
def test_the_highest_scores_are_those_of_a_sort(count: int) -> None:
    scores = np.random.default_rng(count).normal(size=1003).astype(np.float32)
    scores[::3] = -np.inf

    assert set(highest(scores, count)) == set(np.argsort(-scores)[:count])
    assert len(highest(np.zeros(1003, np.float32), count)) == count
