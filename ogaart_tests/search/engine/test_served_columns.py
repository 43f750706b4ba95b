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
        "type": ["integer", "null"],
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
        store.execute("ALTER TABLE entries DROP COLUMN licence_since")
        store.execute("ALTER TABLE entries DROP COLUMN collaborators")
        store.execute("ALTER TABLE images DROP COLUMN mode")
        store.execute("DROP TABLE licence_history")

    with (
        SearchService(settings, GridImageReader()) as service,
        TestClient(create_app(settings, service), base_url="http://localhost") as client,
    ):
        answer = client.get(f"/api/v1/images/{ROBOT}").json()
        page = client.get(f"/image/{ROBOT}")

    assert answer["title"] == "Robot, animated"
    assert (answer["collaborators"], answer["licence_history"]) == ([], [])
    assert "CC0, CC-BY 3.0 when read on 2026-10-01" in page.text
    assert {"favourites", "mode"}.isdisjoint(answer)


def test_a_picture_shows_the_history_of_its_licences(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    number = publish(settings, TINY[1:2])
    words = tmp_path / "generations" / f"{number:06d}" / "words.sqlite"
    words.chmod(0o644)
    with sqlite3.connect(words) as store:
        store.executemany(
            "INSERT INTO licence_history VALUES ('robot-animated', ?, ?, ?, ?)",
            [
                ('["GPL 2.0"]', "2026-03-01T10:00:00Z", "2026-05-01T10:00:00Z", "2026-06-01T10:00:00Z"),
                ('["CC0","CC-BY 3.0"]', "2026-06-01T10:00:00Z", "2026-10-01T03:37:00Z", None),
            ],
        )
    with (
        SearchService(settings, GridImageReader()) as service,
        TestClient(create_app(settings, service), base_url="http://localhost") as client,
    ):
        answer = client.get(f"/api/v1/images/{ROBOT}").json()
        page = client.get(f"/image/{ROBOT}").text

    assert [one["licences"] for one in answer["licence_history"]] == [["CC0", "CC-BY 3.0"], ["GPL 2.0"]]
    assert [one["changed_at"] for one in answer["licence_history"]] == ["", "2026-06-01T10:00:00Z"]
    assert "</b> CC0, CC-BY 3.0: first read 2026-06-01, last read 2026-10-01</li>" in page
    assert "Earlier licence</b> GPL 2.0: first read 2026-03-01, last read 2026-05-01, changed by 2026-06-01" in page
