"""What the settings say of a collection on a server, and in what an existing collection differs from them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from qdrant_client import models

from ogaart.settings import Settings, variable

QUANTIZATIONS: dict[str, models.QuantizationConfig | None] = {
    **{
        f"turbo{bits}": models.TurboQuantization(
            turbo=models.TurboQuantQuantizationConfig(bits=models.TurboQuantBitSize(f"bits{bits}"), always_ram=True)
        )
        for bits in (1, 2, 4)
    },
    "scalar": models.ScalarQuantization(
        scalar=models.ScalarQuantizationConfig(type=models.ScalarType.INT8, always_ram=True)
    ),
    "binary": models.BinaryQuantization(binary=models.BinaryQuantizationConfig(always_ram=True)),
    "none": None,
}
"""What a server keeps in memory of each vector, by the names of ``OGAART_QDRANT_QUANTIZATION``."""
TURBO_SINCE = (1, 18)
"""The first version of a server that has the quantizations whose names begin with ``turbo``."""
REMADE = (
    "to have it so, run `ogaart rebuild index`, then `ogaart publish`: the collection is made again beside this one, "
    "which is searched until then"
)


@dataclass(frozen=True)
class ServerShape:
    """How a collection is made on a server; None leaves it to the server.

    Attributes:
        shards: parts into which its points are divided.
        replicas: nodes that each part is on.
        confirmed: replicas that must have a write before it is acknowledged.
        quantization: a name of ``QUANTIZATIONS``.
    """

    shards: int | None = None
    replicas: int | None = None
    confirmed: int | None = None
    quantization: str = "turbo2"

    @classmethod
    def of(cls, settings: Settings) -> "ServerShape":
        """What the settings say; of several replicas the most must have a write, unless they say how many."""
        replicas, confirmed = settings.qdrant_replicas, settings.qdrant_write_consistency
        if confirmed is None and replicas is not None:
            confirmed = replicas // 2 + 1
        return cls(settings.qdrant_shards, replicas, confirmed, settings.qdrant_quantization)

    def creation(self) -> dict[str, Any]:
        """The arguments of ``create_collection`` for it."""
        return {
            "shard_number": self.shards,
            "replication_factor": self.replicas,
            "write_consistency_factor": self.confirmed,
            "quantization_config": QUANTIZATIONS[self.quantization],
        }

    def refused_by(self, version: str) -> str | None:
        """Why a server of a version cannot make it, and the way out; None where it can, or its version is unknown."""
        numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
        if not self.quantization.startswith("turbo") or len(numbers) < 2 or numbers >= TURBO_SINCE:
            return None
        return (
            f"Qdrant {version} does not know {variable('qdrant_quantization')}={self.quantization}: it needs version "
            f"{'.'.join(map(str, TURBO_SINCE))} or newer, or the setting scalar, binary or none"
        )

    def differences(self, config: models.CollectionConfig) -> Iterator[str]:
        """In what a collection differs from it, one sentence a setting; what is left to the server never differs."""
        params = config.params
        for name, wanted, has in (
            ("qdrant_shards", self.shards, params.shard_number or 1),
            ("qdrant_replicas", self.replicas, params.replication_factor or 1),
            ("qdrant_write_consistency", self.confirmed, params.write_consistency_factor or 1),
            ("qdrant_quantization", self.quantization, _name_of(config.quantization_config)),
        ):
            if wanted is not None and wanted != has:
                yield f"{variable(name)} is {wanted}, the collection has {has}"


def _name_of(config: Any) -> str:
    """The name of a collection's quantization; for one that no setting has, its kind."""
    match config:
        case None:
            return "none"
        case models.TurboQuantization(turbo=turbo):
            bits = turbo.bits or models.TurboQuantBitSize.BITS4  # the server's default
            return f"turbo{bits.value.removeprefix('bits')}"
        case models.ScalarQuantization():
            return "scalar"
        case models.BinaryQuantization():
            return "binary"
    return type(config).__name__
