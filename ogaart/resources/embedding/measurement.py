"""The parent's side of a measurement: starts the process that makes it, and puts its result in place."""

import logging
import shutil
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ogaart.resources.embedding.backend_choice import (
    LEAST_PICTURES,
    TORCH,
    BackendChoice,
    candidates,
    choose,
    conversions,
    gpu_is_possible,
)
from ogaart.resources.embedding.batches import EmbedderInput
from ogaart.resources.embedding.picture_readers import PictureReaders
from ogaart.resources.embedding.registry import WeightsMissing, find_weights, model_named
from ogaart.resources.storage.atomic_files import sync_folder, temporary
from ogaart.settings import Settings
from ogaart.workers.process import Child, ChildLost, clean_environment

SECONDS = 1800.0
NEEDED_BYTES = 4 << 30
"""Room that the conversions of the largest model take, with what its converters write in between."""
SAMPLES = 700
"""Pictures, at most, by which vectors of fewer bits are fitted (two in seven) and measured (the others)."""
_log = logging.getLogger(__name__)


def measure_backends(settings: Settings, pictures: Iterable[EmbedderInput] = ()) -> BackendChoice:
    """Convert and measure what has not been measured on this machine, and return the back end to embed with.

    Whatever fails leaves PyTorch, with the reason in the choice; nothing is measured where there may be a GPU,
    ``ogaart[fast]`` is not installed, the weights have yet to be downloaded, or the disk has no room.

    Args:
        settings: model, weights and precision.
        pictures: the operator's own, of which a few hundred are taken where vectors of fewer bits are measured.

    Raises:
        UnknownModel: the settings name a model that is not available.
        WeightsMissing: see ``find_weights``, or the weights do not load.
    """
    before = choose(settings)
    weights = find_weights(settings).path
    if (
        gpu_is_possible(settings)
        or before.measured
        or weights is None
        or not any(backend.installed() for backend in candidates(settings.precision).values())
    ):
        return before
    folder = conversions(settings)
    folder.parent.mkdir(parents=True, exist_ok=True)
    if (free := shutil.disk_usage(folder.parent).free) < NEEDED_BYTES + settings.min_free_bytes:
        return BackendChoice(TORCH, folder, f"not measured: {free / 2**30:.1f} GiB of disk are free")
    samples = _prepared(settings, pictures) if settings.precision == "fast" else None
    if samples is not None and len(samples) < LEAST_PICTURES:
        return BackendChoice(
            TORCH, folder, f"not measured: {len(samples)} pictures can be read, at least {LEAST_PICTURES} are needed"
        )
    draft = temporary(folder)
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    _log.info("the embedding back ends are measured first, which takes about a minute")
    try:
        _run(settings, weights, draft, samples)
        _replace(folder, draft)
    except ChildLost as error:
        return BackendChoice(TORCH, folder, f"not measured: {error}")
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return choose(settings)


def _prepared(settings: Settings, pictures: Iterable[EmbedderInput]) -> NDArray[np.uint8]:
    """Pictures as the model gets them, (N, S, S, 3)."""
    size = model_named(settings.model).input_size
    readers = PictureReaders(settings, size)
    try:
        found = [pixels for reading in readers.read(islice(pictures, SAMPLES)) for _, pixels in reading.prepared]
    finally:
        readers.close()
    return np.stack(found) if found else np.empty((0, size, size, 3), np.uint8)


def _run(settings: Settings, weights: Path, draft: Path, samples: NDArray[np.uint8] | None) -> None:
    environment = {**clean_environment(("LANG",)), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    child = Child("ogaart.resources.embedding.measurement_worker", "the measuring process", environment)
    try:
        request = {"model": settings.model, "weights": str(weights.resolve()), "folder": str(draft.resolve())}
        answer = child.request(request, () if samples is None else (samples,), seconds=SECONDS)
    finally:
        child.kill()
    if answer.fields["kind"] == "weights-missing":
        raise WeightsMissing(answer.fields["message"])


def _replace(folder: Path, draft: Path) -> None:
    """Put the draft in place of the folder; a process that has its files mapped keeps the old ones."""
    former = draft.with_name(f"{draft.name}-former")
    if folder.exists():
        folder.replace(former)
    draft.replace(folder)
    sync_folder(folder.parent)
    shutil.rmtree(former, ignore_errors=True)
