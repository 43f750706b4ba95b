"""Archives, streamed through libarchive: each member becomes a row; nothing is written under a member's name.

Members are identified by their position (3, or 3/0 in an archive that is member 3); names are for display. A nested
archive goes to an unlinked temporary file.
"""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

from libarchive import ArchiveError
from libarchive.entry import FileType as EntryType

from ogaart.core.states import MemberStatus
from ogaart.imaging import self_extracting, unity
from ogaart.imaging.archive_headers import Envelope, read_envelope
from ogaart.imaging.archive_members import Member, Stop
from ogaart.imaging.atlases.base import MAX_BYTES as MAX_ATLAS_BYTES
from ogaart.imaging.atlases.base import MAX_OF_FILE
from ogaart.imaging.atlases.reader import may_be_atlas, read_atlases
from ogaart.imaging.errors import Reason, Unreadable
from ogaart.imaging.formats import layered_zip
from ogaart.imaging.names import is_junk, unpacked_name
from ogaart.imaging.reader import Archive, MemberHeader, message_of, opened, reason_of
from ogaart.imaging.sniff import HEAD_BYTES, FileType, Kind, needs_more, sniff

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ogaart.imaging.limits import Limits

BOMB_FLOOR = 10 << 20
"""Ratios are not checked below this many unpacked bytes: small files of one colour pack very well."""

FAR_BYTES = 256 << 20
"""Members of unknown types are searched for archives to their ends up to so many bytes a file, then only in their first
``self_extracting.PADDING_BYTES``: a zip passes over the rest of them unread."""
_PREVIEW = "a preview that Unity made of the asset beside it"
_ODD_KINDS = {
    EntryType.SYMBOLINK_LINK: "symbolic link",
    EntryType.NAMED_PIPE: "pipe",
    EntryType.CHAR_DEVICE: "device",
    EntryType.BLOCK_DEVICE: "device",
    EntryType.SOCKET: "socket",
}


