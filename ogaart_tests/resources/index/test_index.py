"""One suite for all homes of the collection: their answers equal exact NumPy top-k, and so each other's."""

import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ogaart.resources.index.base import (
    IndexBroken,
    Point,
    RetrievedPoint,
    ScoredPoint,
    UnknownPoints,
    VectorIndex,
    collection_name,
)
from ogaart.resources.index.disk_room import takes_blocks_by_reading
from ogaart.resources.index.edge import EdgeIndex
from ogaart.resources.index.factory import discard_index, open_index
from ogaart.resources.index.filters import (
    AllOf,
    AnyOf,
    Condition,
    Ids,
    IndexFilter,
    Is,
    NoneOf,
    NotIds,
    NoWords,
    Range,
    Words,
)
from ogaart.resources.storage.locks import Locked
from ogaart.settings import Settings
from ogaart_tests.qdrant_server import REAL, server_settings

SPACE = "efficientnet_lite0-57934424-grey-squash-1"
DIMENSION = 96
COUNT = 300


def payload(i: int) -> dict[str, Any]:
    return {
        "slug": f"entry-{i % 40}",
        "licences": [["CC0"], ["CC-BY 3.0", "GPL 2.0"], ["OGA-BY 3.0"]][i % 3],
        "uses": [["sell", "no-credit"], ["sell"], []][i % 3],
        "tags": ["tree", f"tag{i % 7}"],
        "author": None if i % 11 == 0 else f"author {i % 5}",
        "width": i,
        "height": 2 * i,
        "pixels": 2 * i * i,
        "aspect": i / 100,
        "has_alpha": i % 2 == 0,
        "pixel_art": i % 5 == 0,
        "words": f"Mossy Tree number{i} Bäume of {'winter' if i % 4 else 'summer'}",
        "fetched_at": 1_700_000_000 + i,
    }


POINTS = [
    # ids above 2^53 and up to the largest: a float anywhere on the way would change them
    Point((1 << 63) - 1 - i * 3, vector, payload(i))
    for i, vector in enumerate(np.random.default_rng(5).standard_normal((COUNT, DIMENSION)).astype(np.float32))
]
MATRIX = np.stack([point.vector / np.linalg.norm(point.vector) for point in POINTS])


pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect", "ignore:Local mode performs exact")


@contextmanager
def make_index(home: str, folder: Path) -> Iterator[VectorIndex]:
    """An empty collection in the process, or on a server: the stub, which answers in plain NumPy, or a real one."""
    if home == "edge":
        with EdgeIndex(folder, SPACE, DIMENSION) as made:
            yield made
        return
    with server_settings(home, SPACE) as (settings, space), open_index(settings, folder, space, DIMENSION) as index:
        yield index


@pytest.fixture(scope="module", params=["edge", "server", "copy", REAL])
def index(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VectorIndex]:
    """All points; only for tests that change nothing. A copy is what a publication has of an index in the process."""
    folder = tmp_path_factory.mktemp("index")
    with make_index("edge" if request.param == "copy" else request.param, folder) as made:
        made.upsert(POINTS)
        if request.param != "copy":
            yield made
            return
        made.copy_to(folder / "copy")
    with EdgeIndex(folder / "copy", SPACE, DIMENSION, read_only=True) as copy:
        yield copy


@pytest.fixture(params=["edge", "server", REAL])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[VectorIndex]:
    with make_index(request.param, tmp_path) as made:
        yield made


@pytest.fixture
def own(empty: VectorIndex) -> VectorIndex:
    """All points, to be changed."""
    empty.upsert(POINTS)
    return empty


def nearest(query: np.ndarray, among: list[int], k: int) -> list[int]:
    scores = MATRIX[among] @ (query / np.linalg.norm(query))
    return [POINTS[among[i]].id for i in np.argsort(-scores)[:k]]


def assert_ranked(hits: list[ScoredPoint], query: np.ndarray, among: list[int]) -> None:
    """The hits are all of ``among``, in the exact order but for neighbours that float16 cannot tell apart."""
    cosines = {POINTS[i].id: float(MATRIX[i] @ query / np.linalg.norm(query)) for i in among}
    assert {hit.id for hit in hits} == cosines.keys()
    assert np.allclose([hit.score for hit in hits], sorted(cosines.values(), reverse=True), atol=1e-3)
    assert np.allclose([hit.score for hit in hits], [cosines[hit.id] for hit in hits], atol=1e-3)


