"""The headers and bodies that the backend is sent, strictly as its contract writes them (BACKEND.md, "Calls").

Called by `client`. It must not know how the bytes travel.
"""

import secrets
from typing import Any

import msgspec

from core.profiles import Profile
from core.security.redacted_repr import redacted_repr
from worker.backend.drafts import Draft

#: every kind of call, as metrics and faults name it
CALLS = (
    *("anonymous_token", "open_session", "claim_token", "message", "upload", "credits", "state"),
    *("render", "render_status", "cancel_render", "output", "download"),
)


def attribution(skill: Profile, *, platform: str) -> dict[str, str]:
    """Name the skill that a call is made for; an export that lacks any of these is refused (BACKEND.md, "Headers")."""
    return {"X-Skill-Source": skill.name, "X-Skill-Version": skill.version, "X-Skill-Platform": platform}


def new_render_id(now_ms: int) -> str:
    """Make an id as the documents write it, ``render_`` and digits: the time, and chance, so that no two are the same."""
    return f"render_{now_ms}{secrets.randbelow(1_000_000):06d}"


class SessionBody(msgspec.Struct, frozen=True):
    language: str | msgspec.UnsetType = msgspec.UNSET
    task_name: str = "project"


class ClaimBody(msgspec.Struct, frozen=True):
    task_id: str
    session_id: str


@redacted_repr("source_type")
class UrlsBody(msgspec.Struct, frozen=True):
    urls: list[str]
    source_type: str = "url"


@redacted_repr()
class MessagePart(msgspec.Struct, frozen=True):
    text: str


class NewMessage(msgspec.Struct, frozen=True):
    parts: list[MessagePart]


class MessageBody(msgspec.Struct, frozen=True):
    session_id: str
    new_message: NewMessage
    app_name: str = "nemo_agent"
    user_id: str = "me"


@redacted_repr("id", "session_id", "output")
class RenderBody(msgspec.Struct, frozen=True):
    """The one call whose keys are camelCase."""

    id: str
    session_id: str = msgspec.field(name="sessionId")
    draft: Draft
    output: dict[str, Any]
