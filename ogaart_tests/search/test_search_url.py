"""A search's URL says everything, and is refused in words where it says nonsense."""

import re
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from ogaart.likeness.fusion import Weights
from ogaart.search.errors import InvalidParameter
from ogaart.search.filters import Filters
from ogaart.search.page_parameters import known_parameters
from ogaart.search.query import Box, PixelBox
from ogaart.search.search_url import MAX_PARAMETERS, PARAMETERS, SearchUrl, read_search_url


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
        sort="newest",
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


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("license=CC0&color=Red", "licence=CC0&colour=red"),
        ("size=ICON&alpha=Yes&use=Sell", "size=icon&alpha=yes&use=sell"),
        ("colour=Gray&color=violet", "colour=grey&colour=purple"),
        ("sort=Newest&aspect=Tall", "sort=newest&aspect=tall"),
    ],
)
def test_aliases_and_capitals_mean_the_same(url: str, same: str) -> None:
    assert read(f"/search?{url}") == read(f"/search?{same}")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("licens=CC0", "licens: unknown parameter; did you mean 'licence'"),
        ("width=5", "width: unknown parameter; did you mean 'min_width' or 'max_width'"),
        ("zzz=1", "zzz: unknown parameter; known are q, url"),
        ("use=seell", "use: 'seell' does not exist; did you mean 'sell'? Known are sell, no-credit"),
        ("sort=popular", "sort: 'popular' does not exist"),
        ("use=no credit", "use: 'no credit' does not exist; did you mean 'no-credit'?"),
        ("use=NoShareAlike", "use: 'NoShareAlike' does not exist; did you mean 'no-share-alike'?"),
        ("pixel-art=yes", "pixel-art: unknown parameter; did you mean 'pixel_art'?"),
    ],
)
def test_what_is_unknown_is_named_with_the_nearest(query: str, message: str) -> None:
    with pytest.raises(InvalidParameter, match=re.escape(message)):
        read(f"/search?{query}")


def test_what_needs_a_picture_is_said_to_be_ignored_without_one() -> None:
    part = "crop=0,0,0.5,0.5&weights=1,1,0"

    assert [note.split()[0] for note in read(f"/search?q=a&{part}").unused] == ["crop", "weights"]
    assert [note.split()[0] for note in read(f"/search?unlike=5&{part}").unused] == ["crop"]
    assert read(f"/search?like=5&{part}").unused == ()


def test_no_value_of_a_filter_is_dropped_where_it_takes_one() -> None:
    with pytest.raises(InvalidParameter, match="size: 2 values; it takes one"):
        read("/search?size=icon&size=large")
    with pytest.raises(InvalidParameter, match="limit: 2 values"):
        read_search_url([("limit", "5"), ("limit", "6")], strict=True)


def test_a_filter_without_a_value_is_unset_in_forms_and_refused_elsewhere() -> None:
    assert read_search_url([("q", "a"), ("licence", " "), ("size", "")]) == SearchUrl(words="a")
    with pytest.raises(InvalidParameter, match="licence: the value is empty"):
        read_search_url([("q", "a"), ("license", "")], strict=True)


def test_pages_ignore_tracking_name_what_is_foreign_and_refuse_near_misses() -> None:
    pairs = [("q", "a"), ("utm_source", "x"), ("fbclid", "y"), ("theme", "dark"), ("theme", "light"), ("picture", "")]

    known, ignored = known_parameters(pairs)

    assert (known, ignored) == ((("q", "a"),), (("theme", "light"),))
    for name in ("licenc", "Licence", "licences", "tags[]", "colours", "author_name"):
        with pytest.raises(InvalidParameter, match="did you mean"):
            known_parameters([(name, "x")])


def test_every_chip_removes_its_own_value_alone() -> None:
    address = read("/search?q=ship&licence=CC0&licence=CC-BY&tag=a,b&alpha=no&min_width=16&use=sell")

    chips = {(chip.field, chip.value): read(chip.url) for chip in address.chips()}

    assert list(chips) == [
        ("words", "ship"),
        ("licences", "CC0"),
        ("licences", "CC-BY"),
        ("uses", "sell it in a game"),
        ("tags", "a"),
        ("tags", "b"),
        ("min_width", "16"),
        ("alpha", "filled"),
    ]
    assert chips["licences", "CC0"].filters["licences"] == ("CC-BY",)
    assert chips["tags", "b"].filters["tags"] == ("a",)
    assert chips["words", "ship"] == read("/search?licence=CC0&licence=CC-BY&tag=a,b&alpha=no&min_width=16&use=sell")
    assert all(len(one.chips()) == len(chips) - 1 for one in chips.values())


@pytest.mark.parametrize(
    ("query", "each"),
    [
        ("q=ship", True),
        ("like=5", True),
        ("licence=CC0", True),
        ("q=ship&entry=robot", False),
        ("q=ship&fold=no", False),
        ("q=ship&group=no", False),
        ("entry=robot&group=yes", True),
        ("url=https://example.org/a.png", False),
        ("like=5&crop=0.1,0.1,0.5,0.5", False),
    ],
)
def test_one_hit_of_each_entry_is_the_default_where_it_hides_nothing(query: str, each: bool) -> None:
    assert read(f"/search?{query}").one_each is each


def test_a_url_with_more_parameters_than_any_search_has_is_refused_before_they_are_compared() -> None:
    foreign = [(f"zq{n}", "1") for n in range(MAX_PARAMETERS + 1)]
    assert len(known_parameters(foreign[1:])[1]) == MAX_PARAMETERS

    for pairs in (foreign, foreign * 40, [("q", "robot")] * (MAX_PARAMETERS + 1)):
        with pytest.raises(InvalidParameter, match="at most 300 are allowed"):
            known_parameters(pairs)
        with pytest.raises(InvalidParameter, match="at most 300 are allowed"):
            read_search_url(pairs)


@pytest.mark.parametrize(
    "changes",
    [
        {"page": 3},
        {"words": "robot"},
        {"limit": 7},
        {"positive": (7, 8), "negative": ()},
        {"crop": None, "upload": "", "weights": Weights(1, 0, 1)},
        {"filters": Filters(tags=("tree",), uses=("sell",)), "fold": False, "group": False},
    ],
)
def test_a_changed_url_is_that_of_the_changed_search(changes: dict[str, Any]) -> None:
    url = read_search_url(parse_qsl("like=7&q=tank&tag=tree&license=CC0&page=2&limit=5&crop=0.1,0.2,0.5,0.5"))

    changed = replace(url, **{"page": 1, **changes})

    assert url.path(**changes) == changed.path()


@pytest.mark.parametrize("query", ["like=5&unlike=5", "like=4,5&unlike=5,6", "like=4&like=5&crop=0,0,1,1&unlike=5"])
def test_a_picture_is_not_both_liked_and_disliked(query: str) -> None:
    with pytest.raises(InvalidParameter, match="unlike: '5' is in like as well; leave it out of one of them"):
        read(f"/search?{query}")


def test_a_part_of_a_picture_may_be_liked_and_the_rest_not() -> None:
    assert read("/search?like=5&crop=0,0,0.5,0.5&unlike=5").negative == (5,)
