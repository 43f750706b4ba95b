"""The pictures inside the files: loose ones and members of archives, each with its pixels' identity."""

from dataclasses import asdict, dataclass, field

import dagster as dg

from ogaart.assets.raw_files import raw_files
from ogaart.core.fault_injection import Fault, fault
from ogaart.core.partitions import search_pages_partitions
from ogaart.core.stages import Stage
from ogaart.core.staleness import compare, fingerprint
from ogaart.core.states import FileStatus, MemberStatus, RowState
from ogaart.imaging.identity import PIXELS_VERSION, image_id
from ogaart.imaging.limits import Limits
from ogaart.imaging.unpacker import UNPACKER_VERSION, UnpackedMember, Unpacker
from ogaart.pipeline.runner import run_partitions
from ogaart.pipeline.step import OWNERS, STORED, Step, described
from ogaart.resources.platform import Platform
from ogaart.resources.storage.atomic_files import temporary
from ogaart.resources.storage.packs import PackWriter, read_at
from ogaart.resources.storage.rows import ImageRow, MemberRow, OccurrenceRow, RawFileRow
from ogaart.resources.storage.schema import IMAGES, MEMBERS, OCCURRENCES, RAW_FILES

EXTRACTION_VERSION = f"{UNPACKER_VERSION}.{PIXELS_VERSION}"

FileKey = tuple[str, int | None, str]
"""(slug, fid, sha256 of the file)."""


