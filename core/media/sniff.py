"""Content sniffing: which of the formats a file is, told by its first bytes as ffmpeg tells it.

`core.media.formats` gives this out as `format_of_content`. Names are no concern of it, and it knows only what ffmpeg plays:
a HEIC picture is in the container of an MP4 and is none. Sources: ISO/IEC 14496-12 (boxes), RFC 8794 (EBML), the RIFF,
RF64 and BW64 headers, ID3v2.4, APEv2, and ISO/IEC 11172-3 and 13818-7 for the frames of MP3 and AAC.
"""

from collections.abc import Iterator

#: As far as ffmpeg itself looks for a format (its PROBE_BUF_MAX).
HEAD_BYTES = 1 << 20

_RIFF_STARTS = (b"RIFF", b"RF64", b"BW64")
_RIFF = {b"AVI ": "avi", b"AVI\x19": "avi", b"AVIX": "avi", b"WAVE": "wav", b"WEBP": "webp"}

#: What may stand behind a JPEG's first two bytes: quantization, restart interval, application data, comment.
_JPEG_MARKERS = frozenset(bytes([marker]) for marker in (0xDB, 0xDD, *range(0xE0, 0xF0), 0xFE))
_JPEG_JUNK_BYTES = 256

#: Pictures in the container of a film: HEIF, AVIF, Canon's raw files, JPEG 2000 and JPEG XL.
_STILL_BRANDS = frozenset(
    {b"avif", b"avis", b"avio", b"crx ", b"heic", b"heim", b"heis", b"heix", b"hevc", b"hevm", b"hevs", b"hevx"}
    | {b"j2ki", b"jp2 ", b"jpeg", b"jpgs", b"jpm ", b"jpx ", b"jxl ", b"mif1", b"mif2", b"msf1"}
)
_SOUND_BRANDS = (b"M4A ", b"M4B ", b"M4P ")
#: Boxes that only films in pieces have, and such as stand before or instead of `ftyp` there.
_FRAGMENT_BOXES = frozenset({b"styp", b"sidx", b"ssix", b"moof", b"mfra", b"emsg", b"prft", b"pdin"})
#: What QuickTime files older than `ftyp` begin with, and filling.
_QUICKTIME_BOXES = frozenset(
    {b"moov", b"mdat", b"pnot", b"wide", b"free", b"skip", b"junk", b"pict", b"udta", b"uuid", b"ediw", b"prfl"}
)
#: Length and name of a box.
_BOX_BYTES = 8
#: Nothing real has so many boxes, elements or tags before what matters; a head of a million empty ones costs no time.
_MOST_BOXES, _MOST_TAGS = 256, 8

_EBML, _SEGMENT, _DOCTYPE = 0x1A45DFA3, 0x18538067, 0x4282

