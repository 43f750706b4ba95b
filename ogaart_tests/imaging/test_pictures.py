"""Decoding: every format and mode to known pixels, and hostile pictures to a reason."""

import contextlib
import dataclasses
import io
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ogaart.imaging import canonical, pictures
from ogaart.imaging.errors import Reason, Unreadable
from ogaart.imaging.formats import svg
from ogaart.imaging.formats.errors import FormatError
from ogaart.imaging.identity import pixel_sha256
from ogaart.imaging.limits import Limits
from ogaart_tests.imaging.builders import FROG, png, saved

LIMITS = Limits()


def pixels(data: bytes) -> list[list[int]]:
    """All pixels, row by row."""
    return [list(map(int, p)) for p in pictures.decode(data, LIMITS).rgba.reshape(-1, 4)]


def picture_of(mode: str, samples: Sequence[Any], **options: Any) -> bytes:
    image = Image.new(mode, (len(samples), 1))
    image.putdata(samples)
    return saved(image, str(options.pop("form", "PNG")), **options)


@pytest.mark.parametrize(
    ("form", "mode"),
    [
        ("PNG", "RGB"), ("GIF", "P"), ("BMP", "RGB"), ("TGA", "RGB"), ("TIFF", "RGB"), ("ICO", "RGBA"), ("PCX", "RGB"),
        ("WEBP", "RGB"), ("PPM", "RGB"), ("SGI", "RGB"), ("QOI", "RGB"), ("DDS", "RGB"), ("JPEG", "RGB"),
        ("JPEG2000", "RGB"), ("AVIF", "RGB"), ("ICNS", "RGBA"),
    ],
)  # fmt: skip
def test_every_format(form: str, mode: str) -> None:
    picture = Image.new("RGB", (32, 32), (200, 30, 40))
    picture = picture.quantize(2) if mode == "P" else picture.convert(mode)
    decoded = pictures.decode(saved(picture, form), LIMITS)

    assert np.abs(decoded.rgba.reshape(-1, 4).astype(int) - [200, 30, 40, 255]).max() <= 8
    assert decoded.rgba.flags.c_contiguous
    assert decoded.frames == 1


def test_tga_with_a_footer_and_an_odd_header() -> None:
    data = bytearray(saved(Image.new("RGB", (8, 8), (1, 2, 3)), "TGA")[: 18 + 8 * 8 * 3])
    data[17] |= 0x0F  # fifteen bits of alpha: no plain TGA has that
    footer = struct.pack("<II", 0, 0) + b"TRUEVISION-XFILE.\0"
    with pytest.raises(Unreadable) as caught:
        pictures.decode(bytes(data), LIMITS)
    assert caught.value.error_class is Reason.NOT_A_PICTURE
    data[17] &= 0xF0

    assert pictures.decode(bytes(data) + footer, LIMITS).format == "tga"


def test_xpm_and_psd() -> None:
    xpm = b'/* XPM */\nstatic char *x[] = {\n"2 1 2 1",\n"a c #FF0000",\n"b c None",\n"ab"\n};\n'
    assert pixels(xpm) == [[255, 0, 0, 255], [0, 0, 0, 0]]

    planes = bytes([10, 20, 30])  # one pixel, merged picture, raw
    head = b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, 1, 1, 8, 3) + struct.pack(">III", 0, 0, 0)
    assert pixels(head + struct.pack(">H", 0) + planes) == [[10, 20, 30, 255]]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"gimp xcf v101\0" + bytes(50), "xcf: XCF of version 101: written by CinePaint"),
        (b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, 1, 1, 8, 9) + bytes(14), "psd: PSD in Lab, 8 bits"),
        (b"\x60\xea" + struct.pack("<H", 40) + bytes(60), "arj: unsupported format"),
        (bytes(7) + b"**ACE**" + bytes(60), "ace: unsupported format"),
    ],
)
def test_an_unsupported_format_or_variant_is_named(data: bytes, message: str) -> None:
    with pytest.raises(Unreadable) as caught:
        pictures.decode(data, LIMITS)

    assert (caught.value.error_class, caught.value.message) == (Reason.UNSUPPORTED, message)


