"""Differences of two drafts: what an edit did, in specific words.

The steps call `changes` when a message's stream closed without a text, and for every job's ``changes``. Each subject
(shape, picture, sound, words) is compared by itself; what none of them has words for is still "Timeline changed".
"""

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence

from worker.backend.drafts.diff_effects import effect_changes
from worker.backend.drafts.fingerprint import fingerprint
from worker.backend.drafts.parse import Segment, Timeline, timeline
from worker.backend.drafts.summary import bracketed, counted, end_ms, listed, percent, seconds, span

_RATIOS = {
    "16:9": 16 / 9,
    "9:16": 9 / 16,
    "1:1": 1.0,
    "4:3": 4 / 3,
    "3:4": 3 / 4,
    "4:5": 4 / 5,
    "5:4": 5 / 4,
    "21:9": 21 / 9,
}
_RATIO_TOLERANCE = 0.01
_USUAL_RATIO = "16:9"
_NOTICEABLE_MS = 50.0
_MOST_TITLES = 3


def changes(before: object, after: object) -> list[str]:
    """List what is different: ``Video shortened from 12s to 8.5s``, ``Aspect ratio changed to 9:16``; none if nothing is."""
    if fingerprint(before) == fingerprint(after):
        return []
    old, new = timeline(before), timeline(after)
    if any(track.segments for track in old.tracks) and not any(track.segments for track in new.tracks):
        return ["Timeline cleared"]
    told = [*_pictures(old, new), *_shape(old, new), *_sounds(old, new), *_titles(old, new), *_others(old, new)]
    return told or ["Timeline changed"]


def _shape(old: Timeline, new: Timeline) -> Iterator[str]:
    before, after = _ratio(old), _ratio(new)
    if after and after != (before or _USUAL_RATIO):
        yield f"Aspect ratio changed to {after}"


def _ratio(seen: Timeline) -> str | None:
    if not seen.width or not seen.height:
        return None
    shape = seen.width / seen.height
    near = (name for name, ratio in _RATIOS.items() if abs(shape - ratio) < ratio * _RATIO_TOLERANCE)
    return next(near, f"{seen.width:.10g}:{seen.height:.10g}")


def _pictures(old: Timeline, new: Timeline) -> Iterator[str]:
    before, after = old.segments("video"), new.segments("video")
    if before and not after:
        yield "Video removed"
    elif after and not before:
        names = listed([clip.name for clip in after if clip.name])
        yield "Video added" + (f": {names}" if names else "") + bracketed(span(after))
        yield from _cut(0, _cuts(after))
    elif before and after:
        yield from _clips(before, after)
        yield from _length(end_ms(before), end_ms(after))
    if after:
        yield from effect_changes(before, after)


def _clips(before: Sequence[Segment], after: Sequence[Segment]) -> Iterator[str]:
    had, has = ({clip.source: clip.name or "a clip" for clip in clips} for clips in (before, after))
    came = [name for source, name in has.items() if source not in had]
    went = [name for source, name in had.items() if source not in has]
    if came:
        yield f"Clip added: {listed(came)}"
    if went:
        yield f"Clip removed: {listed(went)}"
    yield from _cut(_cuts(before), _cuts(after))
    if not came and not went and len(before) == len(after) and _order(before) != _order(after):
        yield from _reordered(before, after)


def _cut(had: int, has: int) -> Iterator[str]:
    if had != has:
        yield f"{counted(abs(has - had), 'cut')} {'made' if has > had else 'undone'}"


def _cuts(clips: Sequence[Segment]) -> int:
    """Count where a clip goes on from another place of the same material."""
    return sum(clip.source == following.source for clip, following in itertools.pairwise(clips))


def _order(clips: Sequence[Segment]) -> list[tuple[str | None, float | None]]:
    return [(clip.source, clip.source_in_ms or 0.0) for clip in clips]


