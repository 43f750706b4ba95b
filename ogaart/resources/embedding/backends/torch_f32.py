"""PyTorch: the back end that is always there; it loads a model's weights, whatever they turn out to be."""

import pickle
import re
import struct
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ogaart.resources.embedding.models.base import EmbeddingModel, WeightsMissing

MICRO_BATCH = 4
"""Pictures that a thread takes through the backbone at once: more are no faster and take 100 MB each in VGG16."""
DENSE_BATCH = 16
"""Pictures that a thread takes through the dense layers: it reads their weights, half a gigabyte in VGG16, as often."""

_NOT_LOADED = (
    pickle.UnpicklingError, OSError, RuntimeError, EOFError, ValueError, LookupError, ImportError, AttributeError,
    TypeError, MemoryError, OverflowError, struct.error,
)  # fmt: skip
"""What torch and its unpickler raise at bytes that are not a state dict."""
_FORBIDDEN = re.compile(r"(?i)unsupported (?:global: )?GLOBAL (\S+)")


class LoadedModel:
    """A model with its weights in memory; ``embed`` is all that one does with it.

    Args:
        model: which.
        path: its state dict; None: downloaded from the model's own source.

    Raises:
        WeightsMissing: the weights do not load, or do not fit the model.
    """

    def __init__(self, model: EmbeddingModel, path: Path | None) -> None:
        state = model.download() if path is None else _read_state(model, path)
        with torch.device("meta"):
            body = model.build()
        _check_state(model, state, body, path)
        wanted = body.state_dict()
        body.load_state_dict({name: state[name].to(wanted[name].dtype) for name in wanted}, assign=True)
        self.model = model
        self._body = body.eval()

    def embed(self, prepared: NDArray[np.uint8], pool: Executor | None) -> NDArray[np.float32]:
        """Embed prepared pictures.

        Each core takes other pictures through the model. Sharing out each layer instead, as torch does by itself,
        makes the cores wait for each other some hundred times a picture: with other work on the machine, two cores
        together then took 9 s for 32 pictures with Lite0, where one core alone took 1 s.

        Args:
            prepared: (N, S, S, 3) uint8 RGB, S the model's input size.
            pool: as many threads as cores may be used, each with torch kept to one; None: this thread alone.

        Returns:
            (N, D) float32, not normalised.
        """
        run = pool.map if pool else map
        parts = [prepared[start : start + MICRO_BATCH] for start in range(0, len(prepared), MICRO_BATCH)]
        values = torch.cat(list(run(self._backbone, parts)))
        for layer in self.model.dense(self._body):
            values = torch.cat(list(run(partial(_dense, layer), torch.split(values, DENSE_BATCH))))
        return cast("NDArray[np.float32]", values.numpy())

    def move(self, device: torch.device) -> nn.Module:
        """The layers, moved to a device with channels last, which convolutions there are fastest with."""
        self._body = self._body.to(device).to(memory_format=torch.channels_last)
        return self._body

    def modules(self) -> tuple[nn.Module, list[nn.Linear]]:
        """The backbone, from (N, 3, S, S) float32 of 0 to 255 to (N, K), and the dense layers: for other back ends."""
        return _Backbone(self.model, self._body).eval(), list(self.model.dense(self._body))

    @torch.inference_mode()
    def _backbone(self, prepared: NDArray[np.uint8]) -> torch.Tensor:
        pixels = torch.from_numpy(prepared.copy()).permute(0, 3, 1, 2).float()
        return self.model.backbone(self._body, self.model.normalise(pixels))


@torch.inference_mode()
def _dense(layer: nn.Linear, values: torch.Tensor) -> torch.Tensor:
    return torch.relu(layer(values))


class _Backbone(nn.Module):
    """A model's layers before the dense ones, its normalisation included, as one module."""

    def __init__(self, model: EmbeddingModel, body: nn.Module) -> None:
        super().__init__()
        self._model = model
        self.body = body

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """(N, 3, S, S) float32 of 0 to 255 to (N, K)."""
        return self._model.backbone(self.body, self._model.normalise(pixels))


def _read_state(model: EmbeddingModel, path: Path) -> dict[str, torch.Tensor]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=_is_zip(path))
    except _NOT_LOADED as error:
        raise WeightsMissing(f"{path} {_why_not(model, error)}: delete it, then {model.way_out}") from error
    if not isinstance(state, dict):
        raise WeightsMissing(
            f"{path} holds a {type(state).__name__}, expected a state dict of {model.name}: {model.way_out}"
        )
    return state


def _why_not(model: EmbeddingModel, error: BaseException) -> str:
    """Why a file was not loaded, in one line: torch's own message explains how to load it in spite of the danger."""
    forbidden = _FORBIDDEN.search(str(error))
    if forbidden:
        return f"holds more than tensors ({forbidden[1]}), so it is not loaded"
    first = (str(error).strip().splitlines() or [""])[0][:200]
    detail = f": {first}" if first and "weights_only" not in first else ""
    return f"is not a state dict of {model.name}, or is damaged ({type(error).__name__}{detail})"


def _is_zip(path: Path) -> bool:
    """Only torch's newer format can be mapped; torchvision's VGG16 is of the older one."""
    with path.open("rb") as stream:
        return stream.read(4) == b"PK\x03\x04"


def _check_state(model: EmbeddingModel, state: dict[str, torch.Tensor], body: nn.Module, path: Path | None) -> None:
    """Every layer that is used must be there in its shape; layers after it do not matter."""
    for name, wanted in body.state_dict().items():
        found = state.get(name)
        shape = tuple(found.shape) if isinstance(found, torch.Tensor) else None
        if shape != tuple(wanted.shape):
            raise WeightsMissing(
                f"{path} does not fit {model.name}: {name} has shape {shape}, expected {tuple(wanted.shape)}; "
                "set OGAART_WEIGHTS and OGAART_MODEL to belong together"
            )