def test_modes() -> None:
    assert pixels(picture_of("1", [0, 255])) == [[0, 0, 0, 255], [255, 255, 255, 255]]
    assert pixels(picture_of("L", [7])) == [[7, 7, 7, 255]]
    assert pixels(picture_of("LA", [(7, 128), (9, 0)])) == [[7, 7, 7, 128], [0, 0, 0, 0]]
    assert pixels(picture_of("RGBA", [(1, 2, 3, 0), (1, 2, 3, 1)])) == [[0, 0, 0, 0], [1, 2, 3, 1]]
    assert pixels(picture_of("CMYK", [(0, 255, 255, 0)], form="TIFF")) == [[255, 0, 0, 255]]
    assert pixels(picture_of("F", [0.0, 0.5, 1.0], form="TIFF")) == [[v, v, v, 255] for v in (0, 127, 255)]
    assert pixels(picture_of("I", [0, 256, 65535], form="TIFF")) == [[v, v, v, 255] for v in (0, 1, 255)]


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV", "LAB"]
)
def test_pixels_of_every_mode_are_pillows_own_in_rgba(mode: str) -> None:
    random = np.random.default_rng(4)
    whole = Image.fromarray(random.integers(0, 256, (61, 37, 4), dtype=np.uint8))
    bands = Image.new(mode, whole.size).getbands()
    if mode in ("1", "P", "PA"):
        image = whole.convert("RGB").convert(mode)
    else:
        image = Image.merge(mode, whole.split()[: len(bands)]) if len(bands) > 1 else whole.getchannel("R")

    rgba = canonical.rgba_of(image)

    assert (rgba == canonical.cleared(np.array(image.convert("RGBA")))).all()


def test_sixteen_bits_are_shifted() -> None:
    grey = saved(Image.fromarray(np.array([[0x0100, 0x80FF, 0xFFFF]], dtype=np.uint16)), "PNG")
    assert pixels(grey) == [[1, 1, 1, 255], [128, 128, 128, 255], [255, 255, 255, 255]]

    assert pixels(raw_png(2, 16, struct.pack(">3H", 0x0100, 0x80FF, 0xFFFF))) == [[1, 128, 255, 255]]
    assert pixels(raw_png(6, 16, struct.pack(">4H", 0x0100, 0x80FF, 0xFFFF, 0x7FFF))) == [[1, 128, 255, 127]]


