"""Settings: what is refused, and that no password in a URL is ever shown."""

from contextlib import nullcontext
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from ogaart.cli.invalid_settings import what_is_wrong
from ogaart.resources.embedding.registry import VectorSpace
from ogaart.resources.index.base import IndexUnreachable
from ogaart.resources.index.collection import Collection
from ogaart.resources.index.factory import discard_index
from ogaart.resources.platform import Stores
from ogaart.settings import Settings, shown_url

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"http://me:{SECRET}@qdrant:6333/x?y=1", "http://qdrant:6333/x?y=1"),
        (f"https://{SECRET}@qdrant", "https://qdrant"),
        (f"cannot reach 'grpc+tls://me:p@{SECRET}@[::1]:1/': no", "cannot reach 'grpc+tls://[::1]:1/': no"),
        (f"{Path(f'https://me:{SECRET}@host/q.toml')}", "https:/host/q.toml"),
        (f'["http://a", "http://me:{SECRET}@b"]', '["http://a", "http://b"]'),
        (f"(postgresql://host:5/db?password={SECRET}): refused", "(postgresql://host:5/db?password=***): refused"),
        (f"http://qdrant/x?y=1&api_key={SECRET}&z=2", "http://qdrant/x?y=1&api_key=***&z=2"),
        (
            f"'postgresql://h/db?sslmode=require&SSLPassword={SECRET}'",
            "'postgresql://h/db?sslmode=require&SSLPassword=***'",
        ),
        ("https://opengameart.org/a.png?itok=abc&keys=b", "https://opengameart.org/a.png?itok=abc&keys=b"),
        ("https://medium.com/@me, me@example.org", "https://medium.com/@me, me@example.org"),
        ("https://opengameart.org/content/a@b", "https://opengameart.org/content/a@b"),
    ],
)
def test_user_names_and_passwords_are_not_shown(text: str, shown: str) -> None:
    assert shown_url(text) == shown


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("site", f"http://me:{SECRET}@example.org"),
        ("site", f"ftp://me:{SECRET}@example.org"),
        ("queries", f"https://me:{SECRET}@example.org/q.toml"),
        ("weights", f"s3://me:{SECRET}@bucket/vgg.pth"),
        ("data", f"file://me:{SECRET}@host/data"),
        ("contact", "me\x1b@example.org"),
        ("contact", f"https://me:{SECRET}@example.org/about"),
        ("site", f"me:{SECRET}@example.org"),
    ],
)
def test_what_is_refused_is_named_without_its_password(name: str, value: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Settings(**{name: value})  # type: ignore[arg-type]

    assert f"OGAART_{name.upper()}=" in what_is_wrong(refused.value)
    assert SECRET not in what_is_wrong(refused.value) + str(refused.value)


@pytest.mark.parametrize(
    "value",
    [
        f"me:{SECRET}@127.0.0.1:6333",  # without a scheme
        f"ftp://me:{SECRET}@127.0.0.1",
        f"http://me:a/{SECRET}@127.0.0.1:1",
        f"http://me:a?{SECRET}@127.0.0.1:1",
        f"http://me:{SECRET}#a@127.0.0.1:1",
        f"http://me:a {SECRET}@127.0.0.1:1",
        f"http://me:{SECRET}@127.0.0.1:port",
        f"http://me:{SECRET}@[::1:6333",
        f"http://me:{SECRET}@",
    ],
)
def test_an_index_url_in_which_the_password_cannot_be_told_from_the_rest_is_refused(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValidationError) as passed:
        Settings(qdrant_url=value)
    monkeypatch.setenv("QDRANT_URL", value)
    with pytest.raises(ValidationError) as of_the_environment:
        Settings()

    for refused in (passed.value, of_the_environment.value):
        said = what_is_wrong(refused)
        assert said.startswith("QDRANT_URL=***: expected a URL such as http://127.0.0.1:6333")
        assert SECRET not in said + str(refused)


URLS = {
    "database_url": "postgresql",
    "dagster_database": "postgresql+psycopg2",
    "celery_broker": "redis",
    "failure_webhook": "https",
}


@pytest.mark.parametrize("name", URLS)
def test_a_port_that_is_not_one_is_refused_before_a_library_stumbles_over_it(name: str) -> None:
    for host in ("127.0.0.1:port", "host:0", "host:65536", "[::1", "[::1]:x", "host:1:2"):
        with pytest.raises(ValidationError) as refused:
            Settings(**{name: f"{URLS[name]}://me:{SECRET}@{host}/x"})  # type: ignore[arg-type]
        said = what_is_wrong(refused.value)
        assert said.startswith(f"OGAART_{name.upper()}=***: expected a host and, after a colon, a port from 1 to 65535")
        assert SECRET not in str(refused.value)

    database = "0" if name == "celery_broker" else "x"
    for rest in (
        f"me:{SECRET}:@127.0.0.1:5432/{database}",
        f"host/{database}?host=/run",
        f"/{database}?host=/run/postgresql",
        "[::1]:6379/0",
        "h:",
    ):
        Settings(**{name: f"{URLS[name]}://{rest}"})  # type: ignore[arg-type]


@pytest.mark.parametrize("path", ["/broker", "/0/1", "/-1", "/ 1"])
def test_a_redis_database_is_a_number(path: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Settings(celery_broker=f"redis://me:{SECRET}@127.0.0.1:6379{path}")

    said = what_is_wrong(refused.value)
    assert said.startswith("OGAART_CELERY_BROKER=***: expected the number of a Redis database after the port")
    assert SECRET not in said + str(refused.value)
    for rest in ("", "/", "/0", "/15?ssl_cert_reqs=none"):
        Settings(celery_broker=f"redis://127.0.0.1:6379{rest}")


@pytest.mark.parametrize(
    ("name", "sign"), [("database_url", "@"), ("dagster_database", "@"), ("celery_broker", "/"), ("celery_broker", "#")]
)
def test_a_password_is_refused_that_the_library_would_take_for_the_host(name: str, sign: str) -> None:
    """The rest of it would be in the library's message."""
    with pytest.raises(ValidationError) as refused:
        Settings(**{name: f"{URLS[name]}://me:a{sign}{SECRET}@127.0.0.1:5432/0"})  # type: ignore[arg-type]

    said = what_is_wrong(refused.value)
    assert said.startswith(f"OGAART_{name.upper()}=***: ")
    assert said.endswith("write @ : / ? # in a password as %40 …")
    assert SECRET not in said + str(refused.value)
    Settings(**{name: f"{URLS[name]}://me:a%40{SECRET}@127.0.0.1:5432/0"})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "value"), [("qdrant_timeout", "inf"), ("delay", "inf"), ("concurrent_runs", "99999999999999999999")]
)
def test_numbers_without_an_end_are_refused(name: str, value: str) -> None:
    with pytest.raises(ValidationError):
        Settings(**{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "value", ["http://127.0.0.1:6333", f"https://me:p%2F{SECRET}@[::1]:6333/prefix", "HTTP://qdrant", None]
)
def test_other_index_urls_are_accepted(value: str | None) -> None:
    assert Settings(qdrant_url=value).qdrant_url == value


def test_the_password_of_the_index_is_neither_shown_nor_stored(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, qdrant_url=f"http://me:{SECRET}@127.0.0.1:1", attempts=1)

    with pytest.raises(IndexUnreachable) as unreachable:
        discard_index(settings, tmp_path / "shard", "space")

    assert str(unreachable.value).startswith("Qdrant at http://127.0.0.1:1, attempt 1 of 1: ")
    assert SECRET not in f"{unreachable.value}{settings!r}{settings}"
    assert Collection(Stores(settings), VectorSpace("space", "vgg16", 8)).identity.startswith(
        "http://127.0.0.1:1#"
    )  # kept in the ledger


@pytest.mark.parametrize(
    ("dagster", "refused"),
    [
        ("postgresql+psycopg2://dagster:other@db:5432/state?sslmode=require", True),
        ("postgresql+psycopg2://ogaart:secret@db/dagster", False),
        ("postgresql+psycopg2://ogaart:secret@db:5433/state", False),
    ],
)
def test_state_and_dagster_need_a_database_each(dagster: str, refused: bool) -> None:
    state = SecretStr("postgresql://ogaart:secret@db/state")

    with pytest.raises(ValidationError, match="database of OGAART_DATABASE_URL") if refused else nullcontext():
        Settings(database_url=state, dagster_database=SecretStr(dagster))
