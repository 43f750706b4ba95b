"""The demo's site, whose entries come, change and go while it runs."""

from datetime import UTC, datetime, timedelta
from typing import Any

from ogaart.demo import pictures
from ogaart.demo.model import DemoEntry, DemoFile, DemoPicture
from ogaart.demo.server import DemoSite


class ChangingSite(DemoSite):
    """A demo site with methods that change it."""

    _edits = 0

    def add_entry(self, entry: DemoEntry) -> None:
        """Add an entry; its ``posted_at`` decides where listings show it.

        Raises:
            ValueError: its slug or node id is taken.
        """
        with self._lock:
            if any(entry.slug == other.slug or entry.nid == other.nid for other in self.site.entries):
                raise ValueError(f"entry {entry.slug!r}, nid {entry.nid}: already there; pass another slug and nid")
            self.site.entries.append(entry)

    def delete(self, slug: str) -> DemoEntry:
        """Remove an entry with its files: its page, and its place in the listings, are gone."""
        with self._lock:
            entry = self.site.entry(slug)
            self.site.entries.remove(entry)
            return entry

    def edit(self, slug: str, **changes: Any) -> DemoEntry:
        """Change fields of an entry.

        Raises:
            AttributeError: an entry has no such field.
        """
        with self._lock:
            entry = self.site.entry(slug)
            for name, value in changes.items():
                getattr(entry, name)
                setattr(entry, name, value)
            return entry

    def replace_file(
        self, fid: int, data: bytes, expected: list[DemoPicture] | None = None, stored_name: str | None = None
    ) -> DemoFile:
        """Put other bytes in the place of a file.

        Args:
            fid: the file.
            data: its new bytes.
            expected: the pictures in them; without it, ``data`` is a picture itself.
            stored_name: a new name and with it a new fid, as the site does when an author replaces a file; without
                it the same URL serves the new bytes.
        """
        with self._lock:
            _, file = self.site.file(fid)
            self._edits += 1
            file.data = data
            file.pictures = [pictures.expected(data)] if expected is None else expected
            file.planted = []
            file.modified = datetime.now(UTC) + timedelta(seconds=self._edits)
            if stored_name is not None:
                file.fid = 1 + max(f.fid for e in self.site.entries for f in e.files)
                file.stored_name = stored_name
            return file
