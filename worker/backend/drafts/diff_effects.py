"""Differences in what was done to the pictures besides cutting: speed, transitions, looks, fades and their own sound."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

from worker.backend.drafts.parse import Segment
from worker.backend.drafts.summary import counted, listed, percent, seconds

_FRAMINGS = {"cover": "Picture cropped to fill the frame", "contain": "Picture fitted into the frame"}


def effect_changes(before: Sequence[Segment], after: Sequence[Segment]) -> Iterator[str]:
    """Compare two states of the video's clips; `before` may be empty."""
    return chain(
        _speed(before, after),
        _transitions(before, after),
        _looks(before, after),
        _fade("Fade-in", before, after, lambda clip: clip.fade_in_ms),
        _fade("Fade-out", before, after, lambda clip: clip.fade_out_ms),
        _loudness(before, after),
        _fit(before, after),
    )


def _speed(before: Sequence[Segment], after: Sequence[Segment]) -> Iterator[str]:
    had, has = ({clip.speed or 1.0 for clip in clips} for clips in (before or [Segment()], after))
    if has == had:
        return
    if len(has) == 1:
        yield f"Speed changed to {has.pop():.3g}x"
    else:
        yield f"Speed changed in {counted(sum((clip.speed or 1.0) != 1.0 for clip in after), 'clip')}"


def _transitions(before: Sequence[Segment], after: Sequence[Segment]) -> Iterator[str]:
    had, has = (Counter(clip.transition for clip in clips if clip.transition) for clips in (before, after))
    for verb, counts in (("added", has - had), ("removed", had - has)):
        for name, number in counts.items():
            head = f"Transition {verb}" if number == 1 else f"{number} transitions {verb}"
            yield head if name == "transition" else f"{head}: {name}"


def _looks(before: Sequence[Segment], after: Sequence[Segment]) -> Iterator[str]:
    had, has = ([look for clip in clips for look in clip.looks] for clips in (before, after))
    for verb, looks in (("added", [x for x in has if x not in had]), ("removed", [x for x in had if x not in has])):
        if looks:
            yield f"Look {verb}: {listed(looks)}"


def _fade(
    name: str, before: Sequence[Segment], after: Sequence[Segment], length_ms: Callable[[Segment], float | None]
) -> Iterator[str]:
    had, has = (max((length_ms(clip) or 0.0 for clip in clips), default=0.0) for clips in (before, after))
    if has and has != had:
        yield f"{name} changed to {seconds(has)}" if had else f"{name} added ({seconds(has)})"
    elif had and not has:
        yield f"{name} removed"


def _loudness(before: Sequence[Segment], after: Sequence[Segment]) -> Iterator[str]:
    had, has = (
        {1.0 if clip.volume is None else clip.volume for clip in clips} for clips in (before or [Segment()], after)
    )
    if had == has:
        return
    if has == {0.0}:
        yield "Video muted"
    elif len(has) == 1:
        yield f"Video volume changed to {percent(has.pop())}"
    else:
        yield "Video volume changed"


def _fit(before: Sequence[Segment], after: Sequence[Segment]) -> Iterator[str]:
    had, has = ({clip.fit for clip in clips} - {None} for clips in (before, after))
    if before and has and has != had:
        names = listed(sorted(str(fit) for fit in has))
        yield _FRAMINGS.get(names, f"Framing changed to {names}")
