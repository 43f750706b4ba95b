"""The pictures inside the files: loose ones and members of archives, each with its pixels' identity."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import cast

import dagster as dg

from ogaart.assets.raw_files import raw_files
from ogaart.core.fault_injection import Fault, fault
from ogaart.core.partitions import search_pages_partitions
from ogaart.core.stages import Stage
from ogaart.core.staleness import compare, fingerprint
from ogaart.core.states import FileStatus, MemberStatus, RowState
from ogaart.imaging.identity import PIXELS_VERSION, image_id
from ogaart.imaging.limits import Limits
from ogaart.imaging.revisions import REVISION
from ogaart.imaging.unpacker import UNPACKER_VERSION, UnpackedMember
from ogaart.imaging.unpacker_pool import UnpackerPool, UnpackRequest, processes_for
from ogaart.likeness.features import Features
from ogaart.pipeline.checks import partition_check
from ogaart.pipeline.runner import StepEvents, run_partitions
from ogaart.pipeline.step import OWNERS, STORED, Step, described
from ogaart.pipeline.step_needs import asset_tags, step_tags
from ogaart.pipeline.stored_pictures import Content, FileKey, StoredPictures, file_of, picture_name, thumbnail_name
from ogaart.pipeline.unchanged.memory import StepInputs, unless_unchanged
from ogaart.resources.platform import Platform
from ogaart.resources.storage.packs import PackWriter
from ogaart.resources.storage.rows import (
    AtlasRegionRow,
    ImageRow,
    MemberRow,
    OccurrenceRow,
    RawFileRow,
    RenamedImageRow,
)
from ogaart.resources.storage.schema import ATLAS_REGIONS, IMAGES, MEMBERS, OCCURRENCES, RAW_FILES, RENAMED_IMAGES
from ogaart.resources.storage.table_types import Table
from ogaart.resources.storage.tables import Row

EXTRACTION_VERSION = f"{UNPACKER_VERSION}.{PIXELS_VERSION}"


@dg.asset(
    partitions_def=search_pages_partitions,
    deps=[raw_files],
    group_name="images",
    kinds={"python", "file"},
    owners=OWNERS,
    tags=asset_tags(Stage.EXTRACTED_IMAGES, STORED),
    op_tags=step_tags(Stage.EXTRACTED_IMAGES),
    code_version=f"{EXTRACTION_VERSION}.{REVISION}",
    metadata=described(IMAGES, OCCURRENCES, MEMBERS, ATLAS_REGIONS),
    check_specs=[
        partition_check(
            Stage.EXTRACTED_IMAGES,
            "members_readable",
            "Of the pictures and archives in the files, at most the share OGAART_MAX_FAILURE_SHARE cannot be read.",
        )
    ],
    backfill_policy=dg.BackfillPolicy.multi_run(10),
)
def extracted_images(context: dg.AssetExecutionContext, platform: Platform) -> StepEvents:
    """Every picture in the files: loose, or a member of an archive, of an archive in an archive.

    Unpacking and decoding work in a child process with limits; a member that cannot be read is a row with its reason
    and affects no other. The same pixels in one entry are one image with several occurrences.
    """
    yield from run_partitions(context, platform, Stage.EXTRACTED_IMAGES, extract)


@unless_unchanged(StepInputs([RAW_FILES], lambda: [EXTRACTION_VERSION, REVISION]))
def extract(step: Step) -> None:
    """Unpack the files that are new or stale; carry the others' pictures into the new pack."""
    tables = step.stores.tables
    limits = Limits.from_settings(step.stores.settings)
    files = {_key(r): r for r in tables.read(RAW_FILES, step.partition) if r["status"] == FileStatus.OK}
    stored = StoredPictures(step, fingerprint(EXTRACTION_VERSION, asdict(limits)))
    wanted = {key: stored.wanted(key[2]) for key in files}
    # A member whose failure is due is read again with its whole file.
    due = {file_of(m) for m in stored.members if _is_due(step, m, files.get(file_of(m)))}
    plan = compare(
        {key: "" if key in due or stored.stale_members(key) else wanted.get(key, "") for key in stored.files()}, wanted
    )
    for key in plan.unchanged:
        _carry_failures(step, files[key], stored.files()[key])
    if not plan.work and not plan.orphaned:
        step.counts[RowState.UNCHANGED] = len(stored.images)
        _check(step, stored.members)
        step.commit(
            _rows(stored, stored.members_now(), stored.occurrences, stored.images, stored.renamed, stored.regions)
        )
        return
    draft = tables.pack_draft(step.stage, step.partition)
    unchanged = set(plan.unchanged)
    work_files = {key: file for key, file in files.items() if key not in unchanged}
    valid = {key: [] if key in due else stored.valid_members(key) for key in work_files}
    size = sum(file["bytes"] or 0 for file in work_files.values())
    processes = processes_for(len(work_files), size, step.stores.settings.decoder_count)
    pool = step.kept.get(
        UnpackerPool, lambda: UnpackerPool(limits, step.stores.root.scratch, step.stores.settings.decoder_count)
    )
    with PackWriter(draft) as pack:
        content = Content(pack)
        work = _Extraction(step, stored, content)
        unpacked = pool.unpack((work.request(key, valid[key]) for key in work_files), processes)
        step.progress.begin(len(files), "files")
        for key, file in files.items():
            step.progress.start(file["url"])
            if key in unchanged:
                stored.carry(key, content)
            else:
                work.add(file, key, wanted[key], valid[key], next(unpacked))
            step.progress.advance()
        step.extra["worker_peak_bytes"] = pool.peak_bytes
    fault(Fault.PACK_DRAFTED)
    _check(step, content.members)
    step.count(
        compare(
            {r["image_id"]: r["fingerprint"] for r in stored.images},
            {i: r["fingerprint"] for i, r in content.images.items()},
        )
    )
    renamed = stored.renamed_now(work.changed, content)
    if new := sum(1 for row in renamed if row["run_id"] == step.run_id):
        step.extra["changed_ids"] = new
    images = list(content.images.values())
    step.commit(_rows(stored, content.members, content.occurrences, images, renamed, content.regions), pack=draft)


