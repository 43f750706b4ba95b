"""The members and pictures of one partition as the last run left them: which are still valid, and their bytes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ogaart.core.staleness import fingerprint
from ogaart.core.states import MemberStatus
from ogaart.imaging.revisions import (
    RECENT,
    REVISION,
    Result,
    becomes_a_picture,
    has_icon_before_assets,
    may_differ,
    members_are_renamed,
)
from ogaart.pipeline.picture_bytes import picture_bytes
from ogaart.pipeline.step import Step
from ogaart.resources.storage.packs import PackWriter, read_at
from ogaart.resources.storage.rows import AtlasRegionRow, ImageRow, MemberRow, OccurrenceRow, RenamedImageRow
from ogaart.resources.storage.schema import ATLAS_REGIONS, IMAGES, MEMBERS, OCCURRENCES, RENAMED_IMAGES

FileKey = tuple[str, int | None, str]
"""(slug, fid, sha256 of the file)."""


@dataclass
class Content:
    """What the partition's pack and tables will hold."""

    pack: PackWriter
    members: list[MemberRow] = field(default_factory=list)
    occurrences: list[OccurrenceRow] = field(default_factory=list)
    images: dict[int, ImageRow] = field(default_factory=dict)
    regions: list[AtlasRegionRow] = field(default_factory=list)


def file_of(row: MemberRow | OccurrenceRow | AtlasRegionRow) -> FileKey:
    """The file that a row belongs to."""
    return row["slug"], row["fid"], row["file_sha256"]


def picture_name(sha256: str) -> str:
    """A picture file's name in the pack."""
    return f"pictures/{sha256}"


def thumbnail_name(number: int) -> str:
    """A thumbnail's name in the pack."""
    return f"thumbnails/{number}.webp"


