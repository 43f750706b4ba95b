"""The first bytes of formats that are known by them alone, with each format's short name."""

PICTURES: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"\xff\xd8\xff", "jpg"),
    (b"8BPS\0\x01", "psd"),
    (b"8BPS\0\x02", "psb"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
    (b"gimp xcf ", "xcf"),
    (b"/* XPM */", "xpm"),
    (b"DDS ", "dds"),
    (b"qoif", "qoi"),
    (b"icns", "icns"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "jp2"),
    (b"\xff\x4f\xff\x51", "jp2"),
    (b"\x01\xda\0\x01", "sgi"),
    (b"\x01\xda\x01\x01", "sgi"),
)
"""Pictures."""
ARCHIVES: tuple[tuple[bytes, str], ...] = (
    (b"MSCF\0\0\0\0", "cab"),
    (b"070701", "cpio"),
    (b"070702", "cpio"),
    (b"070707", "cpio"),
    (b"\xc7\x71", "cpio"),
    (b"\x71\xc7", "cpio"),
    (b"!<arch>\n", "ar"),
    (b"\xed\xab\xee\xdb", "rpm"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"PK\x07\x08", "zip"),
    (b"PK00PK\x03\x04", "zip"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"Rar!\x1a\x07\0", "rar"),
    (b"Rar!\x1a\x07\x01\0", "rar"),
)
"""Archives, which hold members."""
COMPRESSED: tuple[tuple[bytes, str], ...] = (
    (b"\x1f\x8b\x08", "gz"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\x28\xb5\x2f\xfd", "zst"),
    (b"\x1f\x9d", "Z"),
    (b"LZIP\x01", "lz"),
    (b"\x04\x22\x4d\x18", "lz4"),
)
"""Single compressed streams."""
UNSUPPORTED: tuple[tuple[bytes, str], ...] = (
    (b"RE\x7e\x5e", "rar 1"),
    (b"SIT!", "StuffIt"),
    (b"StuffIt", "StuffIt"),
    (b"xar!", "xar"),
    (b"ISc(", "InstallShield cab"),
    (b"LRZI", "lrzip"),
)
"""Archives that are not read."""
OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"OggS", "ogg"),
    (b"fLaC", "flac"),
    (b"ID3", "mp3"),
    (b"%PDF-", "pdf"),
    (b"BLENDER", "blend"),
    (b"glTF", "glb"),
    (b"MThd", "midi"),
    (b"\x7fELF", "elf"),
    (b"MZ", "exe"),
    (b"OTTO", "otf"),
    (b"\0\x01\0\0\0", "ttf"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole"),
    (b"Kaydara FBX", "fbx"),
)
"""What is neither a picture nor an archive."""
