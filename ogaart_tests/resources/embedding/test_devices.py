"""Embedding on a device: its vectors are compared first, batches fit its memory, a missing one is told."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from ogaart.resources.embedding.backends.base import DeviceUnusable
from ogaart.resources.embedding.backends.converted import LEAST_COSINE, cosines
from ogaart.resources.embedding.backends.torch_device import EXACT, DeviceModel, find_device, open_device
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

    def _compute(self, pictures: torch.Tensor) -> torch.Tensor:
        self.__dict__.setdefault("sizes", []).append(len(pictures))
        if len(pictures) > 3:
            raise torch.OutOfMemoryError("out of memory")
        return super()._compute(pictures)


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


def test_where_numbers_of_16_bits_are_not_near_enough_those_of_32_are_used() -> None:
    samples = drawn_pictures(2, LITE0.input_size)

    model, numbers = open_device(loaded, "cpu", samples, [("bf16", 0.99999), (EXACT, LEAST_COSINE)])

    assert re.match(r"f32 \(.* by bf16 \(cosine 0\.9\d+, at least 0\.99999 is needed\)\)$", numbers)
    assert model.least_cosine >= LEAST_COSINE


@pytest.mark.slow
def test_the_benchmark_of_gpus_runs_without_one(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu", "--device", "cpu", "--pictures", "4", "--models", LITE0.name,
         "--out", str(tmp_path / "gpu.json")],
        cwd=Path(__file__).parents[3], check=True, stdout=subprocess.PIPE,
    )  # fmt: skip

    kept = json.loads((tmp_path / "gpu.json").read_text())
    assert kept[f"{LITE0.name} f32"]["least_cosine"] >= 0.999999
    assert kept[f"{LITE0.name} bf16"]["mean_cosine"] >= 0.9
    assert kept[f"{LITE0.name} bf16 from files"][0]["pictures_a_second"] > 0


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