class StoredPictures:
    """The stored rows of ``extracted_images`` for one partition.

    Args:
        step: the step that reads them.
        version: fingerprint of the rules and limits that hold for all members.
    """

    def __init__(self, step: Step, version: str) -> None:
        tables = step.stores.tables
        self._step = step
        self._version = version
        self._pack: Path = tables.pack_path(step.stage, step.partition)
        self.members = tables.read(MEMBERS, step.partition)
        self.occurrences = tables.read(OCCURRENCES, step.partition)
        self.images = tables.read(IMAGES, step.partition)
        self.renamed = tables.read(RENAMED_IMAGES, step.partition)
        self.regions = tables.read(ATLAS_REGIONS, step.partition)
        self._regions: dict[FileKey, list[AtlasRegionRow]] = {}
        for region in self.regions:
            self._regions.setdefault(file_of(region), []).append(region)
        self._image = {row["image_id"]: row for row in self.images}
        self._members: dict[FileKey, list[MemberRow]] = {}
        for member in self.members:
            self._members.setdefault(file_of(member), []).append(member)
        self._occurrences: dict[FileKey, dict[str, OccurrenceRow]] = {}
        for row in self.occurrences:
            self._occurrences.setdefault(file_of(row), {})[row["member_index"]] = row

    def wanted(self, sha256: str) -> str:
        """The fingerprint of a member of a file that is unpacked now."""
        return fingerprint(self._version, sha256, REVISION)

    def files(self) -> Mapping[FileKey, list[MemberRow]]:
        """The stored members by file."""
        return self._members

    def stale_members(self, key: FileKey) -> list[MemberRow]:
        """The members of a file whose result may be another one now.

        Pictures that were looked at and are the same have this revision's fingerprint from now on, so that their bytes
        are not read again by the next run.
        """
        rows = self._members.get(key, [])
        earlier = {
            fingerprint(self._version, key[2]): 0,
            **{fingerprint(self._version, key[2], revision): revision for revision in RECENT},
        }
        old = [row for row in rows if row["fingerprint"] != self.wanted(key[2])]
        if any(row["fingerprint"] not in earlier for row in old):
            return rows
        first = [row for row in old if earlier[row["fingerprint"]] == 0]
        if first and members_are_renamed(row["member_path"] or "" for row in first):
            return rows
        paths = [row["member_path"] or "" for row in old]
        if has_icon_before_assets(paths) or becomes_a_picture(paths):
            return rows
        stale = [row for row in old if self._may_differ(key, row, earlier[row["fingerprint"]])]
        different = {row["member_index"] for row in stale}
        pictures = {row["member_index"] for row in old if row["status"] == MemberStatus.PICTURE}
        same = pictures - different
        if same:
            self._members[key] = [self._of_this_revision(row) if row["member_index"] in same else row for row in rows]
        return stale

    def _of_this_revision(self, row: MemberRow) -> MemberRow:
        renewed = row.copy()
        renewed["fingerprint"] = self.wanted(str(row["file_sha256"]))
        return renewed

    def members_now(self) -> list[MemberRow]:
        """All stored members, with the fingerprints of those that were looked at."""
        found = {(file_of(row), row["member_index"]): row for rows in self._members.values() for row in rows}
        return [found[file_of(row), row["member_index"]] for row in self.members]

    def _may_differ(self, key: FileKey, member: MemberRow, revision: int) -> bool:
        occurrence = self._occurrences.get(key, {}).get(member["member_index"])
        image: ImageRow = self._image.get(occurrence["image_id"], {}) if occurrence else {}
        found = Result(
            member["status"],
            member["error_class"],
            member["format"],
            image.get("mode"),
            image.get("colours"),
            image.get("has_alpha"),
            member["member_path"] or "",
            revision,
        )

        def content() -> bytes:
            return picture_bytes(self._step.stores, occurrence) if occurrence else b""

        return may_differ(found, content)

    def valid_members(self, key: FileKey) -> list[MemberRow]:
        """The members of a file that need not be decoded again although others of it do; none where all must be."""
        stale = {row["member_index"] for row in self.stale_members(key)}
        if not stale or "" in stale:
            return []
        return [row for row in self._members.get(key, []) if row["member_index"] not in stale]

    def image_ids(self, key: FileKey) -> dict[str, int]:
        """The image of each member of a file that is a picture, by the member's index."""
        return {index: row["image_id"] for index, row in self._occurrences.get(key, {}).items()}

    def carry(self, key: FileKey, content: Content, only: list[MemberRow] | None = None) -> None:
        """Copy a file's rows and bytes into the new pack: those of all members, or of some only."""
        rows = self._members.get(key, []) if only is None else only
        content.members += rows
        wanted = {row["member_index"] for row in rows}
        content.regions += [row for row in self._regions.get(key, []) if row["member_index"] in wanted]
        for index, row in self._occurrences.get(key, {}).items():
            if index in wanted:
                self._carry_picture(row, content)

    def _carry_picture(self, row: OccurrenceRow, content: Content) -> None:
        moved = row.copy()
        if row["pack_offset"] is not None:
            data = read_at(self._pack, row["pack_offset"], row["pack_length"] or 0)
            name = picture_name(str(row["sha256"]))
            moved["pack_offset"], moved["pack_length"] = content.pack.add(name, data)
        content.occurrences.append(moved)
        image = self._image[row["image_id"]].copy()
        if image["image_id"] not in content.images:
            thumbnail = read_at(self._pack, image["thumb_offset"], image["thumb_length"])
            name = thumbnail_name(image["image_id"])
            image["thumb_offset"], image["thumb_length"] = content.pack.add(name, thumbnail)
            content.images[image["image_id"]] = image

    def renamed_now(self, changed: Mapping[int, int], content: Content) -> list[RenamedImageRow]:
        """The former ids of the images there are now.

        Args:
            changed: former to new id of members that were decoded again.
            content: what the partition will hold.

        Returns:
            Stored rows that still lead somewhere, and new ones; a former id that is in use again is in none.
        """
        kept: list[RenamedImageRow] = []
        for row in self.renamed:
            stored = row["new_image_id"]
            target = stored if stored is None else changed.get(stored, stored)
            if target in content.images and row["image_id"] not in content.images:
                if target != stored:
                    moved = row.copy()
                    moved["new_image_id"] = target
                    row = self._step.stamp(moved, row["fingerprint"])
                kept.append(row)
        known = {row["image_id"] for row in kept}
        for former, new in sorted(changed.items()):
            if former not in content.images and former not in known:
                slug = content.images[new]["slug"]
                fresh: RenamedImageRow = {"image_id": former, "slug": slug, "new_image_id": new}
                kept.append(self._step.stamp(fresh, self._version))
        return kept
