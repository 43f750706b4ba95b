"""What a hit is called, from the model's cosine and the miniatures' closeness."""

import pytest

from ogaart.search.engine.likeness import likeness, likeness_of_part, relation
from ogaart.search.results import Relation


@pytest.mark.parametrize(
    ("cosine", "closeness", "side", "typical", "said"),
    [
        (0.5, 0.95, 64, 0.3, Relation.NEAR),  # a copy, whatever the model's cosine
        (0.5, 0.75, 12, 0.3, Relation.NEAR),  # of an icon less is left
        (0.5, 0.75, 64, 0.3, Relation.SIMILAR),
        (0.5, None, 64, 0.6, Relation.UNLIKE),  # a model for which half of all pairs are at 0.6
        (0.5, None, 64, 0.35, Relation.SIMILAR),
        (0.2, None, 64, 0.35, Relation.UNLIKE),
    ],
)
def test_relation(cosine: float, closeness: float | None, side: float, typical: float, said: Relation) -> None:
    assert relation(cosine, closeness, side, typical) is said


def test_copies_come_before_parts_and_parts_before_what_is_only_similar() -> None:
    copy = likeness(0.4, 0.95, 64, 0.3)
    part = likeness_of_part(0.6, 0.9, known=False)
    similar = likeness(0.7, 0.4, 64, 0.3)

    assert copy > part > similar
    assert likeness_of_part(1.0, 1.0, known=True) <= 0.9 < copy


def test_a_weak_fit_counts_only_where_a_frame_was_drawn() -> None:
    assert likeness_of_part(0.6, 0.5, known=False) == 0
    assert likeness_of_part(0.6, 0.5, known=True) == pytest.approx(0.495)