def _rows(
    stored: StoredPictures,
    members: list[MemberRow],
    occurrences: list[OccurrenceRow],
    images: list[ImageRow],
    renamed: list[RenamedImageRow],
    regions: list[AtlasRegionRow],
) -> dict[Table, tuple[Sequence[Row], Sequence[Row]]]:
    """Stored and new rows of each table; those of former ids and of atlases only where there are any."""
    rows: dict[Table, tuple[Sequence[Row], Sequence[Row]]] = {
        MEMBERS: (stored.members, members),
        OCCURRENCES: (stored.occurrences, occurrences),
        IMAGES: (stored.images, images),
    }
    if stored.renamed or renamed:
        rows[RENAMED_IMAGES] = (stored.renamed, renamed)
    if stored.regions or regions:
        rows[ATLAS_REGIONS] = (stored.regions, regions)
    return rows


def _check(step: Step, members: list[MemberRow]) -> None:
    failed = sum(1 for row in members if row["status"] == MemberStatus.FAILED)
    tried = failed + sum(1 for row in members if row["status"] == MemberStatus.PICTURE)
    limit = step.stores.settings.max_failure_share
    message = f"{failed} of {tried} pictures and archives cannot be read, the limit is {limit:.0%}"
    step.check("members_readable", failed <= limit * tried, message)


def _key(file: RawFileRow) -> FileKey:
    return file["slug"], file["fid"], str(file["sha256"])


def _failure_key(file: RawFileRow, member_index: str, member_path: str) -> str:
    return f"{file['url']}#{member_index}:{member_path}" if member_index else str(file["url"])


def _carry_failures(step: Step, file: RawFileRow, members: Sequence[MemberRow]) -> None:
    for member in members:
        if member["status"] == MemberStatus.FAILED:
            step.failures.keep_until_due(
                _failure_key(file, member["member_index"], member["member_path"]), member["fingerprint"]
            )


def _is_due(step: Step, member: MemberRow, file: RawFileRow | None) -> bool:
    if file is None or member["status"] != MemberStatus.FAILED:
        return False
    key = _failure_key(file, member["member_index"], member["member_path"])
    return step.failures.is_due(key, member["fingerprint"])


