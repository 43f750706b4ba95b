"""Numbered frames: pictures whose names differ in one number only, and whose sizes are equal. Pure."""

import re
from collections.abc import Iterable, Mapping

from ogaart.likeness.frames import counts_things
from ogaart.search.results import Hit

MOST = 64
_LAST_NUMBER = re.compile(r"^(.*?)(\d+)(\D*)$", re.DOTALL)


def numbered(names: Mapping[int, str], image_id: int) -> tuple[int, ...]:
    """The images that are frames of one animation with an image, itself among them, in the order of their numbers.

    Args:
        names: of images by id; the last number of a name counts.
        image_id: which of them.

    Returns:
        Empty where its name has no number, or no other name differs from it in that number alone.
    """
    own = _LAST_NUMBER.match(names.get(image_id, ""))
    if own is None or counts_things(names[image_id]):
        return ()
    found: dict[int, int] = {}
    for other, name in names.items():
        match = _LAST_NUMBER.match(name)
        if match and (match[1], match[3]) == (own[1], own[3]):
            found.setdefault(int(match[2][:9]), other)
    frames = tuple(found[number] for number in sorted(found))
    return frames[:MOST] if len(frames) > 1 and image_id in frames else ()


def collapsed(hit: Hit) -> tuple[int, ...]:
    """The frames among a hit and what is collapsed under it, or beside it in its entry."""
    alike = [other for other in (hit, *hit.folded) if (other.width, other.height) == (hit.width, hit.height)]
    names = _names(other for other in alike if other.slug == hit.slug)
    beside = {one.image_id: one.name for one in hit.beside if (one.width, one.height) == (hit.width, hit.height)}
    return numbered(names | beside, hit.image_id)


def _names(hits: Iterable[Hit]) -> dict[int, str]:
    return {hit.image_id: f"{hit.file}/{hit.member_path}" for hit in hits}
