"""An operator's own projection: refused for few pictures, used by the next publication, named by its content."""

import pytest

from ogaart.core.errors import TooFewPictures
from ogaart.operations.fit_projection import fit_projection
from ogaart.resources.embedding.projections import projection_of
from ogaart.resources.embedding.registry import VectorSpace
from ogaart_tests.world import World


def test_few_pictures_are_refused_with_the_numbers(demo_world: World) -> None:
    with pytest.raises(TooFewPictures, match=r"\d+ pictures of \d+ entries .* needs 20,000 of 500"):
        fit_projection(demo_world.settings)


@pytest.mark.slow
def test_the_next_publication_uses_it(copied: World) -> None:
    space = VectorSpace.of(copied.settings).name
    before = copied.generation.manifest["projection"]

    report = fit_projection(copied.settings, least_pictures=100, least_entries=10)

    [row] = report.rows
    assert (row["before"], row["pictures"]) == (
        before,
        len(set(copied.sql("SELECT pixel_sha256 FROM images WHERE embedded"))),
    )
    assert projection_of(copied.stores.root, space).name == row["projection"] != before
    assert copied.publish().errors == []
    assert copied.generation.manifest["projection"] == row["projection"]
