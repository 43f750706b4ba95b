"""Arrays that are stored as NumPy's .npy files: a file that is not one is told as damage."""

from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.typing import NDArray


class ArrayDamaged(RuntimeError):
    """A stored file is not the array that it should be."""


def load_array(path: Path, *, mapped: bool = False) -> NDArray[Any]:
    """The array that a file holds, of the shape and type that the file states.

    Args:
        path: the .npy file.
        mapped: read pages as they are needed, read-only, instead of all at once.

    Raises:
        ArrayDamaged: the file does not hold an array, or less than it states.
        OSError: the file is missing, or cannot be read.
    """
    try:
        loaded: NDArray[Any] = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    except (ValueError, EOFError, SyntaxError, TokenError) as cause:  # a header is an expression of Python's
        raise ArrayDamaged(f"{path} is not the array that was written") from cause
    if not isinstance(loaded, np.ndarray):
        raise ArrayDamaged(f"{path} is not the array that was written")
    return loaded
