"""The recipe "A filter" of docs/extending.md, followed in a copy of the package."""

import json
from pathlib import Path

import pytest

from ogaart_tests.extending.recipe import changed_files, copy_package, follow, run_in

SEARCH = """
    import json
    from pathlib import Path
    from fastapi.testclient import TestClient
    from ogaart.search.engine.service import SearchService
    from ogaart.search.web.app import create_app
    from ogaart.settings import Settings
    from ogaart_tests.search.tiny_generation import GridImageReader, publish

    settings = Settings(data=Path("data").resolve())
    publish(settings)
    with (
        SearchService(settings, GridImageReader()) as service,
        TestClient(create_app(settings, service), base_url="http://localhost") as client,
    ):
        everything = client.get("/api/v1/search?min_width=1&fold=no&limit=100").json()["total"]
        still = client.get("/api/v1/search?animated=no&fold=no&limit=100").json()
        moving = client.get("/api/v1/search?q=kenney&animated=yes").json()
        described = client.get("/api/openapi.json").json()["paths"]["/api/v1/search"]["get"]["parameters"]
        print(json.dumps({
            "still": still["total"] == everything,
            "next": still["next"],
            "moving": [moving["total"], moving["hidden"][0]["name"], moving["hidden"][0]["count"] > 0],
            "described": [one["schema"] for one in described if one["name"] == "animated"],
            "refused": client.get("/api/v1/search?animated=perhaps").json()["detail"],
            "page": client.get("/search?q=kenney&animated=yes").text,
        }))
"""


@pytest.mark.slow
def test_a_filter_is_three_files(tmp_path: Path) -> None:
    copy = copy_package(tmp_path)
    touched = follow("A filter", copy)

    found = json.loads(run_in(copy, SEARCH).splitlines()[-1])

    assert len(touched) == 3
    assert changed_files(copy) == touched
    assert found["still"]
    assert found["next"] == "http://localhost/api/v1/search?animated=no&fold=no&limit=100&page=2"
    assert found["moving"] == [0, "animated", True]
    assert found["described"] == [{"type": "string", "enum": ["yes", "no"]}]
    assert found["refused"] == "animated: 'perhaps' does not exist. Known are yes, no, any"
    assert 'name="animated" value="yes" checked' in found["page"]
    assert "<legend>Movement</legend>" in found["page"]
    assert "<b>movement</b> hides" in found["page"]
