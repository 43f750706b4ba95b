from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ogaart.sites.licences import LICENCES, attribution, by_url, lookup, use_key, uses

# sell, no credit, no share-alike, DRM stores: written out by hand from the licences' texts.
TRUTH = {
    "CC0": (True, True, True, True),
    "CC-BY 3.0": (True, False, True, False),
    "CC-BY 4.0": (True, False, True, False),
    "CC-BY-SA 3.0": (True, False, False, False),
    "CC-BY-SA 4.0": (True, False, False, False),
    "OGA-BY 3.0": (True, False, True, True),
    "OGA-BY 4.0": (True, False, True, True),
    "GPL 2.0": (True, False, False, False),
    "GPL 3.0": (True, False, False, False),
    "LGPL 2.1": (True, False, False, False),
    "LGPL 3.0": (True, False, False, False),
}
WORDS = ("sell", "no-credit", "no-share-alike", "drm")


def test_the_table_holds_the_sites_licences_and_no_other() -> None:
    assert {one.name for one in LICENCES} == set(TRUTH)
    assert len({one.spdx for one in LICENCES}) == len({one.url for one in LICENCES}) == len(LICENCES)


@pytest.mark.parametrize("name", TRUTH)
def test_the_truth_of_each_licence(name: str) -> None:
    one = lookup(name)
    assert one is not None
    assert (one.may_sell, not one.credit_needed, not one.share_alike, one.drm_allowed) == TRUTH[name]
    granted = {word for word, given in zip(WORDS, TRUTH[name], strict=True) if given}
    every = {"+".join(sorted(some)) for size in (1, 2, 3, 4) for some in combinations(granted, size)}
    assert uses([name]) == sorted(every)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("CC0", "CC0"),
        ("cc0-1.0", "CC0"),
        (" CC-BY  4.0 ", "CC-BY 4.0"),
        ("CC BY-SA 3.0", "CC-BY-SA 3.0"),
        ("OGA-BY 3.0", "OGA-BY 3.0"),
        ("GPL-3.0-only", "GPL 3.0"),
        ("LicenseRef-OGA-BY-4.0", "OGA-BY 4.0"),
        ("lgpl 2.1", "LGPL 2.1"),
    ],
)
def test_a_licence_is_found_by_name_or_spdx(written: str, name: str) -> None:
    found = lookup(written)
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize(
    "written",
    ["", " ", "CC-BY", "CC-BY 2.0", "CC-BY-NC 4.0", "GPL", "GPL 3", "Public domain", "CC0 2.0", "CC-BY 4.0 "[::-1]],
)
def test_an_unknown_licence_or_version_grants_nothing(written: str) -> None:
    assert lookup(written) is None
    assert uses([written]) == []


def test_several_licences_mean_any_one_but_uses_wanted_together_need_one_that_grants_both() -> None:
    # OGA-BY lets it into locked stores; GPL adds nothing to it.
    assert uses(["GPL 3.0", "OGA-BY 3.0"]) == uses(["OGA-BY 3.0"])
    assert uses(["unknown", "CC-BY 3.0"]) == ["no-share-alike", "no-share-alike+sell", "sell"]
    assert "drm+no-credit" not in uses(["OGA-BY 3.0", "CC-BY 3.0"])
    assert len(uses(["CC0"])) == 15
    assert uses([]) == []


@given(st.lists(st.one_of(st.sampled_from(sorted(TRUTH)), st.text())))
def test_uses_of_several_are_the_union_of_uses_of_each(names: list[str]) -> None:
    assert uses(names) == sorted({use for name in names for use in uses([name])})


def test_the_key_of_uses_wanted_together() -> None:
    assert use_key(["sell", "no-credit"]) == "no-credit+sell"
    assert use_key(WORDS) in uses(["CC0"])
    with pytest.raises(ValueError, match="fly"):
        use_key(["fly"])
    with pytest.raises(ValueError, match="one or more"):
        use_key([])


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://creativecommons.org/licenses/by/4.0/", "CC-BY 4.0"),
        ("http://www.creativecommons.org/licenses/by/3.0", "CC-BY 3.0"),
        ("https://creativecommons.org/publicdomain/zero/1.0/deed.en", "CC0"),
        ("//gnu.org/licenses/gpl-3.0.html#x", "GPL 3.0"),
        ("https://opengameart.org/content/oga-by-40-faq", "OGA-BY 4.0"),
    ],
)
def test_a_licence_is_found_by_its_link(url: str, name: str) -> None:
    found = by_url(url)
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize(
    "url", ["", "x", "https://creativecommons.org/licenses/by-nc/4.0/", "https://opengameart.org/"]
)
def test_any_other_link_is_not_a_licence(url: str) -> None:
    assert by_url(url) is None


def test_attribution_is_the_notice_or_made_from_the_entry() -> None:
    url = "https://opengameart.org/content/a"
    made = attribution("Forest  Tiles\n", "Ann", ["CC-BY 4.0", "OGA-BY 3.0"], url)
    assert made == f'"Forest Tiles" by Ann licensed CC-BY 4.0, OGA-BY 3.0: {url}'
    assert attribution("T", "Ann", ["CC0"], url, " \n") == f'"T" by Ann licensed CC0: {url}'
    assert attribution("T", "Ann", ["CC0"], url, " Credit me.\nPlease. ") == "Credit me.\nPlease."
    assert attribution(None, None, [], url) == f'"untitled" by unknown author: {url}'


def test_collaborators_are_credited_with_the_author_and_beside_his_own_notice() -> None:
    url = "https://opengameart.org/content/t"
    made = attribution("T", "Ann", ["CC-BY 4.0"], url, collaborators=["Ben", " Eliza\nWy ", ""])
    assert made == f'"T" by Ann, Ben, Eliza Wy licensed CC-BY 4.0: {url}'
    assert attribution("T", "Ann", [], url, "Ann and BEN made it.", ["Ben", "Cy"]) == "Ann and BEN made it.\nWith Cy"
    assert attribution("T", "Ann", [], url, "By Ann & Ben", ["Ben"]) == "By Ann & Ben"
