"""XCF, Aseprite, PSD, KRA and ORA: what is visible in them, to the pixel, and a reason for everything else."""

import contextlib
import struct
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ogaart.imaging import pictures
from ogaart.imaging.errors import Reason, Unreadable
from ogaart.imaging.limits import Limits
from ogaart.imaging.unpacker import Unpacker
from ogaart_tests.imaging.builders import BUSH, FROG, png, zipped
from ogaart_tests.imaging.conftest import Unpack
from ogaart_tests.imaging.layered_files import (
    XcfLayer,
    ase_cel,
    ase_layer,
    ase_link,
    ase_palette,
    aseprite,
    chunk,
    psd,
    solid,
    xcf,
)  # fmt: skip

LIMITS = Limits(max_pixels=1_000_000)
RED, GREEN, BLUE, CLEAR = (255, 0, 0, 255), (0, 255, 0, 255), (0, 0, 255, 255), (0, 0, 0, 0)


def pixel(data: bytes, x: int = 0, y: int = 0) -> tuple[int, ...]:
    return tuple(int(v) for v in pictures.decode(data, LIMITS).rgba[y, x])


def reason_of(data: bytes) -> tuple[Reason, str]:
    with pytest.raises(Unreadable) as caught:
        pictures.decode(data, LIMITS)
    return caught.value.error_class, caught.value.message


# -- XCF


@pytest.mark.parametrize("version", [0, 1, 2, 3, 4, 7, 10, 11, 12, 14, 18])
@pytest.mark.parametrize("compression", [0, 1, 2])
def test_xcf_of_every_version_and_compression(version: int, compression: int) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (70, 130, 4), np.uint8)
    pixels[..., 3] = 255
    precision = 0 if version == 4 else 150
    data = xcf([XcfLayer(pixels)], (130, 70), version=version, compression=compression, precision=precision)

    decoded = pictures.decode(data, LIMITS)

    assert (decoded.format, decoded.mode, decoded.frames) == ("xcf", "RGB", 1)
    assert np.array_equal(decoded.rgba, pixels)


def test_xcf_layers_are_composited_from_the_bottom() -> None:
    layers = [
        XcfLayer(solid(GREEN, 2, 2), left=-1, top=3),
        XcfLayer(solid(BLUE), visible=False),
        XcfLayer(solid(RED, 2, 2), left=2, top=2, opacity=128),
        XcfLayer(solid((255, 255, 255))),
    ]
    data = xcf(layers)

    assert [pixel(data, 0, 0), pixel(data, 0, 3), pixel(data, 3, 3)] == [
        (255, 255, 255, 255),
        GREEN,
        (255, 127, 127, 255),
    ]


def test_xcf_colour_modes() -> None:
    assert pixel(xcf([XcfLayer(solid((7, 128)))], base=1)) == (7, 7, 7, 128)
    assert pixel(xcf([XcfLayer(solid((9,)))], base=1)) == (9, 9, 9, 255)
    assert pixel(xcf([XcfLayer(solid((1, 255)))], base=2, palette=[(1, 2, 3), (4, 5, 6)])) == (4, 5, 6, 255)


def test_xcf_masks_and_groups() -> None:
    half = np.full((4, 4), 255, np.uint8)
    half[:, 2:] = 0
    masked = xcf([XcfLayer(solid(RED), mask=half), XcfLayer(solid(BLUE))])
    assert [pixel(masked, 0), pixel(masked, 3)] == [RED, BLUE]
    not_applied = XcfLayer(solid(RED), mask=half, extra=[(11, struct.pack(">I", 0))])
    assert pixel(xcf([not_applied, XcfLayer(solid(BLUE))]), 3) == RED

    group = XcfLayer(solid(CLEAR), group=True, opacity=0)
    inside = XcfLayer(solid(GREEN), path=(0, 0))
    assert pixel(xcf([group, inside, XcfLayer(solid(BLUE))])) == BLUE
    group.opacity = 255
    assert pixel(xcf([group, inside, XcfLayer(solid(BLUE))])) == GREEN
    group.visible = False
    assert pixel(xcf([group, inside, XcfLayer(solid(BLUE))])) == BLUE


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (0, (100, 150, 200, 255)),
        (3, (78, 88, 78, 255)),
        (4, (222, 212, 222, 255)),
        (6, (100, 0, 100, 255)),
        (7, (255, 255, 255, 255)),
        (8, (100, 0, 0, 255)),
        (9, (100, 150, 100, 255)),
        (10, (200, 150, 200, 255)),
        (23, (188, 169, 157, 255)),
    ],
)
def test_xcf_blend_modes(mode: int, expected: tuple[int, ...]) -> None:
    top, bottom = XcfLayer(solid((100, 150, 200, 255)), mode=mode), XcfLayer(solid((200, 150, 100, 255)))
    data = xcf([top, bottom], version=10)

    assert np.abs(np.subtract(pixel(data), expected)).max() <= 1
    assert pixel(xcf([top], version=10)) == (100, 150, 200, 255)  # the lowest layer is always shown in normal mode


