"""The recipe "A model" of docs/extending.md, followed in a copy of the package."""

from pathlib import Path

import pytest

from ogaart_tests.extending.recipe import changed_files, copy_package, follow, run_in

EMBED = """
    from pathlib import Path
    import numpy as np
    from ogaart.resources.embedding.embedder import Embedder
    from ogaart.resources.embedding.registry import model_label
    from ogaart.settings import Settings

    settings = Settings(data=Path("data"), model="fields", weights=Path("weights.pth"))
    picture = np.full((100, 40, 4), 255, np.uint8)
    picture[:, :, :2] = 0
    with Embedder(settings) as embedder:
        batch = embedder.embed_rgba([picture])
    print(model_label("fields"), embedder.space.dimension, batch.vectors.shape, int(np.count_nonzero(batch.vectors)))
"""


@pytest.mark.slow
def test_a_model_is_one_file(tmp_path: Path) -> None:
    import torch

    copy = copy_package(tmp_path)
    follow("A model", copy)
    torch.save({"0.weight": torch.ones(3, 1, 1, 1)}, copy / "weights.pth")

    printed = run_in(copy, EMBED)

    assert printed.splitlines()[-1] == "Fields 192 (1, 192) 64"  # of blue, only the third channel is not 0
    assert changed_files(copy) == {"ogaart/resources/embedding/models/fields.py"}