def _reordered(before: Sequence[Segment], after: Sequence[Segment]) -> Iterator[str]:
    if Counter(_order(before)) == Counter(_order(after)):
        yield "Clips put in another order"
    elif end_ms(before) == end_ms(after):
        yield "Another part of the video is used"


def _length(before_ms: float, after_ms: float) -> Iterator[str]:
    if abs(after_ms - before_ms) >= _NOTICEABLE_MS:
        word = "shortened" if after_ms < before_ms else "lengthened"
        yield f"Video {word} from {seconds(before_ms)} to {seconds(after_ms)}"


def _sounds(old: Timeline, new: Timeline) -> Iterator[str]:
    had, has = _tunes(old), _tunes(new)
    for name, parts in has.items():
        label = f"Background music {{}}{f': {name}' if name else ''}"
        if name not in had:
            heard = next((part.volume for part in parts if part.volume is not None), None)
            yield label.format("added") + bracketed(span(parts), None if heard is None else percent(heard))
        else:
            yield from _tune_changes(had[name], parts)
    yield from (f"Background music removed{f': {name}' if name else ''}" for name in had if name not in has)


def _tunes(seen: Timeline) -> dict[str, list[Segment]]:
    """Gather the parts of each tune under its name."""
    tunes: dict[str, list[Segment]] = {}
    for track in seen.tracks:
        for segment in track.segments if track.kind == "audio" else ():
            tunes.setdefault(segment.name or track.name or "", []).append(segment)
    return tunes


def _tune_changes(before: Sequence[Segment], after: Sequence[Segment]) -> Iterator[str]:
    quiet, loud = before[0].volume, after[0].volume
    if quiet != loud and loud is not None:
        yield f"Background music volume changed {f'from {percent(quiet)} ' if quiet is not None else ''}to {percent(loud)}"
    if span(before) != span(after):
        yield "Background music now plays" + bracketed(span(after))
    for words, had, has in (
        ("fade-in", *_each(before, after, "fade_in_ms")),
        ("fade-out", *_each(before, after, "fade_out_ms")),
    ):
        if bool(had) != bool(has):
            yield f"Background music {words} {'added' if has else 'removed'}"


def _each(before: Sequence[Segment], after: Sequence[Segment], name: str) -> tuple[bool, bool]:
    return any(getattr(part, name) for part in before), any(getattr(part, name) for part in after)


def _titles(old: Timeline, new: Timeline) -> Iterator[str]:
    before, after = old.segments("text"), new.segments("text")
    had, has = ([title.text for title in titles] for titles in (before, after))
    came = [title for title in after if title.text not in had]
    went = [title for title in before if title.text not in has]
    if len(came) == len(went) == 1 and came[0].text and went[0].text:
        yield f'Title changed from "{went[0].text}" to "{came[0].text}"{_look(came[0])}'
    else:
        yield from _several("added", came)
        yield from _several("removed", went)
    facts = {(title.text, _look(title)) for title in before}
    same = [title for title in after if title.text in had and (title.text, _look(title)) not in facts]
    yield from _several("changed", same)


def _several(verb: str, titles: Sequence[Segment]) -> Iterator[str]:
    if len(titles) > _MOST_TITLES:
        yield f"{len(titles)} titles {verb}{bracketed(span(titles))}"
        return
    for title in titles:
        details = "" if verb == "removed" else _look(title)
        yield f"Title {verb}" + (f': "{title.text}"' if title.text else "") + details


def _look(title: Segment) -> str:
    """Write `` (white, top-center, 3s fade-in)``."""
    motion = title.motion or ("fade-in" if title.fade_in_ms else None)
    if motion and not title.start_ms and title.duration_ms:
        return bracketed(title.color, title.position, f"{seconds(title.duration_ms)} {motion}")
    return bracketed(title.color, title.position, span([title]), motion)


def _others(old: Timeline, new: Timeline) -> Iterator[str]:
    before, after = (sum(track.kind == "other" for track in seen.tracks) for seen in (old, new))
    if before != after:
        yield f"{counted(abs(after - before), 'track')} {'added' if after > before else 'removed'}"
