"""The embedding models that are there, by name; their weights on this machine, and the vector space they make."""

import hashlib
import os
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from types import MappingProxyType

from ogaart.resources.embedding import models
from ogaart.resources.embedding.models.base import EmbeddingModel, LikenessThresholds, WeightsMissing
from ogaart.resources.embedding.preprocessing import PREPARATION
from ogaart.resources.storage.atomic_files import read_json, write_json
from ogaart.settings import Settings

__all__ = ["EmbeddingModel", "UnknownModel", "VectorSpace", "WeightsMissing", "find_weights", "model_named"]


class UnknownModel(ValueError):
    """No embedding model has this name."""


FAST = "-fast-1"
"""At the end of the name of a space of vectors with fewer bits; its number rises where what is accepted changes."""


@dataclass(frozen=True)
class WeightsFile:
    """Which weights a run uses.

    Attributes:
        path: the state dict; None where it has to be downloaded first.
        sha256: the first 8 hexadecimal digits of its hash.
    """

    path: Path | None
    sha256: str


@dataclass(frozen=True)
class VectorSpace:
    """Vectors that can be compared with each other: those of one model, with one set of weights and one preparation.

    Attributes:
        name: such as ``vgg16-397923af-grey-squash-1``; a part of paths and of the collection's name. With
            ``OGAART_PRECISION=fast`` it ends in ``-fast-1``: such vectors are near the model's own, not equal to them.
        model: the model's name.
        dimension: numbers in a vector.
    """

    name: str
    model: str
    dimension: int

    @classmethod
    def of(cls, settings: Settings) -> "VectorSpace":
        """The space of the settings' model and weights; nothing is loaded or started.

        Raises:
            UnknownModel: the settings name a model that is not there.
            WeightsMissing: see ``find_weights``.
        """
        model = model_named(settings.model)
        own = f"{model.name}-{find_weights(settings).sha256}-{PREPARATION}"
        return cls(own + FAST if settings.precision == "fast" else own, model.name, model.dimension)


def exact_space(name: str) -> str:
    """The name of the space of a model's own vectors, of that or of vectors near them."""
    return name.removesuffix(FAST)


@cache
def available_models() -> Mapping[str, EmbeddingModel]:
    """Every model by its name: the ``MODEL`` of each module in ``ogaart.resources.embedding.models``."""
    modules = [
        import_module(f"{models.__name__}.{found.name}")
        for found in pkgutil.iter_modules(models.__path__)
        if found.name != "base"
    ]
    instances: list[EmbeddingModel] = [module.MODEL for module in modules]
    return MappingProxyType({model.name: model for model in instances})


def model_named(name: str) -> EmbeddingModel:
    """The model of a name.

    Raises:
        UnknownModel: there is none.
    """
    known = available_models()
    if name not in known:
        raise UnknownModel(f"OGAART_MODEL={name!r}: unknown embedding model; available: {', '.join(sorted(known))}")
    return known[name]


def thresholds_of(name: str) -> LikenessThresholds:
    """How the cosines of a publication's model are read; the defaults where this version does not have the model."""
    model = available_models().get(name)
    return model.thresholds if model is not None else LikenessThresholds()


def model_label(name: str) -> str:
    """A model's name for people; the name itself where this version does not have the model."""
    model = available_models().get(name)
    return model.label if model is not None else name


def find_weights(settings: Settings) -> WeightsFile:
    """Where the chosen model's weights are; hashes a file only when it is new or was changed.

    Raises:
        UnknownModel: the settings name a model that is not there.
        WeightsMissing: ``OGAART_WEIGHTS`` is not a file, or a file does not have the hash that its source states.
    """
    model = model_named(settings.model)
    if settings.weights is not None:
        if not settings.weights.is_file():
            raise WeightsMissing(f"OGAART_WEIGHTS={settings.weights} is not a file: {model.way_out}")
        return WeightsFile(settings.weights, _sha256(settings, settings.weights)[:8])
    path = model.published_weights()
    if path is None:
        return WeightsFile(None, model.sha256)
    if not (digest := _sha256(settings, path)).startswith(model.sha256):
        raise WeightsMissing(
            f"{path} has sha256 {digest[:8]}…, the weights of {model.name} have {model.sha256}…: "
            f"it is damaged; delete it, then {model.way_out}"
        )
    return WeightsFile(path, model.sha256)


def _sha256(settings: Settings, path: Path) -> str:
    """The file's sha256, remembered by path, time and size under a data root that is writable: half a GB takes 1 s."""
    memory = settings.data / "vectors" / "weights.json"
    status = path.stat()
    stamp = [status.st_mtime_ns, status.st_size]
    known = read_json(memory)
    entry = known.get(str(path)) if isinstance(known, dict) else None
    if isinstance(entry, list) and entry[:2] == stamp and len(entry) == 3:
        return str(entry[2])
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    kept = known if isinstance(known, dict) else {}
    if os.access(memory.parent if memory.parent.exists() else settings.data, os.W_OK):
        write_json(memory, {**kept, str(path): [*stamp, digest]}, indent=1)
    return digest
