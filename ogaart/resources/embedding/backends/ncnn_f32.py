"""ncnn: 32-bit convolutions by Winograd's algorithm, which needs fewer multiplications than PyTorch's on a CPU."""

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ogaart.resources.embedding.backends.base import Backend, ConversionUnusable

if TYPE_CHECKING:
    from torch import nn

_CONVERTER_SECONDS = 600.0
_GRAPH, _WEIGHTS = "backbone.ncnn.param", "backbone.ncnn.bin"
_HALF_PRECISION = ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage")


class _NcnnBackbone:
    def __init__(self, folder: Path) -> None:
        import ncnn

        self._ncnn = ncnn
        self._model = ncnn.Net()
        self._model.opt.num_threads = 1  # each thread takes other pictures
        for option in _HALF_PRECISION:
            setattr(self._model.opt, option, False)
        for load, name in ((self._model.load_param, _GRAPH), (self._model.load_model, _WEIGHTS)):
            path = folder / name
            if not path.is_file() or load(str(path)) != 0:
                raise ConversionUnusable(f"{path} is missing or damaged")

    def compute(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """See ``base.Backbone``."""
        extractor = self._model.create_extractor()
        extractor.input("in0", self._ncnn.Mat(pixels).clone())  # a copy, in ncnn's own alignment
        status, found = extractor.extract("out0")
        if status != 0:
            raise ConversionUnusable(f"ncnn cannot compute the model (status {status})")
        return np.array(found, dtype=np.float32).ravel()


class NcnnBackend(Backend):
    """Converts by pnnx, computes by ncnn."""

    name = "ncnn"
    packages = ("ncnn", "pnnx")

    def convert(self, backbone: "nn.Module", size: int, folder: Path, pictures: NDArray[np.uint8]) -> None:
        """See ``base.Backend``."""
        import torch

        del pictures
        pnnx = _converter()
        script = folder / "backbone.pt"
        with torch.inference_mode():
            torch.jit.trace(backbone, torch.zeros(1, 3, size, size)).save(str(script))  # type: ignore[no-untyped-call]
        done = subprocess.run(
            [pnnx, script.name, f"inputshape=[1,3,{size},{size}]", "fp16=0"],
            cwd=folder, capture_output=True, text=True, timeout=_CONVERTER_SECONDS, check=False,
        )  # fmt: skip
        if done.returncode != 0 or not (folder / _GRAPH).is_file():
            last = (done.stderr or done.stdout).strip().splitlines()[-1:]
            raise ConversionUnusable(f"pnnx does not convert the model: {' '.join(last) or done.returncode}")
        for path in folder.iterdir():
            if path.name not in {_GRAPH, _WEIGHTS}:
                path.unlink()

    def open(self, folder: Path, threads: int) -> _NcnnBackbone:
        """See ``base.Backend``."""
        del threads  # any number may share it
        try:
            return _NcnnBackbone(folder)
        except ImportError as cause:
            raise ConversionUnusable(f"ncnn does not load ({cause}): install ogaart[fast]") from cause


def _converter() -> str:
    """The path of pnnx's program, which its package does not put on PATH where it is installed elsewhere."""
    import importlib.util

    found: Any = importlib.util.find_spec("pnnx")
    if found is None or found.origin is None:
        raise ConversionUnusable("pnnx is not installed: install ogaart[fast]")
    return str(Path(found.origin).with_name("pnnx"))
