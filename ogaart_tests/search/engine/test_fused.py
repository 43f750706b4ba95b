"""Searches over fused vectors: weights, filters, reasons, and publications and pictures that have none."""

import io
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ogaart import demo
from ogaart.likeness.fusion import USUAL, Weights
from ogaart.likeness.projections import SUBJECT, Projection
from ogaart.resources.catalog.fused_files import (
    ARRAY,
    ARRAY_IDS,
    FUSED,
    FUSED_INCOMPLETE,
    FUSED_SUBJECTS,
    FusedRows,
)
from ogaart.resources.catalog.generations import HASHES, MANIFEST, PROJECTION
from ogaart.resources.storage.atomic_files import write_json
from ogaart.resources.storage.sealed_json import open_json
from ogaart.search.candidates.fused_index import FusedIndex
from ogaart.search.engine.kinship import frames_with
from ogaart.search.engine.service import SearchService
from ogaart.search.engine.visitors import LOCAL
from ogaart.search.filters import Filters
from ogaart.search.query import SearchQuery
from ogaart.search.results import Relation
from ogaart.search.store.serving_store import ServingStore
from ogaart_tests.world import World

ART = Path(demo.__file__).parent / "art"


@pytest.fixture
def service(demo_world: World) -> Iterator[SearchService]:
    with SearchService(demo_world.settings) as opened:
        yield opened


@pytest.fixture
def index(demo_world: World) -> Iterator[FusedIndex]:
    store = ServingStore(demo_world.generation.path, 1)
    found = FusedIndex.open(demo_world.generation.path, store.columns)
    assert found is not None
    yield found
    store.close()


def one(world: World, name: str) -> int:
    [(image,)] = world.sql(f"SELECT image_id FROM occurrences WHERE member_path LIKE '%{name}' LIMIT 1")
    return int(str(image))


def test_every_published_picture_has_a_row_with_parts(demo_world: World, index: FusedIndex) -> None:
    manifest = demo_world.generation.manifest

    assert sorted(set(index.ids.tolist())) == sorted(
        int(str(i)) for (i,) in demo_world.sql("SELECT image_id FROM images WHERE indexed")
    )
    assert (manifest["projection"], manifest["with_parts"]) == (index.projection.name, len(index.ids))


@pytest.mark.parametrize("weights", [USUAL, Weights(1, 1, 0), Weights(0, 0, 1), Weights(0.3, 2, 0.7)], ids=str)
def test_the_scan_finds_what_a_comparison_with_all_finds(
    demo_world: World, index: FusedIndex, weights: Weights
) -> None:
    columns = ServingStore(demo_world.generation.path, 1).columns
    passing = columns.entry_of % 2 == 0
    directions = index.of_images(index.ids[7:8].tolist())
    allowed = set(columns.ids[passing].tolist())

    [found] = index.nearest(directions, weights, passing, 30)

    every = index.scores(directions[0], weights, index.ids.tolist())
    best = sorted((hit for i, hit in every.items() if i in allowed), key=lambda hit: (-hit.score, hit.image_id))
    assert [hit.image_id for hit in found] == [hit.image_id for hit in best[:30]]


def test_hits_say_why(service: SearchService, demo_world: World) -> None:
    results = service.search(SearchQuery(positive=(one(demo_world, "robot_walk1.png"),), fold=False))

    assert results.hits[0].why.keys() == {"subject", "shape", "colours"}
    assert all(0 <= value <= 1 for hit in results.hits for value in hit.why.values())


def test_a_recoloured_upload_finds_its_source_where_colours_do_not_count(service: SearchService) -> None:
    path = next(p for p in sorted(ART.rglob("robot_idle.png")))
    picture = np.asarray(Image.open(path).convert("RGBA")).copy()
    picture[..., :3] = np.where(picture[..., 3:] > 0, 255 - picture[..., [1, 2, 0]], 0)
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "PNG")
    upload = service.read_image(out.getvalue(), None, LOCAL)

    by_shape = service.search(SearchQuery(picture=upload, weights=Weights(1, 1, 0), limit=3))
    by_palette = service.search(SearchQuery(picture=upload, weights=Weights(0, 0, 1), limit=3))

    assert by_shape.hits[0].file.startswith("robot") or "robot" in by_shape.hits[0].title.lower()
    assert by_palette.hits[0].why.keys() == {"colours"}
    assert not any("weights" in note for note in by_palette.notes)
    assert [h.image_id for h in by_shape.hits] != [h.image_id for h in by_palette.hits]


