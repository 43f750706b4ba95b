"""Embedding on a device: its vectors are compared first, batches fit its memory, a missing one is told."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ogaart.resources.embedding.backends.base import DeviceUnusable
from ogaart.resources.embedding.backends.converted import cosines
from ogaart.resources.embedding.backends.torch_device import DeviceModel, find_device
from ogaart.resources.embedding.backends.torch_f32 import LoadedModel
from ogaart.resources.embedding.embedder import Embedder, EmbedderBroken
from ogaart.resources.embedding.measurement_worker import drawn_pictures
from ogaart.resources.embedding.registry import model_named
from ogaart.settings import Settings

NO_GPU = pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
LITE0 = model_named("efficientnet_lite0")


def loaded() -> LoadedModel:
    weights = LITE0.published_weights()
    assert weights is not None
    return LoadedModel(LITE0, weights)


class SmallMemory(DeviceModel):
    """A device whose memory holds three pictures."""

    sizes: list[int]

    def _compute(self, prepared: np.ndarray) -> np.ndarray:
        self.__dict__.setdefault("sizes", []).append(len(prepared))
        if len(prepared) > 3:
            raise torch.OutOfMemoryError("out of memory")
        return super()._compute(prepared)


def test_vectors_of_a_device_are_those_of_the_processor() -> None:
    pictures = drawn_pictures(5, LITE0.input_size)

    on_device = DeviceModel(loaded(), "cpu", pictures[:2])

    assert on_device.least_cosine >= 0.999999
    assert cosines(on_device.embed(pictures, None), loaded().embed(pictures, None)).min() >= 0.999999


def test_a_batch_that_does_not_fit_is_halved_and_stays_so() -> None:
    pictures = drawn_pictures(10, LITE0.input_size)
    small = SmallMemory(loaded(), "cpu", pictures[:2])
    small.sizes.clear()

    found = small.embed(pictures, None)

    assert small.sizes == [10, 5, 2, 2, 2, 2, 2]
    assert cosines(found, loaded().embed(pictures, None)).min() >= 0.999999


@NO_GPU
@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_is_not_there_is_named_with_the_way_out(tmp_path: Path, device: Any) -> None:
    with pytest.raises(DeviceUnusable, match=f"finds no device '{device}'"):
        find_device(device)
    with (
        Embedder(Settings(data=tmp_path, model="efficientnet_lite0", device=device)) as embedder,
        pytest.raises(EmbedderBroken, match=rf"^OGAART_DEVICE={device}: .*set OGAART_DEVICE=auto$"),
    ):
        embedder.start()


@NO_GPU
def test_without_a_gpu_auto_is_the_processor(tmp_path: Path) -> None:
    assert find_device("auto") == "cpu"
    with Embedder(Settings(data=tmp_path, model="efficientnet_lite0", device="auto")) as embedder:
        embedder.start()
        assert "cosine" not in embedder.choice.reason


def test_a_device_that_pytorch_cannot_use_is_refused() -> None:
    with pytest.raises(DeviceUnusable, match="cannot use the device 'xpu'"):
        DeviceModel(loaded(), "xpu", drawn_pictures(2, LITE0.input_size))
