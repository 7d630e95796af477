"""Decides how often each source file is opened. Pure; called by `graph`.

Shots that follow one another in the same file share one reading of it: a talk with a hundred pauses cut out is read
once.
"""

from dataclasses import dataclass

from sandbox.media import Media
from sandbox.render.plan import Plan, Shot

#: Read a little past the last shot, so that its last frame is surely there.
_MARGIN_S = 0.5


@dataclass(frozen=True)
class Feed:
    """One reading of a file from `from_s` to `until_s`, for these shots (their numbers)."""

    media: Media
    from_s: float
    until_s: float
    shots: tuple[int, ...]


def feeds(shots: tuple[Shot, ...]) -> list[Feed]:
    """Group the shots by reading, in their order."""
    found: list[Feed] = []
    for number, shot in enumerate(shots):
        if shot.media is None:
            continue
        end_s = shot.in_s + shot.span_s
        last = found[-1] if found else None
        if last and _goes_on(last, shots[last.shots[-1]], shot, number):
            found[-1] = Feed(last.media, last.from_s, end_s, (*last.shots, number))
        else:
            from_s = min(shot.in_s, shot.media.seeks_until_ms / 1000)
            found.append(Feed(shot.media, from_s, end_s, (number,)))
    return found


def _goes_on(feed: Feed, before: Shot, shot: Shot, number: int) -> bool:
    is_next = feed.shots[-1] == number - 1 and shot.in_s >= feed.until_s
    return is_next and feed.media.kind != "image" and feed.media == shot.media and before.fit == shot.fit


def input_args(plan: Plan, readings: list[Feed]) -> list[str]:
    """Name the inputs: first one per feed, then one per tune that is a file."""
    args: list[str] = []
    for feed in readings:
        args += [*_stretch(feed), *_file(feed.media)]
    for tune in plan.tunes:
        if tune.media:
            args += [*(("-stream_loop", "-1") if tune.loops else ()), *_file(tune.media)]
    return args


def _stretch(feed: Feed) -> list[str]:
    if feed.media.kind == "image":
        return []
    length_s = feed.until_s - feed.from_s + _MARGIN_S
    seek = ["-ss", f"{feed.from_s:.3f}"] if feed.from_s else []
    return [*seek, "-t", f"{length_s:.3f}"]


def _file(media: Media) -> list[str]:
    return ["-protocol_whitelist", "file", "-threads", "1", "-i", str(media.path.resolve())]
