"""Which projection a vector space is fused with: an operator's own, the one that the package has, or the parts alone.

An operator's own are files ``projections/<name>.npz`` under the data root, named by their content; ``current.json``
says which one each vector space uses. None is ever changed: another one makes other fused vectors, with another name.
"""

from functools import cache
from importlib import resources
from pathlib import Path

from ogaart.likeness.projections import Projection, ProjectionInvalid
from ogaart.resources.embedding.registry import exact_space
from ogaart.resources.storage.atomic_files import write_durably, write_json
from ogaart.resources.storage.data_root import DataRoot
from ogaart.resources.storage.sealed_json import open_json

CURRENT = "current.json"
DEFAULT = "efficientnet_lite0.npz"
"""Fitted by ``benchmarks/default_projection.py``."""


@cache
def default_projection() -> Projection:
    """The projection in the package."""
    return Projection.from_bytes(resources.files(__package__).joinpath(DEFAULT).read_bytes())


def projection_of(root: DataRoot, space: str) -> Projection:
    """The projection for a model's vector space.

    Where none was fitted for it, it is the package's without the block of a model: the model's own cosine is then
    used beside the parts.

    Args:
        root: the data root.
        space: the vector space.

    Raises:
        ProjectionInvalid: the operator's own is damaged or missing; the message names the way out.
    """
    chosen = _chosen(root).get(space)
    if chosen is not None:
        path = root.projections / f"{chosen}.npz"
        try:
            found = Projection.from_bytes(path.read_bytes())
        except (OSError, ProjectionInvalid) as cause:
            raise ProjectionInvalid(
                f"{path} cannot be read ({cause}): fit it again (ogaart fit-projection), or delete "
                f"{root.projections / CURRENT} to use the one of the package"
            ) from cause
        if found.name != chosen or found.space != space:
            raise ProjectionInvalid(
                f"{path} holds {found.name} for {found.space}: fit it again (ogaart fit-projection)"
            )
        return found
    default = default_projection()
    return default if default.space == exact_space(space) else default.without_subject()


def projection_name(root: DataRoot, space: str) -> str:
    """The name of ``projection_of`` a vector space, also where the operator's own cannot be read.

    Raises:
        ProjectionInvalid: which one is the operator's own cannot be read.
    """
    return _chosen(root).get(space) or projection_of(root, space).name


def keep_projection(root: DataRoot, projection: Projection) -> str:
    """Store an operator's projection and use it for its space from the next publication on; returns its name."""
    write_durably(root.projections / f"{projection.name}.npz", projection.to_bytes())
    chosen = {**_chosen(root), projection.space: projection.name}
    write_json(root.projections / CURRENT, dict(sorted(chosen.items())), indent=1)
    return projection.name


def _chosen(root: DataRoot) -> dict[str, str]:
    path = root.projections / CURRENT
    try:
        found = open_json(path.read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError as cause:
        raise _damaged(path, str(cause)) from cause
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found.values()):
        raise _damaged(path, "it does not name a projection for each vector space")
    return found


def _damaged(path: Path, what: str) -> ProjectionInvalid:
    return ProjectionInvalid(
        f"{path} is damaged ({what}): delete it and run ogaart fit-projection again; without it the projection of the "
        "package is used"
    )
