"""Shards, replicas, write consistency, quantization: from settings to the request, and back from a collection."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from qdrant_client import models

from ogaart.cli.invalid_settings import what_is_wrong
from ogaart.resources.index.base import IndexUnreachable, collection_name
from ogaart.resources.index.factory import discard_index, open_index
from ogaart.resources.index.server import ServerIndex
from ogaart.settings import Settings
from ogaart_tests.qdrant_server import REAL, server_settings
from ogaart_tests.qdrant_stub import QdrantStub

SPACE = "vgg16-397923af-grey-squash-1"
NAME = collection_name(SPACE)
DIMENSION = 8
NOWHERE = Path("unused")


@pytest.fixture
def stub() -> Iterator[QdrantStub]:
    with QdrantStub() as running:
        yield running


def opened(settings: Settings, space: str = SPACE) -> ServerIndex:
    index = open_index(settings, NOWHERE, space, DIMENSION)
    assert isinstance(index, ServerIndex)
    return index


def on(stub: QdrantStub, **changes: Any) -> Settings:
    return Settings(qdrant_url=stub.url, backoff=0.001, **changes)


@pytest.mark.parametrize(
    ("settings", "shards", "replicas", "confirmed"),
    [
        ({}, None, None, None),
        ({"qdrant_shards": 6}, 6, None, None),
        ({"qdrant_replicas": 1}, None, 1, 1),
        ({"qdrant_replicas": 2}, None, 2, 2),
        ({"qdrant_replicas": 3}, None, 3, 2),
        ({"qdrant_replicas": 3, "qdrant_write_consistency": 1}, None, 3, 1),
    ],
)
def test_a_new_collection_is_made_as_the_settings_say(
    stub: QdrantStub, settings: dict[str, int], shards: int | None, replicas: int | None, confirmed: int | None
) -> None:
    opened(on(stub, **settings))

    made = stub.made[NAME]
    assert (made.shard_number, made.replication_factor, made.write_consistency_factor) == (shards, replicas, confirmed)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("turbo1", {"turbo": {"bits": "bits1", "always_ram": True}}),
        ("turbo2", {"turbo": {"bits": "bits2", "always_ram": True}}),
        ("turbo4", {"turbo": {"bits": "bits4", "always_ram": True}}),
        ("scalar", {"scalar": {"type": "int8", "always_ram": True}}),
        ("binary", {"binary": {"always_ram": True}}),
        ("none", None),
    ],
)
def test_the_quantization_is_the_one_of_the_settings(stub: QdrantStub, name: str, kind: object) -> None:
    index = opened(on(stub, qdrant_quantization=name))

    quantization = stub.made[NAME].quantization_config
    assert (quantization and quantization.model_dump(mode="json", exclude_none=True)) == kind
    assert index.settings_differ() is None


@pytest.mark.parametrize("home", ["server", REAL])
def test_a_collection_that_differs_from_the_settings_is_told_and_a_rebuild_changes_it(home: str) -> None:
    with server_settings(home, SPACE) as (settings, space):
        opened(settings, space)
        changed = settings.model_copy(update={"qdrant_shards": 3, "qdrant_quantization": "scalar"})

        told = opened(changed, space).settings_differ()

        assert told is not None
        assert "OGAART_QDRANT_SHARDS is 3, the collection has 1" in told
        assert "OGAART_QDRANT_QUANTIZATION is scalar, the collection has turbo2" in told
        assert "run `ogaart rebuild index`, then `ogaart publish`" in told
        discard_index(changed, NOWHERE, space)
        assert opened(changed, space).settings_differ() is None


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"qdrant_replicas": 2, "qdrant_write_consistency": 1}, "OGAART_QDRANT_REPLICAS is 2, the collection has 1"),
        ({"qdrant_replicas": 3}, "OGAART_QDRANT_WRITE_CONSISTENCY is 2, the collection has 1"),
    ],
)
def test_fewer_replicas_or_confirmations_than_wanted_are_told(
    stub: QdrantStub, settings: dict[str, int], told: str
) -> None:
    opened(on(stub))

    assert told in (opened(on(stub, **settings)).settings_differ() or "")


def test_what_the_settings_leave_to_the_server_never_differs(stub: QdrantStub) -> None:
    opened(on(stub, qdrant_shards=4, qdrant_replicas=2))

    assert opened(on(stub)).settings_differ() is None


def test_a_quantization_that_no_setting_has_is_named_by_its_kind(stub: QdrantStub) -> None:
    opened(on(stub))
    product = models.ProductQuantizationConfig(compression=models.CompressionRatio.X16)
    stub.made[NAME] = stub.made[NAME].model_copy(
        update={"quantization_config": models.ProductQuantization(product=product)}
    )

    assert "the collection has ProductQuantization" in (opened(on(stub)).settings_differ() or "")


def test_a_server_that_is_too_old_for_a_quantization_is_told_before_anything_is_made(stub: QdrantStub) -> None:
    stub.version = "1.15.5"

    with pytest.raises(
        IndexUnreachable, match=r"Qdrant 1\.15\.5 does not know OGAART_QDRANT_QUANTIZATION=turbo2.*1\.18"
    ):
        opened(on(stub))

    assert stub.collections == []
    opened(on(stub, qdrant_quantization="scalar"))
    assert stub.collections == [NAME]


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"OGAART_QDRANT_SHARDS": "0"}, "OGAART_QDRANT_SHARDS='0': Input should be greater than or equal to 1"),
        ({"OGAART_QDRANT_REPLICAS": "101"}, "OGAART_QDRANT_REPLICAS='101': Input should be less than or equal to 100"),
        (
            {"OGAART_QDRANT_WRITE_CONSISTENCY": "2"},
            "OGAART_QDRANT_WRITE_CONSISTENCY='2': expected 1 at most, since OGAART_QDRANT_REPLICAS is unset: "
            "raise that, or unset this",
        ),
        (
            {"OGAART_QDRANT_REPLICAS": "2", "OGAART_QDRANT_WRITE_CONSISTENCY": "3"},
            "OGAART_QDRANT_WRITE_CONSISTENCY='3': expected 2 at most, since OGAART_QDRANT_REPLICAS is 2: "
            "raise that, or unset this",
        ),
        (
            {"OGAART_QDRANT_QUANTIZATION": "turbo3"},
            "OGAART_QDRANT_QUANTIZATION='turbo3': Input should be 'turbo1', 'turbo2', 'turbo4', 'scalar', 'binary' or "
            "'none'",
        ),
        ({"OGAART_QDRANT_SNAPSHOTS": "perhaps"}, "OGAART_QDRANT_SNAPSHOTS='perhaps': Input should be a valid boolean"),
    ],
)
def test_values_outside_their_limits_are_refused_by_name(
    variables: dict[str, str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(ValidationError) as refused:
        Settings()

    assert what_is_wrong(refused.value).startswith(told)
