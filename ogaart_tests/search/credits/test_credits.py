"""Credits state what the licences require, and no stored text becomes markup, a formula or a path."""

import csv
import io
import json
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from ogaart.search.credits.bundle import PictureFile, licence_text, make_bundle, safe_name, sidecar, spdx_of
from ogaart.search.credits.credits import Credits, freest, make_credits
from ogaart.search.credits.exports import FORMATS, clean
from ogaart.search.engine.service import SearchService
from ogaart.search.results import Hit, LicenceName
from ogaart.sites.licences import LICENCES, Licence
from ogaart_tests.search.tiny_generation import image_id

PICKED = [("robot-animated", 0), ("tanks", 1), ("robot-animated", 1), ("enemies", 4), ("unknown-licence", 0),
          ("planets-set-n°1", 0), ("playing-cards", 2), ("robot-animated", 0)]  # fmt: skip


@pytest.fixture(scope="module")
def owed(service: SearchService) -> Credits:
    return make_credits(service.hits([image_id(slug, n) for slug, n in PICKED]))


def test_authors_in_order_each_entry_once(owed: Credits) -> None:
    assert [(author.name, [work.slug for work in author.works]) for author in owed.authors] == [
        ('Evil & "Sons" <b>', ["enemies"]),
        ("Kenney", ["playing-cards", "robot-animated", "tanks"]),
        ("Nobody", ["unknown-licence"]),
        ("Дмитрий", ["planets-set-n°1"]),
    ]
    assert [len(work.pictures) for work in owed.works] == [1, 1, 2, 1, 1, 1]


def test_the_freest_licence_is_relied_on_unless_another_is_chosen(service: SearchService) -> None:
    hits = service.hits([image_id("robot-animated", 0)])

    by_default, chosen, nonsense = (
        make_credits(hits, choice).works[0].relied_on
        for choice in ({}, {"robot-animated": "CC-BY 3.0"}, {"robot-animated": "MIT"})
    )

    assert (by_default and by_default.name, chosen and chosen.name) == ("CC0", "CC-BY 3.0")
    assert nonsense == by_default


@pytest.mark.parametrize(
    ("offered", "expected"),
    [
        (["GPL 3.0", "CC-BY 4.0"], "CC-BY 4.0"),
        (["CC-BY 4.0", "OGA-BY 3.0"], "OGA-BY 3.0"),
        (["All rights reversed", "CC-BY-SA 3.0"], "CC-BY-SA 3.0"),
        (["CC-BY 3.0", "CC-BY 4.0"], "CC-BY 4.0"),
    ],
)
def test_the_freest(offered: list[str], expected: str) -> None:
    found = freest([LicenceName(name, "") for name in offered])

    assert found is not None
    assert found.name == expected


def test_the_authors_own_notice_wins(owed: Credits) -> None:
    work = owed.authors[0].works[0]

    assert work.own_notice
    assert work.text.startswith("Please credit <Evil & Sons>")


def test_text(owed: Credits) -> None:
    text = FORMATS["text"].render(owed)

    assert '"Robot, animated" by Kenney licensed CC0, CC-BY 3.0: https://opengameart.org/content/robot-animated' in text
    assert "Licence relied on: CC0, http://creativecommons.org/publicdomain/zero/1.0/ (also offered: CC-BY 3.0)" in text
    assert text.count("Robot, animated") == 1


def test_html_contains_no_stored_markup(owed: Credits) -> None:
    page = FORMATS["html"].render(owed)

    assert "<script" not in page
    assert "<b>" not in page
    assert "Enemies &lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_markdown_shows_every_word_as_it_is(owed: Credits) -> None:
    text = FORMATS["markdown"].render(owed)

    assert "[Enemies \\<script\\>alert(1)\\</script\\>](<https://opengameart.org/content/enemies>)" in text


def test_markdown_keeps_the_lines_of_a_notice_and_starts_nothing_with_them(service: SearchService) -> None:
    notice = "Thanks!\n---\n1. Name me\n- and = her"
    hit = replace(service.hits([image_id("tanks", 0)])[0], notice=notice, attribution=notice)

    text = FORMATS["markdown"].render(make_credits([hit]))

    assert "  > Thanks!\\\n  > \\---\\\n  > 1\\. Name me\\\n  > \\- and = her\n" in text


