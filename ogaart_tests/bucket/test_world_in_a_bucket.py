"""A whole platform whose files that never change lie in a bucket: its folder and its database may be lost."""

import http.client
import json
import os
import shutil
import signal
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlencode, urlsplit

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from pydantic import SecretStr

from ogaart.cli.main import main
from ogaart.core.errors import BadChoice
from ogaart.demo import plan
from ogaart.demo.model import DemoContent
from ogaart.operations.backup import backup
from ogaart.operations.doctor import examine
from ogaart.operations.repair import repair
from ogaart.operations.verify import verify
from ogaart.resources.moderation.takedowns import decide
from ogaart.resources.objects.store import ObjectsRefused
from ogaart.resources.platform import Stores
from ogaart.resources.publications.publications import Publications
from ogaart.resources.state.schema import METADATA
from ogaart.settings import Settings
from ogaart_tests.changing_site import ChangingSite
from ogaart_tests.content_digest import content_digest
from ogaart_tests.object_servers import BUCKET, S3Server, s3_server
from ogaart_tests.postgres import Postgres
from ogaart_tests.torture.service import serving
from ogaart_tests.ui import wait_until
from ogaart_tests.world import World, open_world

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]
URL = f"s3://{BUCKET}/ogaart"
FOLDERS = ("blobs", "objects", "vectors", "derived", "decisions", "publications")


class Replica(NamedTuple):
    """A search service over a folder of its own."""

    url: str
    process: int


def answer(replica: Replica, path: str) -> object:
    """What it answers; of a search the pictures."""
    with urllib.request.urlopen(f"{replica.url}{path}", timeout=30) as response:
        body = response.read()
        if response.headers.get_content_type() != "application/json":
            return body
    found = json.loads(body)
    return [(hit["image_id"], hit["title"]) for hit in found["hits"]] if "hits" in found else found


def status(replica: Replica, path: str) -> int:
    """The status of its answer."""
    try:
        answer(replica, path)
    except urllib.error.HTTPError as cause:
        return cause.code
    return 200


def is_hidden(replica: Replica, path: str) -> bool:
    """Whether it answers that there is no such picture."""
    return status(replica, path) == 404


def serves(replica: Replica, generation: int) -> bool:
    """Whether it answers from a publication."""
    found = answer(replica, "/healthz")
    return isinstance(found, dict) and found["generation"] == generation


def refuses(replica: Replica) -> bool:
    """Whether it accepts no connection any more."""
    try:
        socket.create_connection(("127.0.0.1", urlsplit(replica.url).port or 0), timeout=5).close()
    except OSError:
        return True
    return False


@contextmanager
def half_sent(replica: Replica, path: str, body: bytes) -> Iterator[Callable[[], int]]:
    """Send half of a form; yields what sends the rest, and returns the status of the answer."""
    connection = http.client.HTTPConnection(urlsplit(replica.url).netloc, timeout=60)
    with closing(connection):
        connection.putrequest("POST", path)
        connection.putheader("Content-Type", "application/x-www-form-urlencoded")
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body[:10])

        def finish() -> int:
            connection.send(body[10:])
            return connection.getresponse().status

        yield finish


@contextmanager
def watched(path: str, *replicas: Replica) -> Iterator[list[str]]:
    """Search all the time meanwhile; yields the failures, of which there are none at the end."""
    failed: list[str] = []
    stop = threading.Event()

    def search(replica: Replica) -> None:
        while not stop.wait(0.05):
            try:
                found = answer(replica, path)
                if not found:
                    failed.append(f"{replica.url}: no hits")
            except OSError as cause:
                failed.append(f"{replica.url}: {cause}")

    threads = [threading.Thread(target=search, args=(replica,)) for replica in replicas]
    for thread in threads:
        thread.start()
    try:
        yield failed
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server("rclone", tmp_path_factory.mktemp("s3")) as started:
        yield started


