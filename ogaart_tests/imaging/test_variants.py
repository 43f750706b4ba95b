"""Variants that exist in the wild: told truthfully as unsupported, or read where one part of the file is bad."""

import contextlib
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from ogaart.imaging import pictures
from ogaart.imaging.errors import Reason, Unreadable
from ogaart.imaging.limits import Limits
from ogaart_tests.imaging.builders import FROG, saved

LIMITS = Limits()
FROG_PIXELS = pictures.decode(FROG, LIMITS).rgba


def refused(data: bytes) -> tuple[Reason, str]:
    with pytest.raises(Unreadable) as caught:
        pictures.decode(data, LIMITS)
    return caught.value.error_class, caught.value.message


def pixels(data: bytes) -> list[list[int]]:
    return [list(map(int, p)) for p in pictures.decode(data, LIMITS).rgba.reshape(-1, 4)]


# -- formats that are not read ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\0\0\0\x0cJXL \r\n\x87\n", "jxl"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "heic"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "heic"),
        (b"v/1\x01\2\0\0\0", "exr"),
        (b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n", "hdr"),
        (b"\xabKTX 11\xbb\r\n\x1a\n", "ktx"),
        (b"\xabKTX 20\xbb\r\n\x1a\n", "ktx2"),
        (b"PVR\x03", "pvr"),
        (b"\x8aMNG\r\n\x1a\n", "mng"),
        (b"FORM\0\0\1\0ILBMBMHD", "ilbm"),
        (struct.pack("<IHHHHH", 999, 0xAF12, 4, 320, 200, 8), "flc"),
        (b"RIFF\x20\0\0\0ACONanih", "ani"),
        (b"\1\0\0\0" + bytes(36) + b" EMF", "emf"),
        (struct.pack(">IIIII", 28, 2, 2, 2, 4) + b"GIMP", "gbr"),
        (b"P7\nWIDTH 2\nHEIGHT 1\n", "pam"),
    ],
)
def test_a_picture_in_a_format_that_is_not_read_is_named(head: bytes, name: str) -> None:
    assert refused(head + bytes(64)) == (Reason.UNSUPPORTED, f"{name}: unsupported format")


@pytest.mark.parametrize(
    ("head", "name"),
    [(b"\0\0\0\x18ftypmp42\0\0\0\0", "mp4"), (b"RIFF\x20\0\0\0WAVEfmt ", "wav"), (b"FORM\0\0\1\0AIFFCOMM", "unknown")],
)
def test_films_and_sounds_are_no_pictures(head: bytes, name: str) -> None:
    assert refused(head + bytes(64)) == (Reason.NOT_A_PICTURE, f"{name}: not a picture")


# -- variants of formats that are read --------------------------------------------------------------------------------


def chunk(name: bytes, data: bytes, crc: int | None = None) -> bytes:
    return (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data) if crc is None else crc)
    )


def with_chunk(made: bytes) -> bytes:
    """The frog with one more chunk after its header."""
    return FROG[:33] + made + FROG[33:]


@pytest.mark.parametrize(
    "made",
    [
        chunk(b"acTL", struct.pack(">II", 1, 0), crc=3),
        chunk(b"acTL", b"", crc=3),
        chunk(b"acTL", struct.pack(">II", 2, 0)) + chunk(b"fcTL", bytes(26), crc=9),
        chunk(b"abCd", b"x" * 9, crc=7),
    ],
)
def test_damage_in_what_animates_a_png_costs_no_picture(made: bytes) -> None:
    decoded = pictures.decode(with_chunk(made), LIMITS)

    assert (decoded.rgba == FROG_PIXELS).all()
    assert decoded.frames == 1


def test_apples_png_is_unsupported() -> None:
    data = FROG[:8] + chunk(b"CgBI", b"\x50\0\x20\6") + FROG[8:]

    assert refused(data) == (Reason.UNSUPPORTED, "png: Apple's variant of PNG (CgBI)")


def bmp(depth: int, compression: int) -> bytes:
    head = struct.pack("<IiiHHIIiiII", 40, 2, 1, 1, depth, compression, 16, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 70, 0, 0, 54) + head + bytes(16)


def dds(form: int) -> bytes:
    data = bytearray(saved(Image.new("RGBA", (4, 4), (1, 2, 3, 255)), "DDS")[:128])
    data[80:88] = struct.pack("<I", 4) + b"DX10"
    return bytes(data) + struct.pack("<IIIII", form, 3, 0, 1, 0) + bytes(512)