def test_csv_has_a_row_a_picture_with_ids_as_text(owed: Credits) -> None:
    rows = list(csv.DictReader(io.StringIO(FORMATS["csv"].render(owed))))

    assert len(rows) == 7
    assert {row["image_id"] for row in rows} == {str(image_id(slug, n)) for slug, n in PICKED}


@pytest.mark.parametrize("title", ["=HYPERLINK(1)", "+1", "-1", "@x", "\t=1", "＝1"])
def test_csv_starts_no_formula(service: SearchService, title: str) -> None:
    hit = replace(service.hits([image_id("tanks", 0)])[0], title=title)

    row = next(csv.DictReader(io.StringIO(FORMATS["csv"].render(make_credits([hit])))))

    assert row["title"].startswith("'")


def test_json(owed: Credits) -> None:
    found = json.loads(FORMATS["json"].render(owed))["credits"]

    assert found[1]["works"][1]["spdx"] == "CC0-1.0"
    assert found[1]["works"][1]["pictures"][0]["image_id"] == str(image_id("robot-animated", 0))


def test_controls_and_reversals_are_taken_out() -> None:
    assert clean("a\x00b\u202ec\r\nd") == "abc\nd"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("../../etc/passwd", "_.._etc_passwd"), ("a/b\\c", "a_b_c"), ("CON.png", "_CON.png"), ("  . ", "unnamed"),
        ("LICENSE", "_LICENSE"), ("x.license", "_x.license"), ("惑星 #1.png", "惑星 #1.png"), ("a\x00b", "ab"),
        ("n" * 300, "n" * 120),
    ],
)  # fmt: skip
def test_safe_names(name: str, expected: str) -> None:
    assert safe_name(name) == expected


@pytest.mark.parametrize("licence", LICENCES, ids=[licence.name for licence in LICENCES])
def test_every_licence_of_the_site_comes_word_for_word(licence: Licence) -> None:
    text = licence_text(licence.spdx, licence.name, licence.legal_text)

    assert len(text) > 7_000
    if licence.name.startswith("OGA-BY"):
        assert text.startswith(f"{licence.name}\n\nThe text of this licence is at {licence.legal_text}\nIt is CC-BY-")
    else:
        kind, _, version = licence.name.partition(" ")
        words = {
            "CC0": "CC0", "CC-BY": "Attribution", "CC-BY-SA": "Attribution-ShareAlike",
            "GPL": "GNU GENERAL PUBLIC LICENSE", "LGPL": "GNU LESSER GENERAL PUBLIC LICENSE",
        }[kind]  # fmt: skip
        assert words in text[:200]
        assert (version.removesuffix(".0") or "1.0") in text[:200]


def test_the_bundle_is_reuse_compliant(service: SearchService, owed: Credits, tmp_path: Path) -> None:
    def find(hit: Hit) -> PictureFile | None:
        found = service.original_file(hit.image_id)
        return found[1] if found else None

    made = make_bundle(owed, find)
    content = b"".join(made.blocks())

    assert content == b"".join(made.blocks())  # the same picks make the same bytes
    folder = tmp_path / "bundle"
    with zipfile.ZipFile(io.BytesIO(content)) as bundle:
        assert sorted(bundle.namelist()) == sorted(name for name, _ in (*made.pictures, *made.texts))
        assert bundle.testzip() is None
        bundle.extractall(folder)
    assert (folder / "planets-set-n°1" / "100% planet #1 + ring.png").stat().st_size > 1000
    reuse = Path(sys.executable).with_name("reuse")
    linted = subprocess.run([reuse, "--root", folder, "lint"], capture_output=True, text=True, check=False)
    assert linted.returncode == 0, linted.stdout


def test_a_sidecar_says_only_what_we_say(owed: Credits) -> None:
    work = replace(owed.works[0], author="Eve\nSPDX-License-Identifier: MIT", text="SPDX-License-Identifier: MIT")

    text = sidecar(work, spdx_of(work))

    assert [line for line in text.split("\n") if "SPDX-License-Identifier" in line] == [
        "SPDX-License-Identifier: GPL-2.0-only"
    ]
