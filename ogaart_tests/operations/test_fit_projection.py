"""An operator's own projection: refused for few pictures, used by the next publication, named by its content."""

from pathlib import Path

import pytest

from ogaart.core.errors import TooFewPictures
from ogaart.likeness.projections import ProjectionInvalid
from ogaart.operations.fit_projection import fit_projection
from ogaart.resources.embedding.projections import CURRENT, default_projection, projection_of
from ogaart.resources.embedding.registry import VectorSpace
from ogaart.settings import Settings
from ogaart_tests.world import World

FEW = {"least_pictures": 100, "least_entries": 10}


def test_few_pictures_are_refused_with_the_numbers_and_what_is_used_instead(demo_world: World) -> None:
    with pytest.raises(TooFewPictures, match=r"\d+ pictures of \d+ entries .* needs 20,000 of 500") as refused:
        fit_projection(demo_world.settings)

    assert "Until then the projection that comes with ogaart is used" in str(refused.value)


def test_a_model_that_none_is_fitted_for_is_not_told_that_a_better_one_is_in_use(tmp_path: Path) -> None:
    (tmp_path / "weights.pth").write_bytes(b"weights")
    settings = Settings(data=tmp_path / "data", model="vgg16", weights=tmp_path / "weights.pth")

    with pytest.raises(TooFewPictures, match="None is fitted for this model") as refused:
        fit_projection(settings)

    assert "comes with ogaart" not in str(refused.value)


@pytest.mark.slow
def test_the_next_publication_uses_it(copied: World) -> None:
    space = VectorSpace.of(copied.settings).name
    before = copied.generation.manifest["projection"]

    report = fit_projection(copied.settings, **FEW)

    [row] = report.rows
    assert (row["before"], row["pictures"]) == (
        before,
        len(set(copied.sql("SELECT pixel_sha256 FROM images WHERE embedded"))),
    )
    assert projection_of(copied.stores.root, space).name == row["projection"] != before
    assert copied.publish().errors == []
    assert copied.generation.manifest["projection"] == row["projection"]
    with pytest.raises(TooFewPictures, match=rf"Your own, of {row['pictures']} pictures, stays in use"):
        fit_projection(copied.settings)


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_one_that_cannot_be_read_is_fitted_again(copied: World, damage: str) -> None:
    space = VectorSpace.of(copied.settings).name
    [first] = fit_projection(copied.settings, **FEW).rows
    path = copied.stores.root.projections / f"{first['projection']}.npz"
    content = path.read_bytes()
    path.unlink()
    if damage == "cut":
        path.write_bytes(content[:1000])
    with pytest.raises(ProjectionInvalid, match="fit it again"):
        projection_of(copied.stores.root, space)
    with pytest.raises(TooFewPictures, match=rf"Your own cannot be read: delete .*{CURRENT}"):
        fit_projection(copied.settings)

    [again] = fit_projection(copied.settings, **FEW).rows

    assert (again["projection"], again["before"]) == (first["projection"], first["projection"])
    assert projection_of(copied.stores.root, space).name == first["projection"]
    assert path.read_bytes() == content


@pytest.mark.parametrize("damage", ['{"seal": "25af51e8', "[]", '{"efficientnet_lite0-57934424-grey-squash-1": 3}'])
def test_where_the_choice_is_damaged_nothing_is_fitted_before_it_is_deleted(copied: World, damage: str) -> None:
    current = copied.stores.root.projections / CURRENT
    current.parent.mkdir()
    current.write_text(damage)

    with pytest.raises(ProjectionInvalid, match=rf"{CURRENT} is damaged .* delete it"):
        fit_projection(copied.settings, **FEW)

    assert [path.name for path in current.parent.iterdir()] == [CURRENT]
    current.unlink()
    assert projection_of(copied.stores.root, copied.generation.manifest["space"]) is default_projection()
