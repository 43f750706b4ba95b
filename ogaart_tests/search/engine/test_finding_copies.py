"""Edited pictures of the demo find their source, and what is not there is not claimed: bounds of `make quality`."""

import pytest

from benchmarks.quality.corpus import Corpus, demo_corpus
from benchmarks.quality.edits import EDITS
from benchmarks.quality.measure import DEFAULT, Measured, measure
from ogaart_tests.world import World

FIRST = {
    "enlarged x2": 0.95,
    "half the size": 0.9,
    "60 % as JPEG, on white": 0.9,
    "16 colours": 0.9,
    "mirrored": 0.9,
    "turned": 0.85,
    "middle 60 %": 0.85,
    "any 40 to 80 %": 0.8,
    "on a larger canvas, JPEG": 0.85,
    "on white": 0.95,
    "on black": 0.95,
    "on magenta": 0.95,
}


@pytest.mark.slow
def test_edits_find_their_source_and_nothing_absent_is_claimed(copied: World) -> None:
    corpus = demo_corpus()
    published = Corpus(corpus.content, corpus.pictures, corpus.groups, strangers=corpus.strangers)

    edits = [edit for edit in EDITS if edit.name in FIRST]
    found: Measured = measure(copied.settings, published, pictures=20, edits=edits, plain=False, relatives=False)

    shares = {name: sum(tally.first[DEFAULT]) / len(tally.first[DEFAULT]) for name, tally in found.edits.items()}
    print(shares)  # noqa: T201
    assert {name: share for name, share in shares.items() if share < FIRST[name]} == {}
    claims = [claim for tally in found.edits.values() for claim in tally.false]
    assert sum(claims) / len(claims) <= 0.02
    assert sum(found.absent.false) / len(found.absent.false) <= 0.03
