"""The recipe "An asset between two" of docs/extending.md, followed in a copy of the package."""

import json
from pathlib import Path

import pytest

from ogaart_tests.extending.recipe import changed_files, copy_package, follow, run_in

MOST_FILES = 6

GRAPH = """
    import json
    from ogaart.core.stages import OFFLINE_STAGES
    from ogaart.definitions import defs
    from ogaart.reference.__main__ import write

    graph = defs().resolve_asset_graph()
    parents = {key.to_user_string(): sorted(p.to_user_string() for p in graph.get(key).parent_keys)
               for key in graph.get_all_asset_keys()}
    process = defs().resolve_job_def("process").asset_layer
    processed = sorted(key.to_user_string() for key in process.selected_asset_keys)
    write()
    print(json.dumps({"parents": parents, "process": processed, "offline": list(OFFLINE_STAGES)}))
"""
RUN = """
    import json, tempfile
    from pathlib import Path
    from ogaart.demo import plan
    from ogaart.demo.model import DemoContent
    from ogaart.demo.server import DemoSite
    from ogaart.resources.storage.schema import IMAGES, LIGHTNESS
    from ogaart_tests.world import open_world

    site = DemoSite(site=DemoContent(plan.load().by_age()[:2]))
    with tempfile.TemporaryDirectory() as folder, open_world(Path(folder), site) as world:
        world.discover()
        done = [world.materialize() for _ in range(2)]
        rows = world.stores.tables.read(LIGHTNESS, "2d-art/0000")
        print(json.dumps({
            "errors": [error for report in done for error in report.errors],
            "images": sorted(row["image_id"] for row in world.stores.tables.read(IMAGES, "2d-art/0000")),
            "rows": sorted(row["image_id"] for row in rows),
            "light": [row["lightness"] for row in rows],
            "states": [[row["new"], row["unchanged"]] for report in done for row in report.rows
                       if row["asset"] == "lightness"],
        }))
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package with the recipe's asset in it."""
    made = copy_package(tmp_path_factory.mktemp("recipe"))
    follow("An asset between two", made)
    return made


@pytest.mark.slow
def test_dagster_loads_the_asset_between_the_two(copy: Path) -> None:
    found = json.loads(run_in(copy, GRAPH).splitlines()[-1])

    assert found["parents"]["lightness"] == ["extracted_images"]
    assert found["parents"]["embeddings"] == ["lightness"]
    assert found["process"] == ["embeddings", "extracted_images", "lightness", "qdrant_collection"]
    assert found["offline"] == ["extracted_images", "lightness", "embeddings", "qdrant_collection"]
    assert "docs/assets.md" in changed_files(copy)
    assert len(changed_files(copy)) <= MOST_FILES


@pytest.mark.slow
def test_the_asset_has_a_row_for_each_image_and_keeps_it(copy: Path) -> None:
    found = json.loads(run_in(copy, RUN).splitlines()[-1])

    images = len(found["images"])
    assert found["errors"] == []
    assert images > 0
    assert found["rows"] == found["images"]
    assert all(0 <= light <= 1 for light in found["light"])
    assert found["states"] == [[images, 0], [0, images]]
