"""Which pictures are frames of one animation: numbered names in one folder, and near pixels. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ogaart.likeness.signatures import coarse

_NUMBERED = re.compile(r"(?P<stem>.*?)[ _.\-]*\(?(?P<number>\d{1,6})\)?(?P<ending>\.[^.]*)?")
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_COUNTED = frozenset(
    "card cards clubs diamonds dice digit digits domino dominoes hearts mahjong spades".split()  # noqa: SIM905 - a list
)
_FACES = frozenset("ajkq")
_DIFFERENT = 0.35
"""Squared difference of coarse miniatures, as a share of the stronger, from which two are not frames of one thing."""

MOST_FRAMES = 512
"""Of one animation; longer runs of numbers are something else."""


@dataclass(frozen=True)
class Animation:
    """Pictures in the order of their frames, by their places in the input; at least two."""

    frames: tuple[int, ...]


def numbered(path: str) -> tuple[str, int] | None:
    """What a numbered name is without its number, and the number; None for another name.

    Args:
        path: of a file, such as ``walk/hero_03.png``.
    """
    found = _NUMBERED.fullmatch(path)
    if found is None:
        return None
    return f"{found['stem'].lower()}#{(found['ending'] or '').lower()}", int(found["number"])


def counts_things(path: str) -> bool:
    """Whether a name's number says how many, as that of a playing card or of a dice does, and not which frame."""
    *folders, name = path.replace("\\", "/").split("/")
    own = {word.lower() for word in _WORDS.findall(name)}
    folder = {word.lower() for word in _WORDS.findall(folders[-1])} if folders else set()
    return bool(own & _COUNTED) or bool(folder and folder <= _COUNTED)


def animations(paths: Sequence[str], sizes: NDArray[np.int64], signatures: NDArray[np.uint8]) -> list[Animation]:
    """The animations among pictures.

    Args:
        paths: each picture's path, with its entry and archive; those of one animation differ in a number at the end.
        sizes: (N, 2) widths and heights.
        signatures: (N, 32, 32, 4) uint8 miniatures; may be a file that is mapped.

    Returns:
        Runs of numbers in which each picture is near to the one before; numbered tiles of a set are none, and neither
        is a pack of cards.
    """
    decks = _decks(paths)
    groups: dict[tuple[str, int, int], list[tuple[int, int]]] = {}
    for place, path in enumerate(paths):
        name = numbered(path)
        if name is not None and name[0] not in decks:
            key = (name[0], int(sizes[place, 0]), int(sizes[place, 1]))
            groups.setdefault(key, []).append((name[1], place))
    found: list[Animation] = []
    for group in groups.values():
        if len(group) < 2:
            continue
        members = [(number, place) for number, place in group if not counts_things(paths[place])]
        if not 2 <= len(members) <= MOST_FRAMES:
            continue
        order = [place for _, place in sorted(members)]
        small = coarse(np.asarray(signatures[order])).reshape(len(order), -1)
        near = _differences(small[:-1], small[1:]) <= _DIFFERENT
        runs = np.split(np.arange(len(order)), np.flatnonzero(~near) + 1)
        found.extend(Animation(tuple(order[n] for n in run)) for run in runs if len(run) >= 2)
    return sorted(found, key=lambda animation: animation.frames)


def _decks(paths: Sequence[str]) -> set[str]:
    """Numbered names that have two of ace, jack, queen and king beside them: ``suit_#.png`` where ``suit_K.png`` is."""
    faces: dict[str, set[str]] = {}
    for path in paths:
        stem, dot, ending = path.lower().rpartition(".")
        if len(stem) > 1 and stem[-1] in _FACES:
            faces.setdefault(f"{stem[:-1].rstrip(' _.-')}#{dot}{ending}", set()).add(stem[-1])
    return {name for name, found in faces.items() if len(found) > 1}


def _differences(some: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    stronger = np.maximum((some * some).sum(axis=1), (others * others).sum(axis=1))
    return np.asarray(((some - others) ** 2).sum(axis=1) / np.maximum(stronger, 1.0))
