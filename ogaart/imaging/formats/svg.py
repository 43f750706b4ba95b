"""SVG to pixels, through resvg: nothing outside the document is read, and its size is known before it is drawn."""

from __future__ import annotations

import io
import math
from xml.etree import ElementTree

import resvg
from PIL import Image

from ogaart.imaging.formats.errors import Damaged, Invisible, TooManyBytes, Unsupported

MAX_BYTES = 32 << 20
MAX_SIDE = 4096
"""A larger drawing is scaled down to this; vectors have no pixels of their own to lose."""

_HREFS = ("href", "{http://www.w3.org/1999/xlink}href")


def render(data: bytes, max_pixels: int) -> Image.Image:
    """Draw an SVG at its natural size, scaled down where that is over ``MAX_SIDE`` or the pixel limit.

    Text is not drawn: no fonts are loaded, since the same file must have the same pixels on every machine.

    Returns:
        An RGBA picture.

    Raises:
        FormatError: not well-formed, too large, of no size, or refused by resvg.
    """
    if len(data) > MAX_BYTES:
        raise TooManyBytes(f"{len(data):,} bytes; the limit is {MAX_BYTES:,}")
    try:
        tree = resvg.usvg.Tree.from_str(_self_contained(data), resvg.usvg.Options.default())
        width, height = tree.int_size()
        scale = min(1.0, MAX_SIDE / max(width, height), math.sqrt(max_pixels / (width * height)))
        if scale == 1.0:
            png = resvg.render(tree, (1.0, 0.0, 0.0, 0.0, 1.0, 0.0))
        else:
            size = (max(1, int(width * scale)), max(1, int(height * scale)))
            png = resvg.render(tree, (scale, 0.0, 0.0, 0.0, scale, 0.0), None, None, size, (0, 0, 0, 0))
    except RecursionError as cause:
        raise Unsupported("its elements are nested too deeply") from cause
    except (ValueError, RuntimeError, OverflowError) as cause:
        raise Damaged(f"{cause}") from cause
    except BaseException as cause:
        # A panic of Rust's is not an Exception; nothing else here is caught by mistake: see the name.
        if type(cause).__name__ != "PanicException":
            raise
        if "InvalidSize" in str(cause):
            raise Invisible("shows nothing: its width or height is 0 or invalid") from cause
        raise Damaged(f"cannot be drawn: {str(cause).splitlines()[0]}") from cause
    picture = Image.open(io.BytesIO(png), formats=["PNG"])
    picture.load()
    return picture


def _self_contained(data: bytes) -> str:
    """Parse the document and write it again without links to anything outside itself.

    resvg opens local files that an image links (there is no option against it), and entities could hide such a link
    from a search of the text; the parse resolves entities, and refuses those that blow up.
    """
    try:
        # expat itself limits the growth of entities and loads no external ones.
        root = ElementTree.fromstring(data)  # noqa: S314
    except (ElementTree.ParseError, ValueError, LookupError) as cause:
        raise Damaged(f"not well-formed XML: {cause}") from cause
    if root.tag.rpartition("}")[2] != "svg":
        raise Invisible(f"the root element is {root.tag.rpartition('}')[2]}")
    for element in root.iter():
        for name in _HREFS:
            link = element.get(name)
            if link is not None and not link.lstrip().startswith(("#", "data:")):
                del element.attrib[name]
    return ElementTree.tostring(root, encoding="unicode")
