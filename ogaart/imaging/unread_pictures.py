"""Pictures of known formats that are not read, by their bytes: they are called unsupported, by name."""

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\0\0\0\x0cJXL \r\n\x87\n", "jxl"),
    (b"\xff\x0a", "jxl"),
    (b"v/1\x01", "exr"),
    (b"#?RADIANCE", "hdr"),
    (b"#?RGBE", "hdr"),
    (b"\xabKTX 11\xbb\r\n\x1a\n", "ktx"),
    (b"\xabKTX 20\xbb\r\n\x1a\n", "ktx2"),
    (b"PVR\x03", "pvr"),
    (b"\x13\xab\xa1\x5c", "astc"),
    (b"sB\x13\0", "basis"),
    (b"VTF\0", "vtf"),
    (b"BLP1", "blp"),
    (b"BLP2", "blp"),
    (b"\x8aMNG\r\n\x1a\n", "mng"),
    (b"\x8bJNG\r\n\x1a\n", "jng"),
    (b"FLIF", "flif"),
    (b"farbfeld", "farbfeld"),
    (b"Paint Shop Pro Image File\n", "psp"),
    (b"PDN3", "pdn"),
    (b"CSFCHUNK", "clip"),
    (b"\0\xffKA", "affinity"),
    (b"\x59\xa6\x6a\x95", "sun raster"),
    (b"\xb1\x68\xde\x3a", "dcx"),
    (b"\xd7\xcd\xc6\x9a", "wmf"),
    (b"PF\n", "pfm"),
    (b"Pf\n", "pfm"),
    (b"P7\n", "pam"),
)
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs", b"mif1", b"msf1"})
_IFF_PICTURES = frozenset({b"ILBM", b"PBM ", b"ACBM", b"RGB8", b"RGBN", b"DEEP"})


def unread_picture(head: bytes) -> str | None:
    """The name of the format, of a picture in one that is not read; None for anything else.

    Args:
        head: the first bytes of the file, 64 or more where there are as many.
    """
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    return _by_later_bytes(head)


def _by_later_bytes(head: bytes) -> str | None:
    """Formats whose magic is not at the start, or is in two places."""
    if head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS and b"avif" not in head[16:64]:
        return "heic"
    if head[:4] == b"RIFF" and head[8:12] == b"ACON":
        return "ani"
    if head[:4] == b"FORM" and head[8:12] in _IFF_PICTURES:
        return "ilbm"
    if head[20:24] in (b"GIMP", b"GPAT"):
        return "gbr" if head[20:24] == b"GIMP" else "pat"
    if head[:4] == b"\x01\0\0\0" and head[40:44] == b" EMF":
        return "emf"
    # Autodesk FLI and FLC: the magic is short, so the depth must fit as well.
    if head[4:6] in (b"\x11\xaf", b"\x12\xaf") and head[12:14] == b"\x08\0":
        return "flc"
    return None