def query_vector(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(DIMENSION).astype(np.float32) * 3


# -- congruence ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_hits_are_the_exact_top_k_by_cosine(index: VectorIndex, seed: int) -> None:
    query = query_vector(seed)

    hits = index.query(query, limit=20)

    assert [hit.id for hit in hits] == nearest(query, list(range(COUNT)), 20)
    cosines = sorted(MATRIX @ (query / np.linalg.norm(query)), reverse=True)[:20]
    assert np.allclose([hit.score for hit in hits], cosines, atol=1e-3)


FILTERS: dict[str, tuple[Condition, Any]] = {
    "any of a list": (AnyOf("licences", ("CC0", "GPL 2.0")), lambda p: {"CC0", "GPL 2.0"} & set(p["licences"])),
    "any of nothing": (AnyOf("licences", ()), lambda p: False),
    "all of a list": (AllOf("tags", ("tree", "tag3")), lambda p: {"tree", "tag3"} <= set(p["tags"])),
    "one keyword": (AnyOf("slug", ("entry-7",)), lambda p: p["slug"] == "entry-7"),
    "none of": (NoneOf("author", ("author 1", "author 2")), lambda p: p["author"] not in ("author 1", "author 2")),
    "an integer": (AnyOf("width", (17, 30)), lambda p: p["width"] in (17, 30)),
    "a range": (Range("width", at_least=100, below=150), lambda p: 100 <= p["width"] < 150),
    "a range of floats": (Range("aspect", above=1.0, at_most=1.2), lambda p: 1.0 < p["aspect"] <= 1.2),
    "true": (Is("has_alpha", True), lambda p: p["has_alpha"]),
    "false": (Is("pixel_art", False), lambda p: not p["pixel_art"]),
    "words": (Words("words", "SUMMER mossy"), lambda p: "summer" in p["words"]),
    "words with umlauts": (Words("words", "bäume"), lambda p: True),
    "part of a word": (Words("words", "summ"), lambda p: False),
    "no word": (Words("words", " "), lambda p: False),
    "without words": (NoWords("words", "SUMMER mossy"), lambda p: "summer" not in p["words"]),
    "without no word": (NoWords("words", " "), lambda p: True),
    "ids": (Ids(frozenset({POINTS[3].id, POINTS[5].id, 17})), lambda p: p["width"] in (3, 5)),
    "not ids": (NotIds(frozenset({POINTS[3].id, POINTS[5].id})), lambda p: p["width"] not in (3, 5)),
}


@pytest.mark.parametrize("case", FILTERS)
def test_each_condition_lets_through_what_it_says(index: VectorIndex, case: str) -> None:
    condition, allowed = FILTERS[case]
    among = [i for i in range(COUNT) if allowed(payload(i))]
    query = query_vector(9)

    hits = index.query(query, filter=IndexFilter().where("it", condition), limit=COUNT)

    assert_ranked(hits, query, among)
    assert index.count(IndexFilter().where("it", condition)) == len(among)


def test_conditions_hold_together_and_their_names_say_what_each_hides(index: VectorIndex) -> None:
    both = IndexFilter().where("licence", AnyOf("licences", ("CC0",))).where("alpha", Is("has_alpha", True))

    assert both.names == ("licence", "alpha")
    assert index.count(both) == 50
    assert index.count(both.without("licence")) - index.count(both) == 100
    assert index.count(both.without("alpha")) - index.count(both) == 50
    assert index.count() == COUNT


def test_pages_follow_each_other_without_gap_or_repeat(index: VectorIndex) -> None:
    query = query_vector(2)

    pages = [index.query(query, limit=7, offset=offset) for offset in (0, 7, 14)]

    assert [hit.id for page in pages for hit in page] == nearest(query, list(range(COUNT)), 21)
    assert index.query(query, limit=7, offset=COUNT + 5) == []
    assert index.query(query, limit=0) == []


def test_examples_make_one_direction_and_are_not_hits(index: VectorIndex) -> None:
    direction = 2 * MATRIX[[4, 8]].mean(0) - MATRIX[20]
    others = [i for i in range(COUNT) if i not in (4, 8, 20)]

    hits = index.query(positive_ids=[POINTS[4].id, POINTS[8].id], negative_ids=[POINTS[20].id], limit=10)

    assert [hit.id for hit in hits] == nearest(direction, others, 10)


def test_vectors_are_examples_too_several_and_beside_ids(index: VectorIndex) -> None:
    a, b = query_vector(1), query_vector(2)
    direction = a / np.linalg.norm(a) + b / np.linalg.norm(b) + MATRIX[6]

    hits = index.query(np.stack([a, b]), positive_ids=[POINTS[6].id], limit=10)

    assert [hit.id for hit in hits] == nearest(direction, [i for i in range(COUNT) if i != 6], 10)


def test_only_unlike_returns_the_farthest(index: VectorIndex) -> None:
    hits = index.query(negative_ids=[POINTS[6].id], limit=5)

    assert [hit.id for hit in hits] == nearest(-MATRIX[6], [i for i in range(COUNT) if i != 6], 5)


def test_a_query_needs_examples_that_exist_and_are_vectors(index: VectorIndex) -> None:
    with pytest.raises(UnknownPoints, match=r"\[12345\] are not in collection"):
        index.query(positive_ids=[12345])
    with pytest.raises(ValueError, match="needs a vector"):
        index.query()
    with pytest.raises(ValueError, match=r"has \(96,\)"):
        index.query(np.ones(4, np.float32))
    with pytest.raises(ValueError, match="length nan"):
        index.query(np.full(DIMENSION, np.nan, np.float32))


# -- writing ------------------------------------------------------------------------------------------------------


def test_what_was_upserted_comes_back(index: VectorIndex) -> None:
    records = index.retrieve([POINTS[250].id, 99, POINTS[11].id], with_vector=True)

    assert [record.id for record in records] == [POINTS[250].id, POINTS[11].id]
    copied = isinstance(index, EdgeIndex) and index.read_only  # copies have no payloads
    assert records[0].payload == ({} if copied else payload(250))
    assert "author" not in records[1].payload  # a missing value is left out
    assert records[0].vector is not None
    assert np.abs(records[0].vector - MATRIX[250]).max() < 1e-3
    assert index.retrieve([POINTS[0].id], with_payload=False) == [RetrievedPoint(POINTS[0].id, None, {})]
    assert index.retrieve([]) == []
    assert list(index.ids()) == sorted(point.id for point in POINTS)


def test_upserting_again_replaces_and_deleting_removes(own: VectorIndex) -> None:
    changed = Point(POINTS[3].id, POINTS[9].vector, {"slug": "other"})

    own.upsert([changed])
    own.delete([POINTS[9].id, 4711])

    assert own.count() == COUNT - 1
    assert own.retrieve([changed.id])[0].payload == {"slug": "other"}
    assert own.query(POINTS[9].vector, limit=1)[0].id == changed.id


def test_a_payload_is_replaced_whole_and_only_where_the_point_exists(own: VectorIndex) -> None:
    own.set_payload({POINTS[3].id: {"slug": "other", "has_alpha": False, "author": None}, 4711: {"slug": "ghost"}})

    (record,) = own.retrieve([POINTS[3].id, 4711], with_vector=True)
    assert record.payload == {"slug": "other", "has_alpha": False}
    assert record.vector is not None
    assert np.abs(record.vector - MATRIX[3]).max() < 1e-3
    assert own.count(IndexFilter().where("it", AnyOf("slug", ("other",)))) == 1
    assert own.count() == COUNT


def test_facets_count_the_values_of_a_key(index: VectorIndex) -> None:
    assert index.facet("licences") == {"CC0": 100, "CC-BY 3.0": 100, "GPL 2.0": 100, "OGA-BY 3.0": 100}
    assert index.facet("licences", IndexFilter().where("w", Range("width", below=4)), limit=1) == {"CC0": 2}


def test_an_empty_collection_answers(empty: VectorIndex) -> None:
    assert empty.count() == 0
    assert list(empty.ids()) == []
    assert empty.query(query_vector(1)) == []


@pytest.mark.parametrize(
    ("point", "message"),
    [
        (Point(1, np.zeros(DIMENSION, np.float32)), "length 0.0"),
        (Point(1, np.full(DIMENSION, np.inf, np.float32)), "length inf"),
        (Point(1, np.ones(DIMENSION + 1, np.float32)), r"shape \(97,\)"),
        (Point(-1, np.ones(DIMENSION, np.float32)), "point id -1"),
        (Point(1 << 63, np.ones(DIMENSION, np.float32)), "expected an integer from 0 to 2"),
    ],
)
def test_points_that_could_never_be_found_are_refused(empty: VectorIndex, point: Point, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        empty.upsert([point])
    assert empty.count() == 0


def test_a_condition_on_a_key_that_is_not_indexed_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'x': Range on key 'slug' \(keyword\): it takes aspect or"):
        IndexFilter().where("x", Range("slug", at_least=1))
    with pytest.raises(ValueError, match=r"AnyOf on key 'licence' \(unknown\)"):
        IndexFilter().where("x", AnyOf("licence", ("CC0",)))


def test_names_of_collections_are_safe_and_distinct() -> None:
    assert collection_name(SPACE) == f"ogaart-{SPACE}"
    assert collection_name("a/b") != collection_name("a:b")
    assert "/" not in collection_name("../a")


# -- the home in the process --------------------------------------------------------------------------------------


def settings(tmp_path: Path, **changes: Any) -> Settings:
    return Settings(data=tmp_path / "data", **changes)


COUNT_IN_ANOTHER_PROCESS = """
import sys
from pathlib import Path
from ogaart.resources.index.edge import EdgeIndex
index = EdgeIndex(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), read_only=True)
print(index.count())
"""


def count_in_another_process(root: Path) -> int:
    command = [sys.executable, "-c", COUNT_IN_ANOTHER_PROCESS, str(root), SPACE, str(DIMENSION)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def test_a_closed_collection_opens_with_all_its_points(tmp_path: Path) -> None:
    with open_index(settings(tmp_path), tmp_path, SPACE, DIMENSION) as index:
        index.upsert(POINTS)

    with open_index(settings(tmp_path), tmp_path, SPACE, DIMENSION) as index:
        assert index.count() == COUNT
        assert index.query(POINTS[3].vector, limit=1)[0].id == POINTS[3].id


def test_another_process_reads_between_writers_and_does_not_disturb_them(tmp_path: Path) -> None:
    with EdgeIndex(tmp_path, SPACE, DIMENSION) as index:
        index.upsert(POINTS[:100])
    reader = EdgeIndex(tmp_path, SPACE, DIMENSION, read_only=True)

    with EdgeIndex(tmp_path, SPACE, DIMENSION) as index:
        index.upsert(POINTS[100:])
        with pytest.raises(Locked):
            EdgeIndex(tmp_path, SPACE, DIMENSION, read_only=True, wait=0)
        index.flush()

    assert count_in_another_process(tmp_path) == COUNT
    assert reader.count() == 100
    reader.close()


def test_several_processes_read_one_copy_in_place(tmp_path: Path) -> None:
    with EdgeIndex(tmp_path / "work", SPACE, DIMENSION) as index:
        index.upsert(POINTS)
        index.copy_to(tmp_path / "index")

    with EdgeIndex(tmp_path / "index", SPACE, DIMENSION, read_only=True) as reader:
        assert [count_in_another_process(tmp_path / "index") for _ in range(2)] == [COUNT, COUNT]
        assert reader.query(POINTS[200].vector, limit=1)[0].id == POINTS[200].id
        assert reader.retrieve([POINTS[200].id])[0].payload == {}


def test_what_was_not_flushed_is_lost_by_a_kill_and_can_be_upserted_again(tmp_path: Path) -> None:
    writer = """
import os, sys
from pathlib import Path
from ogaart.resources.index.edge import EdgeIndex
from ogaart_tests.resources.index.test_index import DIMENSION, POINTS, SPACE
index = EdgeIndex(Path(sys.argv[1]), SPACE, DIMENSION)
index.upsert(POINTS[:100])
index.flush()
index.upsert(POINTS[100:])
os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", writer, str(tmp_path)], check=False, cwd=Path(__file__).parents[3])

    with EdgeIndex(tmp_path, SPACE, DIMENSION) as index:
        assert 100 <= index.count() <= COUNT
        index.upsert(POINTS)
        assert list(index.ids()) == sorted(point.id for point in POINTS)


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    with (
        EdgeIndex(tmp_path, SPACE, DIMENSION),
        pytest.raises(Locked, match=f"collection ogaart-{SPACE} is held by another process"),
    ):
        EdgeIndex(tmp_path, SPACE, DIMENSION, wait=0)
    EdgeIndex(tmp_path, SPACE, DIMENSION, wait=0).close()


def test_a_reader_does_not_write_and_does_not_create(tmp_path: Path) -> None:
    with pytest.raises(IndexBroken, match="does not exist"):
        EdgeIndex(tmp_path, SPACE, DIMENSION, read_only=True)
    EdgeIndex(tmp_path, SPACE, DIMENSION).close()
    with EdgeIndex(tmp_path, SPACE, DIMENSION, read_only=True) as reader:
        with pytest.raises(RuntimeError, match="read-only"):
            reader.upsert(POINTS[:1])
        assert reader.count() == 0


@pytest.mark.parametrize("damage", ["no files", "torn config", "no segment state", "other dimension"])
def test_a_shard_that_does_not_open_says_so_and_can_be_discarded(tmp_path: Path, damage: str) -> None:
    with EdgeIndex(tmp_path, SPACE, DIMENSION) as index:
        index.upsert(POINTS[:10])
    shard = tmp_path / collection_name(SPACE)
    dimension = DIMENSION
    match damage:
        case "no files":
            shutil.rmtree(shard)
            shard.mkdir()
        case "torn config":
            (shard / "edge_config.json").write_bytes(b'{"vec')
        case "no segment state":
            next(shard.rglob("segment.json")).unlink()
        case "other dimension":
            dimension = 7

    with pytest.raises(IndexBroken, match="discard it"):
        EdgeIndex(tmp_path, SPACE, dimension)

    discard_index(settings(tmp_path), tmp_path, SPACE)
    with EdgeIndex(tmp_path, SPACE, DIMENSION) as index:
        assert index.count() == 0


def test_a_copy_is_a_collection_of_its_own_that_stays_sparse(tmp_path: Path) -> None:
    if takes_blocks_by_reading(tmp_path):
        pytest.skip("temporary files are kept in memory here, where what is read takes room")
    with EdgeIndex(tmp_path / "work", SPACE, DIMENSION) as index:
        index.upsert(POINTS)
        index.copy_to(tmp_path / "published" / "index")
        index.delete([POINTS[0].id])
        with pytest.raises(FileExistsError):
            index.copy_to(tmp_path / "published" / "index")

    with open_index(settings(tmp_path), tmp_path / "published" / "index", SPACE, DIMENSION, read_only=True) as copy:
        assert copy.count() == COUNT
    files = [entry for entry in (tmp_path / "published").rglob("*") if entry.is_file()]
    assert sum(entry.stat().st_blocks * 512 for entry in files) < sum(entry.stat().st_size for entry in files) / 2


def test_a_write_protected_copy_is_read_and_left_as_it_is(tmp_path: Path) -> None:
    with EdgeIndex(tmp_path / "work", SPACE, DIMENSION) as index:
        index.upsert(POINTS)
        index.copy_to(tmp_path / "index")
    files = [entry for entry in (tmp_path / "index").rglob("*") if entry.is_file()]
    for entry in files:
        entry.chmod(0o444)
    before = [(entry, entry.stat().st_mtime_ns, stat.S_IMODE(entry.stat().st_mode)) for entry in files]

    with open_index(settings(tmp_path), tmp_path / "index", SPACE, DIMENSION, read_only=True) as reader:
        assert reader.query(POINTS[3].vector, limit=1)[0].id == POINTS[3].id
        assert len(list((tmp_path / "data" / "scratch").iterdir())) == 1

    assert [(entry, entry.stat().st_mtime_ns, stat.S_IMODE(entry.stat().st_mode)) for entry in files] == before
    assert list((tmp_path / "data" / "scratch").iterdir()) == []


@pytest.mark.slow
def test_a_large_collection_uses_graph_and_codes_and_still_finds(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    centres = random.standard_normal((300, 512))
    matrix = (centres[random.integers(0, 300, 45_000)] + 0.5 * random.standard_normal((45_000, 512))).astype(np.float32)
    with EdgeIndex(tmp_path, SPACE, 512) as index:
        index.upsert([Point(i, vector, {"width": i % 4}) for i, vector in enumerate(matrix)])
        index.flush()
        quarter = IndexFilter().where("size", Range("width", None, 0))

        def ten(number: int, *, exact: bool) -> set[int]:
            return {hit.id for hit in index.query(matrix[number], limit=10, exact=exact, filter=quarter)}

        found = [index.query(matrix[i] + 0.05, limit=1, exact=False)[0].id == i for i in range(200)]
        shared = sum(len(ten(i, exact=False) & ten(i, exact=True)) for i in range(0, 1_000, 10))

        assert index.count() == 45_000
        assert sum(found) >= 198
        assert shared >= 860  # of 1,000; by a search that passes over nothing 790
