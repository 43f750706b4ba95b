"""``ogaart block``: removes entries, authors or pictures from search."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from ogaart.cli.terminal import finish, guard
from ogaart.core.report import Report

if TYPE_CHECKING:
    from ogaart.resources.moderation.takedowns import Kind


@click.command()
@click.argument("what", type=click.Choice(["entry", "author", "pixels"]), required=False)
@click.argument("value", required=False)
@click.option("--reason", help="Why; kept with the decision.")
@click.option("--lift", is_flag=True, help="Revoke an earlier decision.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def block(what: "Kind | None", value: str | None, reason: str | None, lift: bool, as_json: bool) -> None:
    """Remove something from search at once; without arguments, list what is blocked.

    WHAT is an entry (by slug or URL), an author (as shown) or the pixels of a picture (by image_id or pixel_sha256).
    Index, thumbnails and originals follow with the next publication; a later crawl does not bring it back.
    """
    from ogaart.operations import takedown

    with guard() as settings:
        if what is None:
            finish(Report(("what", "value", "decided_at", "reason"), rows=takedown.listing(settings)), as_json=as_json)
            return
        if value is None or not reason:
            raise click.UsageError(f"name the {what} and the reason: ogaart block {what} VALUE --reason '…'")
        done = takedown.block(settings, what, value, reason, lift=lift)
        row = asdict(done)
        unread = row.pop("unread")
        report = Report(("what", "value", "lifted", "pictures", "reason"), rows=[row])
        if unread:
            report.notes.append(
                f"The publication in service cannot be read ({unread}): {done.value!r} was taken as it is written, and "
                "whether a picture is concerned is not known. Run `ogaart verify --repair`, then block it again."
            )
        elif not done.pictures and not lift:
            report.notes.append(
                f"No published picture is concerned: if there should be one, check how {done.value!r} is written. The "
                "decision holds for what is published later."
            )
        finish(report, as_json=as_json)
