"""The ground on which a picture can be seen: chosen from the luminance of its main colours. Pure."""

from ogaart.search.results import Hit

# CIE lightness of the grounds in ogaart.css: light, dark, grey.
LIGHT, DARK, GREY = 97.0, 10.0, 53.0
_CLEAR = 30.0  # a difference of lightness from which a colour stands out
_ENOUGH = 0.45  # a picture of which less stands out is hard to see


def visibility(lightnesses: tuple[float, ...], shares: tuple[float, ...], ground: float) -> float:
    """How much of a picture stands out from a ground.

    Args:
        lightnesses: of its main colours, 0 to 100.
        shares: their shares of the visible pixels.
        ground: lightness of the ground, 0 to 100.

    Returns:
        0 to 1; 1 where every main colour differs by 30 or more.
    """
    total = sum(shares)
    if not total:
        return 1.0
    seen = sum(
        share * min(1.0, abs(light - ground) / _CLEAR) for light, share in zip(lightnesses, shares, strict=False)
    )
    return seen / total


def ground(hit: Hit) -> str:
    """The class of a tile, with a blank before it: empty where the picture can be seen on both themes' grounds.

    Opaque pictures cover their ground; they need none.
    """
    if not hit.has_alpha or not hit.palette:
        return ""
    light = tuple(map(lightness, hit.palette))
    on_light, on_dark, on_grey = (visibility(light, hit.palette_shares, g) for g in (LIGHT, DARK, GREY))
    if min(on_light, on_dark) >= _ENOUGH:
        return ""
    if max(on_light, on_dark) < _ENOUGH and on_grey > max(on_light, on_dark):
        return " on-grey"
    return " on-light" if on_light > on_dark else " on-dark"


def _linear(channel: int) -> float:
    share = channel / 255
    return share / 12.92 if share <= 0.04045 else float(((share + 0.055) / 1.055) ** 2.4)


_LINEAR = tuple(_linear(channel) for channel in range(256))


def lightness(colour: str) -> float:
    """CIE L* of an sRGB colour ``#rrggbb``, 0 to 100."""
    red, green, blue = (_LINEAR[int(colour[n : n + 2], 16)] for n in (1, 3, 5))
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return 903.3 * luminance if luminance <= 0.008856 else 116.0 * luminance ** (1 / 3) - 16.0
