"""A stored array that is not one is damage, whatever it is instead."""

from pathlib import Path

import numpy as np
import pytest

from ogaart.cli.failures import describe
from ogaart.core.arrays import ArrayDamaged, load_array
from ogaart.core.exit_codes import EXIT_DAMAGED

WHOLE = np.arange(40, dtype=np.int64).reshape(8, 5)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    np.save(tmp_path / "a.npy", WHOLE)
    return tmp_path / "a.npy"


@pytest.mark.parametrize("mapped", [False, True])
def test_an_array_is_read_as_it_was_written(path: Path, mapped: bool) -> None:
    assert (load_array(path, mapped=mapped) == WHOLE).all()


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("content", [b"", b"nonsense" * 40, b"\x80\x04K\x01.", "cut", "header", "zeros"])
def test_anything_else_is_damage(path: Path, mapped: bool, content: bytes | str) -> None:
    whole = path.read_bytes()
    spoiled = {
        "cut": whole[:-30],
        "header": whole.replace(b"<i8", b"|O "),
        "zeros": whole.replace(b"'shape': (8", bytes(11)),
    }
    path.write_bytes(spoiled[content] if isinstance(content, str) else content)

    with pytest.raises(ArrayDamaged, match=r"a\.npy is not the array") as caught:
        load_array(path, mapped=mapped)

    code, sentence = describe(caught.value)
    assert (code, len(sentence.splitlines())) == (EXIT_DAMAGED, 1)
    assert sentence.endswith("run `ogaart verify --repair`")
