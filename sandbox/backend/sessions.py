"""A project in progress: its draft, its media, and who may use it. It hangs on its token, and ends when idle.

`messages/runner.py` changes drafts, `renders.py` reads them, the routes show them; none of them decides who sees what.
"""

import random
import secrets
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sandbox.backend import refusals
from sandbox.backend.clock import Clock
from sandbox.backend.settings import Settings
from sandbox.backend.tokens import Token
from sandbox.backend.uploads import Taken
from sandbox.media import Media


@dataclass
class Session:
    id: str
    task_id: str
    task_name: str
    language: str | None
    #: the how manieth of this process: what chance goes by, since ids differ from run to run
    number: int
    token: Token
    made_at_s: float
    used_at_s: float
    draft: dict[str, Any] = field(default_factory=dict)
    uploads: list[Taken] = field(default_factory=list)
    #: media that came after the last edit
    new_media: list[Media] = field(default_factory=list)
    generated_media: list[dict[str, Any]] = field(default_factory=list)
    messages: int = 0
    reads: int = 0
    busy: bool = False
    ended: bool = False
    export_blocked: bool = False
    #: stories that wait for the next renders
    render_stories: deque[str] = field(default_factory=deque)

    def take(self, upload: Taken) -> None:
        self.uploads.append(upload)
        self.new_media.append(upload.media)

    def media(self) -> dict[str, Media]:
        """All media by their URL, as a draft's segments name them."""
        return {upload.media.url: upload.media for upload in self.uploads}


class Sessions:
    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._by_id: dict[str, Session] = {}

    def __iter__(self) -> Iterator[Session]:
        return iter(self._by_id.values())

    def open(self, token: Token, *, task_name: str, language: str | None) -> Session:
        now_s = self._clock.now_s()
        session = Session(
            id=str(10**18 * 5 + secrets.randbelow(10**18)),
            task_id=secrets.token_hex(12),
            task_name=task_name,
            language=language,
            number=len(self._by_id),
            token=token,
            made_at_s=now_s,
            used_at_s=now_s,
        )
        self._by_id[session.id] = session
        return session

    def find(self, session_id: object, token: Token) -> Session:
        """The session, used now. Raises Refused (1002) where it is unknown, another's or ended."""
        session = self._by_id.get(str(session_id))
        if session is None or session.token.account != token.account or self.has_ended(session):
            raise refusals.session_not_found()
        session.used_at_s = self._clock.now_s()
        return session

    def has_ended(self, session: Session) -> bool:
        idle_s = self._clock.now_s() - session.used_at_s
        if not session.busy and idle_s > self._clock.real_s(self._settings.session_idle_s):
            session.ended = True
        return session.ended


def state(session: Session, now_s: float) -> dict[str, Any]:
    """What the state call shows. No two reads are equal byte for byte: a time moves, and the order of keys with it."""
    session.reads += 1
    draft = {**session.draft, "updatedAt": int(now_s * 1000) + session.reads}
    keys = list(draft)
    random.Random(session.reads).shuffle(keys)
    return {
        "session_id": session.id,
        "task_id": session.task_id,
        "task_name": session.task_name,
        "user_id": session.token.user_id,
        "state": {
            "draft": {key: draft[key] for key in keys},
            "video_infos": [video_info(upload) for upload in session.uploads if upload.media.kind == "video"],
            "generated_media": list(session.generated_media),
            "canvas_config": canvas(session.draft),
            "video_analyses": [analysis(upload.media) for upload in session.uploads if upload.media.kind == "video"],
        },
    }


def video_info(upload: Taken) -> dict[str, Any]:
    """One uploaded file, as the upload's answer and the state tell it."""
    media = upload.media
    return {
        "filename": media.name,
        "file_type": media.kind,
        "cdn_url": media.url,
        "duration": media.duration_ms / 1000,
        "width": media.width,
        "height": media.height,
        "fps": media.fps,
        "hash": upload.hash,
    }


def canvas(draft: dict[str, Any]) -> dict[str, Any]:
    meta = draft.get("m") or {}
    return {"width": meta.get("width", 1920), "height": meta.get("height", 1080), "fps": meta.get("fps", 30)}


def analysis(media: Media) -> dict[str, Any]:
    silences = [{"start": start_ms / 1000, "end": end_ms / 1000} for start_ms, end_ms in media.silences_ms]
    return {"cdn_url": media.url, "has_audio": media.has_audio, "silences": silences}
