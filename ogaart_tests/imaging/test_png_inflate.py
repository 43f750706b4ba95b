"""Pixels inflated by libdeflate are those that Pillow inflates, and what is damaged is damaged in the same way."""

import io
import random
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ogaart.imaging import pictures
from ogaart.imaging.errors import Unreadable
from ogaart.imaging.formats import png_inflate
from ogaart.imaging.formats.png import SIGNATURE
from ogaart.imaging.formats.png_inflate import inflated
from ogaart.imaging.limits import Limits
from ogaart_tests.imaging.builders import saved

pytest.importorskip("deflate")
MODES = ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"]


def picture(mode: str, size: tuple[int, int] = (301, 223)) -> Image.Image:
    """Soft shades and noise, so that every filter of PNG is used."""
    width, height = size
    down, across = np.mgrid[:height, :width]
    noise = np.random.default_rng(8).integers(0, 9, (height, width))
    rgba = np.stack([across % 256, down % 256, (across + down + noise) % 256, across * 2 % 256], axis=-1)
    image = Image.fromarray(rgba.astype(np.uint8))
    if mode == "I;16":
        return Image.fromarray((across * down % 65_536).astype(np.uint16))
    return image.convert("RGB").quantize(200) if mode == "P" else image.convert(mode)


@pytest.mark.parametrize("options", [{}, {"compress_level": 0}, {"compress_level": 1}, {"optimize": True}])
@pytest.mark.parametrize("mode", MODES)
def test_pixels_are_the_same(mode: str, options: dict[str, Any]) -> None:
    size = (1401, 223) if mode == "1" else (301, 223)
    data = saved(picture(mode, size), "PNG", **options)
    stored = inflated(data)

    assert stored is not None
    with Image.open(io.BytesIO(data)) as expected, Image.open(io.BytesIO(stored)) as found:
        assert (found.mode, found.size) == (expected.mode, expected.size)
        assert found.tobytes() == expected.tobytes()
        assert found.info == expected.info


@pytest.mark.parametrize(
    "name", ["transparent colour", "transparent palette", "eXIf in front", "eXIf behind", "many chunks"]
)
def test_everything_beside_the_pixels_stays(name: str) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    data = {
        "transparent colour": lambda: saved(picture("RGB"), "PNG", transparency=(0, 0, 3)),
        "transparent palette": lambda: saved(picture("P"), "PNG", transparency=bytes(range(200))),
        "eXIf in front": lambda: saved(picture("RGB"), "PNG", exif=turned),
        "eXIf behind": lambda: moved_behind(saved(picture("RGB"), "PNG", exif=turned), b"eXIf"),
        "many chunks": lambda: cut(saved(picture("RGBA"), "PNG"), 97),
    }[name]()

    assert inflated(data) is not None
    assert decoded(data) == without(data)


@pytest.mark.parametrize(
    "size", [(1, 1), (63, 65), (64, 64), (1, 9000), (9000, 1), (4096, 4), (65_535, 1), (21_845, 2)]
)
def test_pictures_of_odd_shapes(size: tuple[int, int]) -> None:
    data = saved(picture("RGBA", size), "PNG")

    assert (inflated(data) is None) == (size[1] * (1 + 4 * size[0]) < png_inflate.LEAST_BYTES)
    assert decoded(data) == without(data)


def test_what_is_not_one_whole_stream_is_left_to_pillow() -> None:
    whole = saved(picture("RGBA"), "PNG")
    chunks = chunks_of(whole)
    pixels = next(content for name, content in chunks if name == b"IDAT")
    gap = [(b"IDAT", pixels[:900]), (b"tEXt", b"a\0b"), (b"IDAT", pixels[900:])]
    frames = saved(picture("RGBA"), "PNG", save_all=True, append_images=[picture("L").convert("RGBA")])
    for data in (
        b"", SIGNATURE, whole[:40], whole[: len(whole) // 2], whole[:-30], frames,
        of_chunks([*chunks[:1], *gap, *chunks[-1:]]),
        of_chunks([*chunks[:1], (b"IDAT", pixels[:-1] + bytes([pixels[-1] ^ 1])), *chunks[-1:]]),
        of_chunks([*chunks[:1], (b"IDAT", zlib.compress(zlib.decompress(pixels) + b"\0")), *chunks[-1:]]),
        of_chunks([*chunks[:1], (b"IDAT", zlib.compress(zlib.decompress(pixels)[:-1])), *chunks[-1:]]),
        of_chunks([*chunks[:1], *chunks[-1:]]),
        of_chunks([(b"IHDR", chunks[0][1][:-1] + b"\1"), *chunks[1:]]),  # interlaced
    ):  # fmt: skip
        assert inflated(data) is None
        assert decoded(data) == without(data)


def test_damage_has_the_same_outcome() -> None:
    chance = random.Random(11)
    whole = saved(picture("RGBA"), "PNG")
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(chance.choice((1, 1, 2, 8))):
            data[chance.randrange(chance.choice((60, len(data))))] = chance.randrange(256)
        if chance.random() < 0.2:
            del data[chance.randrange(len(data)) :]

        assert decoded(bytes(data)) == without(bytes(data))


def test_too_little_memory_for_all_pixels_at_once_costs_no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        DeflateError = ValueError

        @staticmethod
        def zlib_decompress(data: bytes, length: int) -> bytes:
            raise MemoryError

    data = saved(picture("RGBA"), "PNG")
    monkeypatch.setattr(png_inflate, "deflate", Full)

    assert decoded(data) == without(data)


def decoded(data: bytes) -> object:
    """The pixels, or why there are none."""
    try:
        picture = pictures.decode(data, Limits())
    except Unreadable as cause:
        return cause.error_class, cause.message
    return picture.rgba.shape, picture.rgba.tobytes(), picture.mode, picture.frames


def without(data: bytes) -> object:
    """The same without libdeflate."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(png_inflate, "deflate", None)
        return decoded(data)


def chunks_of(data: bytes) -> list[tuple[bytes, bytes]]:
    found, place = [], len(SIGNATURE)
    while place < len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        found.append((data[place + 4 : place + 8], data[place + 8 : place + 8 + length]))
        place += 12 + length
    return found


def of_chunks(chunks: list[tuple[bytes, bytes]]) -> bytes:
    written = [
        len(content).to_bytes(4, "big") + name + content + zlib.crc32(name + content).to_bytes(4, "big")
        for name, content in chunks
    ]
    return SIGNATURE + b"".join(written)


def moved_behind(data: bytes, wanted: bytes) -> bytes:
    """With a chunk behind the pixels."""
    chunks = chunks_of(data)
    moved = [chunk for chunk in chunks if chunk[0] == wanted]
    rest = [chunk for chunk in chunks if chunk[0] != wanted]
    return of_chunks([*rest[:-1], *moved, rest[-1]])


def cut(data: bytes, length: int) -> bytes:
    """With its pixels in many chunks, some of them empty."""
    chunks: list[tuple[bytes, bytes]] = []
    for name, content in chunks_of(data):
        if name != b"IDAT":
            chunks.append((name, content))
            continue
        for start in range(0, len(content), length):
            chunks += [(name, content[start : start + length]), (name, b"")]
    return of_chunks(chunks)
