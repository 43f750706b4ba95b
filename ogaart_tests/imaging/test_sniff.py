"""Types by first bytes, and names for display."""

import io

import pytest
from PIL import Image

from ogaart.imaging.names import decode_name, is_junk
from ogaart.imaging.sniff import HEAD_BYTES, PROLOG_BYTES, Kind, read_head, sniff
from ogaart_tests.imaging.builders import compressed, every_archive, saved

MEMBERS = {"a.txt": b"hello"}


@pytest.mark.parametrize(
    ("form", "name"),
    [
        ("PNG", "png"), ("GIF", "gif"), ("JPEG", "jpg"), ("BMP", "bmp"), ("WEBP", "webp"), ("TGA", "tga"),
        ("TIFF", "tiff"), ("ICO", "ico"), ("PCX", "pcx"), ("PPM", "ppm"), ("SGI", "sgi"), ("DDS", "dds"),
        ("AVIF", "avif"), ("JPEG2000", "jp2"), ("QOI", "qoi"), ("ICNS", "icns"), ("XBM", "xbm"),
    ],
)  # fmt: skip
def test_pictures(form: str, name: str) -> None:
    picture = Image.new("1" if form == "XBM" else "RGB", (20, 20))
    found = sniff(saved(picture, form)[:HEAD_BYTES])
    assert (found.kind, found.format) == (Kind.PICTURE, name)


def test_archives() -> None:
    for name, data in every_archive(MEMBERS).items():
        kind, form = (Kind.COMPRESSED, name[4:]) if name[4:] and name.startswith("tar") else (Kind.ARCHIVE, "")
        found = sniff(data[:HEAD_BYTES])
        assert found.kind is kind
        assert found.format == (form or name.split("-")[0].rstrip("."))
    for how in ("gz", "bz2", "xz", "zst"):
        assert sniff(compressed(b"", how)[:HEAD_BYTES]).format == how


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"", "empty"),
        (b"hello, world", "text"),
        ("grüße".encode() * 2000, "text"),
        (b"\x00\x01\x02\x03" * 10, "unknown"),
        (b"OggS\0", "ogg"),
        (b"RIFF\0\0\0\0WAVEfmt ", "wav"),
        (b"<html><body>", "text"),
        (b"\0\0\0\x18ftypmp42" + bytes(60), "mp4"),
    ],
)
def test_others(head: bytes, name: str) -> None:
    found = sniff(head[:HEAD_BYTES])
    assert (found.kind, found.format) == (Kind.OTHER, name)


@pytest.mark.parametrize(
    "text",
    [
        "<svg/>",
        '\ufeff<?xml version="1.0"?>\n<!DOCTYPE svg>\n<!-- made by hand -->\n<svg xmlns="x">',
        "<svg:svg xmlns:svg='x'>",
    ],
)
def test_svg(text: str) -> None:
    assert sniff(text.encode()).kind is Kind.VECTOR
    assert sniff(text.removeprefix("\ufeff").encode("utf-16")).kind is Kind.VECTOR


@pytest.mark.parametrize(
    "prolog",
    [
        f"<!-- {'licence ' * 6000} -->",
        f"<?xml version='1.0'?>{' ' * 50_000}<!-- short -->",
        " " * 40_000,
        f"<?xml version='1.0'?><?editor {'state ' * 20_000}?>",
        f"<!DOCTYPE x [<!ENTITY a '{'a' * 60_000}'>]>",
        "<!-- one -->" * 10_000,
        f"<!--{'-' * (HEAD_BYTES - 9)}--><s"[:-2],  # the name is cut where the head ends
    ],
    ids=["comment", "spaces", "only spaces", "instruction", "entities", "comments", "cut name"],
)
@pytest.mark.parametrize(("root", "kind"), [("svg xmlns='x'", Kind.VECTOR), ("html", Kind.OTHER)])
def test_the_root_element_decides_however_late_it_comes(prolog: str, root: str, kind: Kind) -> None:
    for encoding in ("utf-8", "utf-16"):
        assert sniff(read_head(io.BytesIO(f"{prolog}<{root}></x>".encode(encoding)))).kind is kind


def test_a_text_that_never_begins_is_read_to_a_limit() -> None:
    head = read_head(io.BytesIO(b"<!-- " + b"a" * (9 << 20)))
    assert PROLOG_BYTES <= len(head) <= 2 * PROLOG_BYTES
    assert sniff(head).kind is Kind.OTHER


def test_any_bytes_have_a_type() -> None:
    for first in range(256):
        for length in (1, 5, 17, 30, 600):
            assert sniff(bytes([first]) * length).format


def test_names() -> None:
    assert decode_name("für.png".encode()) == "für.png"
    assert decode_name("für.png".encode("cp437")) == "für.png"
    assert decode_name("剣と盾.png".encode("cp932")) == "剣と盾.png"
    assert decode_name("背景1.png".encode("cp932")) == "背景1.png"
    for name in ("décor/flèche.png", "crème brûlée.png", "Bäume im Grün.png"):  # rare kanji in CP932
        assert decode_name(name.encode("latin-1")) == name.encode("latin-1").decode("cp437")
    assert decode_name("forêt_fenêtre.png".encode("cp437")) == "forêt_fenêtre.png"  # single kanji
    assert decode_name(b"\x1b[31m\n") == "\\x1b[31m\\n"


def test_junk() -> None:
    for path in ("__MACOSX/a.png", "x/.DS_Store", ".git/a", "x\\Thumbs.db", "DESKTOP.INI"):
        assert is_junk(path), path
    for path in ("./a.png", "../a.png", "a.b/c.png", "thumbs.png", "..."):
        assert not is_junk(path), path
