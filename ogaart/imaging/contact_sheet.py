"""A contact sheet: many thumbnails on one small picture, for places that can show only one."""

import io
from collections.abc import Sequence

from PIL import Image

CELL = 96
COLUMNS = 8
MOST = 24
MARGIN = 4
GROUND = (128, 128, 128)
QUALITIES = (80, 65, 50, 35, 20)


def sheet(thumbnails: Sequence[bytes], *, most_bytes: int = 44_000) -> bytes:
    """Put thumbnails on one sheet, in rows of eight on mid-grey.

    Args:
        thumbnails: WebP (or other) files; those beyond the 24th are left out.
        most_bytes: the sheet's quality is lowered until it is no larger.

    Returns:
        The bytes of a JPEG file, at most 804 x 304 pixels.

    Raises:
        ValueError: no thumbnails were passed.
    """
    if not thumbnails:
        raise ValueError("a contact sheet needs at least one thumbnail; 0 were passed")
    shown = thumbnails[:MOST]
    columns = min(COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    step = CELL + MARGIN
    ground = Image.new("RGB", (columns * step + MARGIN, rows * step + MARGIN), GROUND)
    for number, content in enumerate(shown):
        with Image.open(io.BytesIO(content)) as opened:
            picture = opened.convert("RGBA")
        picture = _fitted(picture)
        left = MARGIN + (number % columns) * step + (CELL - picture.width) // 2
        top = MARGIN + (number // columns) * step + (CELL - picture.height) // 2
        ground.paste(picture, (left, top), picture)
    content = b""
    for quality in QUALITIES:
        out = io.BytesIO()
        ground.save(out, "JPEG", quality=quality, optimize=True)
        content = out.getvalue()
        if len(content) <= most_bytes:
            break
    return content


def _fitted(picture: Image.Image) -> Image.Image:
    """The picture in a cell: a large one made smaller, a tiny one enlarged by a whole factor, so that it is seen."""
    factor = CELL // max(picture.size)
    if factor >= 2:
        return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
    if factor < 1:
        picture.thumbnail((CELL, CELL), Image.Resampling.LANCZOS)
    return picture
