"""How long a timeline's film must be at least, and whether there is anything to see in it, where it tells."""

from worker.backend.drafts.parse import Timeline
from worker.backend.drafts.summary import end_ms

_AS_RECORDED = 1.0


def length_s(seen: Timeline) -> float | None:
    """Find where the last picture ends. None: no picture says how long it is, or one is faster or slower than recorded.

    No page says whether the length of such a piece is that of the material or that on the timeline, nor what is shown
    where there is no picture: then the pictures alone count.
    """
    pictures = seen.segments("video")
    if any(segment.speed not in (None, _AS_RECORDED) for segment in pictures):
        return None
    shown_ms = sum(segment.duration_ms or 0.0 for segment in pictures)
    return min(end_ms(pictures), shown_ms) / 1000 or None


def sound_only(seen: Timeline) -> bool:
    """Whether nothing but sounds stands on a timeline."""
    kinds = {track.kind for track in seen.tracks if track.segments}
    return kinds == {"audio"}
