"""What a licence means for a game, in icons with words. Pure."""

from dataclasses import dataclass

from ogaart.search.credits.credits import freest
from ogaart.search.results import Hit
from ogaart.sites.licences import Licence, lookup


@dataclass(frozen=True)
class Term:
    """One thing that a licence permits or demands.

    Attributes:
        icon: its symbol in icons.html.
        word: for a tile.
        sentence: for a picture's own page.
    """

    icon: str
    word: str
    sentence: str


_SELL = (Term("sell", "sell", "may be sold"), Term("no-sell", "not for sale", "not for sale"))
_CREDIT = (Term("credit", "credit", "credit needed"), Term("no-credit", "no credit", "no credit needed"))
_ALIKE = Term("alike", "share alike", "changes under the same licence")
_STORES = (Term("stores", "stores", "locked stores allowed"), Term("no-stores", "no DRM", "no stores with DRM"))


def terms_of(licence: Licence) -> tuple[Term, ...]:
    """Sell, credit, share-alike, stores, in this order."""
    return (
        _SELL[not licence.may_sell],
        _CREDIT[not licence.credit_needed],
        *((_ALIKE,) if licence.share_alike else ()),
        _STORES[not licence.drm_allowed],
    )


def terms(hit: Hit) -> tuple[Term, ...]:
    """The terms of the freest of a picture's licences; none where it is unknown."""
    chosen = freest(hit.licences)
    known = lookup(chosen.name) if chosen else None
    return terms_of(known) if known else ()


def meanings(hit: Hit) -> list[tuple[str, tuple[Term, ...]]]:
    """Each of a picture's licences with its terms; no terms where the licence is unknown."""
    return [(one.name, terms_of(known) if (known := lookup(one.name)) else ()) for one in hit.licences]
