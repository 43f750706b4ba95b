"""OGAART_PRECISION=fast: vectors of fewer bits in a space of their own, measured on the operator's pictures first."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from ogaart.operations import doctor
from ogaart.resources.embedding.backend_choice import FAST_BACKENDS, TORCH, Measured, choose, conversions, keep
from ogaart.resources.embedding.backends.base import ConversionUnusable
from ogaart.resources.embedding.backends.converted import ConvertedModel, cosines
from ogaart.resources.embedding.batches import EmbedderInput
from ogaart.resources.embedding.embedder import Embedder, EmbedderBroken
from ogaart.resources.embedding.fidelity import Fidelity
from ogaart.resources.embedding.measurement import measure_backends
from ogaart.resources.embedding.measurement_worker import drawn_pictures, measure_fewer_bits
from ogaart.resources.embedding.models.base import EmbeddingModel
from ogaart.resources.embedding.projections import projection_of
from ogaart.resources.embedding.registry import VectorSpace, exact_space
from ogaart.resources.storage.data_root import DataRoot
from ogaart.settings import Settings

needs_packages = pytest.mark.skipif(
    not all(backend.installed() for backend in FAST_BACKENDS.values()), reason="ogaart[fast] is not installed"
)
NEAR, FAR = Fidelity(500, 0.9989, 0.9978, 0.97), Fidelity(500, 0.9991, 0.99, 0.9)
TORCH_ROW = Measured(TORCH, 320.0, 1.0)


def settings(data: Path, precision: str = "fast") -> Settings:
    return Settings(data=data, model="efficientnet_lite0", precision=precision, device="cpu", min_free_bytes=0)


def kept(data: Path, *rows: Measured) -> Settings:
    """A data root in which these rows were measured."""
    folder = conversions(settings(data))
    folder.mkdir(parents=True)
    keep(folder, (TORCH_ROW, *rows), "fast")
    return settings(data)


class Tiny(EmbeddingModel):
    """Two convolutions and a dense layer."""

    name, label, dimension, input_size = "tiny", "Tiny", 32, 32
    sha256, source, way_out = "", "", ""

    def published_weights(self) -> Path | None:
        return None

    def build(self) -> nn.Module:
        return nn.Sequential(nn.Conv2d(3, 16, 5, 3), nn.ReLU(), nn.Conv2d(16, 8, 3), nn.Linear(512, 32))

    def normalise(self, rgb: torch.Tensor) -> torch.Tensor:
        return (rgb - 127) / 128

    def forward(self, body: nn.Module, pixels: torch.Tensor) -> torch.Tensor:
        return torch.relu(body[3](self.backbone(body, pixels)))  # type: ignore[index]

    def backbone(self, body: nn.Module, pixels: torch.Tensor) -> torch.Tensor:
        return body[:3](pixels).flatten(1)  # type: ignore[index,no-any-return]

    def dense(self, body: nn.Module) -> list[nn.Linear]:
        return [body[3]]  # type: ignore[index]


def test_fast_vectors_have_a_space_of_their_own_and_the_projection_of_the_models(tmp_path: Path) -> None:
    exact, fast = (VectorSpace.of(settings(tmp_path, precision)) for precision in ("exact", "fast"))

    assert fast.name == f"{exact.name}-fast-1"
    assert exact_space(fast.name) == exact_space(exact.name) == exact.name
    root = DataRoot.of(settings(tmp_path))
    assert projection_of(root, fast.name).name == projection_of(root, exact.name).name
    assert conversions(settings(tmp_path)) != conversions(settings(tmp_path, "exact"))


@needs_packages
def test_the_fastest_that_is_near_enough_is_used_and_doctor_shows_its_figures(tmp_path: Path) -> None:
    fast = kept(
        tmp_path, Measured("openvino-int8", None, 0.9, str(FAR), FAR), Measured("openvino-bf16", 140.0, 0.99, "", NEAR)
    )

    chosen = choose(fast)

    assert (chosen.backend, chosen.refused) == ("openvino-bf16", "")
    assert chosen.measured[2].fidelity == NEAR
    assert "2.3 times as fast as PyTorch" in chosen.reason
    assert choose(settings(tmp_path, "exact")).reason.startswith("not measured yet")


@needs_packages
def test_where_none_is_near_enough_fast_is_refused_with_the_figures_and_the_way_out(tmp_path: Path) -> None:
    fast = kept(
        tmp_path,
        Measured("openvino-int8", None, 0.99, str(FAR), FAR),
        Measured("openvino-bf16", None, 0.0, "OpenVINO does not convert the model"),
    )
    refused = (
        r"^OGAART_PRECISION=fast is refused for efficientnet_lite0 \(openvino-int8: mean cosine 0\.99910, "
        r"least 0\.99000, overlap of the ten nearest 0\.900 on 500 pictures; "
        r"openvino-bf16: OpenVINO does not convert the model\): .* set OGAART_PRECISION=exact$"
    )

    with Embedder(fast) as embedder, pytest.raises(EmbedderBroken, match=refused):
        embedder.embed_rgba([np.full((8, 8, 4), 255, np.uint8)])
    (found,) = doctor._model(fast)
    assert not found.ok
    assert found.detail == choose(fast).refused


@needs_packages
@pytest.mark.slow
def test_each_of_fewer_bits_is_measured_kept_where_it_is_near_enough_and_verified(tmp_path: Path) -> None:
    torch.manual_seed(5)
    model, folder, pictures = Tiny(), tmp_path / "conversions", drawn_pictures(120, 32)
    torch.save(model.build().state_dict(), tmp_path / "tiny.pth")
    folder.mkdir()

    torch_row, *rows = measure_fewer_bits(model, tmp_path / "tiny.pth", folder, pictures)

    assert torch_row.backend == TORCH
    assert [row.backend for row in rows] == list(FAST_BACKENDS)
    for row in rows:
        assert row.fidelity is not None, row.refused
        near = row.fidelity.mean_cosine >= 0.995 and row.fidelity.overlap >= 0.95
        assert near == (not row.refused) == (row.milliseconds is not None)
        assert row.fidelity.pictures == 85  # two in seven are what the conversion is fitted to
        assert row.fidelity.mean_cosine > 0.9
    accepted = next(row.backend for row in rows if not row.refused)
    opened = ConvertedModel.open(folder, FAST_BACKENDS[accepted], 1)
    assert opened.embed(pictures[:3], None).shape == (3, 32)
    weights = folder / "dense" / "0.weight.npy"
    np.save(weights, np.load(weights)[::-1])
    with pytest.raises(ConversionUnusable, match="computes another vector than it did"):
        ConvertedModel.open(folder, FAST_BACKENDS[accepted], 1)


def own_pictures(count: int) -> Iterator[EmbedderInput]:
    random = np.random.default_rng(2)
    for number in range(count):
        out = io.BytesIO()
        cells = random.integers(0, 256, (2 + number % 9, 3 + number % 7, 3), dtype=np.uint8)
        Image.fromarray(cells.repeat(9, 0).repeat(9, 1)).save(out, "PNG")
        yield EmbedderInput(str(number), out.getvalue())


@needs_packages
@pytest.mark.slow
def test_the_operators_own_pictures_decide(tmp_path: Path) -> None:
    fast = settings(tmp_path)
    assert "at least 100 are needed" in measure_backends(fast, own_pictures(3)).reason

    chosen = measure_backends(fast, own_pictures(100))

    figures: dict[str, Any] = {row.backend: row for row in chosen.measured}
    assert figures.keys() == {TORCH, *FAST_BACKENDS}
    assert all(figures[name].fidelity.pictures == 70 for name in FAST_BACKENDS)
    with Embedder(fast) as embedder:
        if chosen.refused:
            with pytest.raises(EmbedderBroken, match=r"^OGAART_PRECISION=fast is refused"):
                embedder.start()
            return
        (batch,) = embedder.embed((p.key, p.source) for p in own_pictures(4))
        assert embedder.choice.backend == chosen.backend
    with Embedder(settings(tmp_path, "exact")) as embedder:
        (exact,) = embedder.embed((p.key, p.source) for p in own_pictures(4))
    assert cosines(batch.vectors, exact.vectors).mean() >= 0.99