@dg.asset(
    partitions_def=search_pages_partitions,
    deps=[raw_files],
    group_name="images",
    kinds={"python", "file"},
    owners=OWNERS,
    tags=STORED,
    code_version=EXTRACTION_VERSION,
    metadata=described(IMAGES, OCCURRENCES, MEMBERS),
    backfill_policy=dg.BackfillPolicy.multi_run(10),
)
def extracted_images(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult[None]:
    """Every picture in the files: loose, or a member of an archive, of an archive in an archive.

    Unpacking and decoding work in a child process with limits; a member that cannot be read is a row with its reason
    and affects no other. The same pixels in one entry are one image with several occurrences.
    """
    return run_partitions(context, platform, Stage.EXTRACTED_IMAGES, extract)


@dataclass
class _Content:
    """What the partition's pack and tables will hold."""

    pack: PackWriter
    members: list[MemberRow] = field(default_factory=list)
    occurrences: list[OccurrenceRow] = field(default_factory=list)
    images: dict[int, ImageRow] = field(default_factory=dict)


@dataclass(frozen=True)
class _Stored:
    """The partition's rows as the last run left them."""

    members: list[MemberRow]
    occurrences: list[OccurrenceRow]
    images: list[ImageRow]


def extract(step: Step) -> None:
    """Unpack the files that are new or stale; carry the others' pictures into the new pack."""
    tables = step.stores.tables
    limits = Limits.from_settings(step.stores.settings)
    files = {_key(r): r for r in tables.read(RAW_FILES, step.partition) if r["status"] == FileStatus.OK}
    old = _Stored(
        tables.read(MEMBERS, step.partition),
        tables.read(OCCURRENCES, step.partition),
        tables.read(IMAGES, step.partition),
    )
    version = fingerprint(EXTRACTION_VERSION, asdict(limits))
    wanted = {key: fingerprint(version, key[2]) for key in files}
    stored = {_member_file(r): r["fingerprint"] for r in old.members}
    # A member whose failure is due is read again with its whole file.
    stored |= {_member_file(m): "" for m in old.members if _is_due(step, m, files.get(_member_file(m)))}
    plan = compare(stored, wanted)
    before = {r["image_id"]: r for r in old.images}
    unchanged = set(plan.unchanged)
    for member in old.members:
        if (key := _member_file(member)) in unchanged:
            _carry_failure(step, files[key], member)
    if not plan.work and not plan.orphaned:
        step.counts[RowState.UNCHANGED] = len(before)
        step.commit(
            {
                MEMBERS: (old.members, old.members),
                OCCURRENCES: (old.occurrences, old.occurrences),
                IMAGES: (old.images, old.images),
            }
        )
        return
    draft = temporary(tables.pack_path(step.stage, step.partition))
    with PackWriter(draft) as pack, Unpacker(limits, step.stores.root.scratch) as unpacker:
        content = _Content(pack)
        carry = _Carrier(step, content, old)
        for key, file in files.items():
            if key in unchanged:
                carry.file(key)
            else:
                _unpack(step, content, unpacker, file, wanted[key], before)
        step.extra["worker_peak_bytes"] = unpacker.peak_bytes
    fault(Fault.PACK_DRAFTED)
    step.count(
        compare(
            {i: r["fingerprint"] for i, r in before.items()},
            {i: r["fingerprint"] for i, r in content.images.items()},
        )
    )
    step.commit(
        {
            MEMBERS: (old.members, content.members),
            OCCURRENCES: (old.occurrences, content.occurrences),
            IMAGES: (old.images, list(content.images.values())),
        },
        pack=draft,
    )


def _key(file: RawFileRow) -> FileKey:
    return file["slug"], file["fid"], str(file["sha256"])


def _member_file(member: MemberRow | OccurrenceRow) -> FileKey:
    return member["slug"], member["fid"], member["file_sha256"]


def _failure_key(file: RawFileRow, member_index: str, member_path: str) -> str:
    return f"{file['url']}#{member_index}:{member_path}" if member_index else str(file["url"])


def _carry_failure(step: Step, file: RawFileRow, member: MemberRow) -> None:
    if member["status"] == MemberStatus.FAILED:
        step.failures.keep_until_due(
            _failure_key(file, member["member_index"], member["member_path"]), member["fingerprint"]
        )


def _is_due(step: Step, member: MemberRow, file: RawFileRow | None) -> bool:
    if file is None or member["status"] != MemberStatus.FAILED:
        return False
    key = _failure_key(file, member["member_index"], member["member_path"])
    return step.failures.is_due(key, member["fingerprint"])


class _Carrier:
    """Copies an unchanged file's rows and bytes from the old pack into the new one."""

    def __init__(self, step: Step, content: _Content, old: _Stored) -> None:
        self._content = content
        self._old_pack = step.stores.tables.pack_path(step.stage, step.partition)
        self._members: dict[FileKey, list[MemberRow]] = {}
        for member in old.members:
            self._members.setdefault(_member_file(member), []).append(member)
        self._occurrences: dict[FileKey, list[OccurrenceRow]] = {}
        for row in old.occurrences:
            self._occurrences.setdefault(_member_file(row), []).append(row)
        self._images = {r["image_id"]: r for r in old.images}

    def file(self, key: FileKey) -> None:
        content = self._content
        content.members += self._members.get(key, [])
        for row in self._occurrences.get(key, []):
            moved = row.copy()
            if row["pack_offset"] is not None:
                data = read_at(self._old_pack, row["pack_offset"], row["pack_length"] or 0)
                name = _picture_name(str(row["sha256"]))
                moved["pack_offset"], moved["pack_length"] = content.pack.add(name, data)
            content.occurrences.append(moved)
            image = self._images[row["image_id"]].copy()
            if image["image_id"] not in content.images:
                thumbnail = read_at(self._old_pack, image["thumb_offset"], image["thumb_length"])
                name = _thumbnail_name(image["image_id"])
                image["thumb_offset"], image["thumb_length"] = content.pack.add(name, thumbnail)
                content.images[image["image_id"]] = image


def _unpack(
    step: Step, content: _Content, unpacker: Unpacker, file: RawFileRow, wanted: str, before: dict[int, ImageRow]
) -> None:
    facts: MemberRow = {"slug": file["slug"], "fid": file["fid"], "file_sha256": str(file["sha256"])}
    seen = len(content.members)
    for member in unpacker.unpack(step.stores.blobs.path(str(file["sha256"]))):
        row: MemberRow = {
            **facts,
            "member_index": member.member_index,
            "member_path": member.member_path,
            "status": member.status.value,
            "error_class": member.error_class,
            "message": member.message,
            "format": member.format,
            "bytes": member.bytes,
            "sha256": member.sha256,
        }
        if member.status == MemberStatus.FAILED:
            step.failures.record(
                _failure_key(file, member.member_index, member.member_path),
                wanted,
                slug=file["slug"],
                error_class=member.error_class or "Unreadable",
                message=member.message or "",
            )
        if member.status == MemberStatus.PICTURE:
            row["image_id"] = _picture(step, content, file, member, wanted, before)
        content.members.append(step.stamp(row, wanted))
    if len(content.members) == seen:  # an empty archive: a row records that it was read
        nothing: MemberRow = {
            **facts,
            "member_index": "",
            "member_path": "",
            "status": MemberStatus.NOT_A_PICTURE.value,
            "message": "an archive without members",
        }
        content.members.append(step.stamp(nothing, wanted))


def _picture(
    step: Step, content: _Content, file: RawFileRow, member: UnpackedMember, wanted: str, before: dict[int, ImageRow]
) -> int:
    """Add one picture's occurrence, and its image where it is the entry's first with these pixels."""
    assert member.pixel_sha256 is not None
    assert member.thumbnail is not None
    number = image_id(file["slug"], member.pixel_sha256)
    occurrence: OccurrenceRow = {
        "slug": file["slug"],
        "fid": file["fid"],
        "file_sha256": str(file["sha256"]),
        "image_id": number,
        "member_index": member.member_index,
        "member_path": member.member_path,
        "sha256": member.sha256,
        "format": member.format,
        "bytes": member.bytes,
    }
    if member.content is not None and member.sha256 is not None:
        offset, length = content.pack.add(_picture_name(member.sha256), member.content)
        occurrence["pack_offset"], occurrence["pack_length"] = offset, length
    content.occurrences.append(step.stamp(occurrence, wanted))
    if number not in content.images:
        if number not in before:
            step.gallery.add(file["slug"], member.thumbnail)
        offset, length = content.pack.add(_thumbnail_name(number), member.thumbnail)
        image: ImageRow = {
            "image_id": number,
            "slug": file["slug"],
            "pixel_sha256": member.pixel_sha256,
            "pixels_version": PIXELS_VERSION,
            "width": member.width,
            "height": member.height,
            "mode": member.mode,
            "format": member.format,
            "frames": member.frames,
            "has_alpha": member.has_alpha,
            "colours": member.colours,
            "palette": list(member.palette or ()),
            "palette_shares": list(member.palette_shares or ()),
            "pixel_art": member.pixel_art,
            "signature": member.signature,
            "thumb_offset": offset,
            "thumb_length": length,
        }
        content.images[number] = step.stamp(image, wanted)
    return number


def _picture_name(sha256: str) -> str:
    return f"pictures/{sha256}"


def _thumbnail_name(number: int) -> str:
    return f"thumbnails/{number}.webp"
