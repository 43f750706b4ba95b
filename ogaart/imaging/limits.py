"""The limits within which untrusted files are unpacked and decoded: one frozen object, made from the settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ogaart.settings import Settings

MiB = 1 << 20
GiB = 1 << 30


@dataclass(frozen=True)
class Limits:
    """All limits of one unpacking.

    Attributes:
        max_member_bytes: bytes of one picture or nested archive inside an archive.
        max_unpacked_bytes: bytes unpacked from one file, over all its members and levels.
        max_members: members of one file, over all levels.
        max_ratio: unpacked to packed bytes, checked above 10 MiB unpacked.
        max_depth: how many levels deep archives inside archives are opened.
        max_pixels: width times height of a picture.
        member_seconds: seconds one member may take to unpack and decode.
        file_seconds: seconds one file may take with all its members.
        worker_bytes: address space the child process may use beyond what it has at its start.
        max_frames: frames of an animation searched for one that is not fully transparent.
    """

    max_member_bytes: int = 512 * MiB
    max_unpacked_bytes: int = 8 * GiB
    max_members: int = 50_000
    max_ratio: float = 1000.0
    max_depth: int = 3
    max_pixels: int = 64_000_000
    member_seconds: float = 60.0
    file_seconds: float = 3600.0
    worker_bytes: int = 2 * GiB
    max_frames: int = 256

    @classmethod
    def from_settings(cls, settings: Settings) -> Limits:
        """Take from the settings what they hold; a file gets as long as sixty of its members may take."""
        return cls(
            max_member_bytes=settings.max_member_bytes,
            max_unpacked_bytes=settings.max_unpacked_bytes,
            max_members=settings.max_members,
            max_ratio=settings.max_ratio,
            max_depth=settings.max_depth,
            max_pixels=settings.max_pixels,
            member_seconds=settings.member_seconds,
            file_seconds=60 * settings.member_seconds,
            worker_bytes=settings.worker_bytes,
        )
