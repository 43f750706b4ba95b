"""The child process that embeds pictures: ``python -m ogaart.resources.embedding.worker``, driven by ``embedder``.

Only this process imports torch, so that a run does not keep its gigabyte. It knows nothing of Dagster and ends with
its parent. What a hostile picture breaks here is that picture's row.
"""

import os
import pickle
import re
import struct
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ogaart.imaging import pictures
from ogaart.imaging.errors import Unreadable
from ogaart.imaging.limits import Limits
from ogaart.resources.embedding.derivations import DERIVATIONS
from ogaart.resources.embedding.preprocessing import prepare
from ogaart.resources.embedding.registry import EmbeddingModel, WeightsMissing, model_named
from ogaart.workers import protocol, serving

MICRO_BATCH = 4
"""Pictures that go through the model at once: more are no faster on a CPU and take 100 MB each in VGG16."""


_NOT_LOADED = (
    pickle.UnpicklingError, OSError, RuntimeError, EOFError, ValueError, LookupError, ImportError, AttributeError,
    TypeError, MemoryError, OverflowError, struct.error,
)  # fmt: skip
"""What torch and its unpickler raise at bytes that are no state dict."""
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

    def embed(self, prepared: NDArray[np.uint8], pool: Executor) -> NDArray[np.float32]:
        """Embed prepared pictures.

        Each core takes other pictures through the model. Sharing out each layer instead, as torch does by itself,
        makes the cores wait for each other some hundred times a picture: with other work on the machine, two cores
        together then took 9 s for 32 pictures with Lite0, where one core alone took 1 s.

        Args:
            prepared: (N, S, S, 3) uint8 RGB, S the model's input size.
            pool: as many threads as cores may be used; each keeps torch to one.

        Returns:
            (N, D) float32, not normalised.
        """
        parts = [prepared[start : start + MICRO_BATCH] for start in range(0, len(prepared), MICRO_BATCH)]
        return np.concatenate(list(pool.map(self._embed_part, parts)))

    @torch.inference_mode()
    def _embed_part(self, prepared: NDArray[np.uint8]) -> NDArray[np.float32]:
        pixels = torch.from_numpy(prepared.copy()).permute(0, 3, 1, 2).float()
        return cast("NDArray[np.float32]", self.model.forward(self._body, self.model.normalise(pixels)).numpy())


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


class EmbeddingWorker:
    """Answers requests, one message for each."""

    def __init__(self, fields: dict[str, Any]) -> None:
        torch.set_num_threads(1)
        threads = int(fields["threads"]) or os.cpu_count() or 1
        self._pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))
        self._limits = Limits(**fields["limits"])
        self._model = LoadedModel(model_named(fields["model"]), Path(fields["weights"]) if fields["weights"] else None)
        self._size = self._model.model.input_size

    def answer(self, request: protocol.Message) -> tuple[dict[str, Any], tuple[Any, ...]]:
        """Carry out ``read`` (a picture's bytes or path) or ``embed`` (prepared pictures)."""
        if request.fields["op"] == "read":
            try:
                path = request.fields["path"]
                source = Path(path) if path else bytes(request.blobs[0])
                rgba = pictures.decode(source, self._limits).rgba
                inputs = [prepare(rgba, self._size)] if request.fields["embed"] else []
            except Unreadable as error:
                return {"kind": "failed", "error_class": error.error_class, "message": error.message}, ()
            except FileNotFoundError as error:
                return {"kind": "failed", "error_class": "FileNotFoundError", "message": str(error)}, ()
            except MemoryError:
                return {"kind": "failed", "error_class": "OutOfMemory", "message": "not enough memory to decode it"}, ()
            derived, failed = _derive(rgba, request.fields["derive"])
            return {"kind": "read", "derived": list(derived), "failed": failed}, (*inputs, *derived.values())
        count = int(request.fields["count"])
        prepared = np.frombuffer(request.blobs[0], np.uint8).reshape(count, self._size, self._size, 3)
        return {"kind": "vectors"}, (np.ascontiguousarray(self._model.embed(prepared, self._pool)),)


def _derive(rgba: NDArray[np.uint8], spaces: Sequence[str]) -> tuple[dict[str, bytes], dict[str, tuple[str, str]]]:
    """What each derived space keeps of a picture, and (error class, message) of the spaces that failed."""
    derived: dict[str, bytes] = {}
    failed: dict[str, tuple[str, str]] = {}
    for space in spaces:
        try:
            derived[space] = DERIVATIONS[space](rgba)
        except MemoryError:
            failed[space] = "OutOfMemory", f"not enough memory for {space}"
        except (ValueError, ArithmeticError, LookupError) as error:
            failed[space] = type(error).__name__, f"{space}: {error}"
    return derived, failed


def main() -> None:
    """Serve until the parent closes the pipe."""
    out, requests = serving.open_pipes()

    def reply(fields: dict[str, Any], blobs: tuple[Any, ...] = ()) -> None:
        protocol.send(out.write, {**fields, **serving.memory()}, blobs)
        out.flush()

    try:
        worker = EmbeddingWorker(requests.get().fields)
    except WeightsMissing as error:
        reply({"kind": "weights-missing", "message": str(error)})
        return
    reply({"kind": "ready"})
    while True:
        reply(*worker.answer(requests.get()))


if __name__ == "__main__":
    main()