@dataclass
class Walk:
    """One walk over one file and all that is in it.

    Attributes:
        limits: what it keeps to.
        scratch: directory for unlinked temporary files.
        packed_bytes: length of the file, which ratios are measured against.
        begin: called with (index, path) before a member is touched; False means: skip it and report nothing.
        known: whether a row of this index was reported before (its archive may still have to be entered).
    """

    limits: Limits
    scratch: Path
    packed_bytes: int
    begin: Callable[[str, str], bool]
    known: Callable[[str], bool]
    unpacked_bytes: int = field(default=0, init=False)
    searched_bytes: int = field(default=0, init=False)
    members: int = field(default=0, init=False)
    atlas_regions: int = field(default=0, init=False)

    def members_of(
        self, stream: IO[bytes], kind: FileType, index: str = "", path: str = "", depth: int = 0
    ) -> Iterator[Member]:
        """Walk over an archive's members, entering archives among them.

        Args:
            stream: an open file with a descriptor, at its start.
            kind: the archive's type by its first bytes.
            index: the archive's own place; empty for the file itself.
            path: its own path; empty for the file itself.
            depth: how many archives it is inside of.

        Raises:
            Unreadable: it cannot be opened, or is encrypted as a whole.
            Stop: a limit of the whole file is reached.
        """
        envelope = read_envelope(stream, kind)
        try:
            for member in self._members_in(stream, kind, index, path, depth, envelope):
                own = "/" not in member.index.removeprefix(f"{index}/")
                if own and member.reason is not None and member.message is not None:
                    member.reason, member.message = envelope.explain(member.reason, member.message)
                yield member
        except Unreadable as cause:
            raise Unreadable(*envelope.explain(cause.error_class, cause.message)) from cause

    def _members_in(
        self, stream: IO[bytes], kind: FileType, index: str, path: str, depth: int, envelope: Envelope
    ) -> Iterator[Member]:
        """The members as libarchive finds them."""
        base = f"{index}/" if index else ""
        files = 0
        assets = unity.assets_of(stream, kind)
        with opened(stream, kind) as archive:
            number = -1
            while True:
                number += 1
                place = f"{base}{number}"
                try:
                    entry = archive.next()
                except ArchiveError as cause:
                    reason = reason_of(cause)
                    if number == 0 and not kind.certain and reason is Reason.CORRUPT:
                        raise Unreadable(Reason.NOT_A_PICTURE, f"{kind.format}: not a picture") from cause
                    if number == 0:
                        raise Unreadable(reason, f"{kind.format}: {message_of(cause)}") from cause
                    yield Member(
                        place, path, MemberStatus.FAILED, reason, f"{kind.format} ends early: {message_of(cause)}"
                    )
                    return
                if entry is None:
                    break
                self._count_member(place, path)
                if entry.kind == EntryType.DIRECTORY:
                    continue
                files += 1
                name = unpacked_name(path, entry.name) if archive.is_raw else unity.shown_name(entry.name, assets)
                shown = f"{path}!/{name}" if path else name
                if not self.begin(place, shown):
                    continue
                if number in envelope.refused:
                    reason, message = envelope.refused[number]
                    yield Member(place, shown, MemberStatus.FAILED, reason, message, bytes=entry.size)
                    continue
                if unity.is_preview(entry.name, assets):
                    yield Member(place, shown, MemberStatus.NOT_A_PICTURE, message=_PREVIEW, bytes=entry.size)
                    continue
                yield from self._member(archive, entry, place, shown, depth)
            if number == 0 and envelope.volume:
                raise Unreadable(Reason.MULTI_VOLUME, f"{kind.format}: {envelope.volume}")
            if files == 0 and index == "":
                message = f"archive of {number:,} folders and no files" if number else "archive without members"
                yield Member("", "", MemberStatus.NOT_A_PICTURE, message=message, format=kind.format)

    def _count_member(self, place: str, path: str) -> None:
        self.members += 1
        if self.members > self.limits.max_members:
            message = f"more than {self.limits.max_members:,} members (OGAART_MAX_MEMBERS); the rest was not read"
            raise Stop(Member(place, path, MemberStatus.FAILED, Reason.TOO_MANY_MEMBERS, message))

    def _member(self, archive: Archive, entry: MemberHeader, place: str, shown: str, depth: int) -> Iterator[Member]:
        """One member: its row, and the rows of what it holds."""
        if is_junk(entry.name):
            yield Member(place, shown, MemberStatus.JUNK, bytes=entry.size)
            return
        odd = "hard link" if entry.hard_link else _ODD_KINDS.get(entry.kind)
        if odd:
            yield Member(place, shown, MemberStatus.NOT_A_PICTURE, message=f"{odd}: not followed")
            return
        nested: IO[bytes] | None = None
        try:
            member, nested = self._read(archive, entry, place, shown, depth)
            member.is_archive = nested is not None
            if nested is None:
                yield member
                return
            kind = FileType(Kind.ARCHIVE, member.format or "", certain=member.certain)
            inner = self.members_of(nested, kind, place, shown, depth + 1)
            yield from self._nested(inner, member)
        except ArchiveError as cause:
            yield Member(place, shown, MemberStatus.FAILED, reason_of(cause), message_of(cause), bytes=entry.size)
        except Unreadable as cause:
            if cause.error_class is Reason.NOT_A_PICTURE:
                yield Member(place, shown, MemberStatus.NOT_A_PICTURE, None, cause.message, bytes=entry.size)
            else:
                yield Member(place, shown, MemberStatus.FAILED, cause.error_class, cause.message, bytes=entry.size)
            if not archive.seeks:
                self._drain(archive)
        finally:
            if nested is not None:
                nested.close()

    def _nested(self, inner: Iterator[Member], own: Member) -> Iterator[Member]:
        """The archive's own row once it is known to open, then its members."""
        first = next(inner, None)
        own.message = "archive: its members follow" if first is not None else "archive without members"
        if not self.known(own.index):
            yield own
        if first is not None:
            yield first
            yield from inner

    def _read(
        self, archive: Archive, entry: MemberHeader, place: str, shown: str, depth: int
    ) -> tuple[Member, IO[bytes] | None]:
        """Read a member as far as its type needs; into a temporary file where it is an archive to enter."""
        blocks = self._blocks(archive, place, shown)
        head = b""
        for block in blocks:
            head += block
            if len(head) >= HEAD_BYTES and not needs_more(head):
                break
        kind = sniff(head)
        member = Member(
            place, shown, MemberStatus.NOT_A_PICTURE, format=kind.format, bytes=entry.size, certain=kind.certain
        )
        if kind.kind is Kind.OTHER and not self._may_be_tga(kind, entry):
            return self._other(archive, member, kind, head, blocks, entry, depth)
        if kind.kind is Kind.UNSUPPORTED:
            member.status, member.reason = MemberStatus.FAILED, Reason.UNSUPPORTED
            member.message = f"{kind.format}: unsupported format"
            return self._pass_over(archive, member, head, blocks), None
        if kind.kind in (Kind.ARCHIVE, Kind.COMPRESSED):
            self._check_depth(depth)
            return self._unless_layered(member, self._spool(member, head, blocks, entry))
        self._check_member_bytes(entry.size or 0)
        content = bytearray(head)
        for block in blocks:
            content += block
            self._check_member_bytes(len(content))
        member.status, member.data = MemberStatus.PICTURE, bytes(content)
        member.bytes, member.sha256 = len(content), hashlib.sha256(content).hexdigest()
        return member, None

    @staticmethod
    def _unless_layered(member: Member, spool: IO[bytes]) -> tuple[Member, IO[bytes] | None]:
        """A spooled archive to enter; a zip that is one picture of layers is that picture."""
        form = layered_zip.format_of(spool) if member.format == "zip" else None
        if form is None:
            return member, spool
        with spool:
            member.status, member.format, member.data = MemberStatus.PICTURE, form, spool.read()
        return member, None

    def _other(
        self,
        archive: Archive,
        member: Member,
        kind: FileType,
        head: bytes,
        blocks: Iterator[bytes],
        entry: MemberHeader,
        depth: int,
    ) -> tuple[Member, IO[bytes] | None]:
        """A member of another type: passed over, unless an archive is behind its start."""
        found = None
        if self_extracting.may_hold_archive(kind, head):
            far = (entry.size or 0) <= min(self_extracting.SEARCHED_BYTES, FAR_BYTES - self.searched_bytes)
            head, found = self_extracting.find_in_stream(kind, head, blocks, far=far)
            self.searched_bytes += max(0, len(head) - self_extracting.PADDING_BYTES)
        if found is None:
            if may_be_atlas(head) and (entry.size or 0) <= MAX_ATLAS_BYTES:
                return self._atlas(archive, member, head, blocks), None
            return self._pass_over(archive, member, head, blocks), None
        self._check_depth(depth)
        with self._spool(member, head, blocks, entry) as whole:
            behind = self_extracting.archive_behind(whole, *found, kind, self.scratch)
        if behind is None:
            return member, None
        nested, inner = behind
        member.format, member.certain = inner.format, inner.certain
        return member, nested

    def _atlas(self, archive: Archive, member: Member, head: bytes, blocks: Iterator[bytes]) -> Member:
        """A text that may name the parts of a picture; one that turns out longer than any atlas is passed over."""
        content = bytearray(head)
        for block in blocks:
            content += block
            if len(content) > MAX_ATLAS_BYTES:
                return self._pass_over(archive, member, bytes(content), blocks)
        member.bytes, member.sha256 = len(content), hashlib.sha256(content).hexdigest()
        member.atlases = read_atlases(bytes(content), MAX_OF_FILE - self.atlas_regions)
        self.atlas_regions += sum(len(atlas.regions) for atlas in member.atlases)
        return member

    def _check_depth(self, depth: int) -> None:
        if depth >= self.limits.max_depth:
            message = f"archive {depth + 1} levels deep; OGAART_MAX_DEPTH is {self.limits.max_depth}"
            raise Unreadable(Reason.TOO_DEEP, message)

    @staticmethod
    def _may_be_tga(kind: FileType, entry: MemberHeader) -> bool:
        """A TGA with an unusual header still has its footer; worth reading where the name claims a TGA."""
        return kind.format == "unknown" and entry.name.lower().endswith(".tga")

    def _pass_over(self, archive: Archive, member: Member, head: bytes, blocks: Iterator[bytes]) -> Member:
        """Finish with a member that is not a picture.

        A zip skips it by seeking. Elsewhere the bytes are unpacked anyway, so they are counted and hashed.
        """
        if archive.seeks:
            return member
        digest, length = hashlib.sha256(head), len(head)
        for block in blocks:
            digest.update(block)
            length += len(block)
        member.bytes, member.sha256 = length, digest.hexdigest()
        return member

    def _spool(self, member: Member, head: bytes, blocks: Iterator[bytes], entry: MemberHeader) -> IO[bytes]:
        self._check_member_bytes(entry.size or 0)
        digest, length = hashlib.sha256(head), len(head)
        spool = tempfile.TemporaryFile(dir=self.scratch, prefix="member-")  # noqa: SIM115 - the caller closes it
        try:
            spool.write(head)
            for block in blocks:
                spool.write(block)
                digest.update(block)
                length += len(block)
                self._check_member_bytes(length)
            spool.seek(0)
        except BaseException:
            spool.close()
            raise
        member.bytes, member.sha256 = length, digest.hexdigest()
        return spool

    def _drain(self, archive: Archive) -> None:
        """Unpack the rest of a member within the limits, so that the next one can be reached."""
        try:
            # The member has its row: a limit reached here is one of the whole file, whose index is empty.
            for _ in self._blocks(archive, "", ""):
                pass
        except ArchiveError:
            # The next header tells whether the archive continues.
            return

    def _blocks(self, archive: Archive, place: str, shown: str) -> Iterator[bytes]:
        for block in archive.blocks():
            self.unpacked_bytes += len(block)
            if self.unpacked_bytes > self.limits.max_unpacked_bytes:
                limit = self.limits.max_unpacked_bytes
                message = f"more than {limit:,} bytes unpacked (OGAART_MAX_UNPACKED_BYTES); the rest was not read"
                raise Stop(Member(place, shown, MemberStatus.FAILED, Reason.TOO_MANY_BYTES, message))
            yield block

    def _check_member_bytes(self, length: int) -> None:
        if length > self.limits.max_member_bytes:
            limit = self.limits.max_member_bytes
            message = f"{length:,} bytes or more; OGAART_MAX_MEMBER_BYTES is {limit:,}"
            raise Unreadable(Reason.TOO_LARGE, message)
        if length > BOMB_FLOOR and length > self.limits.max_ratio * self.packed_bytes:
            message = (
                f"{length:,} bytes or more out of a file of {self.packed_bytes:,}; "
                f"OGAART_MAX_RATIO is {self.limits.max_ratio:g}"
            )
            raise Unreadable(Reason.BOMB, message)