def test_xcf_of_gimp_2_10_mixes_in_linear_light() -> None:
    top = XcfLayer(solid((255, 255, 255, 255)), opacity=128, mode=28)

    assert pixel(xcf([top, XcfLayer(solid((0, 0, 0, 255)))], version=10))[0] in (187, 188, 189)
    gamma = XcfLayer(top.pixels, opacity=128, mode=28, extra=[(36, struct.pack(">i", 2))])
    assert pixel(xcf([gamma, XcfLayer(solid((0, 0, 0, 255)))], version=10))[0] == 128


@pytest.mark.parametrize(
    ("data", "reason", "words"),
    [
        (xcf([XcfLayer(solid(RED))], version=12, precision=250), Reason.UNSUPPORTED, "precision 250"),
        (xcf([XcfLayer(solid(RED), mode=24), XcfLayer(solid(RED))], version=9), Reason.UNSUPPORTED, "LCH hue"),
        (xcf([XcfLayer(solid(RED), mode=1), XcfLayer(solid(RED))]), Reason.UNSUPPORTED, "dissolve"),
        (xcf([XcfLayer(solid(RED), extra=[(5, bytes(4))])]), Reason.UNSUPPORTED, "floating selection"),
        (xcf([XcfLayer(solid(RED))], compression=3), Reason.UNSUPPORTED, "compression 3"),
        (xcf([XcfLayer(solid(RED))], (4000, 4000)), Reason.TOO_MANY_PIXELS, "OGAART_MAX_PIXELS is 1,000,000"),
        (xcf([XcfLayer(solid(RED))])[:-30], Reason.CORRUPT, "ends early"),
        (xcf([XcfLayer(solid(RED), visible=False)]), Reason.NOT_A_PICTURE, "fully transparent"),
        (xcf([]), Reason.NOT_A_PICTURE, "fully transparent"),
    ],
)
def test_xcf_refusals_say_why(data: bytes, reason: Reason, words: str) -> None:
    found, message = reason_of(data)

    assert found is reason
    assert words in message


# -- Aseprite


def test_aseprite_colour_depths() -> None:
    assert pixel(aseprite([[ase_layer(), ase_cel(0, solid(RED))]])) == RED
    assert pixel(aseprite([[ase_layer(), ase_cel(0, solid(RED), raw=True)]])) == RED
    assert pixel(aseprite([[ase_layer(), ase_cel(0, solid((9, 77)))]], depth=16)) == (9, 9, 9, 77)
    palette = ase_palette([(1, 1, 1, 255), (4, 5, 6, 255)])
    indexed = [palette, ase_layer(), ase_cel(0, solid((1,))), ase_cel(0, solid((0,), 1, 1))]
    assert pixel(aseprite([indexed], depth=8)) == (4, 5, 6, 255)
    background = aseprite([[palette, ase_layer(flags=9), ase_cel(0, solid((0,)))]], depth=8)
    assert pixel(background) == (1, 1, 1, 255)
    old = chunk(0x0004, struct.pack("<HBB", 1, 0, 2) + bytes([0, 0, 0, 9, 8, 7]))
    assert pixel(aseprite([[old, ase_layer(), ase_cel(0, solid((1,)))]], depth=8)) == (9, 8, 7, 255)


def test_aseprite_layers() -> None:
    layers = [ase_layer(), ase_layer(flags=0), ase_layer(opacity=128), ase_layer(kind=1, flags=0), ase_layer(level=1)]
    cels = [
        ase_cel(0, solid((0, 0, 0, 255))),
        ase_cel(1, solid(GREEN)),
        ase_cel(2, solid((255, 255, 255, 255), 2, 2), left=-1, top=-1),
        ase_cel(4, solid(BLUE)),
    ]
    data = aseprite([[*layers, *cels]])

    assert [pixel(data, 0), pixel(data, 1)] == [(128, 128, 128, 255), (0, 0, 0, 255)]
    ordered = [ase_layer(), ase_layer(), ase_cel(0, solid(RED), z=2), ase_cel(1, solid(BLUE))]
    assert pixel(aseprite([ordered])) == RED
    multiplied = [
        ase_layer(),
        ase_layer(mode=1),
        ase_cel(0, solid((200, 100, 50, 255))),
        ase_cel(1, solid((128,) * 3 + (255,))),
    ]
    assert pixel(aseprite([multiplied])) == (100, 50, 25, 255)


