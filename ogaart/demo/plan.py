"""From ``site.toml`` and the art to the site's entries: which picture lies in which file of which entry."""

import csv
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from ogaart.core.stages import Stage
from ogaart.core.states import EntryStatus
from ogaart.demo import archives, pictures, stubs
from ogaart.demo.model import FILES, DemoContent, DemoEntry, DemoFile, DemoPicture, Planted, Preview

HERE = Path(__file__).parent
_LICENCES = {"CC0-1.0": "CC0", "CC-BY-3.0": "CC-BY 3.0", "CC-BY-4.0": "CC-BY 4.0"}
_YEARS = re.compile(r"[,\s]*\b(?:19|20)\d\d(?:-(?:19|20)\d\d)?\b[,\s]*")
_FIRST_POST = datetime(2009, 6, 1, 8, 3)  # noqa: DTZ001 - the site states no zone
_STEP = timedelta(days=88, hours=5, minutes=17)
_SUBMITTER = "demo curator"
_NID = 1000  # of the first entry
_COPY = 100_000  # added to nids and fids for each further copy of the site
_FILE_STAGE = Stage.EXTRACTED_IMAGES


@dataclass(frozen=True)
class Art:
    """The pictures under one folder with their manifest, as they are (variant 0) or varied."""

    root: Path = HERE / "art"
    variant: int = 0

    @cached_property
    def manifest(self) -> Mapping[str, Mapping[str, str]]:
        """Each picture's row of ``manifest.csv``, by its path."""
        with (self.root / "manifest.csv").open(newline="", encoding="utf-8") as rows:
            return {row["file"]: row for row in csv.DictReader(rows)}

    def matching(self, patterns: Sequence[str]) -> list[str]:
        """Return the paths that any of the patterns names, sorted.

        Raises:
            ValueError: a pattern names none.
        """
        found: set[str] = set()
        for pattern in patterns:
            hits = [path for path in self.manifest if fnmatchcase(path, pattern)]
            if not hits:
                raise ValueError(f"art {pattern!r}: names no picture of {self.root / 'manifest.csv'}")
            found.update(hits)
        return sorted(found)

    def read(self, path: str) -> bytes:
        """Return a picture's bytes."""
        data = (self.root / path).read_bytes()
        return pictures.varied(data, path, self.variant) if self.variant else data

    def author(self, path: str) -> str:
        """Return a picture's author, without the years that the manifest's source states."""
        return ", ".join(part for part in _YEARS.split(self.manifest[path]["author"]) if part)

    def licence(self, path: str) -> str:
        """Return a picture's licence as the site calls it."""
        return _LICENCES[self.manifest[path]["licence"]]


@dataclass
class _Packed:
    """A file's bytes with what reading them must yield."""

    data: bytes
    pictures: list[DemoPicture] = field(default_factory=list)
    planted: list[Planted] = field(default_factory=list)


def load(path: Path = HERE / "site.toml", copies: int = 1) -> DemoContent:
    """Build the demo's site, the same bytes every time.

    Args:
        path: the plan; the art lies beside it.
        copies: how many times as large; each copy has other pictures, made from the same art.

    Raises:
        ValueError: the plan names art that is not there, or mixes authors or licences in one entry.
    """
    plan = tomllib.loads(path.read_text("utf-8"))["entry"]
    site = DemoContent([])
    for copy in range(copies):
        builder = _Builder(Art(path.parent / "art", copy))
        for position, spec in enumerate(plan):
            site.entries.append(builder.entry(spec, position))
    site.decoys.update(_decoys(site))
    return site


