"""OpenVINO at 32 bits: fused layers and few copies, which pays for models of many small layers."""

import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ogaart.resources.embedding.backends.base import Backend, ConversionUnusable

if TYPE_CHECKING:
    from torch import nn

GRAPH = "backbone.xml"


def load_openvino() -> Any:
    """The package ``openvino``, kept from reporting its use to its vendor, which it does by itself where it can.

    Raises:
        ConversionUnusable: it is not installed, or does not load.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # an import of it fails
    try:
        import openvino
    except (ImportError, OSError) as cause:
        raise ConversionUnusable(f"OpenVINO does not load ({cause}): install ogaart[fast]") from cause
    return openvino


class OpenVinoBackbone:
    """A compiled model.

    Args:
        folder: of the conversion.
        threads: how many threads will share it.
        precision: OpenVINO's hint: f32 or bf16.
    """

    def __init__(self, folder: Path, threads: int, precision: str) -> None:
        openvino = load_openvino()
        path = folder / GRAPH
        if not path.is_file():
            raise ConversionUnusable(f"{path} is missing")
        options = {
            "INFERENCE_PRECISION_HINT": precision,
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": threads,  # each thread takes other pictures
        }
        try:
            self._compiled = openvino.Core().compile_model(str(path), "CPU", options)
        except RuntimeError as cause:
            raise ConversionUnusable(f"OpenVINO does not load {path}: {str(cause).strip().splitlines()[-1]}") from cause
        self._own = threading.local()

    def compute(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """See ``base.Backbone``."""
        request = getattr(self._own, "request", None)
        if request is None:
            request = self._own.request = self._compiled.create_infer_request()
        try:
            return np.array(request.infer([pixels[None]])[0][0], dtype=np.float32)
        except RuntimeError as cause:
            raise ConversionUnusable(f"OpenVINO cannot compute the model: {cause}") from cause


class OpenVinoBackend(Backend):
    """Converts and computes by OpenVINO."""

    name = "openvino"
    packages: ClassVar[tuple[str, ...]] = ("openvino",)

    def convert(self, backbone: "nn.Module", size: int, folder: Path, pictures: NDArray[np.uint8]) -> None:
        """See ``base.Backend``."""
        import torch

        del pictures
        openvino = load_openvino()
        try:
            model = openvino.convert_model(
                backbone, example_input=torch.zeros(1, 3, size, size), input=[1, 3, size, size]
            )
            openvino.save_model(model, folder / GRAPH, compress_to_fp16=False)
        except RuntimeError as cause:
            raise ConversionUnusable(f"OpenVINO does not convert the model: {cause}") from cause

    def open(self, folder: Path, threads: int) -> OpenVinoBackbone:
        """See ``base.Backend``."""
        return OpenVinoBackbone(folder, threads, "f32")
