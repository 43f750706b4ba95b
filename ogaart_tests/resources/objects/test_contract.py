"""What every store of immutable files does: the data root's folder, a strict S3 server, a lax one, and Azurite."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ogaart.resources.objects import bucket
from ogaart.resources.objects.bucket import Bucket, evict
from ogaart.resources.objects.folder import Folder
from ogaart.resources.objects.store import ObjectsRefused, ObjectStore
from ogaart_tests.object_servers import BUCKET, S3Server, azure_server, s3_server


@pytest.fixture(scope="module", params=["folder", "moto", "rclone", "azurite"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server | None]:
    if request.param == "folder":
        yield None
    elif request.param == "azurite":
        with azure_server(tmp_path_factory.mktemp(request.param)) as emulator:
            yield emulator
    else:
        with s3_server(request.param, tmp_path_factory.mktemp(request.param)) as started:
            yield started


@pytest.fixture
def store(server: S3Server | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    if server is None:
        return Folder()
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    return Bucket(f"{server.bucket}/{tmp_path.name}", tmp_path)


def draft(root: Path, content: bytes) -> Path:
    path = root / "draft"
    path.write_bytes(content)
    return path


def test_what_is_stored_is_read_and_listed(store: ObjectStore, tmp_path: Path) -> None:
    path = tmp_path / "blobs" / "ab" / "file"
    path.parent.mkdir(parents=True)

    store.put(draft(tmp_path, b"0123456789"), path)

    assert path.read_bytes() == b"0123456789"
    assert store.size(path) == 10
    assert store.read(path, 3, 4) == b"3456"
    (found,) = store.files(tmp_path / "blobs")
    assert (found.path, found.bytes) == (path, 10)
    assert abs(found.written - time.time()) < 60


def test_what_is_uploaded_stays_where_it_was(store: ObjectStore, tmp_path: Path) -> None:
    path, file = tmp_path / "publications" / "ab" / "file", draft(tmp_path, b"0123")

    store.upload(file, path)

    assert file.read_bytes() == b"0123"
    assert store.size(path) == 4
    assert path.exists() is not store.remote


def test_an_overwrite_is_harmless(store: ObjectStore, tmp_path: Path) -> None:
    path = tmp_path / "blobs" / "file"
    path.parent.mkdir()

    for content in (b"first", b"second", b"second"):
        store.put(draft(tmp_path, content), path)

    store.fetch([path], fresh=True)
    assert path.read_bytes() == b"second"
    assert store.size(path) == 6


def test_what_is_missing_is_no_error_but_to_read(store: ObjectStore, tmp_path: Path) -> None:
    path = tmp_path / "blobs" / "missing"

    store.fetch([path, path.with_name("other")])
    store.delete(path)

    assert store.size(path) is None
    assert not path.exists()
    assert list(store.files(tmp_path / "blobs")) == []
    with pytest.raises(OSError, match="missing"):
        store.read(path, 0, 1)


def test_a_range_beyond_the_end_is_an_error(store: ObjectStore, tmp_path: Path) -> None:
    path = tmp_path / "pack"
    store.put(draft(tmp_path, b"0123"), path)

    with pytest.raises(OSError, match="ends before"):
        store.read(path, 2, 3)


def test_what_is_deleted_is_gone_everywhere(store: ObjectStore, tmp_path: Path) -> None:
    path = tmp_path / "pack"
    store.put(draft(tmp_path, b"0123"), path)

    store.delete(path)
    store.fetch([path])

    assert store.size(path) is None
    assert not path.exists()


def test_who_waits_for_a_visitor_spares_a_server_that_is_away(
    server: S3Server | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if server is None or server.kind != "rclone":  # moto forgets its bucket
        pytest.skip("the folder is never away")
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(bucket, "_HASTE", 0.2)
    hasty = Bucket(f"s3://{BUCKET}/{tmp_path.name}", tmp_path, hasty=True)
    hasty.put(draft(tmp_path, b"0123"), tmp_path / "pack")
    (tmp_path / "pack").unlink()
    monkeypatch.setattr(bucket, "_HASTE", 3600.0)

    server.stop()
    with pytest.raises(ObjectsRefused, match="OGAART_OBJECTS"):
        hasty.read(tmp_path / "pack", 0, 1)
    server.restart()

    with pytest.raises(ObjectsRefused, match="did not answer just now"):  # for the next hour
        hasty.read(tmp_path / "pack", 0, 1)


def test_what_is_being_written_is_not_listed(store: ObjectStore, tmp_path: Path) -> None:
    folder = tmp_path / "vectors"
    folder.mkdir()
    (folder / ".tmp-1-segment").write_bytes(b"half")

    assert list(store.files(folder)) == []


def test_copies_come_back_from_a_bucket(store: ObjectStore, server: S3Server | None, tmp_path: Path) -> None:
    if not store.remote:
        pytest.skip("the folder has no copies")
    paths = [tmp_path / "objects" / f"{number}" for number in range(40)]
    paths[0].parent.mkdir()
    large = os.urandom(20 << 20)  # in three parts
    for path in paths:
        store.put(draft(tmp_path, large if path is paths[0] else path.name.encode()), path)
        path.unlink()

    assert store.read(paths[0], 19 << 20, 5) == large[19 << 20 :][:5]
    assert store.read(paths[12], 0, 1) == b"1"
    if server is not None and server.kind != "rclone":  # which sends the whole file
        assert not any(path.exists() for path in paths)
    store.fetch(paths)

    assert paths[0].read_bytes() == large
    assert [path.read_bytes() for path in paths[1:]] == [path.name.encode() for path in paths[1:]]
    paths[1].chmod(0o644)
    paths[1].write_bytes(b"rotten")
    store.fetch(paths[1:2], fresh=True)
    assert paths[1].read_bytes() == b"1"


def test_a_server_that_is_away_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "data"
    root.mkdir()
    with s3_server("rclone", tmp_path / "server") as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        store = Bucket(f"s3://{BUCKET}/root", root)
        store.put(draft(root, b"kept"), root / "a")
        (root / "a").unlink()
        server.stop()

        again = threading.Timer(1.5, server.restart)
        again.start()
        store.fetch([root / "a"])
        again.join()

        assert (root / "a").read_bytes() == b"kept"


@pytest.mark.parametrize(
    ("url", "names", "wrong"),
    [
        ("s3://bucket/root", "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", {}),
        ("gs://bucket/root", "GOOGLE_APPLICATION_CREDENTIALS", {"GOOGLE_SERVICE_ACCOUNT_KEY": "not a key"}),
        (
            "az://container/root",
            "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
            {"AZURE_STORAGE_ACCOUNT_NAME": "account", "AZURE_STORAGE_ACCOUNT_KEY": "not a key"},
        ),
    ],
)
def test_a_bucket_without_access_is_a_sentence_that_names_what_is_missing(
    url: str, names: str, wrong: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith(("AWS_", "GOOGLE_", "AZURE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(bucket, "_PATIENCE", 0.1)
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("GCE_METADATA_HOST", "127.0.0.1:9")
    monkeypatch.setenv("AZURE_MSI_ENDPOINT", "http://127.0.0.1:9")

    with pytest.raises(ObjectsRefused, match=rf"^OGAART_OBJECTS \({url}\): .*No credentials are set: set .*{names}"):
        list(Bucket(url, tmp_path).files(tmp_path / "blobs"))
    for name, value in wrong.items():
        monkeypatch.setenv(name, value)
    if wrong:
        with pytest.raises(ObjectsRefused, match=r"^OGAART_OBJECTS \((?!.*No credentials)"):
            list(Bucket(url, tmp_path).files(tmp_path / "blobs"))


def test_a_bucket_that_is_missing_is_a_sentence(
    server: S3Server | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if server is None:
        pytest.skip("a folder is made")
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)

    store = Bucket(f"{server.bucket.replace(BUCKET, 'missing')}/root", tmp_path)

    for use in (
        lambda: list(store.files(tmp_path / "blobs")),
        lambda: store.put(draft(tmp_path, b"new"), tmp_path / "a"),
    ):
        with pytest.raises(
            ObjectsRefused, match=r"^OGAART_OBJECTS \(\w+://missing/root\): there is no such bucket: make"
        ):
            use()


def test_a_wrong_key_is_a_sentence_that_names_what_to_check(
    server: S3Server | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if server is None or server.kind == "moto":
        pytest.skip("it takes any key")
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    [secret] = {"AWS_SECRET_ACCESS_KEY", "AZURE_STORAGE_ACCOUNT_KEY"} & set(server.environment)
    monkeypatch.setenv(secret, "d3Jvbmc=")
    store, path = Bucket(f"{server.bucket}/root", tmp_path), tmp_path / "a"

    for use in (
        lambda: list(store.files(tmp_path / "blobs")),
        lambda: store.size(path),
        lambda: store.upload(path, path),
    ):
        draft(tmp_path, b"new").rename(path)
        with pytest.raises(
            ObjectsRefused, match=rf": the server refuses access \(403 [\w, ]+\): check .*{secret}"
        ) as it:
            use()
        assert "<" not in str(it.value)


def test_the_copies_unused_for_longest_go_first(tmp_path: Path) -> None:
    folder = tmp_path / "blobs" / "ab"
    folder.mkdir(parents=True)
    now = time.time()
    for name, age in (("old", 9000.0), ("older", 10_000.0), ("new", 10.0), ("newer", 5.0)):
        (folder / name).write_bytes(b"0" * 100)
        os.utime(folder / name, (now - age, now - age))
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    for process in (gone.pid, os.getpid()):
        (folder / f".tmp-{process}-half").write_bytes(b"half of a download")

    with (folder / "older").open("rb") as opened:
        deleted = evict(tmp_path, 150, {Path("blobs"): 3600.0})

        assert len(opened.read()) == 100  # open: read on
    assert deleted == 2
    in_progress = f".tmp-{os.getpid()}-half"
    assert {path.name for path in folder.iterdir()} == {
        "new",
        "newer",
        in_progress,
    }  # used lately
