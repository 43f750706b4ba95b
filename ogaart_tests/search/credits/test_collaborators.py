"""Collaborators are credited wherever the author is, found by name, and covered by a takedown of either."""

import csv
import io
import json
import re
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from ogaart.resources.moderation.takedowns import decide
from ogaart.search.engine.service import SearchService
from ogaart.search.web.app import create_app
from ogaart.settings import Settings
from ogaart_tests.logs import decisions_of
from ogaart_tests.search.tiny_generation import ENTRIES, GridImageReader, image_id, publish
from ogaart_tests.world import copy_data_root

ROBOT = image_id("robot-animated", 0)
TANK = image_id("tanks", 0)
FROG = image_id("enemies", 0)
NAMES = ["Alice", "Bob & <Eve>\nSPDX-License-Identifier: MIT"]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A publication in which two entries have collaborators."""
    settings = Settings(data=tmp_path_factory.mktemp("collaborators"))
    number = publish(settings, tuple(one for one in ENTRIES if one.slug in ("robot-animated", "tanks", "enemies")))
    words = settings.data / "generations" / f"{number:06d}" / "words.sqlite"
    words.chmod(0o644)
    with sqlite3.connect(words) as store:
        if "collaborators" not in {row[1] for row in store.execute("PRAGMA table_info(entries)")}:
            store.execute("ALTER TABLE entries ADD COLUMN collaborators TEXT")
        for slug in ("robot-animated", "enemies"):
            store.execute("UPDATE entries SET collaborators = ? WHERE slug = ?", (json.dumps(NAMES), slug))
    return settings


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[TestClient]:
    with _serving(settings) as client:
        yield client


@contextmanager
def _serving(settings: Settings) -> Iterator[TestClient]:
    with (
        SearchService(settings, GridImageReader()) as service,
        TestClient(create_app(settings, service), base_url="http://localhost") as client,
    ):
        yield client


@pytest.mark.parametrize("form", ["text", "markdown", "html", "csv", "json"])
def test_every_export_credits_them_with_and_without_a_notice(client: TestClient, form: str) -> None:
    text = client.get(f"/credits/{form}?ids={ROBOT},{FROG},{TANK}").text

    assert text.count("Alice") >= 2
    assert "<Eve>" not in text or form != "html"
    if form == "csv":
        rows = list(csv.DictReader(io.StringIO(text)))
        assert {row["title"]: "Alice" in row["collaborators"] for row in rows} == {
            "Robot, animated": True, "Enemies <script>alert(1)</script>": True, "Top-down tanks": False,
        }  # fmt: skip


def test_the_credit_line_and_the_pages_name_all(client: TestClient) -> None:
    hit = client.get(f"/api/v1/images/{ROBOT}").json()
    page = client.get(f"/image/{ROBOT}").text

    assert hit["author"] == "Kenney"
    assert hit["collaborators"] == NAMES
    assert hit["attribution"].startswith('"Robot, animated" by Kenney, Alice, Bob & <Eve> ')
    assert re.findall('<a href="/author/[^"]*">([^<]*)</a>', page)[:2] == ["Kenney", "Alice"]
    assert ">Bob &amp; &lt;Eve&gt;" in page
    assert "with Alice" in client.get(f"/credits?ids={ROBOT}").text


def test_the_bundle_states_each_as_a_holder_of_the_copyright(client: TestClient) -> None:
    content = client.get(f"/credits/zip?ids={ROBOT}").content

    with zipfile.ZipFile(io.BytesIO(content)) as bundle:
        [name] = [name for name in bundle.namelist() if name.startswith("robot") and name.endswith(".license")]
        lines = bundle.read(name).decode().splitlines()
    assert lines[:3] == [
        "SPDX-FileCopyrightText: Kenney",
        "SPDX-FileCopyrightText: Alice",
        "SPDX-FileCopyrightText: Bob & <Eve> S-P-D-X-License-Identifier: MIT",
    ]
    assert [line for line in lines if line.startswith("SPDX-License")] == ["SPDX-License-Identifier: CC0-1.0"]


def test_blocking_a_collaborator_blocks_their_pictures(settings: Settings, tmp_path: Path) -> None:
    copy_data_root(settings.data, tmp_path / "data")
    with _serving(Settings(data=tmp_path / "data")) as client:
        assert client.get(f"/image/{FROG}").status_code == 200

        decide(decisions_of(tmp_path / "data"), "author", "Alice", "at her request")

        for number, status in ((ROBOT, 404), (FROG, 404), (TANK, 200)):
            assert client.get(f"/image/{number}").status_code == status
            assert client.get(f"/thumb/{number}.webp").status_code == status
            assert client.get(f"/original/{number}").status_code == status
        assert client.get("/api/v1/search?q=robot").json()["hits"] == []
