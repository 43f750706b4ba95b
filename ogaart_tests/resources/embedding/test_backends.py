"""Back ends that are faster than PyTorch compute its vectors, are chosen by measurement, and are never needed."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pytest

from ogaart.resources.embedding.backend_choice import BACKENDS, TORCH, Measured, choose, conversions, fastest
from ogaart.resources.embedding.backends.converted import ConvertedModel, cosines
from ogaart.resources.embedding.embedder import Embedder
from ogaart.resources.embedding.measurement import measure_backends
from ogaart.settings import Settings

SETTINGS: dict[str, Any] = {"model": "efficientnet_lite0", "min_free_bytes": 0}
needs_packages = pytest.mark.skipif(
    not all(backend.installed() for backend in BACKENDS.values()), reason="ogaart[fast] is not installed"
)
WITHOUT_PACKAGES = """
import importlib.metadata, sys

hidden = {"ncnn", "openvino", "pnnx"}
sys.modules.update(dict.fromkeys(hidden))
found = importlib.metadata.version

def version(name):
    if name in hidden and %(metadata)s:
        raise importlib.metadata.PackageNotFoundError(name)
    return found(name)

importlib.metadata.version = version
"""
EMBED = """
import sys
from pathlib import Path
import numpy as np
from ogaart.resources.embedding.embedder import Embedder
from ogaart.settings import Settings

pictures = np.load(sys.argv[2])
with Embedder(Settings(data=Path(sys.argv[1]), model="efficientnet_lite0")) as embedder:
    vectors = embedder.embed_rgba(list(pictures)).vectors
    print(embedder.choice.backend, embedder.choice.reason)
np.save(sys.argv[3], vectors)
"""


def pictures(count: int = 6) -> np.ndarray:
    random = np.random.default_rng(5)
    cells = random.integers(0, 256, (count, 12, 9, 4), dtype=np.uint8).repeat(8, 1).repeat(8, 2)
    cells[..., 3] |= 0x80
    return cells


def vectors(data: Path) -> tuple[np.ndarray, Embedder]:
    with Embedder(Settings(data=data, **SETTINGS)) as embedder:
        return embedder.embed_rgba(list(pictures())).vectors, embedder


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root in which Lite0's back ends were measured."""
    data = tmp_path_factory.mktemp("measured")
    measure_backends(Settings(data=data, **SETTINGS))
    return data


def test_the_least_cpu_time_wins_and_what_is_refused_never_does() -> None:
    torch = Measured(TORCH, 30.0, 1.0)

    assert fastest((torch, Measured("ncnn", 12.0, 1.0), Measured("openvino", 10.0, 1.0)))[0] == "openvino"
    assert fastest((torch, Measured("ncnn", None, 0.99, "its vectors differ"), Measured("openvino", 40.0, 1.0))) == (
        TORCH,
        "30.0 ms of one core a picture",
    )


@needs_packages
def test_pytorch_embeds_until_the_others_were_measured(tmp_path: Path) -> None:
    chosen = choose(Settings(data=tmp_path, **SETTINGS))

    assert chosen.backend == TORCH
    assert chosen.reason.startswith("not measured yet")


@needs_packages
@pytest.mark.slow
def test_the_fastest_measured_back_end_computes_the_vectors_of_pytorch(measured: Path, tmp_path: Path) -> None:
    found, embedder = vectors(measured)
    expected, by_torch = vectors(tmp_path)

    assert embedder.choice.backend in BACKENDS
    assert by_torch.choice.backend == TORCH
    assert {row.backend for row in embedder.choice.measured} == {TORCH, *BACKENDS}
    assert all(row.cosine >= 0.999999 and not row.refused for row in embedder.choice.measured)
    assert cosines(found, expected).min() >= 0.999999
    assert embedder.space == by_torch.space
    assert embedder.peak_bytes < 0.7 * by_torch.peak_bytes  # PyTorch is not loaded


@needs_packages
@pytest.mark.slow
@pytest.mark.parametrize("name", list(BACKENDS))
def test_every_back_end_computes_the_vectors_of_pytorch(name: str, measured: Path) -> None:
    settings = Settings(data=measured, **SETTINGS)

    opened = ConvertedModel.open(conversions(settings), BACKENDS[name], 2)

    assert opened.embed(np.zeros((3, 224, 224, 3), np.uint8), None).shape == (3, 1280)


@needs_packages
@pytest.mark.slow
def test_what_was_measured_is_kept_until_the_machine_changes(measured: Path) -> None:
    settings = Settings(data=measured, **SETTINGS)
    path = conversions(settings) / "choice.json"
    before = path.stat().st_mtime_ns

    again = measure_backends(settings)

    assert again.measured
    assert path.stat().st_mtime_ns == before
    assert not list(path.parents[1].glob(".tmp-*"))


@needs_packages
@pytest.mark.slow
def test_a_measurement_of_another_processor_does_not_count(measured: Path, tmp_path: Path) -> None:
    copytree(measured, tmp_path / "data")
    settings = Settings(data=tmp_path / "data", **SETTINGS)
    path = conversions(settings) / "choice.json"
    kept = json.loads(path.read_text())
    kept["machine"]["processor"] = "another"
    path.write_text(
        json.dumps({key: value for key, value in kept.items() if key in ("version", "machine", "measured")})
    )

    assert choose(settings).backend == TORCH


@needs_packages
@pytest.mark.slow
@pytest.mark.parametrize("damage", ["gone", "short", "changed"])
def test_a_damaged_conversion_is_noticed_and_pytorch_embeds(damage: str, measured: Path, tmp_path: Path) -> None:
    copytree(measured, tmp_path / "data")
    chosen = choose(Settings(data=tmp_path / "data", **SETTINGS))
    path = max((chosen.folder / chosen.backend).iterdir(), key=lambda found: found.stat().st_size)
    content = bytearray(path.read_bytes())
    if damage == "gone":
        path.unlink()
    elif damage == "short":
        path.write_bytes(content[:1000])
    else:
        content[len(content) // 3 : 2 * len(content) // 3] = bytes(len(content) // 3)
        path.write_bytes(content)

    found, embedder = vectors(tmp_path / "data")

    assert embedder.choice.backend == TORCH
    assert embedder.choice.reason.startswith(f"{chosen.backend}: ")
    assert np.isfinite(found).all()
    assert len(found) == 6


@needs_packages
@pytest.mark.slow
@pytest.mark.parametrize(
    ("metadata", "reason"), [(True, r"ogaart[fast] is not installed"), (False, "install ogaart[fast]")]
)
def test_a_data_root_is_used_without_the_packages_too(
    metadata: bool, reason: str, measured: Path, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(WITHOUT_PACKAGES % {"metadata": metadata})
    np.save(tmp_path / "pictures.npy", pictures())

    done = subprocess.run(
        [sys.executable, "-c", EMBED, str(measured), str(tmp_path / "pictures.npy"), str(tmp_path / "vectors.npy")],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"},
        capture_output=True,
        text=True,
        check=True,
    )

    expected, _ = vectors(measured)
    assert done.stdout.startswith("torch ")
    assert reason in done.stdout
    assert cosines(np.load(tmp_path / "vectors.npy"), expected).min() >= 0.999999


@needs_packages
def test_nothing_is_measured_where_the_disk_is_full(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, model="efficientnet_lite0", min_free_bytes=1 << 60)

    chosen = measure_backends(settings)

    assert chosen.backend == TORCH
    assert "GiB of disk are free" in chosen.reason
    assert replace(chosen, reason="") == replace(choose(settings), reason="")
