"""Small files that once failed, and relatives of each: what a user expects of them."""

import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from ogaart.core.states import MemberStatus
from ogaart.imaging import pictures
from ogaart.imaging.errors import Reason, Unreadable
from ogaart.imaging.identity import pixel_sha256
from ogaart.imaging.limits import Limits
from ogaart.imaging.unpacker import UnpackedMember, Unpacker
from ogaart_tests.imaging.builders import saved

CASES = Path(__file__).parent / "cases"
LIMITS = Limits()
REF = pixel_sha256(pictures.decode(CASES / "ref.png", LIMITS).rgba)


def rows_of(unpacker: Unpacker, name: str) -> list[UnpackedMember]:
    return list(unpacker.unpack(CASES / name))


def refused(data: bytes) -> tuple[Reason, str]:
    with pytest.raises(Unreadable) as caught:
        pictures.decode(data, LIMITS)
    return caught.value.error_class, caught.value.message


@pytest.mark.parametrize(
    "name", ["png_text_badcrc.png", "png_ztxt_big.png", "psd_5ch_rle.psd", "sprite.aseprite", "zip_prefix4.zip"]
)
def test_the_pictures_of_the_reference(name: str, unpacker: Unpacker) -> None:
    [row] = rows_of(unpacker, name)

    assert (row.status, row.pixel_sha256) == (MemberStatus.PICTURE, REF)


def test_html_with_svg_costs_no_picture(unpacker: Unpacker) -> None:
    rows = rows_of(unpacker, "pack_9_xhtml.zip")

    assert [row.status for row in rows].count(MemberStatus.PICTURE) == 20
    assert {row.pixel_sha256 for row in rows if row.status is MemberStatus.PICTURE} == {REF}
    assert unpacker.restarts == 0


@pytest.mark.parametrize(
    "text",
    [
        "<!DOCTYPE html><html><body><svg width='10' height='10'><rect width='5' height='5'/></svg></body></html>",
        "<?xml version='1.0'?><html xmlns='http://www.w3.org/1999/xhtml'><svg width='0' height='0'/></html>",
        "<!-- an <svg> in a comment --><p>text</p>",
        "<!DOCTYPE x [<!ENTITY svg '<svg>'>]><doc>&svg;</doc>",
        "<gpx><svg/></gpx>",
    ],
)
def test_the_root_element_makes_an_svg(text: str) -> None:
    assert refused(text.encode()) == (Reason.NOT_A_PICTURE, "text: not a picture")


SVG = '<svg xmlns="http://www.w3.org/2000/svg" {}>{}</svg>'


@pytest.mark.parametrize(
    ("attributes", "content"),
    [
        ('width="0" height="0"', "<rect width='9' height='9'/>"),
        ('width="-5" height="9"', "<rect width='9' height='9'/>"),
        ('width="100" height="40"', "<text y='30'>LOGO</text>"),
        ('width="9" height="9"', "<defs><rect width='9' height='9'/></defs>"),
        ('width="9" height="9"', "<rect width='9' height='9' opacity='0'/>"),
    ],
)
def test_an_svg_that_shows_nothing_is_not_a_picture(attributes: str, content: str) -> None:
    reason, message = refused(SVG.format(attributes, content).encode())

    assert reason is Reason.NOT_A_PICTURE
    assert message.startswith("svg: shows nothing")


def png_with(*extra: bytes) -> bytes:
    """The reference picture with chunks before its pixels."""
    data = (CASES / "ref.png").read_bytes()
    at = data.index(b"IDAT") - 4
    return data[:at] + b"".join(extra) + data[at:]


def chunk(name: bytes, content: bytes, *, crc: int | None = None) -> bytes:
    check = zlib.crc32(name + content) if crc is None else crc
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)


@pytest.mark.parametrize(
    "extra",
    [
        [chunk(b"tEXt", b"Title\0x", crc=1)],
        [chunk(b"iCCP", b"profile\0\0" + zlib.compress(bytes(3 << 20)))],
        [chunk(b"iTXt", b"k\0\1\0\0\0" + zlib.compress(bytes(9 << 20)))],
        [chunk(b"tEXt", b"Comment\0" + b"x" * (1 << 20))] * 70,
        [chunk(b"zTXt", b"Raw\0\0not deflated")],
        [chunk(b"eXIf", b"II*\0\xff\xff\xff\xff", crc=7)],
        [chunk(b"gAMA", b"")],
        [chunk(b"pHYs", b"short")],
    ],
    ids=["crc", "icc", "itxt", "many", "ztxt", "exif", "gama", "phys"],
)
def test_a_png_is_not_lost_over_an_ancillary_chunk(extra: list[bytes]) -> None:
    assert pixel_sha256(pictures.decode(png_with(*extra), LIMITS).rgba) == REF


def test_damage_in_the_pixels_of_a_png_is_still_damage() -> None:
    data = bytearray((CASES / "ref.png").read_bytes())
    data[data.index(b"IDAT") + 30] ^= 0xFF

    assert refused(bytes(data))[0] is Reason.CORRUPT


XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'


