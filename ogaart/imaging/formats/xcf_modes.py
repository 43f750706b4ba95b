"""GIMP's layer modes by number: which are read, and the spaces that they are composited and blended in."""

from ogaart.imaging.formats import layers
from ogaart.imaging.formats.errors import Unsupported
from ogaart.imaging.formats.layers import Mode


def _modes() -> dict[int, Mode]:
    """GIMP's layer modes by number, with the spaces that it composites and blends them in."""
    legacy = {
        3: layers.multiply, 4: layers.screen, 5: layers.gimp_soft_light, 6: layers.difference, 7: layers.addition,
        8: layers.subtract, 9: layers.darken, 10: layers.lighten, 15: layers.divide, 16: layers.dodge,
        17: layers.burn, 18: layers.hard_light, 19: layers.gimp_soft_light, 20: layers.grain_extract,
        21: layers.grain_merge,
    }  # fmt: skip
    perceptual = {
        23: layers.overlay, 31: layers.screen, 32: layers.difference, 42: layers.dodge, 43: layers.burn,
        44: layers.hard_light, 45: layers.gimp_soft_light, 46: layers.grain_extract, 47: layers.grain_merge,
        52: layers.exclusion,
    }  # fmt: skip
    linear = {
        30: layers.multiply, 33: layers.addition, 34: layers.subtract, 35: layers.darken, 36: layers.lighten,
        41: layers.divide,
    }  # fmt: skip
    return {
        0: Mode(),
        28: Mode(linear_composite=True),
        **{number: Mode(blend, clipped=True, legacy=True) for number, blend in legacy.items()},
        **{number: Mode(blend, clipped=True, linear_composite=True) for number, blend in perceptual.items()},
        **{number: Mode(blend, True, True, True) for number, blend in linear.items()},
    }


MODES = _modes()
PASS_THROUGH = 61
_MODE_NAMES = {
    1: "dissolve", 2: "behind", 11: "hue", 12: "saturation", 13: "colour", 14: "value", 22: "colour erase",
    24: "LCH hue", 25: "LCH chroma", 26: "LCH colour", 27: "LCH lightness", 29: "behind", 37: "HSV hue",
    38: "HSV saturation", 39: "HSL colour", 40: "HSV value", 48: "vivid light", 49: "pin light", 50: "linear light",
    51: "hard mix", 53: "linear burn", 54: "luma darken only", 55: "luma lighten only", 56: "luminance",
    57: "colour erase", 58: "erase", 59: "merge", 60: "split", 62: "replace", 63: "anti erase",
}  # fmt: skip


def mode_of(number: int, spaces: tuple[int, int, int], *, lowest: bool, group: bool, partial: bool) -> Mode:
    """How a layer is composited.

    Args:
        number: of its mode.
        spaces: composite mode, composite space and blend space as the file states them; 0 and below: the default.
        lowest: nothing is below it: GIMP shows it in normal mode.
        group: it is a group of layers.
        partial: it has a mask or an opacity below 1.

    Raises:
        Unsupported: the mode, or its spaces, are not read.
    """
    if number == PASS_THROUGH and group:
        if partial:
            raise Unsupported("XCF with a pass-through group of partial opacity")
        return MODES[28]
    mode = MODES.get(number)
    if lowest and mode is not None and mode.blend is not None:
        return MODES[28 if number >= 23 else 0]
    if mode is None:
        if lowest and number != 1 and number in _MODE_NAMES:
            return MODES[28 if number >= 23 else 0]
        raise Unsupported(f"XCF layer in mode {_MODE_NAMES.get(number, number)}")
    return _in_spaces(number, mode, spaces)


def _in_spaces(number: int, mode: Mode, spaces: tuple[int, int, int]) -> Mode:
    """The mode with what the file says of composite mode and colour spaces."""
    composite_mode, composite, blend = spaces
    if composite_mode > 2 and number >= 23:
        raise Unsupported(f"XCF layer of composite mode {composite_mode}")
    if {composite, blend} & {3} or max(composite, blend) > 4:
        raise Unsupported(f"XCF layer blended in colour space {max(composite, blend)}")
    if number < 23:
        return mode
    clipped = mode.clipped if composite_mode <= 0 else composite_mode == 2
    return Mode(
        mode.blend,
        clipped,
        mode.linear_blend if blend <= 0 else blend == 1,
        mode.linear_composite if composite <= 0 else composite == 1,
    )