@pytest.fixture(scope="module")
def world(server: S3Server, postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    site = ChangingSite(site=DemoContent(plan.load().by_age()[:6]))
    values = {"OGAART_OBJECTS": URL, "OGAART_DATABASE_URL": postgres.fresh("bucket"), **server.environment}
    with open_world(tmp_path_factory.mktemp("bucket"), site, **values) as opened:
        opened.all()
        yield opened


def test_replicas_with_folders_of_their_own_follow_the_publication(
    world: World, server: S3Server, tmp_path: Path
) -> None:
    """They answer equally, hide a takedown, take reports, and change to the next publication; no request fails.

    While the bucket is away they search, and say so where a picture is requested.
    """
    before = world.generation.number
    query = "SELECT title, any_value(image_id) FROM images JOIN entries USING (slug) WHERE indexed GROUP BY title"
    [(title, picture), *_, (other_title, other)] = world.sql(f"{query} ORDER BY title")
    paths = (f"/api/v1/search?q={quote(str(title))}", f"/thumb/{picture}.webp", f"/original/{picture}")
    environment = {name: value for name, value in os.environ.items() if name.startswith("OGAART_")}

    with ExitStack() as stack:

        def replica(name: str) -> Replica:
            data = tmp_path / name / "data"
            data.mkdir(parents=True, exist_ok=True)
            port, process, _ = stack.enter_context(serving(data, {**environment, "OGAART_DATA": str(data)}))
            return Replica(f"http://127.0.0.1:{port}", process)

        one, two = replica("one"), replica("two")
        assert [answer(one, path) for path in paths] == [answer(two, path) for path in paths]

        with watched(f"/api/v1/search?q={quote(str(other_title))}", one, two) as failed:
            done = CliRunner().invoke(main, ["block", "pixels", str(picture), "--reason", "asked for"])
            assert done.exit_code == 0, done.output
            for found in (one, two):
                wait_until(partial(is_hidden, found, paths[1]), 10, "the takedown to hide it")
            assert world.publish(accept_losses=True).errors == []
            for found in (one, two):
                wait_until(partial(serves, found, before + 1), 30, "the next publication")
        assert failed == []

        shutil.rmtree(tmp_path / "one" / "data" / "objects")  # the copies that a server made which sends no ranges
        server.stop()
        try:
            assert status(one, f"/thumb/{other}.webp") == 503
            assert answer(one, f"/api/v1/search?q={quote(str(other_title))}")
        finally:
            server.restart()
        wait_until(lambda: status(one, f"/thumb/{other}.webp") == 200, 30, "the thumbnail")

        os.kill(two.process, signal.SIGKILL)
        again = replica("two")
        assert serves(again, before + 1)
        assert answer(again, paths[0]) == answer(one, paths[0])
        sent = urlencode({"image": str(other), "reason": "licence", "note": "seen by a visitor"}).encode()
        urllib.request.urlopen(f"{again.url}/report", sent, timeout=30).close()
        with half_sent(one, "/report", sent) as finish:  # one is replaced meanwhile
            os.kill(one.process, signal.SIGTERM)
            wait_until(partial(refuses, one), 30, "the replaced one to take no new connection")
            assert finish() in {200, 303}
    listed = CliRunner().invoke(main, ["reports", "--json"])
    assert [row["note"] for row in json.loads(listed.stdout)["rows"]] == ["seen by a visitor"] * 2
    assert verify(world.settings, world.quiet()).rows == []


def test_the_database_may_be_lost(world: World) -> None:
    with closing(world.stores) as stores:
        pointers = sorted(stores.tables.objects._pointers.all(), key=str)
        records = sorted(stores.fetch_records.all(), key=str)
        decisions, published = (
            [line.content for line in stores.decisions.lines()],
            Publications(stores.state, stores.objects).in_service(),
        )
        assert decisions
        assert published is not None
        with stores.state.writing() as connection:
            for table in METADATA.sorted_tables:
                connection.execute(sa.delete(table))

    with closing(world.stores) as stores:
        assert sorted(stores.fetch_records.all(), key=str) == records
        assert [line.content for line in stores.decisions.lines()] == decisions
        assert Publications(stores.state, stores.objects).in_service() == published
        stores.tables.objects.all("entries")
        assert sorted(stores.tables.objects._pointers.all(), key=str) == pointers
    assert verify(world.settings, world.quiet()).rows == []


def test_the_folder_may_be_lost_and_files_of_the_bucket_damaged(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OGAART_DATA", str(tmp_path / "other"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "other" / "dagster"))
    other, sent = World(world.site, Settings()), len(world.site.requests)
    objects, root = other.stores.objects, other.settings.data
    found = {folder: min(f.path for f in objects.files(root / folder)) for folder in (*FOLDERS, "fetches")}
    found["objects"] = min(f.path for f in objects.files(root / "objects/content_pages") if ".entries." in f.path.name)
    for path in found.values():
        objects.fetch([path])
        flipped = bytearray(path.read_bytes())
        flipped[len(flipped) // 2] ^= 1
        path.unlink()
        draft = root / "draft"
        draft.write_bytes(flipped)
        objects.put(draft, path)

    report = verify(other.settings, other.quiet())

    assert {row["what"] for row in report.rows} >= {"blob", "vectors", "derived", "table", "state", "publication"}
    assert repair(other.settings, other.quiet()).errors == []
    assert verify(other.settings, other.quiet()).rows == []
    assert content_digest(other.generation) == content_digest(world.generation)
    assert len(world.site.requests) - sent <= 2  # the damaged blob, and what the damaged record was of


def test_the_doctor_tries_the_bucket(world: World) -> None:
    first = {finding.name: finding.ok for finding in islice(examine(world.settings), 6)}  # the model comes later

    assert first["objects"]
    assert first["database of state"]


def test_a_backup_is_a_data_root_that_needs_neither_bucket_nor_database(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "backup"
    with closing(world.stores) as stores:
        decide(stores.decisions, "author", "nobody of this name", "asked for")
        records = sorted(stores.fetch_records.all(), key=str)
        decisions = [line.content for line in stores.decisions.lines()]
    backup(world.settings, folder)
    again = {row["what"]: row["copied"] for row in backup(world.settings, folder).rows}
    before, requests = content_digest(world.generation), len(world.site.requests)
    for name in ("OGAART_OBJECTS", "OGAART_DATABASE_URL"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("OGAART_DATA", str(folder))
    monkeypatch.setenv("DAGSTER_HOME", str(folder / "dagster"))
    restored = World(world.site, Settings())

    made = restored.materialize()
    published = restored.publish()

    assert (made.errors, published.errors) == ([], [])
    assert sum(row.get("embedded", 0) for row in made.rows) == 0
    assert len(world.site.requests) == requests
    assert content_digest(restored.generation) == before
    assert sorted(restored.stores.fetch_records.all(), key=str) == records
    assert [line.content for line in restored.stores.decisions.lines()] == decisions
    assert verify(restored.settings, restored.quiet()).rows == []
    assert (again["blobs"], again["vectors"], again["derived"], again["decisions"]) == (0, 0, 0, 0)


def test_a_backup_is_made_on_the_host_that_publishes(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OGAART_DATA", str(tmp_path / "other"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "other" / "dagster"))

    with pytest.raises(BadChoice, match="on the machine that publishes"):
        backup(Settings(), tmp_path / "backup")


def test_stores_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with pytest.raises(ObjectsRefused, match="without OGAART_DATABASE_URL"):
        Stores(Settings(data=data, objects=URL, database_url=None))
    database = SecretStr("postgresql://127.0.0.1/ogaart")
    Stores(Settings(data=data, objects=URL, database_url=database))
    with pytest.raises(ObjectsRefused, match=f"set OGAART_OBJECTS={URL}"):
        Stores(Settings(data=data, objects=None))
    with pytest.raises(ObjectsRefused, match="set OGAART_DATA to an empty folder"):
        Stores(Settings(data=data, objects="s3://other", database_url=database))
    own = tmp_path / "own"
    (own / "blobs" / "ab").mkdir(parents=True)
    with pytest.raises(ObjectsRefused, match="objects of its own"):
        Stores(Settings(data=own, objects=URL, database_url=database))
    shutil.rmtree(own)
