"""``ogaart block``: removes an entry, an author or a picture from search at once, with the reason on record."""

import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass

import click

from ogaart.core.arrays import ArrayDamaged
from ogaart.core.errors import BadChoice
from ogaart.core.image_ids import parse_image_id
from ogaart.resources.catalog.generations import GenerationMissing, Generations
from ogaart.resources.moderation.line_log import LineLog, lines_of
from ogaart.resources.moderation.takedowns import Kind, decide, decision_lines, read_decisions
from ogaart.resources.platform import Stores
from ogaart.resources.publications.publications import Publications
from ogaart.resources.storage.data_root import DataRoot
from ogaart.search.filters import Filters
from ogaart.search.store.serving_store import ServingStore
from ogaart.settings import Settings
from ogaart.sites.base import Site
from ogaart.sites.registry import open_site

_HASH = re.compile(r"[0-9a-f]{64}")
_DAMAGED = (GenerationMissing, ArrayDamaged, sqlite3.DatabaseError, OSError)


@dataclass(frozen=True)
class TakedownResult:
    """What a takedown, or its revocation, affects.

    Attributes:
        what: kind of thing.
        value: which one: an entry's key, an author's name or the hash of a picture's pixels.
        lifted: whether this revokes an earlier decision.
        pictures: how many published pictures it affects.
        reason: why.
        unread: why the publication in service could not be read, by which names are known; empty where it was.
    """

    what: Kind
    value: str
    lifted: bool
    pictures: int
    reason: str
    unread: str = ""


def block(settings: Settings, what: Kind, given: str, reason: str, *, lift: bool) -> TakedownResult:
    """Record a decision and return what it affects.

    Where the publication in service is damaged, a name is recorded as it is written: a search page that runs may still
    show what is to go.

    Args:
        settings: where the data are.
        what: kind of thing.
        given: an entry by slug or URL; an author as shown; a picture by image_id or by the hash of its pixels.
        reason: why.
        lift: revoke it.

    Raises:
        BadChoice: this host of a bucket has no copy of a publication, by which names are read: a decision would be
            recorded that hides nothing. Or a picture is named by its id, and the publication cannot be read.
        click.UsageError: a picture is named by something that is neither.
    """
    with closing(lines_of(settings, DataRoot.of(settings).decisions)) as decisions:
        unread = ""
        try:
            value, pictures = _looked_up(settings, decisions, what, given, lift=lift)
        except _DAMAGED as cause:
            unread = str(cause)
            value, pictures = _as_written(settings, what, given, unread), 0
        if lift and what == "author":  # a blocked author is no longer in the store
            decided = {author.casefold(): author for author in read_decisions(decisions).authors}
            value = decided.get(given.strip().casefold(), value)
        decide(decisions, what, value, reason, lift=lift)
    return TakedownResult(what, value, lift, pictures, reason, unread)


def _looked_up(settings: Settings, decisions: LineLog, what: Kind, given: str, *, lift: bool) -> tuple[str, int]:
    """What is named, by the publication in service; and how many of its pictures that affects."""
    generation = Generations(DataRoot.of(settings).generations).current()
    if generation is None:
        if not lift and not (what == "pixels" and _HASH.fullmatch(given.strip().lower())):
            _refuse_unknown_names(settings)
        return _value(None, open_site(settings), what, given), 0
    with closing(ServingStore(generation.path, generation.number)) as store:
        value = _value(store, open_site(settings), what, given)
        if what == "entry" and not (lift and value in read_decisions(decisions).entries):
            value = store.new_key(value)  # of an entry that was renamed
        return value, _pictures(store, what, value)


def _as_written(settings: Settings, what: Kind, given: str, unread: str) -> str:
    if what == "pixels" and not _HASH.fullmatch(given.strip().lower()):
        raise BadChoice(
            f"the publication in service cannot be read ({unread}): name the picture by its pixel_sha256, or block its "
            "entry"
        )
    return _value(None, open_site(settings), what, given)


def _refuse_unknown_names(settings: Settings) -> None:
    if settings.objects is None:
        return
    with closing(Stores(settings)) as stores:
        if Publications(stores.state, stores.objects).number_in_service():
            raise BadChoice(
                f"{settings.data} has no copy of the publication in service, by which names and ids are read: run "
                "`ogaart block` where `ogaart publish` or `ogaart serve` runs, or name pixels by their pixel_sha256"
            )


def listing(settings: Settings) -> list[dict[str, str]]:
    """What is blocked, with the newest reason."""
    with closing(lines_of(settings, DataRoot.of(settings).decisions, read_only=True)) as log:
        blocked = read_decisions(log)
        newest = {(found["what"], found["value"]): found for found in decision_lines(log)}
    values: dict[Kind, tuple[str, ...]] = {
        "entry": blocked.entries,
        "author": blocked.authors,
        "pixels": blocked.pixels,
    }
    return [
        {"what": what, "value": value, "reason": of.get("reason", ""), "decided_at": of.get("decided_at", "")}
        for what, found in values.items()
        for value in found
        for of in [newest[what, value]]
    ]


def _value(store: ServingStore | None, site: Site, what: Kind, given: str) -> str:
    given = given.strip()
    if what == "entry":
        return site.entry_key(given) or given
    if what == "pixels" and not _HASH.fullmatch(given.lower()):
        number = parse_image_id(given)
        if store is not None and number is not None:
            number = store.new_id(number) or number
        pixels = store.pixel_sha256(number) if store is not None and number is not None else None
        if pixels is None:
            raise click.UsageError(f"{given!r} is neither a published image_id nor a pixel_sha256 (64 hex digits)")
        return pixels
    if what == "author" and store is not None:
        # Decisions compare exact spelling; users type names in lower case.
        return str(store.spelled(Filters(authors=(given,)))["authors"][0])
    return given.lower() if what == "pixels" else given


def _pictures(store: ServingStore, what: Kind, value: str) -> int:
    by_kind = {
        "entry": lambda: store.ids_of_entries([value]),
        "author": lambda: store.ids_of_authors([value]),
        "pixels": lambda: store.same_pixels(value),
    }
    return len(by_kind[what]())
