"""Which typing errors people make: so that a word that the catalog lacks is not taken for another English word."""

from functools import cache

from rapidfuzz.distance import OSA, Levenshtein

_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_ALIKE = ("aeiouy", "csk", "sz", "fv", "mn", "td", "bp", "gj", "yz", "aq", "zw")
"""Letters that are taken for each other: vowels, what sounds alike, what other keyboards have in each other's place."""
_SHORTEST = 5
"""Letters of a word in which one may stand for another: in a shorter one that is nearly always a different word."""
_LONG = 6
"""Letters of a word that people are unsure how to spell, so that letters that sound alike are taken for each other."""


@cache
def _neighbours() -> frozenset[tuple[str, str]]:
    """Pairs of letters whose keys touch, in both orders."""
    place = {letter: (column + row / 2, row) for row, keys in enumerate(_ROWS) for column, letter in enumerate(keys)}
    return frozenset(
        (a, b)
        for a, (x, y) in place.items()
        for b, (other_x, other_y) in place.items()
        if a != b and abs(x - other_x) <= 1 and abs(y - other_y) <= 1
    )


def is_likely(typed: str, meant: str) -> bool:
    """Whether typing errors lead from the one word to the other.

    Swapped, missing and further letters are errors. Another letter is one where its key is a neighbour, or in a long
    word where both sound alike: ``foot`` is not a misspelled ``font``, nor ``glass`` a misspelled ``grass``.

    Args:
        typed: a word, folded.
        meant: a word that differs from it by a letter or two.
    """
    errors = OSA.distance(typed, meant)
    for n in range(len(typed) - 1):
        swapped = f"{typed[:n]}{typed[n + 1]}{typed[n]}{typed[n + 2 :]}"
        if OSA.distance(swapped, meant) < errors and is_likely(swapped, meant):
            return True
    replaced = [
        (typed[edit.src_pos], meant[edit.dest_pos])
        for edit in Levenshtein.editops(typed, meant)
        if edit.tag == "replace"
    ]
    if replaced and len(typed) < _SHORTEST:
        return False
    return all(
        pair in _neighbours() or (len(typed) >= _LONG and any(set(pair) <= set(alike) for alike in _ALIKE))
        for pair in replaced
    )
