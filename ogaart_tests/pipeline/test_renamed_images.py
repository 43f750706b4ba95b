"""A newer decoder reads a stored picture differently: it alone is decoded again, and its former id leads to the new."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from ogaart.assets.extracted_images import EXTRACTION_VERSION
from ogaart.core.staleness import fingerprint
from ogaart.demo import pictures, plan
from ogaart.demo.model import DemoContent
from ogaart.imaging.identity import image_id
from ogaart.imaging.limits import Limits
from ogaart.imaging.revisions import RECENT, Result, becomes_a_picture, has_icon_before_assets, may_differ
from ogaart.resources.storage.schema import IMAGES, MEMBERS, OCCURRENCES
from ogaart_tests.changing_site import ChangingSite
from ogaart_tests.imaging.builders import FROG, png, zipped
from ogaart_tests.imaging.test_cases import XMP, chunk, png_with
from ogaart_tests.world import World, open_world

FORMER = "00" * 32
TURNED = png_with(chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    entry = next(e for e in plan.load().by_age() if any(f.pictures and not f.planted for f in e.files))
    file = next(f for f in entry.files if f.pictures)
    members = {
        "a/turned.png": TURNED,
        "a/frog.png": FROG,
        "readme.txt": b"hello",
        "model.bin": b"\x00\x01\x02\x03" * 10,
    }
    site = ChangingSite(site=DemoContent([entry]))
    site.replace_file(file.fid, zipped(members), [pictures.expected(FROG)])
    with open_world(tmp_path, site) as opened:
        opened.all()
        yield opened


def as_before(world: World) -> tuple[str, int, int]:
    """Turn the stored rows into those of the revision before; the turned picture had other pixels there."""
    [partition] = world.stores.tables.partitions(MEMBERS)
    version = fingerprint(EXTRACTION_VERSION, asdict(Limits.from_settings(world.stores.settings)))
    rows: dict[str, Any] = {t.name: world.stores.tables.read(t, partition) for t in (MEMBERS, OCCURRENCES, IMAGES)}
    [turned] = [r for r in rows["members"] if r["member_path"] == "a/turned.png"]
    new = turned["image_id"]
    former = image_id(turned["slug"], FORMER)
    sha256 = {r["image_id"]: r["file_sha256"] for r in rows["occurrences"]}
    for table in rows.values():
        for row in table:
            row["fingerprint"] = fingerprint(version, row.get("file_sha256") or sha256[row["image_id"]])
            row["run_id"] = "before"
            if row.get("image_id") == new:
                row["image_id"] = former
                if "pixel_sha256" in row:
                    row["pixel_sha256"] = FORMER
    world.stores.tables.commit("extracted_images", partition, rows, None)
    return partition, former, new


@pytest.mark.slow
def test_only_what_may_differ_is_decoded_again_and_its_old_link_leads_on(world: World) -> None:
    partition, former, new = as_before(world)

    report = world.materialize()

    assert report.errors == []
    members = world.stores.tables.read(MEMBERS, partition)
    again = {r["member_path"] for r in members if r["run_id"] != "before" and r["member_path"]}
    assert {"a/turned.png", "model.bin"} <= again
    assert not again & {"a/frog.png", "readme.txt"}
    assert len([r for r in members if r["member_path"].startswith("a/")]) == 2
    [row] = [row for row in report.rows if row["asset"] == "extracted_images"]
    assert row["changed_ids"] == 1
    looked_at = {r["fingerprint"] for r in members if r["member_path"] in {"a/turned.png", "a/frog.png"}}
    assert len(looked_at) == 1, "the bytes of a picture that stays would be read again by every run"

    world.publish()
    assert world.sql("SELECT image_id, new_image_id FROM renamed_images") == [(former, new)]
    settled = world.materialize()
    assert [r["stale"] for r in settled.rows if r["asset"] == "extracted_images"] == [0]
    assert world.sql("SELECT count(*) FROM images WHERE NOT indexed") == [(0,)]


@pytest.mark.parametrize(
    ("result", "content", "expected"),
    [
        (Result("picture", None, "png", "RGBA", 5), TURNED, True),
        (Result("picture", None, "png", "RGBA", 5), FROG, False),
        (Result("picture", None, "png", "RGBA", 0), png(colour=(0, 0, 0, 0)), True),
        (Result("picture", None, "gif", "P", 7), b"", False),
        (Result("failed", "Corrupt", "png"), b"", True),
        (Result("failed", "Encrypted", "zip"), b"", False),
        (Result("not_a_picture", None, "xcf"), b"", True),
        (Result("not_a_picture", None, "text", path="a/readme.txt"), b"", False),
        (Result("not_a_picture", None, "text", path="a/trees.json"), b"", True),  # may be a texture atlas
        (Result("not_a_picture", None, "text", path="a/trees.png.meta", revision=max(RECENT)), b"", True),
        (Result("not_a_picture", None, "text"), b"", True),  # a file itself, whose name is not known here
        (Result("not_a_picture", None, "xcf", revision=max(RECENT)), b"", False),
        (Result("picture", None, "png", "RGBA", 0, revision=max(RECENT)), b"", False),
        (Result("not_a_picture", None, "tga", revision=3), b"", True),
        (Result("not_a_picture", None, "tga", revision=4), b"", False),
        (Result("not_a_picture", None, "unknown", revision=4), b"", True),  # may be a tar of an old program
        (Result("failed", "Corrupt", "ora", revision=4), b"", True),
        (Result("picture", None, "psd", "RGB, 32 bits", 5, revision=4), b"", True),
        (Result("picture", None, "psd", "RGB, 16 bits", 5, revision=4), b"", False),
        (Result("failed", "Corrupt", None, path="lib/PNG.LIB", revision=4), b"", True),
        (Result("failed", "Corrupt", None, path="a/b.7z", revision=5), b"", True),  # behind an unread member
        (Result("failed", "TooLarge", None, path="a/b.7z", revision=5), b"", False),
        (Result("not_a_picture", None, "exe", revision=5), b"", True),
        (Result("picture", None, "psd", "grey, 8 bits", 5, revision=5), b"", True),
        (Result("picture", None, "psd", "RGB, 32 bits", 5, revision=5), b"", False),
        (Result("not_a_picture", None, "kra", revision=5), b"", False),
        (Result("not_a_picture", None, "unknown", revision=min(RECENT)), b"", True),
        (Result("failed", "Corrupt", "png", revision=min(RECENT)), b"", True),
        (Result("failed", "Corrupt", "psd", revision=5), b"", True),
        (Result("failed", "Corrupt", "psd", revision=6), b"", False),
        (Result("failed", "Corrupt", None, path="a/b.7z", revision=6), b"", False),
        (Result("not_a_picture", None, "exe", revision=6), b"", False),
        (Result("not_a_picture", None, "unknown", revision=6), b"", True),  # a zip may be far behind its start
        (Result("not_a_picture", None, "text", path="a/b.SVG", revision=6), b"", True),
        (Result("not_a_picture", None, "text", path="a/b.txt", revision=6), b"", False),
        (Result("not_a_picture", None, "unknown", path="a/trees.TSX", revision=7), b"", True),  # may be UTF-16
        (Result("not_a_picture", None, "unknown", path="a/level.dat", revision=7), b"", False),
        (Result("not_a_picture", None, "unknown", revision=7), b"", True),
        (Result("not_a_picture", None, "text", path="a/b.svg", revision=7), b"", False),
        (Result("failed", "Corrupt", "gif", revision=max(RECENT)), b"", False),
        (Result("junk", None, None), b"", False),
    ],
)
def test_what_may_differ(result: Result, content: bytes, expected: bool) -> None:
    assert may_differ(result, lambda: content) is expected


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["stack.xml", "mergedimage.png", "mimetype"], True),
        (["a/art.kra", "a/art.kra!/mergedimage.png"], True),
        (["a/mergedimage.png"], False),
        (["frog.png"], False),
    ],
)
def test_layered_files_that_were_zipped_again_are_unpacked_again(paths: list[str], expected: bool) -> None:
    assert becomes_a_picture(paths) is expected


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        ([".icon.png", f"{'a' * 32}/pathname", f"{'a' * 32}/asset"], True),
        (["p.unitypackage!/./.icon.png", f"p.unitypackage!/./{'a' * 32}/pathname"], True),
        ([f"{'a' * 32}/pathname", "Assets/hero.png"], False),
        ([".icon.png", "art/frog.png"], False),
    ],
)
def test_packages_that_begin_with_their_icon_are_unpacked_again(paths: list[str], expected: bool) -> None:
    assert has_icon_before_assets(paths) is expected
