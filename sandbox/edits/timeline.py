"""The draft as the edits see it: tracks, segments, lengths, and laying everything out again after a change. Pure.

Times are milliseconds. The main track is the first one with pictures; its segments follow one another without gaps, and
overlap only where a transition is. Everything else on the timeline hangs on its length.
"""

from copy import deepcopy
from typing import Any

from sandbox.media import Media

Draft = dict[str, Any]
Segment = dict[str, Any]

VIDEO, AUDIO, TEXT = 0, 1, 7
COLOR_SRC = "sandbox:color/"
MUSIC_SRC = "sandbox:music/"

STILL_MS = 4000
_SHORTEST_MS = 40
#: A transition takes at most this part of the shorter of its two neighbours.
_LARGEST_SHARE = 0.4
_SIDES_PX = {"16:9": (1920, 1080), "9:16": (1080, 1920), "1:1": (1080, 1080)}


def empty_draft() -> Draft:
    """Make the draft of a new session."""
    return {"t": [], "d": 0, "m": {"title": "", "width": 1920, "height": 1080}}


def track(draft: Draft, kind: int, name: str) -> list[Segment]:
    """Find the segments of the first track of this kind and name, making the track if there is none."""
    for one in draft["t"]:
        if one["tt"] == kind and (kind == VIDEO or one["m"]["name"] == name):
            return list_of(one)
    fresh = {"id": new_id(draft, "trk"), "tt": kind, "m": {"name": name}, "sg": []}
    draft["t"] = sorted([*draft["t"], fresh], key=lambda one: int(one["tt"]))
    return list_of(fresh)


def list_of(one: dict[str, Any]) -> list[Segment]:
    """Hand out a track's own list, to be changed in place."""
    segments: list[Segment] = one["sg"]
    return segments


def segments(draft: Draft, kind: int) -> list[Segment]:
    """List all segments of a kind, over all its tracks."""
    return [segment for one in draft["t"] if one["tt"] == kind for segment in one["sg"]]


def leading(draft: Draft) -> list[Segment]:
    """Hand out the main track's own list: the pictures', or the sound's where there is no picture."""
    for kind in (VIDEO, AUDIO):
        for one in draft["t"]:
            if one["tt"] == kind:
                return list_of(one)
    return []


def total_ms(draft: Draft) -> int:
    """Tell how long the timeline is: as its main track."""
    return max((segment["st"] + segment["d"] for segment in leading(draft)), default=0)


def new_id(draft: Draft, prefix: str) -> str:
    """Name a new track or segment: ``seg_4``. The same edits of the same draft give the same names."""
    taken = [one["id"] for one in draft["t"]] + [s["id"] for one in draft["t"] for s in one["sg"]]
    numbers = [int(name.rpartition("_")[2]) for name in taken if name.startswith(prefix)]
    return f"{prefix}_{max(numbers, default=0) + 1}"


def put(draft: Draft, on: list[Segment], segment: Segment) -> Segment:
    """Add a segment to a track's list and give it a name."""
    named = {"id": new_id(draft, "seg"), **segment}
    on.append(named)
    return named


def part(segment: Segment, from_ms: int, until_ms: int) -> Segment:
    """Take a part of a segment, in its own time; the transition stays with its first part."""
    taken = deepcopy(segment)
    taken["d"] = until_ms - from_ms
    taken["st"] = segment["st"] + from_ms
    taken["in"] = segment.get("in", 0) + round(from_ms * segment["m"].get("speed", 1.0))
    if from_ms:
        taken["m"].pop("transition", None)
    return taken


def lay_out(draft: Draft) -> None:
    """Put the main track's segments one after another, fit the rest to the new length, drop what is empty."""
    main = leading(draft)
    end = 0
    for number, segment in enumerate(main):
        crossing = segment["m"].get("transition")
        if crossing and not _crosses(main, number):
            segment["m"].pop("transition")
        segment["st"] = end - segment["m"].get("transition", {}).get("d", 0)
        end = segment["st"] + segment["d"]
    for kind in (AUDIO, TEXT) if segments(draft, VIDEO) else (TEXT,):
        for segment in segments(draft, kind):
            _fit(segment, total_ms(draft))
    _drop_empty(draft)
    draft["d"] = total_ms(draft)


def _crosses(main: list[Segment], number: int) -> bool:
    """Shorten a transition to what its neighbours can bear; tell whether anything worth seeing is left."""
    crossing = main[number]["m"]["transition"]
    if number == 0:
        return False
    shorter = min(main[number - 1]["d"], main[number]["d"])
    crossing["d"] = min(crossing["d"], int(shorter * _LARGEST_SHARE))
    return bool(crossing["d"] >= _SHORTEST_MS)


def _fit(segment: Segment, total: int) -> None:
    if segment["m"].get("loop"):
        segment["d"] = total - segment["st"]
    segment["d"] = min(segment["d"], total - segment["st"])


def _drop_empty(draft: Draft) -> None:
    for one in draft["t"]:
        one["sg"][:] = [segment for segment in one["sg"] if segment["d"] > 0]
        _renamed(draft, one["sg"])
    draft["t"] = [one for one in draft["t"] if one["sg"]]


def _renamed(draft: Draft, mine: list[Segment]) -> None:
    """Parts of one segment share its name: all but the first get a new one."""
    seen: set[str] = set()
    for segment in mine:
        if segment["id"] in seen:
            segment["id"] = new_id(draft, "seg")
        seen.add(segment["id"])


def place(draft: Draft, media: list[Media]) -> None:
    """Put media on the timeline after what is there: pictures on the main track, sound below it."""
    pictures = [one for one in media if one.kind != "audio"]
    if pictures and not segments(draft, VIDEO):
        frame(draft, pictures[0])
    for one in pictures:
        m = {"name": title_of(one), "volume": 1.0}
        length = one.duration_ms or STILL_MS
        put(draft, track(draft, VIDEO, "Video"), {"st": total_ms(draft), "d": length, "src": one.url, "in": 0, "m": m})
        lay_out(draft)
    for one in media:
        if one.kind == "audio":
            _place_sound(draft, one)
    lay_out(draft)


def _place_sound(draft: Draft, media: Media) -> None:
    on = track(draft, AUDIO, "Audio")
    start = max((segment["st"] + segment["d"] for segment in on), default=0)
    m = {"name": title_of(media), "volume": 1.0}
    put(draft, on, {"st": start, "d": media.duration_ms, "src": media.url, "in": 0, "m": m})


def frame(draft: Draft, first: Media) -> None:
    """Give the video its first picture's orientation, and its name."""
    ratio = "16:9" if first.width > first.height else "1:1" if first.width == first.height else "9:16"
    width, height = _SIDES_PX[ratio]
    draft["m"] |= {"title": title_of(first), "width": width, "height": height}


def title_of(media: Media) -> str:
    """Name a file as people say it: ``city_timelapse.mp4`` is "city timelapse"."""
    stem = media.name.rpartition(".")[0] or media.name
    return stem.replace("_", " ").strip() or media.kind
