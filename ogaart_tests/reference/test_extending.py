"""Every recipe of docs/extending.md, followed in a copy of the package."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ogaart.reference.__main__ import DOCS
from ogaart_tests.test_architecture import PACKAGE

EMBED = """
import sys
from pathlib import Path
import numpy as np
from ogaart.resources.embedding.embedder import Embedder
from ogaart.resources.embedding.registry import model_label
from ogaart.settings import Settings

settings = Settings(data=Path(sys.argv[1]), model="fields", weights=Path(sys.argv[2]))
picture = np.full((100, 40, 4), 255, np.uint8)
picture[:, :, :2] = 0
with Embedder(settings) as embedder:
    batch = embedder.embed_rgba([picture])
print(model_label("fields"), embedder.space.dimension, batch.vectors.shape, int(np.count_nonzero(batch.vectors)))
"""


def recipe(title: str) -> str:
    """The Python block of a recipe."""
    text = (DOCS / "extending.md").read_text(encoding="utf-8")
    [section] = [part for part in re.split(r"^## ", text, flags=re.MULTILINE) if part.startswith(f"{title}\n")]
    [block] = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    return str(block)


def copy_of_the_package(folder: Path) -> Path:
    """ogaart without the demo's pictures, under a folder that Python finds first."""
    shutil.copytree(PACKAGE, folder / "ogaart", ignore=shutil.ignore_patterns("__pycache__", "art", "texts"))
    return folder / "ogaart"


def run(code: str, folder: Path, *arguments: Path) -> str:
    """What a program prints that sees the copy of the package."""
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_model_is_one_file(tmp_path: Path) -> None:
    package = copy_of_the_package(tmp_path / "code")
    (package / "resources/embedding/models/fields.py").write_text(recipe("A model"))
    torch.save({"0.weight": torch.ones(3, 1, 1, 1)}, tmp_path / "weights.pth")

    printed = run(EMBED, tmp_path / "code", tmp_path / "data", tmp_path / "weights.pth")

    assert printed.split("\n")[-2] == "Fields 192 (1, 192) 64"  # of blue, only the third channel is not 0
