from urllib.parse import parse_qsl, quote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ogaart.sites.opengameart import urls
from ogaart_tests.sites.opengameart.build import BASE

SITE = "https://opengameart.org"


def test_a_search_requests_the_oldest_first_and_keeps_the_query_in_order() -> None:
    params = (("field_art_type_tid[]", "9"), ("field_art_type_tid[]", "14"), ("field_art_tags_tid", "pixel art,a+b&c"))
    url = urls.search_url(SITE, params, 7)
    assert url.startswith("https://opengameart.org/art-search-advanced?field_art_type_tid%5B%5D=9&")
    assert parse_qsl(urlsplit(url).query) == [
        *params,
        ("sort_by", "created"),
        ("sort_order", "ASC"),
        ("items_per_page", "144"),
        ("page", "7"),
    ]


@pytest.mark.parametrize(
    ("params", "page", "per_page", "named"),
    [((), -1, 144, "-1"), ((), 0, 145, "145"), ((), 0, 0, "0 rows"), ((("sort_by", "count"),), 0, 144, "sort_by")],
)
def test_a_search_out_of_range_is_refused_by_name(
    params: tuple[tuple[str, str], ...], page: int, per_page: int, named: str
) -> None:
    with pytest.raises(ValueError, match=named):
        urls.search_url(SITE, params, page, per_page)


@pytest.mark.parametrize(
    ("href", "url"),
    [
        ("/content/a", f"{BASE}/content/a"),
        ("https://opengameart.org/content/a", f"{BASE}/content/a"),
        ("http://opengameart.org/content/a", f"{BASE}/content/a"),
        ("http://www.opengameart.org/sites/default/files/a.zip", f"{BASE}/sites/default/files/a.zip"),
        ("//opengameart.org/content/a", f"{BASE}/content/a"),
        ("HTTPS://OpenGameArt.org:443/content/a", f"{BASE}/content/a"),
        (f"{BASE}/content/a", f"{BASE}/content/a"),
        (" \n/content/a\t", f"{BASE}/content/a"),
        ("https://opengameart.org", f"{BASE}/"),
        ("/content/a?page=1#comment-3", f"{BASE}/content/a?page=1"),
        # Encoding stays as the page gives it, lower case and needless escapes too.
        ("/content/planets-set-n%C2%B01", f"{BASE}/content/planets-set-n%C2%B01"),
        ("/content/n%c2%b0-%7Ex+y'(1)!", f"{BASE}/content/n%c2%b0-%7Ex+y'(1)!"),
        ("/f/mantis_200%25_0.png", f"{BASE}/f/mantis_200%25_0.png"),
        # What may not stand in a request is encoded, once.
        ("/f/50% off%20é 画.png", f"{BASE}/f/50%25%20off%20%C3%A9%20%E7%94%BB.png"),
        ('/f/a"b<c>\\d.png', f"{BASE}/f/a%22b%3Cc%3E%5Cd.png"),
    ],
)
def test_every_form_of_a_link_to_the_site_lands_on_the_base(href: str, url: str) -> None:
    assert urls.absolute(BASE, href) == url


@pytest.mark.parametrize(
    "href",
    [
        "",
        "#top",
        "?page=1",
        "a.png",
        "mailto:a@example.com",
        "javascript:alert(1)",
        "data:text/html,x",
        "http:/content/a",
        "https://example.com/content/a",
        "//example.com/a",
        "https://lpc.opengameart.org/content/a",
        "https://opengameart.org.example.com/a",
        "https://opengameart.org@example.com/a",
        "https://user@opengameart.org/a",
        "https://opengameart.org:8443/a",
        "https://opengameart.org\\@example.com/a",
        "///content/a",
        "http://[::1/a",
        "ftp://opengameart.org/a",
        "/sites/default/files/../../etc/passwd",
        "/sites/%2e%2E/a",
        "http://127.0.0.1:9/content/a",
    ],
)
def test_a_link_elsewhere_is_none(href: str) -> None:
    assert urls.absolute(BASE, href) is None


@pytest.mark.parametrize(
    ("url", "slug"),
    [
        ("/content/a", "a"),
        (f"{BASE}/content/planets-set-n%C2%B01", "planets-set-n°1"),
        ("https://opengameart.org/content/tiles-0", "tiles-0"),
        ("/content/a+b", "a+b"),
        ("/content/100%2525", "100%25"),
        ("/content/100%25-free", "100%-free"),
        ("/content/%E7%94%BB%20x/", "画 x"),
        ("/content/a?page=1#comments", "a"),
        ("/content/a%2Fb%23c%3Fd", "a/b#c?d"),
        ("/content/%ff", "%ff"),  # not UTF-8: as given
    ],
)
def test_a_slug_is_decoded_exactly_once(url: str, slug: str) -> None:
    assert urls.slug_of(url) == slug


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/",
        "/content/",
        "/content",
        "/contents/a",
        "/node/12",
        "/content/a/b",
        "/content/..",
        "/content/%2E",
        "content/a",
        "/content/%00",
        "/content/a%0Ab",
        "/content/%2Fnode%2F12",  # a key of another kind
        "mailto:/content/a",
        "/users/x",
    ],
)
def test_a_url_of_no_entry_has_no_slug(url: str) -> None:
    assert urls.slug_of(url) is None


