"""The platform's unpacker finds in the demo's files what the truth lists, and nothing else."""

from pathlib import Path

from ogaart.core.states import MemberStatus
from ogaart.demo.model import DemoContent
from ogaart.imaging.limits import Limits
from ogaart.imaging.unpacker import Unpacker
from ogaart.settings import Settings


def test_every_file_holds_the_pictures_and_failures_of_the_truth(site: DemoContent, tmp_path: Path) -> None:
    with Unpacker(Limits.from_settings(Settings()), tmp_path) as unpacker:
        for entry in site.entries:
            for file in entry.files:
                path = tmp_path / str(file.fid)
                path.write_bytes(file.data)
                members = [] if file.missing else list(unpacker.unpack(path))

                found = [(m.member_path, m.pixel_sha256) for m in members if m.status is MemberStatus.PICTURE]
                assert sorted(found) == sorted((p.member_path, p.pixel_sha256) for p in file.pictures), file.shown_name
                failed = {m.member_path for m in members if m.status is MemberStatus.FAILED}
                assert not failed or file.planted, file.shown_name
                assert failed or not any(planted.required for planted in file.planted) or file.missing, file.shown_name
