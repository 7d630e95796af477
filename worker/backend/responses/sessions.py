"""What the backend says of a session: its names, the link that opens it in a browser, its state."""

import re
from collections.abc import Collection
from typing import Any
from urllib.parse import unquote

import msgspec

from core.media.formats import is_named
from core.security.redacted_repr import redacted_repr
from worker.backend.drafts import Draft, find_draft, written_out
from worker.backend.redact import TOKEN
from worker.backend.responses.envelope import COMPLAINT, ENVELOPE, NothingTold, UnreadableAnswer
from worker.backend.responses.values import needed, number, text, user_of, values


class OpenedSession(msgspec.Struct, frozen=True):
    session_id: str
    task_id: str | None
    user_id: str | None


@redacted_repr("expires_in_s")
class ClaimToken(msgspec.Struct, frozen=True):
    """What opens a session in a browser. `expires_in_s` None: the backend does not say."""

    token: str
    expires_in_s: float | None


@redacted_repr("task_id")
class State(msgspec.Struct, frozen=True):
    """A session as it is now. `draft` is the backend's own form: `worker.backend.drafts` reads it."""

    draft: Draft | None
    video_infos: list[Any]
    generated_media: list[Any]
    task_id: str | None
    user_id: str | None
    #: all that the state holds, JSON texts decoded
    content: dict[str, Any] = {}

    def count_named(self, names: Collection[str]) -> int:
        """Count the videos that it lists under one of these names."""
        return sum(any(is_named(name, names) for name in _names_of(info)) for info in self.video_infos)


#: under which keys a video's name may stand, or else its link, which ends in one
_NAME_KEYS = ("filename", "file_name", "fileName", "name", "original_name", "originalName")
_LINK_KEYS = ("cdn_url", "cdnUrl", "url", "src")


def _names_of(info: object) -> list[str]:
    """List what a video may be called: ``{"name": "clip.mp4"}``, ``{"url": "https://…/clip.mp4?sig=1"}``, ``"clip.mp4"``."""
    told = info if isinstance(info, dict) else {"url": info}
    named = [name for name in map(told.get, _NAME_KEYS) if isinstance(name, str) and name]
    links = (link for link in map(told.get, _LINK_KEYS) if isinstance(link, str))
    return named or [unquote(re.split("[?#]", link, maxsplit=1)[0].rpartition("/")[2]) for link in links]


#: what a session without a state shows
NO_STATE = State(draft=None, video_infos=[], generated_media=[], task_id=None, user_id=None)


def parse_opened_session(data: dict[str, Any]) -> OpenedSession:
    return OpenedSession(
        session_id=needed(data, "session_id", "sessionId"),
        task_id=text(data, "task_id", "taskId"),
        user_id=user_of(data),
    )


def parse_claim_token(data: dict[str, Any]) -> ClaimToken:
    token, expires_in_s = needed(data, "claim_token", "claimToken"), number(data, "expires_in")
    if TOKEN.search(token):  # it would stand in a link
        raise UnreadableAnswer("the answer names no claim token")
    return ClaimToken(
        token=token,
        expires_in_s=number(data, "expiresIn") if expires_in_s is None else expires_in_s,
    )


#: what stands beside a state and tells of no timeline
_ABOUT_NO_TIMELINE = re.compile(r"(?:user|account|task|session|plan|meta|usage|credit|quota|link|page)", re.IGNORECASE)


def parse_state(data: dict[str, Any]) -> State:
    """Read a state. Raises UnreadableAnswer where there is none in the answer, which is not the same as an empty one;
    NothingTold where there is nothing at all.
    """
    told = written_out(data)
    state = told.get("state")
    inner = state if state is not None else told
    if state is None and not data.keys() - ENVELOPE and not text(data, "data"):
        raise NothingTold("the answer holds nothing")
    if not isinstance(inner, dict) or (state is None and not data.keys() - ENVELOPE - COMPLAINT):
        raise UnreadableAnswer("the answer holds no state")
    inner = _beside(told) | inner if state is not None else inner
    return State(
        draft=find_draft(inner),
        video_infos=_named_values(inner.get("video_infos")),
        generated_media=values(inner.get("generated_media")),
        task_id=text(data, "task_id", "taskId"),
        user_id=user_of(data) or user_of(inner),
        content=inner,
    )


def _named_values(infos: object) -> list[Any]:
    """List videos that may stand under their names: ``{"clip.mp4": {"duration": 30.5}}``."""
    if not isinstance(infos, dict):
        return values(infos)
    return [{"filename": name} | info if isinstance(info, dict) else info for name, info in infos.items()]


def _beside(told: dict[str, Any]) -> dict[str, Any]:
    """Find what is told of the timeline beside the state: ``{"state": {…}, "canvas_config": {…}}``."""
    return {
        key: value
        for key, value in told.items()
        if key != "state" and isinstance(value, dict | list) and not _ABOUT_NO_TIMELINE.match(key)
    }
