"""Limits of the pages that are parsed."""

import pytest
from pydantic import ValidationError

from ogaart.settings import Settings
from ogaart.sites.errors import PageOverLimit
from ogaart.sites.markup import parse


def test_every_page_that_may_be_fetched_is_parsed() -> None:
    limit = Settings().max_page_bytes
    page = b"<html><body>".ljust(limit - 7) + b"</html>"

    assert parse(page).body is not None
    with pytest.raises(PageOverLimit, match=f"more than {limit:,}"):
        parse(page + b" ")
    with pytest.raises(ValidationError):
        Settings(max_page_bytes=limit + 1)
