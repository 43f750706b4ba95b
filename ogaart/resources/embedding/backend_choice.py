"""Which back end a machine embeds with: measured once for a model's weights, kept beside the conversions.

With ``OGAART_PRECISION=fast`` others are measured, those of fewer bits, and kept in a folder of their own.
"""

import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ogaart.resources.embedding.backends.base import Backend
from ogaart.resources.embedding.backends.ncnn_f32 import NcnnBackend
from ogaart.resources.embedding.backends.openvino_f32 import OpenVinoBackend
from ogaart.resources.embedding.backends.openvino_low import OpenVinoBf16Backend, OpenVinoInt8Backend
from ogaart.resources.embedding.fidelity import Fidelity
from ogaart.resources.embedding.registry import find_weights, model_named
from ogaart.resources.storage.atomic_files import read_json, write_json
from ogaart.resources.storage.data_root import DataRoot
from ogaart.settings import Settings

TORCH = "torch"
"""The back end that is always there, and by which the others are verified."""
BACKENDS: Mapping[str, Backend] = MappingProxyType({b.name: b for b in (NcnnBackend(), OpenVinoBackend())})
"""The back ends beside PyTorch that compute the model's own vectors, all of ``ogaart[fast]``."""
FAST_BACKENDS: Mapping[str, Backend] = MappingProxyType(
    {b.name: b for b in (OpenVinoInt8Backend(), OpenVinoBf16Backend())}
)
"""Those of fewer bits, for ``OGAART_PRECISION=fast``; of ``ogaart[fast]`` too."""
LEAST_MEAN_COSINE, LEAST_OVERLAP = 0.995, 0.95
"""Below either, on the operator's own pictures, vectors of fewer bits are refused."""
WORTH_MEASURING = 512
"""Pictures to embed at which the conversion and its measurement, about a minute for VGG16, pay for themselves."""
LEAST_PICTURES = 100
"""Pictures on which vectors of fewer bits are measured, at least."""
_FILE = "choice.json"
_VERSION = 1
_INSTRUCTIONS = {"avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_tile", "amx_int8", "asimd", "asimddp", "bf16"}


@dataclass(frozen=True)
class Measured:
    """One back end, measured.

    Attributes:
        backend: its name.
        milliseconds: CPU time of one picture, on one thread; None where it cannot be used.
        cosine: the smallest between its vectors and PyTorch's.
        refused: why it cannot be used; empty where it can.
        fidelity: how near its vectors of the operator's pictures are to PyTorch's, where it computes with fewer bits.
    """

    backend: str
    milliseconds: float | None
    cosine: float
    refused: str = ""
    fidelity: Fidelity | None = None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Measured":
        """From what ``asdict`` makes of one."""
        stated = row.get("fidelity")
        return cls(**{**row, "fidelity": Fidelity(**stated) if stated else None})


@dataclass(frozen=True)
class BackendChoice:
    """The back end to embed with.

    Attributes:
        backend: its name.
        folder: of the model's conversions.
        reason: why it is this one.
        measured: every back end that was measured; empty where none was.
        refused: why ``OGAART_PRECISION=fast`` cannot be used, with figures; empty where it can.
    """

    backend: str
    folder: Path
    reason: str
    measured: tuple[Measured, ...] = ()
    refused: str = ""


def candidates(precision: str) -> Mapping[str, Backend]:
    """The back ends beside PyTorch that are measured for a value of ``OGAART_PRECISION``."""
    return FAST_BACKENDS if precision == "fast" else BACKENDS


def backend_named(name: str) -> Backend:
    """A back end beside PyTorch, by its name."""
    return {**BACKENDS, **FAST_BACKENDS}[name]


def worth_measuring(settings: Settings) -> int:
    """Pictures to embed at which a step measures first; vectors of fewer bits cannot be computed before."""
    return LEAST_PICTURES if settings.precision == "fast" else WORTH_MEASURING


