"""How long a timeline's film must be, where its draft tells."""

from worker.backend.drafts.parse import timeline
from worker.backend.drafts.summary import end_ms

_AS_RECORDED = 1.0


def length_s(draft: object) -> float | None:
    """Find where the last picture ends. None: no picture says how long it is, or one is faster or slower than recorded.

    No page says whether the length of such a piece is that of the material or that on the timeline.
    """
    pictures = timeline(draft).segments("video")
    if any(segment.speed not in (None, _AS_RECORDED) for segment in pictures):
        return None
    return end_ms(pictures) / 1000 or None
