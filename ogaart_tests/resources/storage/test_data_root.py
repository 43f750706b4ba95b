"""The data root: one host owns it, and no step starts on a full disk."""

from pathlib import Path

import pytest

from ogaart.resources.storage.data_root import DataRoot, DataRootRefused


def test_the_first_host_owns_the_root_and_may_come_back(tmp_path: Path) -> None:
    root = DataRoot(tmp_path / "data")

    root.claim(host="here")
    root.claim(host="here")

    assert (root.root / "owner.json").exists()


def test_a_second_host_is_refused_and_told_the_way_out(tmp_path: Path) -> None:
    root = DataRoot(tmp_path)
    root.claim(host="here")

    with pytest.raises(DataRootRefused, match=r"belongs to host 'here', this is 'there': set OGAART_DATA.*owner\.json"):
        root.claim(host="there")


def test_too_little_room_names_value_limit_and_way_out(tmp_path: Path) -> None:
    with pytest.raises(DataRootRefused, match=r"bytes are free .* OGAART_MIN_FREE_BYTES requires .*free some space"):
        DataRoot(tmp_path).require_free(1 << 60)
