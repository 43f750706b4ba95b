"""A picture's main colours as palette files: GIMP, a list of hex codes, JASC. Pure."""

from collections.abc import Callable, Mapping, Sequence


def gpl(name: str, colours: Sequence[str]) -> str:
    """A GIMP palette, which Aseprite, Krita and Inkscape read too."""
    rows = [f"{r:3d} {g:3d} {b:3d}\t{colour}" for colour in colours for r, g, b in (_rgb(colour),)]
    return "\n".join(["GIMP Palette", f"Name: {_line(name)}", f"Columns: {len(colours)}", "#", *rows]) + "\n"


def hex_list(_: str, colours: Sequence[str]) -> str:
    """One code a line without its mark, as palette collections publish them."""
    return "".join(f"{colour.lstrip('#')}\n" for colour in colours)


def jasc(_: str, colours: Sequence[str]) -> str:
    """A JASC palette, as Paint Shop Pro and Aseprite read it."""
    rows = [" ".join(str(channel) for channel in _rgb(colour)) for colour in colours]
    return "\r\n".join(["JASC-PAL", "0100", str(len(colours)), *rows]) + "\r\n"


PALETTES: Mapping[str, Callable[[str, Sequence[str]], str]] = {"gpl": gpl, "hex": hex_list, "pal": jasc}
"""By the ending of the file."""


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
