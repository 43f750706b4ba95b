"""Picked pictures as one zip that states author and licence of every file, as REUSE specifies."""

import io
import re
import unicodedata
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from ogaart.search.credits.credits import Credits, Work
from ogaart.search.credits.engines import engine_files
from ogaart.search.credits.exports import clean, markdown
from ogaart.search.errors import BundleTooLarge
from ogaart.search.results import Hit
from ogaart.sites.licences import Licence

MAX_BYTES = 256 << 20
_UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]+')
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")
# Names that the REUSE tool takes for something else than a file that needs a licence.
_REUSE_OWN = re.compile(r"(?i)(licen[cs]e|copying)([-.].*)?|.*\.license|reuse\.toml|\.git.*")
_CREDITS_SPDX = "CC0-1.0"
_EPOCH = (1980, 1, 1, 0, 0, 0)
_TEXTS = Path(__file__).parent / "texts"
_BASED_ON = {"LicenseRef-OGA-BY-3.0": "CC-BY-3.0", "LicenseRef-OGA-BY-4.0": "CC-BY-4.0"}
_MEASURES = {"CC-BY-3.0": "4a", "CC-BY-4.0": "2a5B"}


class PictureFile(Protocol):
    """The bytes of a picture file on disk."""

    @property
    def length(self) -> int:
        """How many they are."""

    def blocks(self) -> Iterator[bytes]:
        """All of them, a part at a time."""


@dataclass(frozen=True)
class Bundle:
    """A zip that is ready to be written: what goes into it, in order.

    Attributes:
        texts: names and texts: sidecars, credits, licences.
        pictures: names and files of the pictures.
    """

    texts: tuple[tuple[str, str], ...]
    pictures: tuple[tuple[str, PictureFile], ...]

    @property
    def length(self) -> int:
        """Bytes of the pictures together."""
        return sum(file.length for _, file in self.pictures)

    def blocks(self) -> Iterator[bytes]:
        """The zip, a part at a time: nothing of it is kept in memory or on disk; the same picks make the same bytes."""
        sink = _Sink()
        with zipfile.ZipFile(sink, "w") as packed:
            for name, file in self.pictures:
                # Pictures are compressed already.
                with packed.open(_entry(name, zipfile.ZIP_STORED), "w") as member:
                    for block in file.blocks():
                        member.write(block)
                        yield from sink.taken()
            for name, content in self.texts:
                packed.writestr(_entry(name, zipfile.ZIP_DEFLATED), content)
                yield from sink.taken()
        yield from sink.taken()


def make_bundle(owed: Credits, find: Callable[[Hit], PictureFile | None]) -> Bundle:
    """Prepare the zip: pictures by entry, a sidecar for each, credits, and the texts of the licences.

    Args:
        owed: what to bundle.
        find: finds a picture file's bytes; None if they are gone.

    Raises:
        BundleTooLarge: more than ``MAX_BYTES`` of pictures.
    """
    used: dict[str, tuple[str, str]] = {
        _CREDITS_SPDX: ("CC0 1.0", "https://creativecommons.org/publicdomain/zero/1.0/")
    }
    texts: list[tuple[str, str]] = []
    pictures: list[tuple[str, PictureFile]] = []
    taken: set[str] = set()
    named: dict[str, Hit] = {}
    for work in owed.works:
        folder = safe_name(work.slug)
        spdx = spdx_of(work)
        for hit in work.pictures:
            file = find(hit)
            if file is None:
                continue
            name = _free_name(folder, hit, taken)
            pictures.append((name, file))
            named[name] = hit
            texts.append((f"{name}.license", sidecar(work, spdx)))
            used[spdx] = _licence_of(work)
    own = f"SPDX-FileCopyrightText: NONE\n\nSPDX-License-Identifier: {_CREDITS_SPDX}\n"
    pixel_art = [name for name, hit in named.items() if hit.pixel_art]
    for name, content in (("CREDITS.md", markdown(owed)), *engine_files(owed, pixel_art)):
        texts.extend(((name, content), (f"{name}.license", own)))
    texts.extend((f"LICENSES/{spdx}.txt", licence_text(spdx, *named)) for spdx, named in sorted(used.items()))
    bundle = Bundle(tuple(texts), tuple(pictures))
    if bundle.length > MAX_BYTES:
        raise BundleTooLarge(
            f"the pictures are {bundle.length >> 20} MB together; a bundle holds at most {MAX_BYTES >> 20} MB"
        )
    return bundle


