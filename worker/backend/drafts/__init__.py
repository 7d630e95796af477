"""Reads drafts, the backend's own form of a timeline: what they hold, and what differs between two. Pure.

The steps call these: is it worth exporting, how long is its film, did it or the state around it change, what changed, and what is on it. A
draft comes from outside in a form that is only half documented (BACKEND.md, "The draft"): whatever it holds, nothing
here raises.
"""

from worker.backend.drafts.diff import changes
from worker.backend.drafts.find import find_draft, written_out
from worker.backend.drafts.fingerprint import exportable, fingerprint, same_draft, state_fingerprint
from worker.backend.drafts.length import length_s, sound_only
from worker.backend.drafts.parse import Draft, Timeline, timeline
from worker.backend.drafts.summary import summary, tracks

__all__ = [
    "Draft",
    "Timeline",
    "changes",
    "exportable",
    "find_draft",
    "fingerprint",
    "length_s",
    "same_draft",
    "sound_only",
    "state_fingerprint",
    "summary",
    "timeline",
    "tracks",
    "written_out",
]
