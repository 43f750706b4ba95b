"""What of one array of rising ids is in another is what NumPy says of any arrays."""

import numpy as np
import pytest

from ogaart.core.sorted_ids import common, found_in, without

SETS = [[], [5], [1, 2, 3], [-7, 0, 9], [2, 3, 4, 9, 11], [12], [-(1 << 62), 3, (1 << 62) + 1]]


@pytest.mark.parametrize("ids", SETS, ids=str)
@pytest.mark.parametrize("others", SETS, ids=str)
def test_what_is_common_and_what_is_not(ids: list[int], others: list[int]) -> None:
    one, other = np.array(ids, np.int64), np.array(others, np.int64)

    assert found_in(one, other).tolist() == [i in others for i in ids]
    assert common(one, other).tolist() == np.intersect1d(one, other).tolist()
    assert without(one, other).tolist() == np.setdiff1d(one, other).tolist()


def test_ids_are_looked_up_in_the_order_in_which_they_are_given() -> None:
    given, others = np.array([9, 1, 9, 4], np.int64), np.array([1, 9], np.int64)

    assert (common(given, others).tolist(), without(given, others).tolist()) == ([9, 1, 9], [4])