class _Extraction:
    """Adds the members and pictures of unpacked files to the partition's content."""

    def __init__(self, step: Step, stored: StoredPictures, content: Content) -> None:
        self._step = step
        self._stored = stored
        self._content = content
        self._before = {row["image_id"] for row in stored.images}
        self.changed: dict[int, int] = {}
        """Former to new image id of members decoded again."""

    def request(self, key: FileKey, valid: list[MemberRow]) -> UnpackRequest:
        """What to unpack of a file: all of it but the members that are valid as stored."""
        done = {row["member_index"] for row in valid}
        parents = {
            index.rpartition("/")[0] for row in self._stored.files().get(key, []) if (index := row["member_index"])
        }
        return UnpackRequest(self._step.stores.blobs.local(key[2]), done, parents & done)

    def add(
        self, file: RawFileRow, key: FileKey, wanted: str, valid: list[MemberRow], unpacked: Iterator[UnpackedMember]
    ) -> None:
        """Add what was unpacked of a file, and its members that are valid as stored."""
        step, content = self._step, self._content
        self._stored.carry(key, content, valid)
        _carry_failures(step, file, valid)
        former = self._stored.image_ids(key)
        facts: MemberRow = {"slug": file["slug"], "fid": file["fid"], "file_sha256": str(file["sha256"])}
        seen = len(content.members)
        for member in unpacked:
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
                number = self._picture(file, member, wanted)
                row["image_id"] = number
                if (old := former.get(member.member_index, number)) != number:
                    self.changed[old] = number
            content.members.append(step.stamp(row, wanted))
            self._regions(facts, member, wanted)
        if not valid and len(content.members) == seen:  # an empty archive: a row records that it was read
            nothing: MemberRow = {
                **facts,
                "member_index": "",
                "member_path": "",
                "status": MemberStatus.NOT_A_PICTURE.value,
                "message": "an archive without members",
            }
            content.members.append(step.stamp(nothing, wanted))

    def _regions(self, facts: MemberRow, member: UnpackedMember, wanted: str) -> None:
        """Add the regions that a text names."""
        stated = ((atlas, region) for atlas in member.atlases for region in atlas.regions)
        for number, (atlas, region) in enumerate(stated):
            row: AtlasRegionRow = {
                "slug": facts["slug"],
                "fid": facts["fid"],
                "file_sha256": facts["file_sha256"],
                "member_index": member.member_index,
                "member_path": member.member_path,
                "number": number,
                "format": atlas.format,
                "picture": atlas.picture,
                "name": region.name,
                "x": region.x,
                "y": region.y,
                "width": region.width,
                "height": region.height,
                "from_below": atlas.from_below,
            }
            self._content.regions.append(self._step.stamp(row, wanted))

    def _picture(self, file: RawFileRow, member: UnpackedMember, wanted: str) -> int:
        """Add one picture's occurrence, and its image where it is the entry's first with these pixels."""
        step, content = self._step, self._content
        assert member.pixel_sha256 is not None
        assert member.thumbnail is not None
        assert member.features is not None
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
            offset, length = content.pack.add(picture_name(member.sha256), member.content)
            occurrence["pack_offset"], occurrence["pack_length"] = offset, length
        content.occurrences.append(step.stamp(occurrence, wanted))
        if number not in content.images:
            if number not in self._before:
                step.gallery.add(file["slug"], member.thumbnail)
            offset, length = content.pack.add(thumbnail_name(number), member.thumbnail)
            image: ImageRow = {
                **_described(member.features),
                "image_id": number,
                "slug": file["slug"],
                "pixel_sha256": member.pixel_sha256,
                "pixels_version": PIXELS_VERSION,
                "width": member.width,
                "height": member.height,
                "mode": member.mode,
                "format": member.format,
                "frames": member.frames,
                "thumb_offset": offset,
                "thumb_length": length,
            }
            content.images[number] = step.stamp(image, wanted)
        return number


def _described(features: Features) -> ImageRow:
    """The columns that tell what a picture looks like: one for each feature, of the same name."""
    return cast("ImageRow", vars(features))
