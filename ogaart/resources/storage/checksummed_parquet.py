"""Parquet files that hold the hash of all their other bytes, so that whatever rots in them is noticed.

Page checksums do not cover page headers, nor the footer with its statistics, by which DuckDB skips rows. The seal lies
between the last page and the footer, where readers of Parquet look at nothing: every place they read is named in the
footer by its offset.
"""

import hashlib
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

MARK = b"ogaart.sha256:"
SEALED = b"ogaart.sealed"
"""Key in the schema's metadata of every file with a seal; files from before seals were made lack it."""

_TAIL = 8
"""Bytes after the footer: its length and the closing magic."""
_SMALL = 1 << 16
"""Bytes of a table whose pages are not compressed: they are no smaller then, and take half as long to write."""
_SEAL = len(MARK) + hashlib.sha256().digest_size


def write_sealed(content: pa.Table, path: Path, *, use_dictionary: bool = True) -> None:
    """Write a table with page checksums and a seal.

    Args:
        content: the rows.
        path: the file.
        use_dictionary: whether equal values of a column are stored once.
    """
    sink = pa.BufferOutputStream()
    metadata = {**(content.schema.metadata or {}), SEALED: b"1"}
    pq.write_table(
        content.replace_schema_metadata(metadata),
        sink,
        compression="zstd" if content.nbytes > _SMALL else "none",
        use_dictionary=use_dictionary,
        write_page_checksum=True,
    )
    whole = memoryview(sink.getvalue())
    footer = _footer_start(whole)
    with path.open("wb") as out:
        for part in (whole[:footer], MARK, hashlib.sha256(whole).digest(), whole[footer:]):
            out.write(part)


def seal_holds(path: Path) -> bool | None:
    """Whether a file's bytes are those that were written; None where no seal is in its place."""
    whole = memoryview(path.read_bytes())
    footer = _footer_start(whole)
    if footer < _SEAL or whole[footer - _SEAL :][: len(MARK)] != MARK:
        return None
    digest = hashlib.sha256(whole[: footer - _SEAL])
    digest.update(whole[footer:])
    return bytes(whole[footer - digest.digest_size : footer]) == digest.digest()


def stored_seal(path: Path) -> str:
    """The hash in a file's seal, in hex; empty where no seal is in its place."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(0, end - _TAIL))
        start = end - _TAIL - int.from_bytes(file.read(4), "little") - _SEAL
        if start < 0:
            return ""
        file.seek(start)
        seal = file.read(_SEAL)
    return seal[len(MARK) :].hex() if seal.startswith(MARK) else ""


def _footer_start(whole: memoryview) -> int:
    return len(whole) - _TAIL - int.from_bytes(whole[-_TAIL:-4], "little")
