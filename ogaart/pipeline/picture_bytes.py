"""A picture file's own bytes, from the blob of a loose file or the pack of an archive's member."""

from ogaart.core.stages import Stage
from ogaart.resources.platform import Stores
from ogaart.resources.storage.rows import OccurrenceRow


def picture_bytes(stores: Stores, occurrence: OccurrenceRow) -> bytes:
    """The bytes of an occurrence's picture file.

    Raises:
        OSError: the blob or the pack is missing or torn.
    """
    offset, length = occurrence["pack_offset"], occurrence["pack_length"]
    if offset is None or length is None:
        return stores.blobs.read(occurrence["file_sha256"])
    return stores.tables.read_pack(Stage.EXTRACTED_IMAGES, occurrence["partition"], offset, length)
