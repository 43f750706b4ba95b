"""What the step ``embeddings`` knows of derived spaces: which pictures lack what, what is stored, what failed."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path

from ogaart.core.staleness import fingerprint
from ogaart.likeness import cells
from ogaart.pipeline.step import Step
from ogaart.resources.embedding.batches import Batch, Failure
from ogaart.resources.embedding.derivations import DERIVATIONS
from ogaart.resources.storage.derived import DerivedBytes
from ogaart.resources.storage.rows import ImageRow
from ogaart.resources.storage.segments import SegmentDamaged


class DerivedStep:
    """The derived spaces of one partition's pictures.

    Args:
        step: the step.
        images: the partition's images by id.
    """

    def __init__(self, step: Step, images: Mapping[int, ImageRow]) -> None:
        self._step = step
        self._images = images
        self._stores = {space: DerivedBytes(step.stores.root.derived, space) for space in DERIVATIONS}
        self._failures: dict[str, dict[str, Failure]] = {space: {} for space in DERIVATIONS}

    def lacking(self, without: AbstractSet[int]) -> dict[str, tuple[str, ...]]:
        """The derived spaces that each picture lacks, by pixel hash; stored failures that are not due are kept.

        Args:
            without: images that are not read in this run.
        """
        lacking: dict[str, tuple[str, ...]] = {}
        for space, store in self._stores.items():
            held = store.locate({image["pixel_sha256"] for image in self._images.values()}).keys()
            for number, image in self._images.items():
                pixels = image["pixel_sha256"]
                if pixels in held or number in without:
                    continue
                if self._step.failures.keep_until_due(*self._failure_key(number, space)):
                    continue
                if space not in lacking.get(pixels, ()):
                    lacking[pixels] = (*lacking.get(pixels, ()), space)
        return lacking

    def lacking_named(
        self, named: Mapping[int, Sequence[Sequence[int]]], without: AbstractSet[int]
    ) -> dict[str, dict[str, Sequence[Sequence[int]]]]:
        """The cells that atlases name and whose likeness is not kept yet: their boxes by pixel hash and key.

        Args:
            named: boxes (x, y, width, height) of the cells of each image that an atlas divides.
            without: images that are not read in this run.
        """
        keys = {i: cells.key_of_named(self._images[i]["pixel_sha256"], boxes) for i, boxes in named.items()}
        held = self._stores[cells.SPACE].locate(set(keys.values())).keys()
        lacking: dict[str, dict[str, Sequence[Sequence[int]]]] = {}
        for number, key in keys.items():
            if key in held or number in without:
                continue
            if not self._step.failures.keep_until_due(*self._failure_key(number, cells.SPACE)):
                lacking.setdefault(self._images[number]["pixel_sha256"], {})[key] = named[number]
        return lacking

    def segments(self, named: Mapping[int, Sequence[Sequence[int]]]) -> tuple[set[Path], dict[str, set[str]]] | None:
        """The files that hold what is derived from the pictures, and the keys that each space lacks.

        Args:
            named: as of ``lacking_named``.

        Returns:
            Both; None where something is missing that has not failed.
        """
        files: set[Path] = set()
        lacking: dict[str, set[str]] = {}
        for space, store in self._stores.items():
            keys = {i: {image["pixel_sha256"]} for i, image in self._images.items()}
            if space == cells.SPACE:
                for number, boxes in named.items():
                    keys[number].add(cells.key_of_named(self._images[number]["pixel_sha256"], boxes))
            places = store.locate({key for wanted in keys.values() for key in wanted})
            for number, wanted in keys.items():
                has_failed = self._step.failures.holds_now(self._failure_key(number, space)[0], str(number))
                if not has_failed and not wanted <= places.keys():
                    return None
            files |= {store.folder / place.segment for place in places.values()}
            if missing := {key for wanted in keys.values() for key in wanted} - places.keys():
                lacking[space] = missing
        return files, lacking

    def contents(self, space: str, pixels: Sequence[str]) -> dict[str, bytes]:
        """What a space holds of pictures, by pixel hash; nothing of a segment that is found damaged now."""
        try:
            return self._stores[space].get(pixels)
        except SegmentDamaged:
            return {}  # the store ignores it from now on, so that the next run computes it again

    def store(self, batches: Sequence[Batch]) -> None:
        """Store what batches hold, one segment a space, and remember what failed."""
        for space, store in self._stores.items():
            contents = {key: content for b in batches for key, content in b.derived.get(space, {}).items()}
            if contents:
                store.add(contents)
                self._step.extra[f"derived {space}"] = self._step.extra.get(f"derived {space}", 0) + len(contents)
            self._failures[space].update({f.key: f for b in batches for f in b.underived.get(space, ())})

    def failed(self, failure: Failure, spaces: Sequence[str]) -> None:
        """A picture that has its vector cannot be read any more: no space gets anything."""
        for space in spaces:
            self._failures[space][failure.key] = failure

    def record_failures(self) -> None:
        """Write a row for each image and space that failed in this run."""
        for space, failures in self._failures.items():
            for number, image in self._images.items():
                cause = failures.get(image["pixel_sha256"])
                if cause is not None:
                    self._step.failures.record(
                        *self._failure_key(number, space),
                        slug=image["slug"],
                        error_class=cause.error_class,
                        message=cause.message,
                    )

    def _failure_key(self, image_id: int, space: str) -> tuple[str, str]:
        return f"{image_id} {space}", fingerprint(space, self._images[image_id]["pixel_sha256"])