def test_aseprite_frames() -> None:
    frames = [[ase_layer()], [ase_cel(0, solid(CLEAR))], [ase_cel(0, solid(GREEN))], [ase_link(0, 2)]]
    decoded = pictures.decode(aseprite(frames), LIMITS)
    assert (tuple(decoded.rgba[0, 0]), decoded.frames, decoded.mode) == (GREEN, 4, "RGBA")

    assert pixel(aseprite([[ase_layer(), ase_link(0, 1)], [ase_cel(0, solid(BLUE))]])) == BLUE
    circle = aseprite([[ase_layer(), ase_link(0, 1)], [ase_link(0, 0)]])
    assert reason_of(circle) == (Reason.CORRUPT, "aseprite: Aseprite cels that link to each other in a circle")


def test_aseprite_tilemaps() -> None:
    tiles = np.concatenate([solid(CLEAR, 2, 2), solid(RED, 2, 2), solid(BLUE, 2, 2)])
    tiles[2, 0] = GREEN
    packed = zlib.compress(tiles.tobytes())
    tileset = chunk(
        0x2023,
        struct.pack("<IIIHHh14x", 0, 2, 3, 2, 2, 1) + struct.pack("<H", 0) + struct.pack("<I", len(packed)) + packed,
    )
    numbers = np.array([1, 2, 0, 1 | 0x20000000], "<u4")
    head = struct.pack("<HhhBHh5x", 0, 0, 0, 255, 3, 0)
    body = struct.pack("<HHHIIII10x", 2, 2, 32, 0x1FFFFFFF, 0x20000000, 0x40000000, 0x80000000)
    data = aseprite([[tileset, ase_layer(kind=2), chunk(0x2005, head + body + zlib.compress(numbers.tobytes()))]])

    assert [pixel(data, x, y) for x, y in [(0, 0), (1, 0), (2, 0), (0, 2), (2, 2), (3, 2)]] == [
        GREEN, RED, BLUE, CLEAR, RED, GREEN,
    ]  # fmt: skip


# -- PSD


LIGHT = np.array([[0, 1, 13, 55, 113, 128, 255]], np.uint8)
SHOWN = np.array([[0, 13, 64, 128, 178, 188, 255]], np.uint8)
"""The amounts of light as sRGB's samples: 255 * (1.055 * (n / 255) ** (1 / 2.4) - 0.055)."""


def test_a_psd_of_32_bits_is_shown_with_its_gamma() -> None:
    dark, solid_alpha = np.zeros_like(LIGHT), np.full_like(LIGHT, 255)
    expected = np.dstack([SHOWN, dark, dark + 255, solid_alpha])
    for version in (1, 2):
        for extra in ([], [dark, dark]):
            planes = [LIGHT, dark, solid_alpha, *extra]
            assert np.array_equal(pictures.decode(psd(planes, depth=32, version=version), LIMITS).rgba, expected)
    grey = pictures.decode(psd([LIGHT], mode=1, depth=32), LIMITS)
    assert np.array_equal(grey.rgba, np.dstack([SHOWN, SHOWN, SHOWN, solid_alpha]))
    assert grey.mode.endswith("32 bits")

    odd = np.array([7, -1, np.inf, np.nan, 0, 0, 0], ">f4").tobytes()
    brighter = psd([LIGHT], mode=1, depth=32)
    assert pictures.decode(brighter[: -len(odd)] + odd, LIMITS).rgba[0, :4, 0].tolist() == [255, 0, 255, 0]


def test_psd_variants_are_their_reference_pixels() -> None:
    random = np.random.default_rng(5)
    red, green, blue, extra = (random.integers(0, 256, (6, 5), np.uint8) for _ in range(4))
    expected = np.dstack([red, green, blue, np.full_like(red, 255)])
    for depth in (8, 16):
        for version in (1, 2):
            for planes in ([red, green, blue], [red, green, blue, extra, extra], [red, green, blue, *[extra] * 3]):
                decoded = pictures.decode(psd(planes, depth=depth, version=version), LIMITS)
                assert np.array_equal(decoded.rgba, expected), (depth, version, len(planes))
    alpha = np.where(extra > 127, 255, 0).astype(np.uint8)
    seen = pictures.decode(psd([red, green, blue, alpha]), LIMITS).rgba
    assert np.array_equal(seen, np.where(alpha[..., None] > 0, np.dstack([red, green, blue, alpha]), 0))
    grey = pictures.decode(psd([red], mode=1, depth=16), LIMITS)
    assert np.array_equal(grey.rgba[..., 0], red)