def test_a_slug_is_decoded_once() -> None:
    url = f"{SITE}/content/rogue%E2%80%99s-caf%C3%A9%2F1%2B%2525"
    assert urls.slug_of(url) == "rogue’s-café/1+%25"


@given(
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(
        lambda s: s not in {".", ".."} and s[0] != "/"
    )
)
def test_any_slug_survives_its_url(slug: str) -> None:
    url = f"{BASE}/content/{quote(slug, safe='')}"
    assert urls.slug_of(url) == slug
    assert urls.absolute(BASE, url) == url


@given(st.text())
def test_any_link_is_on_the_base_or_nothing_and_mapping_twice_changes_nothing(href: str) -> None:
    url = urls.absolute(BASE, href)
    urls.slug_of(href)
    urls.stored_name(href)
    if url is not None:
        assert url.startswith(f"{BASE}/")
        assert url.isascii()
        assert " " not in url
        assert urls.absolute(BASE, url) == url


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("/sites/default/files/mantis_200%25_0.png", "mantis_200%_0.png"),
        ("/sites/default/files/Pack%20%231%20%22Angry%22.svg", 'Pack #1 "Angry".svg'),
        (f"{BASE}/sites/default/files/%20walking%2Bjump+1.rar?x=1", " walking+jump+1.rar"),
        ("/sites/default/files/source.tar_1.gz", "source.tar_1.gz"),
        ("/sites/default/files/%E3%82%AD.png", "キ.png"),
    ],
)
def test_a_stored_name_is_decoded_exactly_once(url: str, name: str) -> None:
    assert urls.stored_name(url) == name


@pytest.mark.parametrize(
    ("path", "upload"),
    [
        ("/sites/default/files/a.png", True),
        ("/sites/default/files/styles", True),  # a file of that name is a file
        ("/sites/default/files/2024/a.png", True),
        ("/sites/default/files/styles/medium/public/a.png", False),
        ("/sites/default/files/%73tyles/medium/a.png", False),
        ("/sites/default/files/archive/oga-by-40.txt", False),
        ("/sites/default/files/license_images/cc0.png", False),
        ("/sites/default/files/audio_preview/a.mp3.png", False),
        ("/sites/default/files/", False),
        ("/file/990001/dlcounter", False),
        ("/content/a", False),
    ],
)
def test_files_that_the_site_made_are_not_uploads(path: str, upload: bool) -> None:
    assert urls.is_upload(BASE, f"{BASE}{path}") is upload


def test_a_base_may_have_a_path() -> None:
    base = f"{BASE}/copy"
    assert urls.absolute(base, "https://opengameart.org/content/a") == f"{base}/content/a"
    assert urls.absolute(base, f"{base}/content/a") == f"{base}/content/a"
    assert urls.slug_of(f"{base}/content/a") == "a"
    assert urls.is_upload(base, f"{base}/sites/default/files/a.png")


def test_redirects_stay_on_the_site_or_on_the_copy() -> None:
    assert urls.allowed_hosts(SITE) == {"opengameart.org", "www.opengameart.org"}
    assert urls.allowed_hosts("http://127.0.0.1:8000") == {"127.0.0.1"}


@pytest.mark.parametrize(
    ("base", "url", "allowed"),
    [
        (SITE, "https://www.opengameart.org/content/a", True),
        (SITE, "http://opengameart.org/content/a", True),
        (SITE, "https://opengameart.org:22/", False),
        (SITE, "https://user:pw@opengameart.org/", False),
        (SITE, "https://example.com/", False),
        (SITE, "file:///etc/passwd", False),
        (SITE, "/content/a", False),
        (SITE, "http://[", False),
        (BASE, f"{BASE}/x", True),
        (BASE, "http://127.0.0.1:8001/x", False),
        (BASE, "http://127.0.0.1/x", False),
        (BASE, "https://opengameart.org/x", False),
    ],
)
def test_a_redirect_is_allowed_or_not(base: str, url: str, allowed: bool) -> None:
    assert urls.redirect_allowed(base, url) is allowed
