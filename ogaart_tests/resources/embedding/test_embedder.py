"""Pictures become unit vectors in a child process, which a hostile picture may break and no more than that."""

import hashlib
import io
import math
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image

from ogaart.likeness import cells, parts
from ogaart.resources.embedding.batches import EmbedderInput
from ogaart.resources.embedding.embedder import Batch, Embedder, EmbedderBroken, WeightsMissing
from ogaart.resources.embedding.models.base import downloads
from ogaart.resources.embedding.picture_readers import PICTURES_FOR_ANOTHER, PictureReaders
from ogaart.resources.embedding.preprocessing import PREPARATION
from ogaart.resources.embedding.registry import VectorSpace, find_weights, model_named
from ogaart.settings import Settings

LITE0_SPACE = f"efficientnet_lite0-57934424-{PREPARATION}"


def lite0(folder: Path, **changes: Any) -> Settings:
    return Settings(data=folder, model="efficientnet_lite0", **changes)


def rgba(seed: int, width: int = 48, height: int = 32) -> np.ndarray:
    random = np.random.default_rng(seed)
    blocks = random.integers(0, 256, (height // 8, width // 8, 4), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    blocks[..., 3] |= 0x80
    return np.ascontiguousarray(blocks)


def png(seed: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(rgba(seed)).save(out, "PNG")
    return out.getvalue()


def by_key(batches: list[Batch]) -> dict[str, np.ndarray]:
    return {key: vector for batch in batches for key, vector in zip(batch.keys, batch.vectors, strict=True)}


@pytest.fixture(scope="module")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedder]:
    with Embedder(lite0(tmp_path_factory.mktemp("data"), embed_batch=4, member_seconds=20.0)) as started:
        started.start()
        yield started


@pytest.fixture(scope="module")
def random_vgg16(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seeded weights for VGG16's real architecture, scaled so that signals neither vanish nor grow; in halves."""
    import torch
    from torchvision.models import vgg16

    with torch.device("meta"):
        shapes = vgg16(weights=None).state_dict()
    random = torch.Generator().manual_seed(1)
    state = {
        name: torch.full(tensor.shape, 0.01)
        if tensor.ndim == 1
        else torch.randn(tensor.shape, generator=random) * math.sqrt(2 / tensor[0].numel())
        for name, tensor in shapes.items()
    }
    path = tmp_path_factory.mktemp("weights") / "vgg16-random.pth"
    torch.save({name: tensor.half() for name, tensor in state.items()}, path)
    return path


# -- what comes out -----------------------------------------------------------------------------------------------


def test_pictures_become_unit_vectors_in_batches_of_a_fixed_size(embedder: Embedder) -> None:
    batches = list(embedder.embed((str(i), png(i)) for i in range(10)))

    assert [len(batch.keys) for batch in batches] == [4, 4, 2]
    assert list(by_key(batches)) == [str(i) for i in range(10)]
    assert batches[0].vectors.shape == (4, 1280)
    assert batches[0].vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(batches[0].vectors, axis=1), 1, atol=1e-5)
    assert (batches[0].norms > 1).all()
    assert embedder.peak_bytes > 100 << 20


def test_a_vector_does_not_depend_on_the_company_of_its_picture(embedder: Embedder) -> None:
    together = by_key(list(embedder.embed((str(i), png(i)) for i in range(4))))
    alone = {str(i): next(embedder.embed([(str(i), png(i))])).vectors[0] for i in range(4)}

    for key, vector in together.items():
        assert np.abs(vector - alone[key]).max() < 1e-5  # float16, in which vectors are kept, is 30 times coarser


def test_bytes_a_path_and_pixels_of_one_picture_give_one_vector(embedder: Embedder, tmp_path: Path) -> None:
    (tmp_path / "picture").write_bytes(png(3))

    batch = next(embedder.embed([("bytes", png(3)), ("path", tmp_path / "picture")]))
    pixels = embedder.embed_rgba([rgba(3)])

    assert np.abs(batch.vectors[0] - batch.vectors[1]).max() == 0
    assert np.abs(batch.vectors[0] - pixels.vectors[0]).max() < 1e-5
    assert pixels.keys == ("0",)


def test_look_alikes_are_nearer_than_strangers(embedder: Embedder) -> None:
    smaller = np.asarray(Image.fromarray(rgba(1)).resize((36, 24)))

    y, x = np.mgrid[:64, :64]
    disc = np.where((((x - 32) ** 2 + (y - 32) ** 2) < 400)[..., None], (250, 210, 40, 255), (0, 0, 0, 0))

    original, copy, stranger = embedder.embed_rgba([rgba(1), smaller, disc.astype(np.uint8)]).vectors

    assert original @ copy > 0.9 > original @ stranger


def test_nothing_in_nothing_out(embedder: Embedder) -> None:
    assert list(embedder.embed([])) == []
    assert embedder.embed_rgba([]).vectors.shape == (0, 1280)


def test_lite0_sees_what_it_was_trained_on() -> None:
    """The weights themselves show how their inputs were normalised: (x - 127) / 128 over ImageNet's mean picture."""
    import torch

    weights = find_weights(Settings(model="efficientnet_lite0")).path
    assert weights is not None
    state = torch.load(weights, weights_only=True)
    gains = state["_conv_stem.weight"].sum((2, 3)).double().numpy()
    mean_input = np.linalg.lstsq(gains, state["_bn0.running_mean"].double().numpy(), rcond=None)[0]

    imagenet = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1) * 255
    assert np.abs(mean_input - model_named("efficientnet_lite0").normalise(imagenet).flatten().numpy()).max() < 0.07
    strongest = np.argsort(-np.abs(gains.sum(1)))[:4]
    variance = (state["_bn0.running_var"].numpy()[strongest] / gains.sum(1)[strongest] ** 2).mean()
    assert abs(variance - (0.226 * 255 / 128) ** 2) < 0.1  # 1.0 had it been divided by ImageNet's deviation


@pytest.mark.slow
def test_vgg16_is_torchvisions_up_to_the_second_relu(random_vgg16: Path, tmp_path: Path) -> None:
    import torch
    from torchvision.models import vgg16

    from ogaart.resources.embedding.preprocessing import prepare

    settings = Settings(data=tmp_path, model="vgg16", weights=random_vgg16)
    picture = np.full((40, 40, 4), 255, np.uint8)
    picture[10:30, 10:30, :3] = (200, 30, 90)

    with Embedder(settings) as embedder:
        batch = embedder.embed_rgba([picture, rgba(5)])

    state = {name: value.float() for name, value in torch.load(random_vgg16, weights_only=True).items()}
    with torch.device("meta"):
        reference = vgg16(weights=None)
    reference.load_state_dict(state, assign=True)
    reference.eval()
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    pixels = torch.from_numpy((prepare(picture, 224) / 255 - mean) / deviation).float().permute(2, 0, 1)[None]
    with torch.inference_mode():
        features = torch.flatten(reference.avgpool(reference.features(pixels)), 1)
        fc2 = reference.classifier[:5](features)[0].numpy()
    assert batch.vectors.shape == (2, 4096)
    assert (batch.vectors >= 0).all()  # after ReLU
    assert np.abs(batch.vectors[0] - fc2 / np.linalg.norm(fc2)).max() < 1e-5
    assert np.isclose(batch.norms[0], np.linalg.norm(fc2), rtol=1e-4)
    assert embedder.space.name == f"vgg16-{hashlib.sha256(random_vgg16.read_bytes()).hexdigest()[:8]}-{PREPARATION}"


# -- what breaks ---------------------------------------------------------------------------------------------------


def test_pictures_that_cannot_be_read_are_failures_and_the_others_are_embedded(
    embedder: Embedder, tmp_path: Path
) -> None:
    pictures: list[tuple[str, bytes | Path]] = [
        ("good", png(1)), ("cut", png(2)[:60]), ("text", b"no picture"), ("empty", b""),
        ("gone", tmp_path / "gone"), ("last", png(3)),
    ]  # fmt: skip

    batches = list(embedder.embed(pictures))

    assert sorted(by_key(batches)) == ["good", "last"]
    failures = {failure.key: failure for batch in batches for failure in batch.failures}
    assert sorted(failures) == ["cut", "empty", "gone", "text"]
    assert failures["gone"].error_class == "FileNotFoundError"
    assert all(failure.message for failure in failures.values())


def test_a_picture_is_decoded_once_for_its_vector_and_its_parts(embedder: Embedder) -> None:
    pictures = [
        EmbedderInput("both", png(1), True, (parts.SPACE,)),
        EmbedderInput("vector", png(2)),
        EmbedderInput("parts", png(3), False, (parts.SPACE,)),
        EmbedderInput("cut", png(4)[:60], False, (parts.SPACE,)),
    ]

    (batch,) = embedder.read(pictures)

    assert batch.keys == ("both", "vector")
    assert batch.derived == {
        parts.SPACE: {"both": parts.raw_parts(rgba(1)).tobytes(), "parts": parts.raw_parts(rgba(3)).tobytes()}
    }
    assert [failure.key for failure in batch.failures] == ["cut"]
    assert batch.read == 4


def test_a_killed_child_is_replaced_and_nothing_is_lost(embedder: Embedder) -> None:
    def pictures() -> Iterator[tuple[str, bytes]]:
        for i in range(6):
            if i == 2:
                assert embedder.pid is not None
                os.kill(embedder.pid, 9)
            yield str(i), png(i)

    batches = list(embedder.embed(pictures()))

    assert sorted(by_key(batches)) == [str(i) for i in range(6)]
    assert not any(batch.failures for batch in batches)


def reads_pictures(child: psutil.Process) -> bool:
    """Whether a child process is one that reads pictures."""
    return "ogaart.resources.embedding.reader" in child.cmdline()


def test_a_killed_reader_is_replaced_and_the_model_stays_loaded(embedder: Embedder) -> None:
    embedder.start()
    model = embedder.pid

    def pictures() -> Iterator[tuple[str, bytes]]:
        for i in range(6):
            if i == 2:
                [reader] = (child for child in psutil.Process().children() if reads_pictures(child))
                reader.kill()
            yield str(i), png(i)

    batches = list(embedder.embed(pictures()))

    assert list(by_key(batches)) == [str(i) for i in range(6)]
    assert not any(batch.failures for batch in batches)
    assert embedder.pid == model


def test_the_next_batch_is_read_before_a_batch_is_handed_over(embedder: Embedder) -> None:
    taken: list[int] = []

    def pictures() -> Iterator[tuple[str, bytes]]:
        for i in range(12):
            taken.append(i)
            yield str(i), png(i)

    batches = embedder.embed(pictures())

    assert next(batches).keys == ("0", "1", "2", "3")
    assert 8 <= len(taken) <= 9  # the model computes those four while the caller stores the first, and one is read
    batches.close()  # type: ignore[attr-defined]


def test_many_pictures_are_read_by_more_processes_in_their_order(tmp_path: Path) -> None:
    readers = PictureReaders(lite0(tmp_path, decoders=2), 224)
    started: list[int] = []

    def pictures() -> Iterator[EmbedderInput]:
        for i in range(PICTURES_FOR_ANOTHER + 8):
            started.append(len(readers.pids))
            yield EmbedderInput(str(i), png(i % 7), derive=(parts.SPACE,))

    found = list(readers.read(pictures()))
    pids = readers.pids
    readers.close()

    assert [reading.prepared[0][0] for reading in found] == [str(i) for i in range(PICTURES_FOR_ANOTHER + 8)]
    assert all(reading.count == 1 and len(reading.derived[parts.SPACE]) == 1 for reading in found)
    assert max(started[:PICTURES_FOR_ANOTHER]) == 1
    assert len(pids) == 2
    assert 0 < readers.peak < 200 << 20


def test_closing_in_the_middle_leaves_no_process(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "hangs")
    readers = PictureReaders(lite0(tmp_path, decoders=1), 224)
    found = readers.read(EmbedderInput(str(i), tmp_path / "hangs" if i else png(i)) for i in range(4))

    next(found)
    readers.close()
    with pytest.raises(EmbedderBroken, match="was closed"):
        list(found)

    assert readers.pids == []


def test_derived_bytes_alone_need_no_model(tmp_path: Path) -> None:
    with Embedder(lite0(tmp_path)) as embedder:
        named = {"a" * 64: [(0, 0, 16, 16), (16, 0, 16, 32)], "b" * 64: [(0, 0, 32, 32)]}
        (batch,) = embedder.read([EmbedderInput("parts", png(3), False, (parts.SPACE,), named)])

        assert batch.derived[parts.SPACE].keys() == {"parts"}
        kept = {key: len(cells.unpacked(content)) for key, content in batch.derived[cells.SPACE].items()}
        assert kept == {"a" * 64: 2, "b" * 64: 1}
        assert embedder.pid is None


@pytest.mark.slow
def test_a_picture_that_hangs_the_child_twice_is_a_failure_of_its_own(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "hangs")

    with Embedder(lite0(tmp_path, member_seconds=1.5)) as embedder:
        (batch,) = embedder.embed([("a", png(1)), ("hangs", tmp_path / "hangs"), ("b", png(2))])

    assert batch.keys == ("a", "b")
    (failure,) = batch.failures
    assert (failure.key, failure.error_class) == ("hangs", "WorkerCrashed")
    assert "took longer than 1.5 s" in failure.message


@pytest.mark.slow
def test_a_picture_that_hangs_lacks_its_derived_bytes_too(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "hangs")

    with Embedder(lite0(tmp_path, member_seconds=1.5)) as embedder:
        (batch,) = embedder.read(
            [
                EmbedderInput("a", png(1), True, (parts.SPACE,)),
                EmbedderInput("hangs", tmp_path / "hangs", True, (parts.SPACE,), {"c" * 64: [(0, 0, 16, 16)]}),
            ]
        )

    assert batch.keys == ("a",)
    assert batch.derived[parts.SPACE].keys() == {"a"}
    assert [(f.key, f.error_class) for f in batch.failures] == [("hangs", "WorkerCrashed")]
    for space in (parts.SPACE, cells.SPACE):
        assert [(f.key, f.error_class) for f in batch.underived[space]] == [("hangs", "WorkerCrashed")]


def test_the_child_dies_with_its_parent(tmp_path: Path) -> None:
    parent = """
import sys, time
from pathlib import Path
from ogaart.resources.embedding.embedder import Embedder
from ogaart.settings import Settings
embedder = Embedder(Settings(data=Path(sys.argv[1]), model="efficientnet_lite0"))
embedder.start()
print(embedder.pid, flush=True)
time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", parent, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    child = int(process.stdout.readline())

    process.kill()
    process.wait()

    deadline = time.monotonic() + 10
    while psutil.pid_exists(child) and psutil.Process(child).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the child outlives its parent"
        time.sleep(0.05)


def test_torch_stays_out_of_the_parent(tmp_path: Path) -> None:
    check = """
import sys
from pathlib import Path
from ogaart.resources.embedding.embedder import Embedder
from ogaart.settings import Settings
with Embedder(Settings(data=Path(sys.argv[1]), model="efficientnet_lite0")) as embedder:
    print(embedder.space.name, "torch" in sys.modules, embedder.pid)
"""
    out = subprocess.run([sys.executable, "-c", check, str(tmp_path)], capture_output=True, text=True, check=True)
    assert out.stdout.split() == [LITE0_SPACE, "False", "None"]  # and no child for nothing


# -- weights -------------------------------------------------------------------------------------------------------


def test_the_space_of_downloaded_weights_is_known_before_they_are_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))

    assert VectorSpace.of(Settings(data=tmp_path, model="vgg16")).name == f"vgg16-397923af-{PREPARATION}"
    assert downloads() == Path(torch.hub.get_dir()) / "checkpoints"


@pytest.mark.slow
def test_weights_that_cannot_be_downloaded_are_an_error_that_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nothing listens there: no connection, on any machine

    with (
        Embedder(Settings(data=tmp_path, model="vgg16")) as embedder,
        pytest.raises(WeightsMissing, match=r"fetch https://download.*set OGAART_WEIGHTS.*OGAART_MODEL=efficientnet"),
    ):
        embedder.start()


def test_a_damaged_download_is_found_by_its_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    downloads().mkdir(parents=True)
    (downloads() / "vgg16-397923af.pth").write_bytes(b"half of it")

    with pytest.raises(WeightsMissing, match="it is damaged; delete it"):
        Embedder(Settings(data=tmp_path, model="vgg16"))


def test_a_path_that_is_not_a_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match=r"OGAART_WEIGHTS=.*nowhere.pth is not a file"):
        Embedder(lite0(tmp_path, weights=tmp_path / "nowhere.pth"))


def ones(*shape: int) -> Any:
    """A tensor of ones."""
    import torch

    return torch.ones(shape)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: {"classifier.0.weight": ones(2, 2)}, r"has shape None, expected \(64, 3, 3, 3\)"),
        (lambda: {"features.0.weight": ones(64, 3, 5, 5)}, r"has shape \(64, 3, 5, 5\), expected \(64, 3, 3, 3\)"),
        (lambda: [ones(1)], "holds a list, expected a state dict"),
        (lambda: {"x": Path("/")}, "more than tensors"),
        (lambda: None, "not a state dict"),
    ],
)
def test_a_file_of_something_else_is_an_error_that_names_it(
    tmp_path: Path, make: Callable[[], Any], message: str
) -> None:
    import torch

    from ogaart.resources.embedding.backends.torch_f32 import LoadedModel

    path = tmp_path / "weights.pth"
    if (content := make()) is None:
        path.write_bytes(b"PK\x03\x04 not really")
    else:
        torch.save(content, path)

    with pytest.raises(WeightsMissing, match=message):
        LoadedModel(model_named("vgg16"), path)


class Harmful:
    """Pickled, it would run a program when it is loaded."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("true",)


def published() -> bytes:
    """The bytes of weights that load."""
    path = find_weights(Settings(model="efficientnet_lite0")).path
    assert path is not None
    return path.read_bytes()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        pytest.param(lambda: b"", "is damaged", id="empty"),
        pytest.param(lambda: b"not a state dict", "not a state dict of efficientnet_lite0", id="text"),
        pytest.param(lambda: published()[:2_000_000], "is damaged", id="truncated"),
        pytest.param(lambda: pickle.dumps({"a": Harmful()}, 2), r"more than tensors \(posix.system\)", id="pickle"),
    ],
)
def test_what_is_not_a_state_dict_is_named_with_the_way_out(
    make: Callable[[], bytes], message: str, tmp_path: Path
) -> None:
    from ogaart.resources.embedding.backends.torch_f32 import LoadedModel

    path = tmp_path / "weights.pth"
    path.write_bytes(make())

    with pytest.raises(WeightsMissing, match=message) as caught:
        LoadedModel(model_named("efficientnet_lite0"), path)

    assert str(caught.value).startswith(str(path))
    assert "set OGAART_WEIGHTS" in str(caught.value)
    assert "weights_only" not in str(caught.value)


def test_a_weights_file_is_hashed_once_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(b"one")
    settings = lite0(tmp_path, weights=path)
    first = VectorSpace.of(settings)
    monkeypatch.setattr(hashlib, "file_digest", lambda *_: pytest.fail("hashed again"))
    assert VectorSpace.of(settings) == first
    monkeypatch.undo()

    path.write_bytes(b"another")

    assert VectorSpace.of(settings) != first