def test_psd_in_cmyk_with_alpha() -> None:
    full, none = np.zeros((2, 2), np.uint8), np.full((2, 2), 255, np.uint8)

    for planes in ([none, full, full, none], [none, full, full, none, none]):  # inverted: 0 is full ink
        assert pixel(psd(planes, mode=4)) == RED


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (psd([np.zeros((2, 2), np.uint8)] * 3, has_merged=False), "without a merged picture"),
        (psd([np.zeros((2, 2), np.uint8)] * 3, mode=9), "Lab, 8 bits"),
        (psd([np.zeros((2, 2), np.uint8)] * 3, mode=7), "multichannel"),
    ],
)
def test_psd_refusals_say_why(data: bytes, words: str) -> None:
    reason, message = reason_of(data)

    assert reason is Reason.UNSUPPORTED
    assert words in message


@pytest.mark.parametrize("mode", [1, 8], ids=["grey", "duotone"])
def test_saved_selections_of_a_grey_psd_are_no_transparency(mode: int) -> None:
    planes = [solid((value,))[..., 0] for value in (90, 0, 7)]

    assert pixel(psd(planes, mode=mode)) == (90, 90, 90, 255)
    assert reason_of(psd(planes[:2], mode=mode))[1] == "psd: fully transparent"


@pytest.mark.parametrize(("mode", "depth"), [(2, 16), (4, 32), (2, 32)])
def test_a_psd_of_bits_that_its_mode_cannot_have_is_unsupported(mode: int, depth: int) -> None:
    data = bytearray(psd([solid((9,))[..., 0]] * 4, mode=mode))
    struct.pack_into(">H", data, 22, depth)

    assert reason_of(bytes(data))[0] is Reason.UNSUPPORTED


@pytest.mark.parametrize("prediction", [2, 3])
def test_a_merged_picture_of_a_psd_that_is_compressed_by_zip(prediction: int) -> None:
    data = psd([solid((value,))[..., 0] for value in (9, 0, 0)])
    place = len(data) - 3 * 16 - 2
    rows = data[place + 2 :]
    if prediction == 3:
        rows = bytes(value if n % 4 == 0 else 0 for n, value in enumerate(rows))

    assert pixel(data[:place] + struct.pack(">H", prediction) + zlib.compress(rows)) == (9, 0, 0, 255)


# -- KRA and ORA


@pytest.mark.parametrize(("mimetype", "form"), [(b"application/x-krita", "kra"), (b"image/openraster", "ora")])
def test_the_merged_picture_of_a_layered_zip(mimetype: bytes, form: str, unpacker: Unpacker) -> None:
    members = {
        "mimetype": mimetype,
        "mergedimage.png": FROG,
        "Thumbnails/thumbnail.png": png(),
        "data/layer0.png": png(),
    }
    data = zipped(members, 0)

    decoded = pictures.decode(data, LIMITS)
    assert decoded.format == form
    assert np.array_equal(decoded.rgba, pictures.decode(FROG, LIMITS).rgba)
    uploaded = unpacker.decode_one(data, max_bytes=1 << 20, max_pixels=1 << 20)
    assert np.array_equal(uploaded.rgba, decoded.rgba)
    del members["mergedimage.png"]
    assert reason_of(zipped(members, 0))[0] is Reason.UNSUPPORTED


@pytest.mark.parametrize(
    ("names", "compression"),
    [
        (("mimetype", "mergedimage.png", "stack.xml"), 8),
        (("data/layer0.png", "mergedimage.png", "mimetype"), 0),
        (("stack.xml", "data/layer0.png", "mergedimage.png", "mimetype"), 14),
        (("stack.xml", "data/layer0.png", "mergedimage.png"), 8),
        (("mergedimage.png", "maindoc.xml", "data/layer0.png"), 12),
    ],
    ids=["deflated", "last", "lzma", "without mimetype", "krita without mimetype"],
)
def test_a_layered_zip_that_was_zipped_again_is_one_picture(
    names: tuple[str, ...], compression: int, unpacker: Unpacker, unpack: Unpack
) -> None:
    members = {"mergedimage.png": FROG, "mimetype": b"image/openraster\n", "stack.xml": b"<image/>"}
    data = zipped({name: members.get(name, png()) for name in names}, compression)

    [alone] = unpack(data)
    inside = unpack(zipped({"a/art.ora": data, "b.png": BUSH}))

    pixels = pictures.decode(FROG, LIMITS).rgba
    assert np.array_equal(unpacker.decode_one(data, max_bytes=1 << 20, max_pixels=1 << 20).rgba, pixels)
    assert (alone.member_path, alone.format in {"ora", "kra"}) == ("", True)
    assert [(row.member_path, row.pixel_sha256 == alone.pixel_sha256) for row in inside] == [
        ("a/art.ora", True),
        ("b.png", False),
    ]
    assert inside[0].content == data


