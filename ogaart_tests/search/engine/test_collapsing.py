"""Hits that say the same fold under the first."""

from collections.abc import Sequence

import numpy as np

from ogaart.search.engine.collapsing import Collapser, ReadSignatures
from ogaart.search.store.serving_store import Brief


def signature(value: int, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 6, (32, 32, 4))
    base = np.kron(np.random.default_rng(value).integers(0, 250, (4, 4, 4)), np.ones((8, 8, 1), np.int64))
    base[..., 3] = 250
    return (base + noise).astype(np.uint8)


def stored(looks: dict[int, np.ndarray]) -> ReadSignatures:
    """Reads signatures by id; of what has none it reads zeros."""

    def read(ids: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        rows = [looks.get(image_id, np.zeros((32, 32, 4), np.uint8)) for image_id in ids]
        return np.stack(rows), np.array([image_id in looks for image_id in ids])

    return read


def fold(folder: Collapser, rows: list[tuple[int, str, int, np.ndarray]]) -> list[tuple[int, list[int]]]:
    folder.add(
        [Brief(number, slug, pixels, side=32) for number, slug, pixels, _ in rows],
        stored({number: look for number, _, _, look in rows}),
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

    folder.add(rows, stored({}))

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
    looks = {1: signature(1), 2: signature(2), 3: signature(1), 4: signature(3), 5: signature(4)}
    folder = Collapser(near=True, group=False)

    folder.add(rows, stored(looks))

    assert [(one.head, one.members) for one in folder.folds] == [(1, [2]), (3, []), (4, [5])]


def test_a_later_page_of_hits_folds_under_earlier_ones() -> None:
    folder = Collapser(near=True, group=False)
    read = stored({1: signature(1), 2: signature(2)})

    folder.add([Brief(1, "walk", 1, side=32, copy_id=1)], read)
    folder.add([Brief(2, "other", 2, side=32, copy_id=1)], read)

    assert [(one.head, one.members) for one in folder.folds] == [(1, [2])]


def test_of_a_copy_and_a_frame_the_nearer_one_is_the_home() -> None:
    rows = [
        Brief(1, "walk", 1, side=32, copy_id=1),
        Brief(2, "dance", 2, side=32, copy_id=2, animation_id=9),
        Brief(3, "dance", 3, side=32, copy_id=1, animation_id=9),  # a copy of the first, and a frame with the second
    ]
    near_frame = {1: signature(1), 2: signature(2), 3: signature(2, seed=5)}
    near_copy = {1: signature(1), 2: signature(2), 3: signature(1, seed=5)}
    folds = []
    for looks in (near_frame, near_copy):
        folder = Collapser(near=True, group=False)

        folder.add(rows, stored(looks))

        folds.append([(one.head, one.members) for one in folder.folds])
    assert folds == [[(1, []), (2, [3])], [(1, [3]), (2, [])]]


def test_signatures_are_read_only_of_what_may_fold() -> None:
    asked: list[int] = []

    def read(ids: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        asked.extend(ids)
        return stored({n: signature(n) for n in range(9)})(ids)

    rows = [Brief(n, slug, n, side=32, copy_id=n) for n, slug in enumerate(["a", "b", "c", "b", "d", "a"])]
    grouped, flat = Collapser(near=True, group=True), Collapser(near=True, group=False)

    grouped.add(rows, read)
    assert asked == []  # an entry is its own home, and what is a copy is known
    flat.add(rows, read)

    assert sorted(asked) == [0, 1, 3, 5]
    assert [(one.head, one.members) for one in grouped.folds] == [(0, [5]), (1, [3]), (2, []), (4, [])]