class _Sink(io.RawIOBase):
    """Where the zip is written to: holds what came since it was last taken."""

    def __init__(self) -> None:
        self._written: list[bytes] = []

    def writable(self) -> bool:
        """It is; and it cannot seek, so the zip states lengths after its members."""
        return True

    def write(self, data: Any) -> int:
        """Hold some bytes."""
        self._written.append(bytes(data))
        return len(data)

    def taken(self) -> Iterator[bytes]:
        """What is held, once."""
        written, self._written = self._written, []
        if content := b"".join(written):
            yield content


def _entry(name: str, compression: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _EPOCH)
    info.compress_type = compression
    info.external_attr = 0o644 << 16
    return info


def spdx_of(work: Work) -> str:
    """The SPDX identifier of the licence relied on; a reference of its own where SPDX knows none."""
    known: Licence | None = work.known
    if known is not None:
        return known.spdx
    name = work.relied_on.name if work.relied_on else "none-stated"
    return "LicenseRef-" + (re.sub(r"[^A-Za-z0-9.-]+", "-", name).strip("-.") or "unnamed")


def sidecar(work: Work, spdx: str) -> str:
    """A REUSE sidecar: who holds the copyright, under which licence, and the words that credit it."""
    holders = [" ".join(clean(name).split()).replace("SPDX", "S-P-D-X") for name in work.authors]
    copyrights = "\n".join(f"SPDX-FileCopyrightText: {name}" for name in holders)
    # The comment lines keep what REUSE looks for out of other people's words.
    words = [line.replace("SPDX", "S-P-D-X") for line in clean(work.text).split("\n")]
    about = "\n".join(f"# {line}" for line in [*words, f"Source: {work.page_url}"])
    return f"{copyrights}\n\nSPDX-License-Identifier: {spdx}\n\n{about}\n"


def safe_name(name: str) -> str:
    """A name that every file system takes and that leads nowhere else."""
    name = unicodedata.normalize("NFC", clean(name))
    name = _UNSAFE.sub("_", name).strip(". ")[:120].strip(". ") or "unnamed"
    return f"_{name}" if _RESERVED.fullmatch(name) or _REUSE_OWN.fullmatch(name) else name


def _free_name(folder: str, hit: Hit, taken: set[str]) -> str:
    path = PurePosixPath(safe_name((hit.member_path or hit.file).replace("\\", "/").rsplit("/", 1)[-1]))
    for candidate in _candidates(path, hit):
        name = f"{folder}/{candidate}"
        # Compared without case: some file systems know none.
        if name.casefold() not in taken:
            taken.add(name.casefold())
            return name
    raise AssertionError("the image_id makes every name free")


def _candidates(path: PurePosixPath, hit: Hit) -> Iterator[str]:
    yield path.name
    yield f"{path.stem}-{hit.image_id}{path.suffix}"


def _licence_of(work: Work) -> tuple[str, str]:
    known = work.known
    if known is not None:
        return known.name, known.legal_text
    if work.relied_on is None:
        return "no licence stated", work.page_url
    return work.relied_on.name, work.relied_on.url or work.page_url


def licence_text(spdx: str, name: str, url: str) -> str:
    """The text of a licence; of one that is not stored here, its URL, and what it changes, if that is known."""
    kept = _TEXTS / f"{spdx}.txt"
    if kept.is_file():
        return kept.read_text(encoding="utf-8")
    text = f"{clean(name)}\n\nThe text of this licence is at {clean(url)}\n"
    if base := _BASED_ON.get(spdx):
        text += (
            f"It is {base} without the clause on technological measures (section {_MEASURES[base]}), as the site's FAQ "
            f"on it says. For reference, {base} follows.\n\n{'-' * 72}\n\n"
        )
        text += (_TEXTS / f"{base}.txt").read_text(encoding="utf-8")
    return text
