"""Settings: what is refused, and that no password in a URL is ever shown."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from ogaart.resources.embedding.registry import VectorSpace
from ogaart.resources.index.base import IndexUnreachable
from ogaart.resources.index.collection import Collection
from ogaart.resources.index.factory import discard_index
from ogaart.resources.platform import Stores
from ogaart.settings import Settings, shown_url, what_is_wrong

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
    ],
)
def test_what_is_refused_is_named_without_its_password(name: str, value: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Settings(**{name: value})  # type: ignore[arg-type]

    assert f"OGAART_{name.upper()}=" in what_is_wrong(refused.value)
    assert SECRET not in what_is_wrong(refused.value) + str(refused.value)


def test_the_password_of_the_index_is_neither_shown_nor_stored(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, qdrant_url=f"http://me:{SECRET}@127.0.0.1:1", attempts=1)

    with pytest.raises(IndexUnreachable) as unreachable:
        discard_index(settings, tmp_path / "shard", "space")

    assert str(unreachable.value).startswith("Qdrant at http://127.0.0.1:1, attempt 1 of 1: ")
    assert SECRET not in f"{unreachable.value}{settings!r}{settings}"
    assert Collection(Stores(settings), VectorSpace("space", "vgg16", 8)).identity.startswith(
        "http://127.0.0.1:1#"
    )  # kept in the ledger