class _Builder:
    """Makes entries of one copy of the site; numbers files in the order of their making."""

    def __init__(self, art: Art) -> None:
        self.art = art
        self.fid = 990_000 + art.variant * _COPY

    def entry(self, spec: Mapping[str, Any], position: int) -> DemoEntry:
        copy = self.art.variant
        paths = self.art.matching(spec["art"])
        author, licences = self._credit(spec, paths)
        shape = spec.get("shape", "user")
        url = {"user": "/users/" + _dashed(author), "external": spec.get("link"), "plain": None}[shape]
        entry = DemoEntry(
            slug=spec["slug"] + (f"-copy-{copy}" if copy else ""),
            nid=_NID + 7 * position + copy * _COPY,
            title=spec["title"] + (f" (copy {copy})" if copy else ""),
            author=author,
            author_url=url,
            submitter=None if shape == "user" else _SUBMITTER,
            posted_at=_FIRST_POST + _STEP * position + timedelta(hours=copy),
            licences=licences,
            art_type=spec.get("art_type", "2D Art"),
            tags=list(spec["tags"]),
            about=list(spec["about"]),
            notice=spec.get("notice"),
            notice_field=spec.get("notice_field", "copyright-notice"),
            favourites=spec.get("favourites", 0),
            collections=list(spec.get("collections", [])),
            comments=spec.get("comments", False),
            away_links=spec.get("away_links", False),
            status=EntryStatus(spec.get("status", "ok")),
            collaborators=list(spec.get("collaborators", [])),
            instructions=spec.get("instructions"),
            numbered=spec.get("numbered", False),
            cut_once=spec.get("cut_once", False),
        )
        entry.files = self._files(spec, paths)
        if paths:
            entry.previews = [Preview(f"preview_{entry.nid}.png", pictures.preview(self.art.read(paths[0])))]
        return entry

    def _credit(self, spec: Mapping[str, Any], paths: list[str]) -> tuple[str, list[str]]:
        if not paths:
            return spec["author"], list(spec["licences"])
        credited = {(self.art.author(path), self.art.licence(path)) for path in paths}
        if len(credited) > 1:
            raise ValueError(f"entry {spec['slug']!r}: one author and licence each, found {sorted(credited)}")
        author, licence = credited.pop()
        return author.removesuffix(" (www.kenney.nl)"), [licence]

    def _files(self, spec: Mapping[str, Any], paths: list[str]) -> list[DemoFile]:
        specs = spec.get("files")
        if specs is None:
            specs = [{}] if len(paths) <= 3 else [{"pack": "zip", "name": spec["slug"] + ".zip"}]
        left = _left(specs, paths)
        return [file for one in specs for file in self._file(one, _own(one, paths, left))]

    def _file(self, spec: Mapping[str, Any], paths: list[str]) -> list[DemoFile]:
        if spec.get("missing"):
            planted = [Planted(Stage.RAW_FILES, "missing", http_status=404)]
            return [self._linked(spec, spec["name"], _Packed(b"\x89PNG\r\n\x1a\n" + bytes(2040), [], planted))]
        if "stub" in spec:
            return [self._linked(spec, spec["name"], _stub(spec["stub"], ""))]
        if "pack" in spec:
            packed = self._archive(spec, paths)
            return [self._linked(spec, spec["name"], packed)]
        files = []
        for path in paths:
            name, data = self._picture(spec, path)
            files.append(self._linked(spec, spec.get("name", name), _Packed(data, pictures.shown(data))))
        return files

    def _linked(self, spec: Mapping[str, Any], shown: str, packed: _Packed) -> DemoFile:
        self.fid += 1
        copy = self.art.variant
        stored = spec.get("stored", shown)
        if copy:
            stem, dot, rest = stored.partition(".")
            stored = f"{stem}_{copy}{dot}{rest}"
        return DemoFile(
            self.fid, stored, shown, packed.data, packed.pictures, packed.planted, missing=spec.get("missing", False)
        )

    def _picture(self, spec: Mapping[str, Any], path: str) -> tuple[str, bytes]:
        """Return a picture's base name and bytes, in the format the plan names."""
        data = self.art.read(path)
        name = PurePosixPath(path).name
        if "as" not in spec:
            return name, data
        return f"{PurePosixPath(name).stem}.{spec['as']}", pictures.converted(data, spec["as"])

    def _archive(self, spec: Mapping[str, Any], paths: list[str]) -> _Packed:
        inner = spec.get("inner", [])
        left = _left(inner, paths) if inner else []
        outer_paths = [path for path in paths if path not in left] if inner else paths
        members: list[tuple[str, bytes]] = []
        out = _Packed(b"")
        for path in outer_paths:
            name, data = self._picture(spec, path)
            where = self._member_path(spec, path, name)
            members.append((where, data))
            out.pictures += pictures.shown(data, where)
        for name in spec.get("extras", []):
            where = spec.get("folder", "") + name
            stub = _stub(name, where)
            members.append((where, stub.data))
            out.pictures += stub.pictures
            out.planted += stub.planted
        for one in inner:
            packed = self._archive(one, _own(one, paths, left))
            members.append((one["name"], packed.data))
            out.pictures += [replace(p, member_path=f"{one['name']}!/{p.member_path}") for p in packed.pictures]
        if spec.get("mac"):
            members += [(f"__MACOSX/{_apple_double(path)}", stubs.APPLE_DOUBLE) for path, _ in members[:3]]
        return _packed(spec, members, out)

    @staticmethod
    def _member_path(spec: Mapping[str, Any], path: str, name: str) -> str:
        if spec["pack"] == "gz":
            return str(spec["name"]).removesuffix(".gz")
        name = spec.get("names", {}).get(name, name)
        folder: str = PurePosixPath(path).parent.name + "/" if spec.get("folders") else spec.get("folder", "")
        return folder + name


