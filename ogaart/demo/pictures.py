"""Pictures of the demo: their canonical pixels told independently of the platform, other formats, and variants."""

import hashlib
import io
import struct
import zlib

import numpy as np
from PIL import Image

from ogaart.demo.model import DemoPicture


def canonical(data: bytes) -> np.ndarray:
    """Return the canonical pixels, (H, W, 4) uint8: RGBA, colour zeroed where alpha is 0.

    Written apart from the platform's own rules, for the demo's pictures only: one frame, 8 bits, no orientation.

    Raises:
        PIL.UnidentifiedImageError: the bytes are not a picture.
    """
    with Image.open(io.BytesIO(data)) as image:
        rgba = np.array(image.convert("RGBA"))
    rgba[rgba[..., 3] == 0] = 0
    return rgba


def expected(data: bytes, member_path: str = "") -> DemoPicture:
    """Return what reading this picture must find."""
    return of_pixels(canonical(data), member_path)


def shown(data: bytes, member_path: str = "") -> list[DemoPicture]:
    """Return what reading this picture must find: nothing where it is fully transparent."""
    return [expected(data, member_path)] if canonical(data)[..., 3].any() else []


def of_pixels(rgba: np.ndarray, member_path: str = "") -> DemoPicture:
    """Return what reading a picture of these canonical pixels, (H, W, 4) uint8, must find."""
    height, width = rgba.shape[:2]
    digest = hashlib.sha256(struct.pack("<II", width, height) + rgba.tobytes()).hexdigest()
    return DemoPicture(member_path, digest, width, height)


def converted(data: bytes, suffix: str) -> bytes:
    """Return the picture in another format, without loss except for JPEG and for a GIF of too many colours.

    Args:
        data: a picture.
        suffix: gif, jpg, bmp, tga, webp, pcx, tif or png.
    """
    image = Image.fromarray(canonical(data))
    out = io.BytesIO()
    match suffix:
        case "gif":
            _palette_image(image).save(out, "GIF", **_gif_options(image))
        case "webp":
            image.save(out, "WEBP", lossless=True)
        case "tga" | "png":
            image.save(out, suffix.upper())
        case "tif":
            image.save(out, "TIFF")
        case "jpg":
            _flattened(image).save(out, "JPEG", quality=90)
        case "bmp" | "pcx":
            _flattened(image).save(out, suffix.upper())
        case _:
            raise ValueError(f"suffix {suffix!r}: the demo writes gif, jpg, bmp, tga, webp, pcx, tif and png")
    return out.getvalue()


def preview(data: bytes, size: int = 200) -> bytes:
    """Return a small PNG of the picture on grey, as an uploader would add one."""
    image = Image.fromarray(canonical(data))
    image.thumbnail((size, size))
    ground = Image.new("RGBA", (size, size), (119, 119, 119, 255))
    ground.alpha_composite(image, ((size - image.width) // 2, (size - image.height) // 2))
    out = io.BytesIO()
    ground.convert("RGB").save(out, "PNG")
    return out.getvalue()


def varied(data: bytes, name: str, variant: int) -> bytes:
    """Return another picture of the same kind: hue turned and tinted, the same for the same arguments.

    Args:
        data: a picture.
        name: what tells it from others; the suffix decides between JPEG and PNG.
        variant: a number from 1.
    """
    rgba = canonical(data)
    random = np.random.default_rng([zlib.crc32(name.encode()), variant])
    turn = _hue_turn(float(random.uniform(0.08, 0.92)))
    # A tint as well, since greys have no hue; no noise, which would make a copy many times as large.
    tint = random.integers(12, 40, 3, dtype=np.int16) * random.choice([-1, 1], 3)
    colour = rgba[..., :3].astype(np.float32) @ turn.T + tint.astype(np.float32)
    rgba[..., :3] = np.clip(colour, 0, 255).astype(np.uint8)
    out = io.BytesIO()
    image = Image.fromarray(rgba)
    if name.lower().endswith((".jpg", ".jpeg")):
        image.convert("RGB").save(out, "JPEG", quality=90)
    else:
        image.save(out, "PNG", compress_level=1)
    return out.getvalue()


def _hue_turn(turn: float) -> np.ndarray:
    """Return the (3, 3) matrix that turns colours about the grey axis; ``turn`` is a share of the circle."""
    angle = 2 * np.pi * turn
    grey = np.full((3, 3), 1 / 3)
    cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)
    matrix: np.ndarray = np.cos(angle) * np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * grey
    return matrix.astype(np.float32)


def _flattened(image: Image.Image) -> Image.Image:
    ground = Image.new("RGBA", image.size, (119, 119, 119, 255))
    return Image.alpha_composite(ground, image).convert("RGB")


def _palette_image(image: Image.Image) -> Image.Image:
    """Give every colour its own palette index; quantize only where there are more than 255."""
    rgba = np.array(image)
    rgba[rgba[..., 3] < 128] = 0
    colours, index = np.unique(rgba.reshape(-1, 4), axis=0, return_inverse=True)
    if len(colours) > 255:
        return image.convert("RGB").quantize(255, dither=Image.Dither.NONE)
    paletted = Image.fromarray(index.reshape(rgba.shape[:2]).astype(np.uint8), "P")
    paletted.putpalette(colours[:, :3].astype(np.uint8).tobytes())
    return paletted


def _gif_options(image: Image.Image) -> dict[str, int]:
    # np.unique sorts: the transparent colour, all zeros, is index 0.
    return {"transparency": 0} if np.array(image)[..., 3].min() < 128 else {}