def test_a_picture_of_the_catalog_is_ranked_by_fused_vectors_behind_what_is_known_of_it(
    service: SearchService, demo_world: World, index: FusedIndex
) -> None:
    robot = one(demo_world, "robot_walk1.png")
    directions = index.of_images([robot])
    store = ServingStore(demo_world.generation.path, 1)
    others = ~store.columns.of_ids([robot])
    frames = frames_with(store, [robot]) - {robot}

    for weights, first in ((USUAL, frames), (Weights(1, 1, 0), frozenset[int]())):
        hits = service.search(SearchQuery(positive=(robot,), weights=weights, fold=False, limit=40)).hits
        briefs = store.briefs([robot, *(hit.image_id for hit in hits)])
        copies = {i for i, brief in briefs.items() if brief.copy_id == briefs[robot].copy_id and first} - {robot}

        found = [hit.image_id for hit in hits]
        known = len(first | copies)
        assert set(found[:known]) == first | copies
        [nearest] = index.nearest(directions, weights, others, 40)
        assert found[known:] == [i for i in (hit.image_id for hit in nearest) if i not in first | copies][: 40 - known]
        assert any(hit.relation is Relation.NEAR for hit in hits)
    assert frames


def test_filters_narrow_a_weighted_search(service: SearchService, demo_world: World) -> None:
    query = SearchQuery(
        positive=(one(demo_world, "robot_walk1.png"),), weights=Weights(0, 0, 1), filters=Filters(max_width=64)
    )

    results = service.search(query)

    assert results.hits
    assert all(hit.width <= 64 for hit in results.hits)


def test_a_publication_without_fused_vectors_is_searched_by_the_model(copied: World) -> None:
    _forget_fused(copied.generation.path)

    with SearchService(copied.settings) as service:
        results = service.search(SearchQuery(positive=(one(copied, "robot_walk1.png"),), weights=Weights(0, 0, 1)))

    assert results.hits
    assert results.hits[0].relation in {Relation.SIMILAR, Relation.NEAR}
    assert not results.hits[0].why
    assert any("weights are ignored" in note for note in results.notes)


def _forget_fused(folder: Path) -> None:
    """Leave a publication as of a version that had no fused vectors, nor a list of hashes."""
    folder.chmod(0o755)
    for name in (FUSED, FUSED_INCOMPLETE, FUSED_SUBJECTS):
        (folder / name).chmod(0o755)
        shutil.rmtree(folder / name)
    for name in (PROJECTION, HASHES):
        (folder / name).unlink()
    manifest = open_json((folder / MANIFEST).read_bytes())
    files = {name: size for name, size in manifest["files"].items() if (folder / name).exists()}
    write_json(folder / MANIFEST, {**manifest, "files": files})


def _without_subject(folder: Path) -> None:
    """Leave a publication as of a model that no projection is fitted for."""
    projection = Projection.from_bytes((folder / PROJECTION).read_bytes())
    rows = FusedRows.open(folder, projection.dimension)
    ids, values = rows.ids, rows[np.arange(len(rows))].copy()
    _forget_fused(folder)
    (folder / PROJECTION).write_bytes(projection.without_subject().to_bytes())
    # One array, as publications of earlier versions have them.
    np.save(folder / ARRAY, values[:, projection.places[SUBJECT].stop :])
    np.save(folder / ARRAY_IDS, ids)


def test_a_model_without_a_projection_ranks_by_its_own_cosine_and_the_parts(copied: World) -> None:
    _without_subject(copied.generation.path)
    robot = one(copied, "robot_walk1.png")

    with SearchService(copied.settings) as service:
        usual = service.search(SearchQuery(positive=(robot,), fold=False))
        palette = service.search(SearchQuery(positive=(robot,), weights=Weights(0, 0, 1), fold=False))

    assert usual.hits[0].slug == "robot-animated"
    assert usual.hits[0].why.keys() == {"subject", "shape", "colours"}
    assert palette.hits[0].why.keys() == {"colours"}


def test_what_shares_exact_parts_is_not_taken_for_unrelated(demo_world: World, index: FusedIndex) -> None:
    everything = frozenset(index.ids.tolist())
    store = ServingStore(demo_world.generation.path, 1)

    linked = FusedIndex(demo_world.generation.path, store.columns, lambda _: everything)

    assert linked.unrelated is None
    store.close()


@pytest.mark.parametrize("with_subject", [True, False], ids=["projection", "model without a projection"])
def test_hits_say_how_they_are_like_what_is_liked_and_not_how_far_from_the_rest(
    copied: World, *, with_subject: bool
) -> None:
    if not with_subject:
        _without_subject(copied.generation.path)
    robot, other = one(copied, "robot_walk1.png"), one(copied, "zombie_idle.png")

    with SearchService(copied.settings) as service:
        alone = service.search(SearchQuery(positive=(robot,), fold=False, limit=100))
        both = service.search(SearchQuery(positive=(robot,), negative=(other,), fold=False, limit=100))
        away = service.search(SearchQuery(negative=(other,), fold=False))

    expected = {hit.image_id: hit.why for hit in alone.hits}
    compared = [(hit.why, expected[hit.image_id]) for hit in both.hits if hit.image_id in expected]
    assert len(compared) > 10
    for found, wanted in compared:
        assert found == pytest.approx({side: wanted[side] for side in found}, abs=0.001)
    assert both.hits[0].why.keys() == ({"subject", "shape", "colours"} if with_subject else {"shape", "colours"})
    scores = [hit.score or 0 for hit in both.hits[:20]]
    assert scores == sorted(set(scores), reverse=True), "no two of them are equally like both"
    assert all(not hit.why for hit in away.hits)
