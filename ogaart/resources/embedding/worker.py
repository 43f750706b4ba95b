"""The child process that embeds pictures: ``python -m ogaart.resources.embedding.worker``, driven by ``embedder``.

The only module that imports torch, so that a run does not keep its gigabyte. It knows nothing of Dagster and ends
with its parent. What a hostile picture breaks here is that picture's row.
"""

import os
import socket
from abc import ABC, abstractmethod
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast
from urllib.error import URLError

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ogaart.imaging import pictures
from ogaart.imaging.errors import Unreadable
from ogaart.imaging.limits import Limits
from ogaart.resources.embedding.preprocessing import prepare
from ogaart.resources.embedding.registry import EFFICIENTNET_LITE0, MODELS, VGG16, Model, WeightsMissing, no_download
from ogaart.workers import protocol, serving

MICRO_BATCH = 4
"""Pictures that go through the network at once: more are no faster on a CPU and take 100 MB each in VGG16."""
DOWNLOAD_SECONDS = 30.0


class Network(ABC):
    """A loaded network; ``embed`` is all that one does with it."""

    model: Model

    def __init__(self, path: Path | None) -> None:
        state = self.published() if path is None else _read_state(self.model, path)
        with torch.device("meta"):
            body = self.build()
        _check_state(self.model, state, body, path)
        wanted = body.state_dict()
        body.load_state_dict({name: state[name].to(wanted[name].dtype) for name in wanted}, assign=True)
        self.body = body.eval()

    @abstractmethod
    def build(self) -> nn.Module:
        """The layers up to the vector, without weights."""

    @abstractmethod
    def published(self) -> dict[str, torch.Tensor]:
        """The state dict from the model's own source.

        Raises:
            WeightsMissing: it cannot be had.
        """

    @abstractmethod
    def normalise(self, rgb: torch.Tensor) -> torch.Tensor:
        """Bytes 0 to 255 as float32 (N, 3, H, W), to what the network was trained on."""

    @abstractmethod
    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Normalised pictures to vectors (N, D)."""

    def embed(self, prepared: NDArray[np.uint8], pool: Executor) -> NDArray[np.float32]:
        """Embed prepared pictures.

        Each core takes other pictures through the network. Sharing out each layer instead, as torch does by itself,
        makes the cores wait for each other some hundred times a picture: with other work on the machine, two cores
        together then took 9 s for 32 pictures with Lite0, where one core alone took 1 s.

        Args:
            prepared: (N, 224, 224, 3) uint8 RGB.
            pool: as many threads as cores may be used; each keeps torch to one.

        Returns:
            (N, D) float32, not normalised.
        """
        parts = [prepared[start : start + MICRO_BATCH] for start in range(0, len(prepared), MICRO_BATCH)]
        return np.concatenate(list(pool.map(self._embed_part, parts)))

    @torch.inference_mode()
    def _embed_part(self, prepared: NDArray[np.uint8]) -> NDArray[np.float32]:
        pixels = torch.from_numpy(prepared.copy()).permute(0, 3, 1, 2).float()
        return cast("NDArray[np.float32]", self.forward(self.normalise(pixels)).numpy())


class Vgg16(Network):
    """VGG16 of torchvision, IMAGENET1K_V1: the second fully connected layer after its ReLU, 4,096 numbers."""

    model = VGG16

    def build(self) -> nn.Module:
        """All layers before the classes."""
        from torchvision.models import vgg16

        body = cast("nn.Module", vgg16(weights=None))
        body.classifier = cast("nn.Sequential", body.classifier)[:5]
        return body

    def published(self) -> dict[str, torch.Tensor]:
        """The download of torchvision, its hash checked."""
        from torchvision.models import VGG16_Weights

        socket.setdefaulttimeout(DOWNLOAD_SECONDS)
        try:
            return dict(VGG16_Weights.IMAGENET1K_V1.get_state_dict(progress=False, check_hash=True))
        except (URLError, OSError, RuntimeError) as error:  # RuntimeError: the hash is wrong
            raise WeightsMissing(no_download(self.model, str(error))) from error

    def normalise(self, rgb: torch.Tensor) -> torch.Tensor:
        """As the weights' own transforms say: mean and deviation of ImageNet, for values 0 to 1."""
        from torchvision.models import VGG16_Weights

        stated = VGG16_Weights.IMAGENET1K_V1.transforms()
        mean, deviation = (torch.tensor(values).view(1, 3, 1, 1) for values in (stated.mean, stated.std))
        return (rgb / 255 - mean) / deviation

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Features, pooling, fc1, ReLU, fc2, ReLU (dropout does nothing here)."""
        return cast("torch.Tensor", self.body(pixels))


class EfficientNetLite0(Network):
    """EfficientNet-Lite0 with TensorFlow's weights: the last feature map, averaged, 1,280 numbers."""

    model = EFFICIENTNET_LITE0

    def build(self) -> nn.Module:
        """All layers before the classes."""
        from efficientnet_lite_pytorch import EfficientNet

        body = cast("nn.Module", EfficientNet.from_name("efficientnet-lite0"))
        del body._fc
        return body

    def published(self) -> dict[str, torch.Tensor]:
        """The package always has them; it is missing when this is called."""
        raise WeightsMissing(no_download(self.model, "its file is gone"))

    def normalise(self, rgb: torch.Tensor) -> torch.Tensor:
        """As TensorFlow trained it: (x - 127) / 128, not by the mean and deviation of ImageNet.

        The first batch normalisation shows it: its running means are what the first convolution makes of a constant
        picture of -0.05, -0.07, -0.12, and its variances fit inputs of a variance near 0.2, where ImageNet's
        normalisation would have means of 0 and variances of 1.
        """
        return (rgb - 127) / 128

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """The last feature map, averaged over the picture."""
        features = cast("Any", self.body).extract_features(pixels)
        return cast("torch.Tensor", features.mean((2, 3)))


