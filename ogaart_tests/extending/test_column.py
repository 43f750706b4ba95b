"""The recipes "A column" and "A column of images" of docs/extending.md, followed in a copy of the package."""

import json
from pathlib import Path

import pytest

from ogaart_tests.extending.recipe import changed_files, copy_package, follow, run_in

SEARCH = """
    import json, tempfile
    from pathlib import Path
    from fastapi.testclient import TestClient
    from ogaart.demo import plan
    from ogaart.demo.model import DemoContent
    from ogaart.demo.server import DemoSite
    from ogaart.reference.__main__ import write
    from ogaart.search.engine.service import SearchService
    from ogaart.search.web.app import create_app
    from ogaart_tests.search.tiny_generation import GridImageReader
    from ogaart_tests.world import open_world

    write()
    site = DemoSite(site=DemoContent(plan.load().by_age()[:2]))
    with tempfile.TemporaryDirectory() as folder, open_world(Path(folder), site) as world:
        world.all()
        catalog = world.sql("SELECT DISTINCT language FROM entries WHERE status = 'ok'")
        with (
            SearchService(world.settings, GridImageReader()) as service,
            TestClient(create_app(world.settings, service), base_url="http://localhost") as client,
        ):
            found = client.get("/api/v1/search?type=2D Art&fold=no").json()
            described = client.get("/api/openapi.json").json()["components"]["schemas"]
    print(json.dumps({
        "catalog": catalog,
        "hits": sorted({hit["language"] for hit in found["hits"]}),
        "grey": sorted({hit["grey"] for hit in found["hits"]}),
        "described": [one["properties"]["language"]["description"] for one in described.values()
                      if "language" in one.get("properties", {})],
    }))
"""
GENERATED = {"ogaart/resources/storage/rows.py", "docs/tables.md"}


@pytest.mark.slow
def test_a_served_column_is_five_files(tmp_path: Path) -> None:
    copy = copy_package(tmp_path)
    of_entries, of_images = follow("A column", copy), follow("A column of images", copy)

    found = json.loads(run_in(copy, SEARCH).splitlines()[-1])

    assert found["catalog"] == [["en"]]
    assert found["hits"] == ["en"]
    assert found["described"][:1] == ["Language that the page states, such as en."]
    assert found["grey"] == [False]
    assert len(of_entries | GENERATED) == len(of_images | GENERATED) == 5
    assert changed_files(copy) == of_entries | of_images | GENERATED
