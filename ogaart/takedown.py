"""``ogaart block``: takes an entry, an author or a picture out of search at once, with the reason on record."""

import json
import re
from typing import Any

import click

from ogaart.opengameart.urls import slug_of
from ogaart.reports import Report
from ogaart.resources.dataroot import DataRoot
from ogaart.resources.decisions import Kind, decide, read_decisions
from ogaart.resources.generations import Generations
from ogaart.search.store import Store
from ogaart.settings import Settings
from ogaart.terminal import finish, guard

_HASH = re.compile(r"[0-9a-f]{64}")


@click.command("block")
@click.argument("what", type=click.Choice(["entry", "author", "pixels"]), required=False)
@click.argument("value", required=False)
@click.option("--reason", help="Why; kept with the decision.")
@click.option("--lift", is_flag=True, help="Take an earlier decision back.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(what: Kind | None, value: str | None, reason: str | None, lift: bool, as_json: bool) -> None:
    """Take something out of search at once; without arguments, list what is out.

    WHAT is an entry (by slug or URL), an author (as shown) or the pixels of a picture (by image_id or pixel_sha256).
    Index, thumbnails and originals follow with the next publication; a later crawl does not bring it back.
    """
    with guard() as settings:
        if what is None:
            finish(Report(("what", "value", "decided_at", "reason"), rows=listing(settings)), as_json=as_json)
            return
        if value is None or not reason:
            raise click.UsageError(f"say which {what} and why: ogaart block {what} VALUE --reason '…'")
        done = block(settings, what, value, reason, lift=lift)
        finish(Report(("what", "value", "lifted", "pictures", "reason"), rows=[done]), as_json=as_json)


def block(settings: Settings, what: Kind, given: str, reason: str, *, lift: bool) -> dict[str, Any]:
    """Decide, and say what it means.

    Args:
        settings: where the data are.
        what: kind of thing.
        given: an entry by slug or URL; an author as shown; a picture by image_id or by its pixels' hash.
        reason: why.
        lift: take it back.

    Raises:
        click.UsageError: a picture is named by something that is neither.
    """
    root = DataRoot.of(settings)
    generation = Generations(root.generations).current()
    store = Store(generation.path, generation.number) if generation is not None else None
    try:
        value = _value(store, what, given)
        pictures = _pictures(store, what, value)
    finally:
        if store is not None:
            store.close()
    decide(root.decisions, what, value, reason, lift=lift)
    return {"what": what, "value": value, "lifted": lift, "pictures": pictures, "reason": reason}


def listing(settings: Settings) -> list[dict[str, str]]:
    """What is blocked, with the newest reason."""
    path = DataRoot.of(settings).decisions
    blocked = read_decisions(path)
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    newest = {(found["what"], found["value"]): found for found in map(json.loads, filter(str.strip, lines))}
    values = {"entry": blocked.entries, "author": blocked.authors, "pixels": blocked.pixels}
    return [
        {"what": what, "value": value, **{k: newest[what, value].get(k, "") for k in ("reason", "decided_at")}}
        for what, found in values.items()
        for value in found
    ]


def _value(store: Store | None, what: Kind, given: str) -> str:
    given = given.strip()
    if what == "entry":
        return slug_of(given) or given
    if what == "pixels" and not _HASH.fullmatch(given.lower()):
        found = store.briefs([int(given)]) if store is not None and given.isdigit() and int(given) < 1 << 63 else {}
        if not found:
            raise click.UsageError(f"{given!r} is neither a published image_id nor a pixel_sha256 (64 hex digits)")
        return found[int(given)].pixel_sha256
    return given.lower() if what == "pixels" else given


def _pictures(store: Store | None, what: Kind, value: str) -> int:
    if store is None:
        return 0
    by_kind = {
        "entry": lambda: store.ids_of_entries([value]),
        "author": lambda: store.ids_of_authors([value]),
        "pixels": lambda: store.same_pixels(value),
    }
    return len(by_kind[what]())