def conversions(settings: Settings) -> Path:
    """The folder of the conversions of the settings' model and weights.

    Raises:
        UnknownModel: the settings name a model that is not available.
        WeightsMissing: see ``find_weights``.
    """
    model = model_named(settings.model)
    kind = "-fast" if settings.precision == "fast" else ""
    return DataRoot.of(settings).models / f"{model.name}-{find_weights(settings).sha256}{kind}"


def choose(settings: Settings) -> BackendChoice:
    """The back end that was measured as the fastest here; PyTorch where none was measured, and why.

    Where vectors of fewer bits were measured and none is near enough to the model's own, the choice says ``refused``.

    Raises:
        UnknownModel: the settings name a model that is not available.
        WeightsMissing: see ``find_weights``.
    """
    folder = conversions(settings)
    if not any(backend.installed() for backend in candidates(settings.precision).values()):
        return BackendChoice(TORCH, folder, "ogaart[fast] is not installed")
    kept = read_json(folder / _FILE)
    if not isinstance(kept, dict) or kept.get("version") != _VERSION:
        return BackendChoice(
            TORCH, folder, f"not measured yet: a step that embeds {worth_measuring(settings)} pictures measures first"
        )
    if kept["machine"] != machine(settings.precision):
        return BackendChoice(
            TORCH, folder, "measured on another processor or with other packages: it is measured again"
        )
    measured = tuple(Measured.of(row) for row in kept["measured"])
    backend, reason = fastest(measured)
    return BackendChoice(backend, folder, reason, measured, _refused(settings, measured))


def _refused(settings: Settings, measured: tuple[Measured, ...]) -> str:
    """Why ``OGAART_PRECISION=fast`` is refused; empty where it is not."""
    fewer_bits = [row for row in measured if row.backend in FAST_BACKENDS]
    if settings.precision != "fast" or any(row.milliseconds is not None for row in fewer_bits):
        return ""
    figures = "; ".join(f"{row.backend}: {row.refused}" for row in fewer_bits)
    return (
        f"OGAART_PRECISION=fast is refused for {settings.model} ({figures}): a mean cosine of {LEAST_MEAN_COSINE} and "
        f"an overlap of {LEAST_OVERLAP} are needed; set OGAART_PRECISION=exact"
    )


def gpu_is_possible(settings: Settings) -> bool:
    """Whether it is worth loading PyTorch to look for a GPU; its gigabyte is not needed for a faster back end."""
    if settings.device != "auto":
        return settings.device != "cpu"
    drivers = (Path("/proc/driver/nvidia/version"), Path("/dev/kfd"))
    return (platform.system(), platform.machine()) == ("Darwin", "arm64") or any(path.exists() for path in drivers)


def keep(folder: Path, measured: tuple[Measured, ...], precision: str = "exact") -> None:
    """Write what was measured into a folder of conversions."""
    write_json(
        folder / _FILE,
        {"version": _VERSION, "machine": machine(precision), "measured": [asdict(row) for row in measured]},
        indent=1,
    )


def fastest(measured: tuple[Measured, ...]) -> tuple[str, str]:
    """The name of the back end that takes the least CPU time, and that time beside PyTorch's, in words."""
    usable = {row.backend: row.milliseconds for row in measured if row.milliseconds is not None}
    best = min(usable, key=lambda name: usable[name], default=TORCH)
    if best not in usable or TORCH not in usable:
        return TORCH, "no other back end can be used here"
    said = f"{usable[best]:.1f} ms of one core a picture"
    if best == TORCH:
        return best, said
    return best, f"{said}, {usable[TORCH] / usable[best]:.1f} times as fast as PyTorch ({usable[TORCH]:.1f} ms)"


@cache
def machine(precision: str = "exact") -> dict[str, Any]:
    """What the measurement depends on: the processor, and the versions of the packages."""
    versions: dict[str, str | None] = {}
    for backend in candidates(precision).values():
        versions |= backend.versions()
    return {"processor": _processor(), "packages": versions}


def _processor() -> str:
    """The processor's name and the instructions that matter to the back ends; a virtual machine's name says little."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    facts = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    flags = sorted(_INSTRUCTIONS & set(facts.get("flags", facts.get("Features", "")).split()))
    return f"{facts.get('model name', platform.machine())} ({', '.join(flags)})"
