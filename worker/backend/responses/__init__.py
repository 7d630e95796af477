"""Parses the backend's answers into types, tolerantly.

Called by `client`. A reader takes the ``data`` envelope or none, ids as text or number, and both shapes of a render's
status (BACKEND.md, "Calls"); what is missing is None. It must not know how the bytes travel.
"""

from worker.backend.responses.accounts import Credits, IssuedToken, parse_credits, parse_issued_token
from worker.backend.responses.envelope import NothingTold, UnreadableAnswer, open_envelope
from worker.backend.responses.renders import RenderStatus, link_to_film, parse_render_ids, parse_render_status
from worker.backend.responses.sessions import (
    NO_STATE,
    ClaimToken,
    OpenedSession,
    State,
    parse_claim_token,
    parse_opened_session,
    parse_state,
)
from worker.backend.responses.uploads import UploadAnswer, UploadedFile, parse_upload_answer

__all__ = [
    "NO_STATE",
    "ClaimToken",
    "Credits",
    "IssuedToken",
    "NothingTold",
    "OpenedSession",
    "RenderStatus",
    "State",
    "UnreadableAnswer",
    "UploadAnswer",
    "UploadedFile",
    "link_to_film",
    "open_envelope",
    "parse_claim_token",
    "parse_credits",
    "parse_issued_token",
    "parse_opened_session",
    "parse_render_ids",
    "parse_render_status",
    "parse_state",
    "parse_upload_answer",
]