def test_only_exif_turns_a_picture() -> None:
    image = Image.new("RGB", (2, 1), "red")
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = pictures.decode(saved(image, "PNG", exif=exif), LIMITS)
    assert turned.rgba.shape == (2, 1, 4)

    xmp_in_png = png_with(chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP))
    assert pixel_sha256(pictures.decode(xmp_in_png, LIMITS).rgba) == REF
    raw_profile = b"Raw profile type exif\0\0" + zlib.compress(b"\nexif\n 8\n" + exif.tobytes().hex().encode())
    assert pixel_sha256(pictures.decode(png_with(chunk(b"zTXt", raw_profile)), LIMITS).rgba) == REF
    for form in ("JPEG", "WEBP", "TIFF"):
        assert pictures.decode(saved(image, form, xmp=XMP), LIMITS).rgba.shape == (1, 2, 4)


def test_a_jpeg_without_its_end_is_a_picture_with_a_note(unpacker: Unpacker) -> None:
    [row] = rows_of(unpacker, "jpg_no_eoi.jpg")
    assert (row.status, row.message) == (
        MemberStatus.PICTURE,
        "jpg: ends without its end marker; all pixels are there",
    )

    whole = saved(Image.open(CASES / "ref.png").convert("RGB").resize((200, 200)), "JPEG")
    cut = pictures.decode(whole[:-20], LIMITS)
    assert (cut.rgba.shape, str(cut.note)[:34]) == ((200, 200, 4), "jpg: ends without its end marker; ")
    assert refused(whole[: len(whole) // 2])[0] is Reason.CORRUPT
    progressive = saved(Image.open(CASES / "ref.png").convert("RGB").resize((200, 200)), "JPEG", progressive=True)
    assert pictures.decode(progressive[:-2], LIMITS).note


@pytest.mark.parametrize("data", [b"\xff\xd8\xff", b"\xff\xd8\xff\xe2\0\6MPF\0", b"BM" + bytes(12) + b"\x0c\0\0\0" * 4])
def test_a_reason_is_a_sentence(data: bytes) -> None:
    reason, message = refused(data)

    assert reason is Reason.CORRUPT
    assert len(message.split()) > 2
    assert "'" not in message


def bmp(bits: int, masks: tuple[int, int, int, int], samples: list[int], header: int = 108) -> bytes:
    """A BMP of one row with bit fields."""
    body = b"".join(s.to_bytes(bits // 8, "little") for s in samples)
    body += bytes(-len(body) % 4)
    info = struct.pack("<IiiHHIIiiII", header, len(samples), 1, 1, bits, 3, len(body), 0, 0, 0, 0)
    info += struct.pack("<4I", *masks)
    info += bytes(header - len(info)) if header > len(info) else b""
    return b"BM" + struct.pack("<IHHI", 14 + len(info) + len(body), 0, 0, 14 + len(info)) + info + body


@pytest.mark.parametrize(
    ("bits", "masks", "samples", "expected"),
    [
        (16, (0xF00, 0xF0, 0xF, 0xF000), [0xFF00, 0x8FFF], [[255, 0, 0, 255], [255, 255, 255, 136]]),
        (16, (0x7C00, 0x3E0, 0x1F, 0x8000), [0xFC00, 0x7C00], [[255, 0, 0, 255], [0, 0, 0, 0]]),
        (16, (0xF00, 0xF0, 0xF, 0), [0x0F00], [[255, 0, 0, 255]]),
        (16, (0x7C00, 0x3E0, 0x1F, 0x8000), [0x7C00], [[255, 0, 0, 255]]),
        (32, (0x3FF00000, 0xFFC00, 0x3FF, 0xC0000000), [0xFFF00000], [[255, 0, 0, 255]]),
    ],
    ids=["A4R4G4B4", "A1R5G5B5", "X4R4G4B4", "alpha never set", "A2R10G10B10"],
)
def test_bmp_bit_fields(
    bits: int, masks: tuple[int, int, int, int], samples: list[int], expected: list[list[int]]
) -> None:
    assert pictures.decode(bmp(bits, masks, samples), LIMITS).rgba[0].tolist() == expected


def test_greys_between_8_and_16_bits() -> None:
    for most in (511, 1023, 4095, 32767):
        pgm = b"P5\n3 1\n%d\n" % most + struct.pack(">3H", 0, (most + 1) // 2, most)
        assert pictures.decode(pgm, LIMITS).rgba[0, :, 0].tolist() == [0, 128, 255]
    assert pictures.decode(tiff_grey(12, [0, 2048, 4095]), LIMITS).rgba[0, :, 0].tolist() == [0, 128, 255]
    for bits in (9, 10, 14):
        reason, message = refused(tiff_grey(bits, [0, 5, 7]))
        assert reason is Reason.UNSUPPORTED
        assert f"bits per sample {bits}" in message


def tiff_grey(bits: int, samples: list[int]) -> bytes:
    """A TIFF of one row, its samples packed."""
    packed = sum(s << bits * (len(samples) - 1 - n) for n, s in enumerate(samples))
    length = -(-bits * len(samples) // 8)
    body = (packed << (8 * length - bits * len(samples))).to_bytes(length, "big")
    tags = [(256, 4, len(samples)), (257, 4, 1), (258, 3, bits), (259, 3, 1), (262, 3, 1), (273, 4, 8), (277, 3, 1),
            (278, 4, 1), (279, 4, length)]  # fmt: skip
    body += bytes(len(body) % 2)
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    return b"II*\0" + struct.pack("<I", 8 + len(body)) + body + struct.pack("<H", len(tags)) + entries + bytes(4)
