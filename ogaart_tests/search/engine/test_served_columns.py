"""A column that the tables declare as served reaches hits and the API; a publication from before it is served, too."""

import sqlite3
from pathlib import Path

from fastapi.testclient import TestClient

from ogaart.resources.storage.schema import ENTRIES, IMAGES
from ogaart.search.engine.service import SearchService
from ogaart.search.web.app import create_app
from ogaart.settings import Settings
from ogaart_tests.search.tiny_generation import ENTRIES as TINY
from ogaart_tests.search.tiny_generation import GridImageReader, image_id, publish

ROBOT = image_id("robot-animated", 0)


def test_every_served_column_is_in_the_hit_in_the_api_and_in_its_description(service: SearchService) -> None:
    hit = service.hit(ROBOT)
    with TestClient(create_app(service.settings, service), base_url="http://localhost") as client:
        answer = client.get(f"/api/v1/images/{ROBOT}").json()
        described = client.get("/api/openapi.json").json()["components"]["schemas"]["HitRecord"]["properties"]

    names = {column.served_name for column in (*IMAGES.served, *ENTRIES.served)}
    assert hit is not None
    assert names <= set(hit.columns) | {"pixel_sha256"}
    assert names <= answer.keys()
    assert names <= described.keys()
    assert (answer["favourites"], answer["mode"]) == (hit.columns["favourites"], hit.columns["mode"])
    assert described["favourites"] == {
        "type": "integer",
        "description": "Number of favourites; 0 where the page shows none.",
    }
    assert answer["tags"] == list(hit.tags)


def test_a_publication_without_a_column_is_served(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    number = publish(settings, TINY[1:2])
    words = tmp_path / "generations" / f"{number:06d}" / "words.sqlite"
    words.chmod(0o644)
    with sqlite3.connect(words) as store:
        store.execute("ALTER TABLE entries DROP COLUMN favourites")
        store.execute("ALTER TABLE images DROP COLUMN mode")

    with (
        SearchService(settings, GridImageReader()) as service,
        TestClient(create_app(settings, service), base_url="http://localhost") as client,
    ):
        answer = client.get(f"/api/v1/images/{ROBOT}").json()

    assert answer["title"] == "Robot, animated"
    assert {"favourites", "mode"}.isdisjoint(answer)