@pytest.mark.parametrize(
    "data",
    [bmp(0, 4), bmp(0, 5), bmp(64, 0), dds(133), dds(10), dds(87)],
    ids=["bmp of jpeg", "bmp of png", "bmp of 64 bits", "dds of astc", "dds of half floats", "dds of bgra"],
)
def test_a_variant_that_the_decoder_does_not_know_is_unsupported(data: bytes) -> None:
    assert refused(data)[0] is Reason.UNSUPPORTED


def test_an_svg_that_is_nested_too_deeply_says_so() -> None:
    deep = b"<g>" * 5000 + b'<rect width="9" height="9"/>' + b"</g>" * 5000
    data = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9">' + deep + b"</svg>"

    assert refused(data) == (Reason.UNSUPPORTED, "svg: its elements are nested too deeply")


# -- icons ------------------------------------------------------------------------------------------------------------


def icon(*entries: bytes, kind: int = 1, side: int = 16) -> bytes:
    head, place = struct.pack("<HHH", 0, kind, len(entries)), 6 + 16 * len(entries)
    for content in entries:
        head += struct.pack("<BBBBHHII", side, side, 0, 0, 1, 32, len(content), place)
        place += len(content)
    return head + b"".join(entries)


def dib(bgra: bytes, mask: int) -> bytes:
    """Two pixels of 32 bits side by side, and their mask."""
    return struct.pack("<IiiHHIIiiII", 40, 2, 2, 1, 32, 0, 0, 0, 0, 0, 0) + bgra + bytes([mask, 0, 0, 0])


FROG_ICON = saved(Image.fromarray(FROG_PIXELS), "PNG")


@pytest.mark.parametrize(
    "data",
    [
        icon(FROG_ICON),
        icon(FROG_ICON, kind=2),
        icon(b"junk" * 20, FROG_ICON),
        icon(FROG_ICON, b""),
        icon(b"\x89PNG", FROG_ICON, kind=2),
    ],
    ids=["icon", "cursor", "one bad size", "one empty size", "cursor with a bad size"],
)
def test_the_good_size_of_an_icon_or_cursor_is_read(data: bytes) -> None:
    assert (pictures.decode(data, LIMITS).rgba == FROG_PIXELS).all()


def test_an_icon_without_alpha_is_transparent_where_its_mask_says() -> None:
    assert pixels(icon(dib(b"\1\2\3\0\4\5\6\0", 0))) == [[3, 2, 1, 255], [6, 5, 4, 255]]
    assert pixels(icon(dib(b"\1\2\3\0\4\5\6\0", 0x40))) == [[3, 2, 1, 255], [0, 0, 0, 0]]
    assert pixels(icon(dib(b"\1\2\3\x80\4\5\6\xff", 0x40))) == [[3, 2, 1, 128], [6, 5, 4, 255]]


@pytest.mark.parametrize("data", [icon(b"junk"), icon(FROG_ICON)[:40], icon(dib(b"\1\2\3\0\4\5\6\0", 0)[:20], kind=2)])
def test_an_icon_of_nothing_is_not_a_picture(data: bytes) -> None:
    assert refused(data)[0] is Reason.NOT_A_PICTURE


# -- TGA --------------------------------------------------------------------------------------------------------------


def tga(body: bytes, description: int, kind: int = 2) -> bytes:
    return struct.pack("<BBBHHBHHHHBB", 0, 0, kind, 0, 0, 0, 0, 0, 2, 1, 32, description) + body


def test_a_tga_whose_header_knows_no_alpha_is_opaque_where_it_would_show_nothing() -> None:
    assert pixels(tga(b"\1\2\3\0\4\5\6\0", 0)) == [[3, 2, 1, 255], [6, 5, 4, 255]]
    assert pixels(tga(b"\x81\1\2\3\0", 0, kind=10)) == [[3, 2, 1, 255]] * 2
    assert pixels(tga(b"\1\2\3\x80\4\5\6\0", 0)) == [[3, 2, 1, 128], [0, 0, 0, 0]]
    assert refused(tga(b"\1\2\3\0\4\5\6\0", 8)) == (Reason.NOT_A_PICTURE, "tga: fully transparent")


def test_any_icon_bytes_are_a_picture_or_a_reason() -> None:
    chance = np.random.default_rng(5)
    whole = icon(dib(b"\1\2\3\0\4\5\6\0", 0), FROG_ICON)
    for _ in range(300):
        data = bytearray(whole)
        for place in chance.integers(0, len(data), 3):
            data[place] = chance.integers(0, 256)
        with contextlib.suppress(Unreadable):
            pictures.decode(bytes(data), LIMITS)