_MPEG_LAYER_3 = 0b01
_FRAME_HEADER_BYTES = 4
_ADTS_HEADER_BYTES = 7
#: kbit/s of Layer III: MPEG-1, then MPEG-2 and 2.5; 0 stands for "free".
_KBITS = (
    (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
)
#: Hz by the version's two bits (2.5, reserved, 2, 1) and the rate's.
_RATES_HZ = ((11025, 12000, 8000), (0, 0, 0), (22050, 24000, 16000), (44100, 48000, 32000))
#: So many frames in a row are no accident, whatever stands before them: a recorded stream begins in the middle of one.
_SURE_FRAMES = 6
_JUNK_BYTES = 1 << 16
#: What others begin with that may hold sound frames or pictures further on.
_OTHER_STARTS = (
    *(
        b"PK\x03\x04",
        b"%PDF",
        b"OggS",
        b"fLaC",
        b"FLV\x01",
        b"FORM",
        b"MZ",
        b"\x7fELF",
        b"\x1f\x8b",
        b"Rar!",
        b"7z\xbc\xaf",
    ),
    *(b"<", b"II*\0", b"MM\0*", b"8BPS", b"\x30\x26\xb2\x75", b"\xd0\xcf\x11\xe0", b"\0\0\1\xba", b".RMF"),
)


def format_of_content(head: bytes) -> str | None:
    """Tell a file's format by its first bytes, None where it is none of the 13; `HEAD_BYTES` are enough for all.

    Most are told by 64 bytes. A sound that begins beyond the end of `head`, behind a tag, is taken for an MP3.
    """
    return _container(head) or _sound(head) or _jpeg_behind_junk(head)


def _container(head: bytes) -> str | None:
    return _picture(head) or _riff(head) or _iso_media(head) or _matroska(head)


def _picture(head: bytes) -> str | None:
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if head.startswith(b"\xff\xd8\xff") and head[3:4] != b"\xf7":  # that would be JPEG-LS
        return "jpg"
    return "gif" if head.startswith((b"GIF87a", b"GIF89a")) else None


def _jpeg_behind_junk(head: bytes) -> str | None:
    """Find a JPEG behind a few bytes that a careless script put before it, e.g. a line break."""
    at = head.find(b"\xff\xd8\xff", 0, _JPEG_JUNK_BYTES)
    is_marker = at >= 0 and head[at + 3 : at + 4] in _JPEG_MARKERS
    return "jpg" if is_marker and not head.startswith((b"ID3", *_OTHER_STARTS)) else None


def _riff(head: bytes) -> str | None:
    if head.startswith(b"ON2 ") and head[8:12] == b"ON2f":
        return "avi"
    return _RIFF.get(head[8:12]) if head.startswith(_RIFF_STARTS) else None


def _iso_media(head: bytes) -> str | None:
    """Walk over boxes until one decides; where `head` ends before, the kinds of those that were there do."""
    seen: set[bytes] = set()
    for kind, body in _boxes(head):
        if kind == b"ftyp":
            return _by_brand(head[body : body + 4])
        seen.add(kind)
        if kind in (b"moov", b"mdat", b"moof"):
            break
    if seen & _FRAGMENT_BOXES:
        return "mp4"
    return "mov" if seen & _QUICKTIME_BOXES else None


def _boxes(head: bytes) -> Iterator[tuple[bytes, int]]:
    """Give each box's name and where its content begins, e.g. ``(b"ftyp", 8)``; what is no box ends it."""
    at = 0
    for _ in range(_MOST_BOXES):
        if at + _BOX_BYTES >= len(head):
            return
        size, kind, body = int.from_bytes(head[at : at + 4]), head[at + 4 : at + 8], at + _BOX_BYTES
        if size == 1:
            size, body = int.from_bytes(head[body : body + 8]), body + 8
        if not (size == 0 or size >= body - at) or not all(0x20 <= byte < 0x7F for byte in kind):  # noqa: PLR2004 - visible ASCII
            return
        yield kind, body
        at = at + size if size else len(head)


def _by_brand(brand: bytes) -> str | None:
    if len(brand) < 4 or brand in _STILL_BRANDS:  # noqa: PLR2004 - a brand's length
        return None
    if brand == b"qt  ":
        return "mov"
    return "m4a" if brand in _SOUND_BRANDS else "mp4"


def _matroska(head: bytes) -> str | None:
    """Read the DocType out of the EBML header; without a known one, a Segment right behind the header makes it Matroska."""
    header = _element(head, 0)
    if header is None or header[0] != _EBML:
        return None
    _, at, end = header
    for _ in range(_MOST_BOXES):
        element = _element(head, at) if at < end else None
        if element is None:
            break
        kind, body, at = element
        if kind == _DOCTYPE and (found := _by_doctype(head[body:at])):
            return found
        if kind == _SEGMENT:  # the header's own length is not known
            return "mkv"
    behind = _element(head, end)
    return "mkv" if behind and behind[0] == _SEGMENT else None


def _by_doctype(doctype: bytes) -> str | None:
    return {b"webm": "webm", b"matroska": "mkv"}.get(doctype.rstrip(b"\0").lower())


def _element(head: bytes, at: int) -> tuple[int, int, int] | None:
    """Read an EBML element: its id, where its content begins, and where it ends; an unknown length ends nowhere."""
    id_end = at + _vint_bytes(head, at)
    body = id_end + _vint_bytes(head, id_end)
    if at >= len(head) or id_end >= len(head) or not (at < id_end < body <= len(head)):
        return None
    bits = 7 * (body - id_end)
    size = int.from_bytes(head[id_end:body]) & ((1 << bits) - 1)
    return int.from_bytes(head[at:id_end]), body, len(head) if size == (1 << bits) - 1 else body + size


def _vint_bytes(head: bytes, at: int) -> int:
    """Length of a number by its first byte's leading zeros, 1 to 8; 0 where there is none."""
    return 9 - head[at].bit_length() if at < len(head) and head[at] else 0


def _sound(head: bytes) -> str | None:
    """Look behind tags and filling, then for frames; a tag of which nothing more is here is an MP3's."""
    tags_end = _behind_tags(head)
    start = tags_end + _zeros(head, tags_end)
    is_other = head.startswith(_OTHER_STARTS, tags_end) or head.startswith(_OTHER_STARTS, start)
    if is_other or (tags_end and _container(head[tags_end:])):
        return None
    return _frame_at(head, start) or _frames_behind_junk(head, start) or ("mp3" if head.startswith(b"ID3") else None)


def _behind_tags(head: bytes) -> int:
    """Find the end of the tags that a file begins with, ID3v2 or APEv2, with filling between them."""
    at = 0
    for _ in range(_MOST_TAGS):
        start = at + _zeros(head, at) if at else 0
        if head[start : start + 3] == b"ID3" and len(head) > start + 9:
            at = start + _id3_bytes(head[start : start + 10])
        elif head[start : start + 8] == b"APETAGEX":
            at = start + 32 + int.from_bytes(head[start + 12 : start + 16], "little")
        else:
            break
    return at


def _id3_bytes(tag: bytes) -> int:
    """Length of an ID3v2 tag: ten bytes, four times seven bits of size, and ten more where it has a footer."""
    size = 0
    for byte in tag[6:10]:
        size = size << 7 | (byte & 0x7F)
    return size + (20 if tag[5] & 0x10 else 10)


def _zeros(head: bytes, at: int) -> int:
    rest = head[at:]
    return len(rest) - len(rest.lstrip(b"\0"))


def _frame_at(head: bytes, at: int) -> str | None:
    """Tell the sound whose frame stands here; a second one must follow it where that is in sight."""
    if head.startswith(b"ADIF", at):
        return "aac"
    frame = _frame(head, at)
    if frame is None:
        return None
    following = at + frame[1]
    in_sight = frame[1] and following + _FRAME_HEADER_BYTES <= len(head)
    return None if in_sight and not _is_like(head, following, frame[0]) else frame[0]


def _is_like(head: bytes, at: int, sound: str) -> bool:
    following = _frame(head, at)
    return following is not None and following[0] == sound


def _frames_behind_junk(head: bytes, start: int) -> str | None:
    at = head.find(b"\xff", start, start + _JUNK_BYTES)
    while at >= 0:
        if (frame := _frame(head, at)) and _in_a_row(head, at, frame[0]):
            return frame[0]
        at = head.find(b"\xff", at + 1, start + _JUNK_BYTES)
    return None


def _in_a_row(head: bytes, at: int, sound: str) -> bool:
    for _ in range(_SURE_FRAMES):
        frame = _frame(head, at)
        if frame is None or frame[0] != sound or not frame[1]:
            return False
        at += frame[1]
    return True


def _frame(head: bytes, at: int) -> tuple[str, int] | None:
    """Read a frame's header: ``("mp3", 417)``, with 0 for a length that is not told; None where there is none."""
    start = head[at : at + _ADTS_HEADER_BYTES]
    if len(start) < _FRAME_HEADER_BYTES or start[0] != 0xFF:  # noqa: PLR2004 - sync
        return None
    if start[1] & 0xF6 == 0xF0:  # noqa: PLR2004 - twelve bits of sync, layer 00
        return _adts_frame(start)
    is_mpeg = start[1] & 0xE0 == 0xE0 and start[1] >> 1 & 0b11 == _MPEG_LAYER_3  # noqa: PLR2004 - eleven bits of sync
    return _mp3_frame(start) if is_mpeg else None


def _adts_frame(start: bytes) -> tuple[str, int] | None:
    if start[2] >> 2 & 0xF >= 13:  # noqa: PLR2004 - the sampling rates are 0 to 12
        return None
    if len(start) < _ADTS_HEADER_BYTES:
        return "aac", 0
    length = (start[3] & 0b11) << 11 | start[4] << 3 | start[5] >> 5
    return ("aac", length) if length >= _ADTS_HEADER_BYTES else None


def _mp3_frame(start: bytes) -> tuple[str, int] | None:
    version, bitrate, rate = start[1] >> 3 & 0b11, start[2] >> 4, start[2] >> 2 & 0b11
    if version == 1 or bitrate == 0xF or rate == 0b11:  # noqa: PLR2004 - reserved values
        return None
    is_first = version == 0b11  # noqa: PLR2004 - MPEG-1
    kbits, rate_hz = _KBITS[0 if is_first else 1][bitrate], _RATES_HZ[version][rate]
    length = (144_000 if is_first else 72_000) * kbits // rate_hz
    return "mp3", length + (start[2] >> 1 & 1) if length else 0
