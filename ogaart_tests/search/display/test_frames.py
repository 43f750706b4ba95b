"""Numbered frames are told by their names."""

import pytest

from ogaart.search.display.frames import numbered

NAMES = {1: "robot/walk0.png", 2: "robot/walk10.png", 3: "robot/walk2.png", 4: "robot/idle.png", 5: "tank/walk1.png",
         6: "robot/run_01@2x.png", 7: "robot/run_02@2x.png"}  # fmt: skip


@pytest.mark.parametrize(("image_id", "frames"), [(3, (1, 3, 2)), (1, (1, 3, 2)), (4, ()), (5, ()), (9, ())])
def test_frames_are_in_the_order_of_their_numbers(image_id: int, frames: tuple[int, ...]) -> None:
    assert numbered(NAMES, image_id) == frames


def test_the_last_number_of_a_name_counts() -> None:
    assert numbered({1: "2d/walk1.png", 2: "3d/walk1.png"}, 1) == ()
