"""Photoshop's PSD and PSB to pixels through psd-tools: the merged picture, or the layers where there is none.

Imported by the decoding process alone, and psd-tools only when the first such file comes.
"""

from __future__ import annotations

import io
import logging
import struct
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ogaart.imaging.formats.errors import Damaged, TooManyPixels, Unsupported

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from psd_tools import PSDImage

MODES = {0: "bitmap", 1: "grey", 2: "indexed", 3: "RGB", 4: "CMYK", 7: "multichannel", 8: "duotone", 9: "Lab"}
_READ = {0, 1, 2, 3, 4, 8}
_PLAIN = {(1, 1), (2, 1), (3, 3)}
"""(colour mode, channels) of 8 bits in which a merged picture can hold nothing but its colours."""
_DEPTHS = {0: (1,), 2: (8,), 4: (8, 16)}
"""Bits of a sample that a colour mode can have, where these are not 8, 16 and 32."""
_COLOURS = {"RGBA": 3, "LA": 1}
"""Colours of a picture with alpha, by Pillow's mode."""
_RAW, _RUNS = 0, 1
"""Compressions of the merged picture that Pillow reads."""
_COMPOSITE_MODES = {1, 3, 4, 8}
_LINEAR_DEPTH = 32
"""Bits of a sample that is an amount of light: such files have no gamma, which makes dark what is shown as it is."""


def header(data: bytes) -> tuple[int, int, int, int, int, int]:
    """Version, channels, height, width, depth and colour mode.

    Raises:
        Damaged: fewer bytes than a header.
    """
    if len(data) < 26:
        raise Damaged(f"PSD of {len(data)} bytes")
    version, channels, height, width, depth, mode = struct.unpack_from(">H6xHIIHH", data, 4)
    return version, channels, height, width, depth, mode


def is_plain(data: bytes) -> bool:
    """Whether Pillow reads its merged picture right: PSD, 8 bits, exactly the channels of its colour mode."""
    version, channels, _, _, depth, mode = header(data)
    if version != 1 or depth != 8 or (mode, channels) not in _PLAIN:
        return False
    return _compression(data) in (None, _RAW, _RUNS) and _has_merged(data)


def _compression(data: bytes) -> int | None:
    """How the merged picture of a PSD is compressed; None where the file ends before it."""
    place = 26
    try:
        for _ in ("colours", "resources", "layers"):
            (length,) = struct.unpack_from(">I", data, place)
            place += 4 + length
        return int(struct.unpack_from(">H", data, place)[0])
    except struct.error:
        return None


def _has_merged(data: bytes) -> bool:
    """What the version resource (0x0421) says; without it there is a merged picture."""
    try:
        place = 26
        (length,) = struct.unpack_from(">I", data, place)
        place += 4 + length
        (length,) = struct.unpack_from(">I", data, place)
        place += 4
        end = min(place + length, len(data))
        while place + 12 <= end:
            signature, number, name = struct.unpack_from(">4sHB", data, place)
            if signature not in (b"8BIM", b"MeSa", b"PHUT", b"AgHg", b"DCSR"):
                return True
            place += 6 + (name + 2 & ~1)
            (size,) = struct.unpack_from(">I", data, place)
            if number == 0x0421:
                return bool(data[place + 8])
            place += 4 + (size + 1 & ~1)
    except (struct.error, IndexError):
        return True
    return True


def decode(data: bytes, max_pixels: int) -> tuple[Image.Image, str]:
    """Read the merged picture.

    Args:
        data: the file's bytes.
        max_pixels: of the picture.

    Returns:
        A picture in RGBA, and the mode as stored, such as "CMYK, 16 bits".

    Raises:
        FormatError: damaged, a variant that is not read, or too many pixels.
    """
    version, channels, height, width, depth, mode = header(data)
    name = "PSB" if version == 2 else "PSD"
    if width * height > max_pixels:
        raise TooManyPixels(f"{width} x {height} = {width * height:,} pixels")
    if not width or not height or not channels:
        raise Damaged(f"{name} of {width} x {height} pixels and {channels} channels")
    about = f"{MODES.get(mode, f'colour mode {mode}')}, {depth} bits"
    if mode not in _READ:
        raise Unsupported(f"{name} in {about}")
    if depth not in (1, 8, 16, 32):
        raise Damaged(f"{name} of {depth} bits")
    if depth not in _DEPTHS.get(mode, (8, 16, 32)):
        raise Unsupported(f"{name} in {about}")

    # Imported here: half a second and 60 MiB that few files need.
    from psd_tools import PSDImage
    from psd_tools.api.utils import get_transparency_index

    logging.getLogger("psd_tools").setLevel(logging.CRITICAL)
    document = PSDImage.open(io.BytesIO(data))
    image = document.topil(apply_icc=False)
    colours = _COLOURS.get(image.mode, channels) if image is not None else channels
    if image is not None and channels > colours + 1 and get_transparency_index(document) < 0:
        # Several channels beside the colours and nothing that makes one of them transparency: saved selections.
        planes = [document.topil(channel) for channel in range(colours)]
        image = Image.merge(image.mode.removesuffix("A"), [plane for plane in planes if plane is not None])
    if image is not None and depth == _LINEAR_DEPTH:
        return _with_gamma(document, image.convert("RGBA")), about
    if image is None:
        if mode not in _COMPOSITE_MODES or not len(document):
            raise Unsupported(f"{name} without a merged picture, in {about}")
        try:
            image = document.composite(apply_icc=False)
        except ImportError as cause:
            raise Unsupported(f"{name} without a merged picture, whose layers need a vector renderer") from cause
        if depth == _LINEAR_DEPTH:
            table = _srgb(np.arange(256) / 255).tolist()
            image = Image.merge("RGBA", [*(b.point(table) for b in image.convert("RGB").split()), _alpha(image)])
    return _to_rgba(image), about


def _to_rgba(image: Image.Image) -> Image.Image:
    if image.mode == "CMYK":
        return image.convert("RGB").convert("RGBA")
    return image.convert("RGBA")


def _with_gamma(document: PSDImage, image: Image.Image) -> Image.Image:
    """The merged picture of a file of 32 bits, in sRGB's gamma.

    Args:
        document: the file.
        image: its merged picture in RGBA without gamma, whose alpha is right.
    """
    samples = document.numpy("color")
    colours = np.broadcast_to(_srgb(samples), (image.height, image.width, 3))
    return Image.fromarray(np.dstack([colours, np.asarray(_alpha(image))]), "RGBA")


def _srgb(light: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Amounts of light from 0 to 1 as sRGB's samples of 8 bits (IEC 61966-2-1); more light than white is white."""
    light = np.clip(np.nan_to_num(light), 0, 1)
    encoded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    samples: NDArray[np.uint8] = np.rint(255 * encoded).astype(np.uint8)
    return samples


def _alpha(image: Image.Image) -> Image.Image:
    return image.convert("RGBA").getchannel("A")
