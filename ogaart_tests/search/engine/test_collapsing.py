"""Hits that say the same fold under the first."""

import numpy as np

from ogaart.search.engine.collapsing import Collapser
from ogaart.search.store.serving_store import Brief


def signature(value: int, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 6, (32, 32, 4))
    base = np.kron(np.random.default_rng(value).integers(0, 250, (4, 4, 4)), np.ones((8, 8, 1), np.int64))
    base[..., 3] = 250
    return (base + noise).astype(np.uint8)


def fold(folder: Collapser, rows: list[tuple[int, str, int, np.ndarray]]) -> list[tuple[int, list[int]]]:
    folder.add(
        [Brief(number, slug, pixels, side=32) for number, slug, pixels, _ in rows],
        np.stack([row[3] for row in rows]),
        np.ones(len(rows), np.bool_),
    )
    return [(one.head, one.members) for one in folder.folds]


ROWS = [
    (1, "walk", 1, signature(1)),
    (2, "walk", 2, signature(1, seed=5)),  # the next frame
    (3, "copycat", 1, signature(1)),  # the same pixels in another entry
    (4, "walk", 3, signature(2)),  # another picture of the entry
    (5, "other", 4, signature(3)),
]


def test_frames_fold_and_equal_pixels_show_once() -> None:
    assert fold(Collapser(near=True, group=False), ROWS) == [(1, [2]), (4, []), (5, [])]


def test_without_folding_equal_pixels_still_show_once() -> None:
    assert fold(Collapser(near=False, group=False), ROWS) == [(1, []), (2, []), (4, []), (5, [])]


def test_grouping_shows_one_of_each_entry() -> None:
    assert fold(Collapser(near=False, group=True), ROWS) == [(1, [2, 4]), (5, [])]


def test_nothing_folds_under_a_picture_without_signature() -> None:
    folder = Collapser(near=True, group=False)
    rows = [Brief(1, "walk", 1, side=32), Brief(2, "walk", 2, side=32)]

    folder.add(rows, np.zeros((2, 32, 32, 4), np.uint8), np.zeros(2, np.bool_))

    assert [one.head for one in folder.folds] == [1, 2]


def test_many_heads() -> None:
    folder = Collapser(near=True, group=False)
    rows = [(n, f"entry-{n}", n, signature(n)) for n in range(200)]

    assert len(fold(folder, rows)) == 200


def test_copies_fold_across_entries_and_what_is_only_near_does_not() -> None:
    rows = [
        Brief(1, "walk", 1, side=32, copy_id=1),
        Brief(2, "other", 2, side=32, copy_id=1),  # known to be a copy, however far its miniature
        Brief(3, "third", 3, side=32, copy_id=3),  # as near as could be, and known not to be one
        Brief(4, "walk", 4, side=32, copy_id=4, animation_id=4),
        Brief(5, "walk", 5, side=32, copy_id=5, animation_id=4),  # the next frame of a wild dance
    ]
    looks = np.stack([signature(1), signature(2), signature(1), signature(3), signature(4)])
    folder = Collapser(near=True, group=False)

    folder.add(rows, looks, np.ones(5, np.bool_))

    assert [(one.head, one.members) for one in folder.folds] == [(1, [2]), (3, []), (4, [5])]


def test_a_later_page_of_hits_folds_under_earlier_ones() -> None:
    folder = Collapser(near=True, group=False)
    known = np.ones(1, np.bool_)

    folder.add([Brief(1, "walk", 1, side=32, copy_id=1)], signature(1)[None], known)
    folder.add([Brief(2, "other", 2, side=32, copy_id=1)], signature(2)[None], known)

    assert [(one.head, one.members) for one in folder.folds] == [(1, [2])]
