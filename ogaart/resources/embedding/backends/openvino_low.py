"""OpenVINO with fewer bits than the model's own numbers: bf16, and 8-bit integers fitted to the pictures.

Their vectors are near the model's, not equal: they are used where ``OGAART_PRECISION=fast`` and a measurement allow it.
"""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ogaart.resources.embedding.backends.base import ConversionUnusable
from ogaart.resources.embedding.backends.openvino_f32 import GRAPH, OpenVinoBackbone, OpenVinoBackend, load_openvino

if TYPE_CHECKING:
    from torch import nn


class OpenVinoBf16Backend(OpenVinoBackend):
    """Numbers of 16 bits, eight of them the mantissa, where the processor computes with them."""

    name = "openvino-bf16"
    exact = False

    def open(self, folder: Path, threads: int) -> OpenVinoBackbone:
        """See ``base.Backend``."""
        return OpenVinoBackbone(folder, threads, "bf16")


class OpenVinoInt8Backend(OpenVinoBf16Backend):
    """Integers of 8 bits, whose ranges NNCF takes from pictures; what stays in floating point is bf16."""

    name = "openvino-int8"
    packages: ClassVar[tuple[str, ...]] = ("openvino", "nncf")

    def convert(self, backbone: "nn.Module", size: int, folder: Path, pictures: NDArray[np.uint8]) -> None:
        """See ``base.Backend``."""
        super().convert(backbone, size, folder, pictures)
        openvino = load_openvino()
        try:
            import nncf
        except (ImportError, OSError) as cause:
            raise ConversionUnusable(f"NNCF does not load ({cause}): install ogaart[fast]") from cause
        logging.getLogger("nncf").setLevel(logging.ERROR)
        exact = openvino.Core().read_model(str(folder / GRAPH))
        convolutions = [op.get_friendly_name() for op in exact.get_ordered_ops() if op.get_type_name() == "Convolution"]
        try:
            quantized: Any = nncf.quantize(
                exact,
                nncf.Dataset(list(pictures), _input),
                preset=nncf.QuantizationPreset.PERFORMANCE,
                # The first one computes with three channels only: in 8 bits it saves nothing and costs most.
                ignored_scope=nncf.IgnoredScope(names=convolutions[:1]),
                subset_size=len(pictures),
            )
            del exact  # its file is mapped, and written again
            openvino.save_model(quantized, folder / f"quantized-{GRAPH}", compress_to_fp16=False)
        except (RuntimeError, nncf.ValidationError) as cause:
            raise ConversionUnusable(f"NNCF does not convert the model: {cause}") from cause
        for path in list(folder.glob("quantized-*")):
            path.replace(folder / path.name.removeprefix("quantized-"))


def _input(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.ascontiguousarray(picture.transpose(2, 0, 1)[None], dtype=np.float32)