NETWORKS: dict[str, type[Network]] = {network.model.name: network for network in (Vgg16, EfficientNetLite0)}


def _read_state(model: Model, path: Path) -> dict[str, torch.Tensor]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=_is_zip(path))
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, ImportError) as error:
        raise WeightsMissing(f"{path} is no state dict of {model.name}: {type(error).__name__}: {error}") from error
    except Exception as error:
        if type(error).__name__ != "UnpicklingError":  # torch's refusal of anything but tensors
            raise
        raise WeightsMissing(f"{path} holds more than tensors, so it is not loaded: {error}") from error
    if not isinstance(state, dict):
        raise WeightsMissing(f"{path} holds a {type(state).__name__}, expected a state dict of {model.name}")
    return state


def _is_zip(path: Path) -> bool:
    """Only torch's newer format can be mapped; torchvision's VGG16 is of the older one."""
    with path.open("rb") as stream:
        return stream.read(4) == b"PK\x03\x04"


def _check_state(model: Model, state: dict[str, torch.Tensor], body: nn.Module, path: Path | None) -> None:
    """Every layer that is used must be there in its shape; layers after it do not matter."""
    for name, wanted in body.state_dict().items():
        found = state.get(name)
        shape = tuple(found.shape) if isinstance(found, torch.Tensor) else None
        if shape != tuple(wanted.shape):
            raise WeightsMissing(
                f"{path} does not fit {model.name}: {name} has shape {shape}, expected {tuple(wanted.shape)}; "
                "set OGAART_WEIGHTS and OGAART_MODEL to belong together"
            )


class Worker:
    """Answers requests, one message for each."""

    def __init__(self, fields: dict[str, Any]) -> None:
        torch.set_num_threads(1)
        threads = int(fields["threads"]) or os.cpu_count() or 1
        self._pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))
        self._limits = Limits(**fields["limits"])
        self._network = NETWORKS[fields["model"]](Path(fields["weights"]) if fields["weights"] else None)

    def answer(self, request: protocol.Message) -> tuple[dict[str, Any], tuple[Any, ...]]:
        """Carry out ``prepare`` (a picture's bytes or path) or ``embed`` (prepared pictures)."""
        if request.fields["op"] == "prepare":
            try:
                path = request.fields["path"]
                source = Path(path) if path else bytes(request.blobs[0])
                return {"kind": "prepared"}, (prepare(pictures.decode(source, self._limits).rgba),)
            except Unreadable as error:
                return {"kind": "failed", "error_class": error.error_class, "message": error.message}, ()
            except FileNotFoundError as error:
                return {"kind": "failed", "error_class": "FileNotFoundError", "message": str(error)}, ()
            except MemoryError:
                return {"kind": "failed", "error_class": "OutOfMemory", "message": "not enough memory to decode it"}, ()
        count = int(request.fields["count"])
        prepared = np.frombuffer(request.blobs[0], np.uint8).reshape(count, 224, 224, 3)
        return {"kind": "vectors"}, (np.ascontiguousarray(self._network.embed(prepared, self._pool)),)


def main() -> None:
    """Serve until the parent closes the pipe."""
    out, requests = serving.open_pipes()

    def say(fields: dict[str, Any], blobs: tuple[Any, ...] = ()) -> None:
        protocol.send(out.write, {**fields, **serving.memory()}, blobs)
        out.flush()

    try:
        worker = Worker(requests.get().fields)
    except WeightsMissing as error:
        say({"kind": "weights-missing", "message": str(error)})
        return
    say({"kind": "ready"})
    while True:
        say(*worker.answer(requests.get()))


assert set(NETWORKS) == set(MODELS)

if __name__ == "__main__":
    main()
