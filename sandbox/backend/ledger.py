"""Everything that happened, as tests and integrators read it to count what was charged, lost or orphaned.

Pure views of the other modules' records. Tokens appear by id alone.
"""

from typing import Any

from sandbox.backend.clock import rfc3339
from sandbox.backend.messages.run import Message
from sandbox.backend.renders import Render
from sandbox.backend.sessions import Session
from sandbox.backend.tokens import Token


def token_row(token: Token) -> dict[str, Any]:
    return {
        "token_id": token.id,
        "user_id": token.user_id,
        "anonymous": token.anonymous,
        "plan": token.plan,
        "scopes": sorted(token.scopes),
        **token.credit_account.balance(),
        "spent": token.credit_account.spent,
        "expires_at": rfc3339(token.expires_at_s) if token.expires_at_s is not None else None,
        "at": rfc3339(token.made_at_s),
    }


def session_row(session: Session) -> dict[str, Any]:
    return {
        "session_id": session.id,
        "task_id": session.task_id,
        "token_id": session.token.id,
        "language": session.language,
        "messages": session.messages,
        "busy": session.busy,
        "ended": session.ended,
        "at": rfc3339(session.made_at_s),
    }


def message_row(message: Message) -> dict[str, Any]:
    return {
        "session_id": message.session_id,
        "token_id": message.token_id,
        "text": message.text,
        "status": message.status,
        "charged": message.charged,
        "at": rfc3339(message.at_s),
    }


def upload_rows(session: Session) -> list[dict[str, Any]]:
    return [
        {
            "session_id": session.id,
            "token_id": session.token.id,
            "filename": upload.media.name,
            "cdn_url": upload.media.url,
            "size_bytes": upload.size_bytes,
            "hash": upload.hash,
            "at": rfc3339(upload.at_s),
        }
        for upload in session.uploads
    ]


def render_row(render: Render) -> dict[str, Any]:
    return {
        "id": render.given_id,
        "own_id": render.id,
        "session_id": render.session.id,
        "token_id": render.token.id,
        "status": render.status,
        "fetched": render.fetched,
        "output": render.output,
        "at": rfc3339(render.made_at_s),
    }