def raw_png(colour_type: int, depth: int, row: bytes, *, width: int = 1, height: int = 1, trns: bytes = b"") -> bytes:
    """A PNG written by hand: Pillow writes no 16-bit colour and no low-depth transparency."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0))
    extra = chunk(b"tRNS", trns) if trns else b""
    return b"\x89PNG\r\n\x1a\n" + head + extra + chunk(b"IDAT", zlib.compress(b"\0" + row)) + chunk(b"IEND", b"")


def test_transparent_colours() -> None:
    indexed = Image.new("P", (2, 1))
    indexed.putpalette([9, 9, 9, 8, 8, 8])
    indexed.putpixel((1, 0), 1)
    assert pixels(saved(indexed, "PNG", transparency=1)) == [[9, 9, 9, 255], [0, 0, 0, 0]]
    assert pixels(saved(indexed, "PNG", transparency=b"\x80")) == [[9, 9, 9, 128], [8, 8, 8, 255]]
    # Samples 3 and 1 of two bits, where 3 is transparent.
    assert pixels(raw_png(0, 2, bytes([0b11010000]), width=2, trns=struct.pack(">H", 3))) == [
        [0, 0, 0, 0],
        [85, 85, 85, 255],
    ]
    assert pixels(raw_png(0, 16, struct.pack(">2H", 500, 600), width=2, trns=struct.pack(">H", 500))) == [
        [0, 0, 0, 0],
        [2, 2, 2, 255],
    ]
    rgb = raw_png(2, 16, struct.pack(">6H", 256, 512, 768, 0, 0, 0), width=2, trns=struct.pack(">3H", 256, 512, 768))
    assert [p[3] for p in pixels(rgb)] == [0, 255]


@pytest.mark.parametrize(
    ("colour_type", "palette", "trns", "expected"),
    [
        (3, 4, bytes(range(256)) + b"more", [0, 1, 2, 3]),
        (3, 256, bytes(range(255, -1, -1)) * 3, [255, 254, 253, 252]),
        (3, 4, bytes([9, 8]), [9, 8, 255, 255]),
        (0, 0, b"\0", [255] * 4),
        (2, 0, b"\0\0", [255] * 4),
    ],
    ids=["few colours", "all colours", "some colours", "grey", "colour"],
)
def test_transparency_of_a_wrong_length_costs_no_picture(
    colour_type: int, palette: int, trns: bytes, expected: list[int]
) -> None:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    row = b"\0" + bytes(range(12 if colour_type == 2 else 4))
    colours = chunk(b"PLTE", bytes(n % 256 for n in range(3 * palette))) if palette else b""
    data = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 1, 8, colour_type, 0, 0, 0))
        + colours
        + chunk(b"tRNS", trns)
        + chunk(b"IDAT", zlib.compress(row))
        + chunk(b"IEND", b"")
    )

    found = pictures.decode(data, LIMITS).rgba[0, :, 3].tolist()

    assert found == expected


@pytest.mark.parametrize(
    "tail",
    [struct.pack(">I", 99_999) + b"tEXtabc", struct.pack(">I", 8) + b"iTXt", b"\0\0\0\5zTXtab\0\0", b"\r\n-- mail"],
    ids=["length", "cut", "short", "no chunk"],
)
def test_what_is_cut_behind_the_pixels_of_a_png_costs_no_picture(tail: bytes) -> None:
    whole = saved(Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3)), "PNG")
    end = whole.rindex(b"IEND") - 4

    assert pixels(whole[:end] + tail) == pixels(whole)
    with pytest.raises(Unreadable, match="Corrupt"):
        pictures.decode(whole[: end - 40] + tail, LIMITS)


def test_a_damaged_palette_that_colours_do_not_need_costs_no_picture() -> None:
    whole = saved(Image.new("RGB", (2, 2), (9, 8, 7)), "PNG")
    at = whole.index(b"IDAT") - 4
    suggested = struct.pack(">I", 6) + b"PLTE\1\2\3\4\5\6" + b"bad!"

    assert pixels(whole[:at] + suggested + whole[at:]) == pixels(whole)


def test_exif_orientation() -> None:
    image = Image.new("RGB", (2, 1))
    image.putdata([(255, 0, 0), (0, 0, 255)])
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = pictures.decode(saved(image, "PNG", exif=exif), LIMITS).rgba

    assert turned.shape == (2, 1, 4)
    assert turned[0, 0].tolist() == [255, 0, 0, 255]
    broken = saved(image, "PNG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert pictures.decode(broken, LIMITS).rgba.shape == (1, 2, 4)


def animation(*frames: Image.Image) -> bytes:
    out = io.BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], disposal=2)
    return out.getvalue()


def test_an_animation_that_fades_in_is_shown_by_its_first_informative_frame() -> None:
    black, white = Image.new("RGB", (8, 8)), Image.new("RGB", (8, 8), "white")
    drawn = black.copy()
    drawn.paste((200, 30, 30), (2, 2, 6, 6))

    faded = pictures.decode(animation(black, white, drawn), LIMITS)
    flat = pictures.decode(animation(black, white), LIMITS)

    assert faded.rgba[4, 4].tolist() == [200, 30, 30, 255]
    assert flat.rgba[4, 4].tolist() == [0, 0, 0, 255]


def test_the_first_visible_frame() -> None:
    clear, red = Image.new("RGBA", (4, 4)), Image.new("RGBA", (4, 4), (255, 0, 0, 255))
    for form in ("GIF", "PNG", "WEBP"):
        data = saved(clear, form, save_all=True, append_images=[red, clear], disposal=2, lossless=True)
        picture = pictures.decode(data, LIMITS)
        assert picture.frames >= 2
        assert picture.rgba[0, 0].tolist() == [255, 0, 0, 255]


@pytest.mark.parametrize("form", ["PNG", "GIF", "WEBP", "TIFF", "QOI"])
def test_what_is_fully_transparent_is_not_a_picture(form: str) -> None:
    with pytest.raises(Unreadable, match="fully transparent") as caught:
        pictures.decode(saved(Image.new("RGBA", (4, 4)), form), LIMITS)

    assert caught.value.error_class is Reason.NOT_A_PICTURE


def test_the_same_pixels_have_the_same_hash_in_every_format() -> None:
    image = Image.new("RGBA", (5, 4), (200, 30, 40, 255))
    image.putpixel((1, 1), (9, 9, 9, 0))
    hashes = {pixel_sha256(pictures.decode(saved(image, form), LIMITS).rgba) for form in ("PNG", "TIFF", "TGA", "GIF")}

    assert len(hashes) == 1


def test_too_many_pixels_are_refused_before_decoding() -> None:
    data = raw_png(2, 8, b"", width=32_768, height=32_768)
    with pytest.raises(
        Unreadable, match=r"^TooManyPixels: 1,073,741,824 pixels; OGAART_MAX_PIXELS is 64,000,000$"
    ) as caught:
        pictures.decode(data, LIMITS)
    assert caught.value.error_class is Reason.TOO_MANY_PIXELS

    wide = pictures.decode(png((32_768, 2)), LIMITS)
    assert wide.rgba.shape == (2, 32_768, 4)


def test_thousands_of_frames(tmp_path: Path) -> None:
    frames = [Image.new("L", (2, 2), n % 251) for n in range(3000)]
    picture = pictures.decode(saved(frames[0], "GIF", save_all=True, append_images=frames[1:]), LIMITS)

    assert picture.frames == 3000


@pytest.mark.parametrize("form", ["PNG", "GIF", "BMP", "JPEG", "WEBP", "TIFF", "ICO", "TGA", "PCX", "QOI", "AVIF"])
def test_broken_pictures_have_a_reason(form: str) -> None:
    """Cut at many places and with many bytes changed: a picture or a reason, never anything else."""
    whole = saved(Image.open(io.BytesIO(FROG)).convert("RGB").resize((32, 32)), form)
    random = np.random.default_rng(7)
    for _ in range(60):
        data = bytearray(whole[: random.integers(1, len(whole) + 1)])
        for place in random.integers(0, len(data), 4):
            data[place] = random.integers(0, 256)
        with contextlib.suppress(Unreadable):
            pictures.decode(bytes(data), dataclasses.replace(LIMITS, max_pixels=1_000_000))


@pytest.mark.parametrize(
    "data",
    [raw_png(2, 8, b"", width=0, height=5), b"GIF89a" + bytes(7) + b";", b"BM" + bytes(12) + b"\x28" + bytes(60)],
)
def test_no_pixels(data: bytes) -> None:
    with pytest.raises(Unreadable) as caught:
        pictures.decode(data, LIMITS)
    assert caught.value.error_class is Reason.CORRUPT


SVG = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" {}>{}</svg>'


def test_svg() -> None:
    data = SVG.format('width="20" height="10"', '<rect width="10" height="10" fill="red"/>').encode()
    picture = pictures.decode(data, LIMITS)
    assert (picture.format, picture.rgba.shape) == ("svg", (10, 20, 4))
    assert picture.rgba[5, 5].tolist() == [255, 0, 0, 255]
    assert picture.rgba[5, 15].tolist() == [0, 0, 0, 0]

    utf16 = '<?xml version="1.0" encoding="utf-16"?>' + SVG.format('width="3" height="4"', "<path d='M0 0h3v4z'/>")
    assert pictures.decode(utf16.encode("utf-16"), LIMITS).rgba.shape == (4, 3, 4)


def test_svg_of_any_size_is_scaled_down() -> None:
    wide = SVG.format('viewBox="0 0 1000000 500000"', '<rect width="500000" height="500000" fill="red"/>').encode()
    picture = svg.render(wide, LIMITS.max_pixels)
    assert picture.size == (4096, 2048)
    assert picture.getpixel((2000, 5)) == (255, 0, 0, 255)

    assert svg.render(wide, 5000).size == (100, 50)


def test_svg_reads_nothing_outside_itself(tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(png((10, 10)))
    links = [
        f'<image xlink:href="{secret}" width="10" height="10"/>',
        f'<image href="{secret}" width="10" height="10"/>',
        f'<image href="file://{secret}" width="10" height="10"/>',
        f'<filter id="f"><feImage href="{secret}"/></filter><rect width="10" height="10" filter="url(#f)"/>',
    ]
    for link in links:
        picture = svg.render(SVG.format('width="10" height="10"', link).encode(), LIMITS.max_pixels)
        assert (200, 30, 40, 255) not in [colour for _, colour in picture.getcolors() or []]

    hidden = f'<!DOCTYPE svg [<!ENTITY e "{secret}">]>' + SVG.format('width="10" height="10"', links[0])
    assert svg.render(hidden.replace(f'"{secret}" w', '"&e;" w').encode(), LIMITS.max_pixels).getcolors() == [
        (100, (0, 0, 0, 0))
    ]
    external = f'<!DOCTYPE svg [<!ENTITY e SYSTEM "{secret}">]>' + SVG.format('width="10" height="10"', "&e;")
    with pytest.raises(FormatError):
        svg.render(external.encode(), LIMITS.max_pixels)


def test_svg_bombs() -> None:
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    laughs = f'<!DOCTYPE svg [<!ENTITY e0 "ha">{entities}]>' + SVG.format("", "<text>&e9;</text>")
    with pytest.raises(FormatError, match="amplification"):
        svg.render(laughs.encode(), LIMITS.max_pixels)
    with pytest.raises(FormatError):
        svg.render(b"<svg" + b" " * 100 + b"not closed", LIMITS.max_pixels)
