"""Identity is for ever: hashes and ids of a golden file, and their definition written out a second time."""

import hashlib
import json
import struct
from pathlib import Path

import numpy as np
import pytest

from ogaart.imaging import identity, pictures
from ogaart.imaging.limits import Limits
from ogaart_tests.imaging.builders import ART

GOLDEN = Path(__file__).parent / "golden.json"
SLUGS = ("frog", "pixel-art-%-100", "картинка", "a/b")


def computed() -> dict[str, object]:
    hashes = {
        path.name: identity.pixel_sha256(pictures.decode(path, Limits()).rgba) for path in sorted(ART.glob("*.png"))
    }
    ids = {slug: {name: str(identity.image_id(slug, value)) for name, value in hashes.items()} for slug in SLUGS}
    return {"pixels_version": identity.PIXELS_VERSION, "pixel_sha256": hashes, "image_id": ids}


def test_golden() -> None:
    # A difference here changes every id in every catalog: raise PIXELS_VERSION and rewrite the file.
    assert computed() == json.loads(GOLDEN.read_text(encoding="utf-8"))


def test_definition() -> None:
    rgba = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
    pixels = hashlib.sha256(struct.pack("<II", 3, 2) + rgba.tobytes()).hexdigest()
    assert identity.pixel_sha256(rgba) == pixels
    assert identity.pixel_sha256(np.ascontiguousarray(rgba[:, ::-1])[:, ::-1]) == pixels

    digest = hashlib.sha256(b"ogaart-image-1\0" + "é".encode() + b"\0" + bytes.fromhex(pixels)).digest()
    assert identity.image_id("é", pixels) == int.from_bytes(digest, "big") >> 193
    assert 0 <= identity.image_id("é", pixels) < 1 << 63


def test_shape_is_part_of_the_hash() -> None:
    flat = np.zeros((2, 3, 4), dtype=np.uint8)
    assert identity.pixel_sha256(flat) != identity.pixel_sha256(flat.reshape(3, 2, 4))


def test_refusals() -> None:
    with pytest.raises(ValueError, match=r"\(H, W, 4\) uint8"):
        identity.pixel_sha256(np.zeros((2, 2, 3), dtype=np.uint8))
    with pytest.raises(ValueError, match="64 hex digits"):
        identity.image_id("a", "00ff")
