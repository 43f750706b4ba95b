"""Image ids as text: the one rule that every command, URL and form reads them by."""

import re

LARGEST_IMAGE_ID = (1 << 63) - 1

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")


def parse_image_id(text: str) -> int | None:
    """An image id from text as the platform prints it, or None.

    Args:
        text: decimal ASCII digits without sign, separators or leading zeros.

    Returns:
        The id, from 0 to 2^63 - 1; None for any other text, such as ``²``, ``+1``, ``1_000`` or 20 digits.
    """
    if _DECIMAL.fullmatch(text) is None:
        return None
    number = int(text)
    return number if number <= LARGEST_IMAGE_ID else None
