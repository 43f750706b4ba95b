"""The vector store keeps what was stored, survives damage, and deletes only by gc."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from ogaart.resources.storage.vectors import SegmentDamaged, Vectors
from ogaart_tests.descriptors import files_left

SPACE = "efficientnet_lite0-57934424-grey-squash-1"


def some_keys(count: int, start: int = 0) -> list[str]:
    return [hashlib.sha256(str(i).encode()).hexdigest() for i in range(start, start + count)]


def some_vectors(count: int, dimension: int = 64, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, dimension)).astype(np.float32) * 7


def test_vectors_are_returned_as_unit_vectors_in_the_requested_order(tmp_path: Path) -> None:
    keys, matrix = some_keys(1200), some_vectors(1200)

    segments = Vectors(tmp_path, SPACE).add(keys, matrix)

    store = Vectors(tmp_path, SPACE)
    asked = [keys[1100], keys[3], keys[600]]
    unit = matrix[[1100, 3, 600]] / np.linalg.norm(matrix[[1100, 3, 600]], axis=1, keepdims=True)
    assert len(segments) == 3  # 512 + 512 + 176
    assert store.keys() == set(keys)
    assert np.abs(store.get(asked) - unit).max() < 2e-4
    assert (1 - (store.get(asked) * unit).sum(1)).max() < 1e-6  # the cosine loses less than 1e-6 in float16
    place = store.locate(asked)[keys[1100]]
    assert (place.segment, place.row) == (segments[2], 76)
    assert np.isclose(place.norm, np.linalg.norm(matrix[1100]))


def test_the_length_before_normalisation_is_kept(tmp_path: Path) -> None:
    keys, matrix = some_keys(5), some_vectors(5)

    Vectors(tmp_path, SPACE).add(keys, matrix)

    (scanned,) = Vectors(tmp_path, SPACE).scan()
    assert np.allclose(scanned.norms, np.linalg.norm(matrix, axis=1))
    assert scanned.keys == tuple(keys)


def test_the_same_content_is_one_file_and_leaves_no_draft(tmp_path: Path) -> None:
    store = Vectors(tmp_path, SPACE)

    first = store.add(some_keys(3), some_vectors(3))
    second = store.add(some_keys(3), some_vectors(3))

    assert first == second
    assert [p.name for p in (tmp_path / SPACE).iterdir()] == first


def test_a_reader_sees_segments_added_by_another(tmp_path: Path) -> None:
    reader, writer = Vectors(tmp_path, SPACE), Vectors(tmp_path, SPACE)
    assert reader.keys() == set()

    writer.add(some_keys(2), some_vectors(2))

    assert reader.keys() == set(some_keys(2))


def test_spaces_do_not_mix(tmp_path: Path) -> None:
    Vectors(tmp_path, SPACE).add(some_keys(2), some_vectors(2))

    assert Vectors(tmp_path, "vgg16-00000000-grey-squash-1").keys() == set()


@pytest.mark.parametrize("cut", [0, 7, 400])
def test_a_torn_segment_is_ignored_and_its_keys_can_be_embedded_again(tmp_path: Path, cut: int) -> None:
    keys, matrix = some_keys(20), some_vectors(20)
    (name,) = Vectors(tmp_path, SPACE).add(keys, matrix)
    path = tmp_path / SPACE / name
    path.write_bytes(path.read_bytes()[:cut])
    store = Vectors(tmp_path, SPACE)
    assert store.keys() == set()
    assert name in store.damaged

    store.gc(keep=set(keys))
    store.add(keys, matrix)

    assert Vectors(tmp_path, SPACE).get(keys).shape == (20, 64)


def test_a_rotten_byte_is_found_by_the_name(tmp_path: Path) -> None:
    keys = some_keys(20)
    (name,) = Vectors(tmp_path, SPACE).add(keys, some_vectors(20))
    path = tmp_path / SPACE / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.write_bytes(bytes(data))
    store = Vectors(tmp_path, SPACE)

    with pytest.raises(SegmentDamaged, match="embedded again"):
        store.get(keys)

    assert store.keys() == set()
    assert list(store.verify()) == [name]


def test_writing_the_same_vectors_again_heals_a_rotten_segment(tmp_path: Path) -> None:
    keys, matrix = some_keys(20), some_vectors(20)
    (name,) = Vectors(tmp_path, SPACE).add(keys, matrix)
    path = tmp_path / SPACE / name
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"?")

    Vectors(tmp_path, SPACE).add(keys, matrix)

    assert Vectors(tmp_path, SPACE).verify() == {}
    assert path.read_bytes() == whole


def test_a_key_of_a_damaged_segment_is_found_in_another(tmp_path: Path) -> None:
    keys, matrix = some_keys(20), some_vectors(20)
    Vectors(tmp_path, SPACE).add(keys[:10], matrix[:10])
    (second,) = Vectors(tmp_path, SPACE).add(keys[5:15], matrix[5:15])
    (tmp_path / SPACE / second).write_bytes(b"PAR1")

    store = Vectors(tmp_path, SPACE)

    assert store.keys() == set(keys[:10])
    assert store.get(keys[:10]).shape == (10, 64)


def test_gc_keeps_what_is_in_use_and_rewrites_mixed_segments(tmp_path: Path) -> None:
    keys, matrix = some_keys(700), some_vectors(700)
    store = Vectors(tmp_path, SPACE)
    store.add(keys, matrix)
    before = store.get(keys[:100])

    removed = store.gc(keep=set(keys[:100]))

    assert removed == 2
    assert Vectors(tmp_path, SPACE).keys() == set(keys[:100])
    assert np.abs(Vectors(tmp_path, SPACE).get(keys[:100]) - before).max() < 1e-3


def test_a_vector_without_length_or_with_nan_is_refused(tmp_path: Path) -> None:
    store = Vectors(tmp_path, SPACE)
    for value in (0.0, float("nan"), float("inf")):
        matrix = some_vectors(3)
        matrix[1] = value
        with pytest.raises(ValueError, match="only finite ones above 0"):
            store.add(some_keys(3), matrix)
    assert store.keys() == set()


def test_other_dimensions_and_double_keys_are_refused(tmp_path: Path) -> None:
    store = Vectors(tmp_path, SPACE, dimension=64)
    with pytest.raises(ValueError, match="has 64"):
        store.add(some_keys(2), some_vectors(2, dimension=32))
    with pytest.raises(ValueError, match="1 distinct"):
        store.add(some_keys(1) * 2, some_vectors(2))


def test_an_unknown_key_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="1 of 1 keys have no vector"):
        Vectors(tmp_path, SPACE).get(some_keys(1))


def test_a_process_that_may_open_no_more_files_says_nothing_of_the_segment(tmp_path: Path) -> None:
    keys = some_keys(3)
    [name] = Vectors(tmp_path, SPACE).add(keys, some_vectors(3))
    store = Vectors(tmp_path, SPACE)
    store.locate(keys)

    with files_left(0), pytest.raises(OSError, match="Too many open files"):
        store.segment(name)

    assert list(store.segment(name).keys) == keys
