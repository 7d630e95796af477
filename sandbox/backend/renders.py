"""Exports: who may begin one, the bounded pool that renders them, their status, cancel and file.

`routes/media.py` calls it, `sandbox/render` makes the film. A render belongs to the token's account that began it; no one
else can read it. Stories of the session's last message decide what the next render meets.
"""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from sandbox.backend import refusals
from sandbox.backend.clock import Clock
from sandbox.backend.files import FileStore, StoredFile
from sandbox.backend.sessions import Session
from sandbox.backend.settings import Settings
from sandbox.backend.tokens import Token
from sandbox.media import Media
from sandbox.render import Rendered, RenderFailed, render

log = logging.getLogger(__name__)

Status = Literal["pending", "processing", "completed", "failed", "cancelled"]
_BEGUN_PERCENT = 5
_STUCK_PERCENT = 40


@dataclass
class Render:
    #: by which it is polled
    id: str
    #: what its caller called it, the same unless the setting `render_ids` says otherwise
    given_id: str
    session: Session
    token: Token
    draft: dict[str, Any]
    output: dict[str, Any]
    media: dict[str, Media]
    made_at_s: float
    #: what a story makes of it: `render-failed`, `render-stuck` or nothing
    story: str | None
    #: the how manieth of this process: the shape of its status goes by it
    number: int
    status: Status = "pending"
    progress: int = _BEGUN_PERCENT
    film: Rendered | None = None
    stored: StoredFile | None = None
    error: str | None = None
    ended_at_s: float | None = None
    #: whether a token that may has read it as completed, or its file
    fetched: bool = False
    task: asyncio.Task[None] | None = field(default=None, repr=False)

    @property
    def active(self) -> bool:
        return self.status in ("pending", "processing")


class Renders:
    def __init__(self, settings: Settings, clock: Clock, file_store: FileStore) -> None:
        self._settings = settings
        self._clock = clock
        self._file_store = file_store
        self._pool = asyncio.Semaphore(settings.renders)
        self.by_id: dict[str, Render] = {}

    def begin(self, token: Token, session: Session, render_id: str, draft: Any, output: dict[str, Any]) -> Render:
        """Begin an export. Raises Refused: 402, duplicate, another under way, nothing to export.

        A duplicate may also be refused although it was begun just now: the story `render-duplicate`.
        """
        self._check(token, session, render_id, draft)
        story = session.render_stories.popleft() if session.render_stories else None
        begun = Render(
            id=self._name_of(render_id),
            given_id=render_id,
            session=session,
            token=token,
            draft=draft,
            output=output,
            media=session.media(),
            made_at_s=self._clock.now_s(),
            story=story,
            number=len(self.by_id),
        )
        self.by_id[begun.id] = begun
        begun.task = asyncio.create_task(self._run(begun))
        if story == "render-duplicate":
            raise refusals.render_duplicate(render_id)
        return begun

    def find(self, render_id: str, token: Token) -> Render:
        """Raises Refused (404) where it is unknown or another's."""
        found = self.by_id.get(render_id)
        if found is None or found.token.account != token.account:
            raise refusals.render_unknown()
        return found

    async def cancel(self, found: Render) -> None:
        """End a render; repeating a cancel is no error. Raises Refused where it has ended, or may not be ended any more."""
        if found.status == "cancelled":
            return
        if not found.active:
            raise refusals.render_ended()
        if found.status == "processing" and not self._settings.cancels_processing:
            raise refusals.render_under_way()
        await self._stop(found)

    async def stop(self) -> None:
        """End all renders and their ffmpeg."""
        await asyncio.gather(*(self._stop(found) for found in self.by_id.values() if found.active))

    def file_of(self, found: Render) -> Path:
        """The film; reading it counts as fetched. Raises Refused until there is one."""
        if found.film is None:
            raise refusals.render_unfinished()
        found.fetched = True
        return found.film.path

    def _name_of(self, given_id: str) -> str:
        return given_id if self._settings.render_ids == "given" else f"lambda-{secrets.token_hex(8)}"

    def _check(self, token: Token, session: Session, render_id: str, draft: Any) -> None:
        if token.plan == "free" or session.export_blocked:
            raise refusals.export_blocked()
        if any(other.given_id == render_id for other in self.by_id.values()):
            raise refusals.render_duplicate(render_id)
        if any(other.active for other in self.by_id.values() if other.session is session):
            raise refusals.export_under_way()
        if not has_segments(draft):
            raise refusals.nothing_to_export()

    async def _stop(self, found: Render) -> None:
        if found.task is not None:
            found.task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await found.task
        if found.active:
            self._end(found, "cancelled")

    async def _run(self, begun: Render) -> None:
        if begun.story == "render-stuck":
            begun.progress = _STUCK_PERCENT
            return  # outside the pool, so that nobody else waits for what never ends
        async with self._pool:
            begun.status = "processing"
            try:
                await self._make(begun)
            except RenderFailed as error:
                begun.error = str(error)
                self._end(begun, "failed")
            except Exception:  # the sandbox's own fault; its client must still see an end
                log.exception("a render broke the sandbox")
                begun.error = "internal error"
                self._end(begun, "failed")

    async def _make(self, begun: Render) -> None:
        if begun.story == "render-failed":
            await self._clock.pass_time(self._settings.edit_min_s)
            raise RenderFailed("the render node ran out of memory")
        stored = self._file_store.create(f"output.{begun.output.get('format', 'mp4')}")
        least = asyncio.create_task(self._clock.pass_time(self._settings.render_s))
        try:
            film = await render(begun.draft, begun.output, begun.media, into=stored.path, on_progress=_watch(begun))
            await least
        except BaseException:
            least.cancel()
            self._file_store.remove(stored)
            raise
        begun.film, begun.stored = film, stored
        self._end(begun, "completed")

    def _end(self, ended: Render, status: Status) -> None:
        ended.status = status
        ended.ended_at_s = self._clock.now_s()
        if status == "completed":
            ended.progress = 100


def has_segments(draft: Any) -> bool:
    """Whether there is anything to export: a track whose `sg` is not empty."""
    tracks = draft.get("t") if isinstance(draft, dict) else None
    return isinstance(tracks, list) and any(isinstance(track, dict) and track.get("sg") for track in tracks)


def _watch(begun: Render) -> Callable[[int], None]:
    def on_progress(percent: int) -> None:
        begun.progress = max(begun.progress, min(percent, 99))

    return on_progress
