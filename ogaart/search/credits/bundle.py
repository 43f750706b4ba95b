"""Picked pictures as one zip that says of every file whose it is and under which licence, the REUSE way."""

import re
import unicodedata
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from ogaart.search.credits.credits import Credits, Work
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


def write_bundle(owed: Credits, read: Callable[[Hit], bytes | None], out: IO[bytes]) -> list[str]:
    """Write the zip: pictures by entry, a sidecar for each, credits, and what the licences are.

    Args:
        owed: what to bundle.
        read: gives a picture file's bytes; None if they are gone.
        out: where to write.

    Returns:
        Names of all files in the zip.

    Raises:
        BundleTooLarge: more than ``MAX_BYTES`` of pictures.
    """
    names: list[str] = []
    used: dict[str, tuple[str, str]] = {
        _CREDITS_SPDX: ("CC0 1.0", "https://creativecommons.org/publicdomain/zero/1.0/")
    }
    total = 0
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as bundle:

        def add(name: str, content: bytes | str, *, packed: bool = True) -> None:
            info = zipfile.ZipInfo(name, _EPOCH)  # the same picks make the same bytes
            info.compress_type = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
            info.external_attr = 0o644 << 16
            bundle.writestr(info, content)
            names.append(name)

        taken: set[str] = set()
        for work in owed.works:
            folder = safe_name(work.slug)
            spdx = spdx_of(work)
            for hit in work.pictures:
                content = read(hit)
                if content is None:
                    continue
                total += len(content)
                if total > MAX_BYTES:
                    raise BundleTooLarge(
                        f"the pictures have more than {MAX_BYTES >> 20} MB together; make several bundles of fewer each"
                    )
                name = _free_name(folder, hit, taken)
                add(name, content, packed=False)
                add(f"{name}.license", sidecar(work, spdx))
                used[spdx] = _licence_of(work)
        add("CREDITS.md", markdown(owed))
        add("CREDITS.md.license", f"SPDX-FileCopyrightText: NONE\n\nSPDX-License-Identifier: {_CREDITS_SPDX}\n")
        for spdx, (name, url) in sorted(used.items()):
            add(f"LICENSES/{spdx}.txt", licence_text(spdx, name, url))
    return names


def spdx_of(work: Work) -> str:
    """The SPDX identifier of the licence relied on; a reference of its own where SPDX knows none."""
    known: Licence | None = work.known
    if known is not None:
        return known.spdx
    name = work.relied_on.name if work.relied_on else "none-stated"
    return "LicenseRef-" + (re.sub(r"[^A-Za-z0-9.-]+", "-", name).strip("-.") or "unnamed")


def sidecar(work: Work, spdx: str) -> str:
    """A REUSE sidecar: who holds the copyright, under which licence, and the words that credit it."""
    author = " ".join(clean(work.author).split())
    # The comment lines keep what REUSE looks for out of other people's words.
    words = [line.replace("SPDX", "S-P-D-X") for line in clean(work.text).split("\n")]
    about = "\n".join(f"# {line}" for line in [*words, f"Source: {work.page_url}"])
    return (
        f"SPDX-FileCopyrightText: {author.replace('SPDX', 'S-P-D-X')}\n\nSPDX-License-Identifier: {spdx}\n\n{about}\n"
    )


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
    """A licence word for word; of one that is not kept here, where it stands, and what it changes, if that is known."""
    kept = _TEXTS / f"{spdx}.txt"
    if kept.is_file():
        return kept.read_text(encoding="utf-8")
    text = f"{clean(name)}\n\nThe text of this licence stands at {clean(url)}\n"
    if base := _BASED_ON.get(spdx):
        text += (
            f"It is {base} without the clause on technological measures (section {_MEASURES[base]}), as the site's FAQ "
            f"on it says. For reference, {base} follows.\n\n{'-' * 72}\n\n"
        )
        text += (_TEXTS / f"{base}.txt").read_text(encoding="utf-8")
    return text
