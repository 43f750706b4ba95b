"""A search's URL says everything, and is refused in words where it says nonsense."""

from urllib.parse import parse_qsl, urlsplit

import pytest

from ogaart.search.errors import InvalidParameter
from ogaart.search.filters import Filters
from ogaart.search.query import Box, PixelBox
from ogaart.search.search_url import PARAMETERS, SearchUrl, read_search_url


def read(url: str) -> SearchUrl:
    return read_search_url(parse_qsl(urlsplit(url).query, keep_blank_values=True))


def test_everything_comes_back_from_its_url() -> None:
    address = SearchUrl(
        words='100% "wood" #1 + 惑星 & more',
        upload="zck3sNIgVpcOi_PQnctMQQ",
        url="https://example.org/a b.png?x=1&y=2",
        positive=(252004677832353023, 7, "https://example.org/with,comma.png?a=1&b=2"),
        negative=(9, "zck3sNIgVpcOi_PQnctMQR"),
        crop=Box(0.1, 0.2, 0.5, 0.25),
        filters=Filters(
            licences=("CC0", "CC-BY 4.0"),
            uses=("drm", "sell"),
            art_types=("2D Art",),
            authors=("Evil & Sons",),
            tags=("tree", "pixel art"),
            size="icon",
            min_width=8,
            max_width=64,
            min_height=9,
            max_height=65,
            aspect="wide",
            alpha=True,
            pixel_art=False,
            colours=("blue",),
            entry="planets-set-n°1",
        ),
        fold=False,
        group=True,
        page=3,
        limit=10,
    )

    assert read(address.path(page=3)) == address


def test_every_parameter_is_documented_and_every_documented_one_is_read() -> None:
    everything = {name for name, _ in read("/search?" + "&".join(f"{p.name}={p.example}" for p in PARAMETERS)).pairs()}

    # limit 10 and the like are shown because they are no defaults; `url` and `q` hold what was given
    assert everything == {p.name for p in PARAMETERS}


def test_a_crop_goes_with_its_picture() -> None:
    address = read("/search?like=1&like=2&crop=0.1,0.1,0.5,0.5")

    assert read(address.also_like(3)).crop == read(address.also_like(1)).crop == address.crop
    assert read(address.also_like(1)).positive == (1, 2)
    assert read(address.without_picture(2)).crop == read(address.not_like(2)).crop == address.crop
    assert read(address.without_picture(1)).crop is None
    assert read(address.not_like(1)).crop is None
    assert read("/search?url=http://a.b/c&like=1&crop=0.1,0.1,0.5,0.5").cropped is None


def test_another_filter_goes_back_to_the_first_page() -> None:
    address = read("/search?q=tree&page=4&licence=CC0")

    assert read(address.filtered(alpha=True)).page == 1
    assert read(address.lifted("licences")) == read("/search?q=tree")


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("page=0", "page"),
        ("page=x", "page"),
        ("page=٣", "page"),
        ("limit=101", "limit"),
        ("like=abc", "like"),
        ("like=" + "&like=".join(f"https://example.org/{n}.png" for n in range(7)), "like"),
        ("like=-1", "like"),
        ("like=9223372036854775808", "like"),
        ("like=" + ",".join(map(str, range(30))), "like"),
        ("crop=1,2,3", "crop"),
        ("crop=0.9,0,0.5,0.5", "crop"),
        ("crop=nan,0,1,1", "crop"),
        ("use=steal", "use"),
        ("size=huge", "size"),
        ("alpha=maybe", "alpha"),
        ("upload=../../etc", "upload"),
        ("q=" + "a" * 501, "q"),
    ],
)
def test_nonsense_is_refused_by_name(query: str, named: str) -> None:
    with pytest.raises(InvalidParameter, match=f"^{named}: "):
        read(f"/search?{query}")


def test_a_crop_in_pixels_is_read_and_written_as_it_is() -> None:
    url = read_search_url([("like", "5"), ("crop", "pixel:16,0,1,32")])

    assert url.crop == PixelBox(16, 0, 1, 32)
    assert url.path() == "/search?like=5&crop=pixel%3A16%2C0%2C1%2C32"


@pytest.mark.parametrize(
    "crop", ["pixel:0,0,0,4", "pixel:1,2,3", "pixel:-1,0,4,4", "pixel:0.5,0,4,4", "pixel:", "0,0,0.001,1"]
)
def test_a_crop_that_is_none_is_refused_with_the_limit(crop: str) -> None:
    with pytest.raises(InvalidParameter, match=r"from 1 pixel"):
        read_search_url([("like", "5"), ("crop", crop)])