def _packed(spec: Mapping[str, Any], members: list[tuple[str, bytes]], out: _Packed) -> _Packed:
    """Pack the members, whole or damaged as planned, and return what can still be read."""
    survivors = spec.get("survivors")
    if survivors is not None:
        data = archives.truncated_zip(members, survivors)
        # Which of the members after the cut get a row is the reader's affair: the file has at least one.
        return _Packed(data, out.pictures[:survivors], [Planted(_FILE_STAGE, "corrupt archive")])
    data = archives.pack(spec["pack"], members)
    if spec.get("extractor"):
        data = archives.EXTRACTOR + data
    if "cut" in spec:
        return _Packed(data[: int(len(data) * spec["cut"])], [], [Planted(_FILE_STAGE, "corrupt archive")])
    return _Packed(data, out.pictures, out.planted)


def _left(specs: Sequence[Mapping[str, Any]], paths: list[str]) -> list[str]:
    """Return the paths that no file takes by name, except for those that take a picture a second time."""
    taken = [pattern for one in specs if not one.get("again") for pattern in one.get("of", [])]
    return [path for path in paths if not _named(path, taken)]


def _own(spec: Mapping[str, Any], paths: list[str], left: list[str]) -> list[str]:
    if "stub" in spec or "missing" in spec:
        return []
    # An archive in which others lie holds all that they do not take: it needs both.
    if "inner" in spec:
        return paths
    return [path for path in paths if _named(path, spec["of"])] if "of" in spec else left


def _named(path: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(PurePosixPath(path).name, pattern) for pattern in patterns)


def _stub(name: str, where: str) -> _Packed:
    out = _Packed(stubs.by_name()[name])
    if name.endswith(".svg"):
        out.pictures = [pictures.of_pixels(stubs.svg_pixels(), where)]
    elif name == "drawing.xcf":
        out.pictures = [pictures.of_pixels(stubs.drawing_pixels(), where)]
    elif name.endswith(".xcf"):
        out.planted = [Planted(_FILE_STAGE, "no reader for xcf", where or None, required=False)]
    elif name == "broken_0x0.png":
        out.planted = [Planted(_FILE_STAGE, "a PNG of 0 x 0 pixels", where or None)]
    return out


def _apple_double(path: str) -> str:
    folder, slash, name = path.rpartition("/")
    return f"{folder}{slash}._{name}"


def _dashed(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _decoys(site: DemoContent) -> dict[str, bytes]:
    """Return what pages link or show and no crawler may take: derivatives, attachments, icons, texts."""
    some = site.entries[0].previews[0].data
    names = ["my_edit_0.png", "palette_test.png", "cafe_v0.zip", "cafe_v00.zip", "license_images/cc0.png"]
    names += ["pictures/picture-1-1.png", "styles/icon_48x48/public/pictures/picture-1-1.png", "archive/oga-by-40.txt"]
    names += ["styles/watermarked/public/cafe_shot.png", "license_images/cc-by.png", "license_images/cc-by-sa.png"]
    names += [f"styles/{size}/public/preview_{e.nid}.png" for e in site.entries for size in ("medium", "thumbnail")]
    return {FILES + name: some for name in names}
