"""Tells by a file's first bytes which of the 13 formats it is. Pure; called by `media.py`, and no name is ever asked.

What the bytes promise, `media.py` holds them to by decoding.
"""

#: The 13 formats of the contract, in its order.
FORMATS = ("mp4", "mov", "avi", "webm", "mkv", "jpg", "png", "gif", "webp", "mp3", "wav", "m4a", "aac")
#: Formats whose picture, if they have one, is a cover.
SOUNDS = frozenset({"mp3", "wav", "m4a", "aac"})
#: Formats that are one picture, unless it moves.
PICTURES = frozenset({"jpg", "png", "gif", "webp"})

#: How much of a file's start `sniff` wants.
HEAD_BYTES = 4096

#: RF64 and BW64 are wave files that may grow beyond 4 GB.
_RIFF_MARKS = (b"RIFF", b"RF64", b"BW64")
#: Brands in a `ftyp` box that are pictures (HEIF, AVIF), not films.
_PICTURE_BRANDS = {b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"avif", b"avis", b"crx "}
#: What QuickTime files from before the `ftyp` box begin with.
_OLD_QUICKTIME = {b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"}
#: What may stand before the `ftyp` box, or instead of it where a film was sent in pieces and put together again.
_BEFORE_THE_TYPE = {b"styp", b"uuid", b"emsg", b"prft", b"sidx", b"pdin"}
_SMALLEST_BOX_BYTES = 8


def sniff(head: bytes) -> str | None:
    """Name the format that a file's first bytes show, e.g. ``webm``; None if it is none of the 13."""
    if head[:4] in _RIFF_MARKS:
        return {b"WEBP": "webp", b"WAVE": "wav", b"AVI ": "avi"}.get(head[8:12])
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return "webm" if b"webm" in head[:64] else "mkv"
    if head[4:8] == b"ftyp" or head[4:8] in _OLD_QUICKTIME | _BEFORE_THE_TYPE:
        return _by_boxes(head)
    return _by_start(head)


def _by_boxes(head: bytes) -> str | None:
    """Look for the `ftyp` box as far as the head goes; without one the first box tells."""
    at = 0
    while (kind := head[at + 4 : at + 8]) in _OLD_QUICKTIME | _BEFORE_THE_TYPE:
        length = int.from_bytes(head[at : at + 4], "big")
        if length < _SMALLEST_BOX_BYTES:
            break
        at += length
    if kind == b"ftyp":
        return _by_brand(head[at + 8 : at + 12])
    return "mov" if head[4:8] in _OLD_QUICKTIME else "mp4"


def _by_brand(brand: bytes) -> str | None:
    if brand in _PICTURE_BRANDS:
        return None
    return {b"qt  ": "mov", b"M4A ": "m4a", b"M4B ": "m4a", b"M4P ": "m4a"}.get(brand, "mp4")


def _by_start(head: bytes) -> str | None:
    starts = {b"\xff\xd8\xff": "jpg", b"\x89PNG\r\n\x1a\n": "png", b"GIF8": "gif", b"ID3": "mp3"}
    found = next((name for start, name in starts.items() if head.startswith(start)), None)
    return found or _by_frame_sync(head)


def _by_frame_sync(head: bytes) -> str | None:
    if len(head) < 2 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:  # noqa: PLR2004  # the MPEG audio sync word
        return None
    return "mp3" if head[1] & 0x06 else "aac"  # layer bits 00 are ADTS