@pytest.mark.parametrize(
    "members",
    [
        {"mimetype": b"application/epub+zip", "frog.png": FROG},
        {"mergedimage.png": FROG, "other.xml": b"<x/>"},
        {"art/mimetype": b"image/openraster", "art/mergedimage.png": FROG},
    ],
)
def test_a_zip_that_only_resembles_a_layered_one_is_an_archive(members: dict[str, bytes], unpack: Unpack) -> None:
    assert [row.member_path for row in unpack(zipped(members))] == list(members)


def merged_as(*, method: int | None = None, flags: int = 0) -> bytes:
    """An OpenRaster file whose merged picture states another compression method, or flags."""
    data = bytearray(zipped({"mimetype": b"image/openraster", "mergedimage.png": FROG}, 0))
    for magic, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = data.rindex(magic) + at
        struct.pack_into("<HH", data, place, flags, 0 if method is None else method)
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "reason", "words"),
    [
        (merged_as(flags=1), Reason.ENCRYPTED, "mergedimage.png is encrypted; its password is not known"),
        (merged_as(flags=0x41, method=99), Reason.ENCRYPTED, "encrypted"),  # AES
        (merged_as(method=9), Reason.UNSUPPORTED, "compression method"),  # Deflate64
        (merged_as(method=98), Reason.UNSUPPORTED, "compression method"),  # PPMd
        (merged_as(method=8), Reason.CORRUPT, "ora: "),
    ],
)
def test_a_merged_picture_that_cannot_be_unpacked_says_why(data: bytes, reason: Reason, words: str) -> None:
    found, message = reason_of(data)

    assert found is reason
    assert words in message


def test_layered_files_are_pictures_as_uploads(unpacker: Unpacker) -> None:
    for data in (
        xcf([XcfLayer(solid(RED))]),
        aseprite([[ase_layer(), ase_cel(0, solid(RED))]]),
        psd([solid((9,))[..., 0]] * 5),
    ):
        assert unpacker.decode_one(data, max_bytes=1 << 20, max_pixels=1 << 20).rgba.shape == (4, 4, 4)


# -- fuzzing

_WHOLE = [
    xcf(
        [
            XcfLayer(solid(RED), mask=solid((9,))[..., 0]),
            XcfLayer(solid(BLUE), group=True),
            XcfLayer(solid(GREEN), path=(1, 0)),
        ]
    ),
    xcf([XcfLayer(solid((1, 255)), mode=30)], base=2, palette=[(1, 2, 3)] * 4, version=11, compression=2),
    aseprite(
        [
            [ase_palette([RED, BLUE]), ase_layer(), ase_layer(mode=9), ase_cel(0, solid(RED)), ase_cel(1, solid(BLUE))],
            [ase_link(0, 0)],
        ]
    ),
    psd([solid((9,))[..., 0]] * 5, depth=16),
    zipped({"mimetype": b"image/openraster", "mergedimage.png": png()}, 0),
]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(st.data())
def test_any_damage_is_a_picture_or_a_reason(data: st.DataObject) -> None:
    content = bytearray(data.draw(st.sampled_from(_WHOLE)))
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.sampled_from([0, 1, 127, 128, 255]) | st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    with contextlib.suppress(Unreadable):
        pictures.decode(bytes(content[:cut] if data.draw(st.booleans()) else content), LIMITS)


@pytest.mark.slow
def test_much_damage_is_a_picture_or_a_reason() -> None:
    random = np.random.default_rng(11)
    for n in range(6000):
        content = bytearray(_WHOLE[n % len(_WHOLE)])
        for place in random.integers(0, len(content), random.integers(1, 8)):
            content[place] = random.integers(0, 256)
        with contextlib.suppress(Unreadable):
            pictures.decode(bytes(content), LIMITS)
