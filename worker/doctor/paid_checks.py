"""What costs credits, and is done where it was asked for: one message, and one export to its film."""

import asyncio
import hashlib
import json
from collections.abc import Awaitable
from typing import Any
from urllib.parse import urlsplit

from core.clock import Clock, stopwatch_s
from core.media.sniff import format_of_content
from core.settings import Settings
from worker.backend.drafts import Draft, exportable, fingerprint
from worker.backend.events import Heartbeat
from worker.backend.faults import BackendFault
from worker.backend.responses import RenderStatus
from worker.doctor.calls import RecordedCalls
from worker.doctor.doubts import Seen
from worker.doctor.film import FilmFetch
from worker.doctor.findings import Finding, Verdict
from worker.doctor.free_checks import read_balance
from worker.outbound.client import OutboundClient

MESSAGE = "Put the uploaded clip on the timeline as it is, without any other change."
#: an edit that shows no change is looked for so many times
_CHANGE_LOOKS = 20
_NO_DRAFT: dict[str, Any] = {}


class PaidChecks:
    """Goes on in the session that the harmless calls have made."""

    def __init__(self, calls: RecordedCalls, seen: Seen, settings: Settings, outbound: OutboundClient) -> None:
        self._calls = calls
        self._outbound = outbound
        self._seen = seen
        self._settings = settings

    async def run(self, session_id: str) -> None:
        """Edit, and export what came of it."""
        if await self._message(session_id):
            await self._export(session_id)

    async def _message(self, session_id: str) -> bool:
        """Send one edit, and look for what it changed. False: there is nothing to export."""
        earlier, before = await self._state_values(session_id), await self._state_values(session_id)
        steady = {key: before[key] for key in before if earlier.get(key) == before[key]}
        expected = "a stream of text, tool calls and heartbeats that closes by itself"
        if await self._calls.make("message", expected, self._say(session_id)) is None:
            return False
        self._note_heartbeats()
        ended_s = stopwatch_s()
        await read_balance(self._calls, self._seen)
        changed = await self._await_change(session_id, steady, unsteady=before.keys() - steady.keys(), since_s=ended_s)
        await read_balance(self._calls, self._seen)
        return changed

    async def _say(self, session_id: str) -> int:
        """Send the message; give the number of events that were not heartbeats."""
        said = self._calls.backend.send_message(
            self._calls.credentials, session_id=session_id, text=MESSAGE, silence_s=self._settings.stream_quiet_s
        )
        async with asyncio.timeout(self._settings.stream_limit_s), said as events:
            return sum([not isinstance(event, Heartbeat) async for event in events])

    def _note_heartbeats(self) -> None:
        self._seen.streamed = True
        lines = {line for line in self._calls.answers[-1].body.splitlines() if line} if self._calls.answers else set()
        kinds = {
            "comments": any(line.startswith(b":") for line in lines),
            "empty data": any(line.strip() == b"data:" for line in lines),
            "`event: heartbeat`": any(line.replace(b" ", b"") == b"event:heartbeat" for line in lines),
            "`data: heartbeat`": any(line.replace(b" ", b"") == b"data:heartbeat" for line in lines),
            "JSON of type heartbeat": any(line.startswith(b"data:") and b'"heartbeat"' in line for line in lines),
        }
        self._seen.heartbeats = [kind for kind, there in kinds.items() if there]

    async def _await_change(
        self, session_id: str, before: dict[str, str], *, unsteady: set[str], since_s: float
    ) -> bool:
        """Look again and again until the state has changed; what differed without an edit says nothing."""
        expected = "a state that has changed, with something on its timeline"
        for _ in range(_CHANGE_LOOKS):
            self._calls.answers.clear()
            after = await self._state_values(session_id)
            if changed := [key for key in after if key not in unsteady and after[key] != before.get(key)]:
                self._seen.change_after_s, self._seen.changed_keys = stopwatch_s() - since_s, changed
                self._calls.findings.append(
                    Finding("backend", "the edit", Verdict.OK, expected, f"changed: {self._calls.shapes()}")
                )
                return True
            await asyncio.sleep(self._settings.settle_s)
        self._seen.unchanged_s = stopwatch_s() - since_s
        came = f"no change in {self._seen.unchanged_s:.0f} s; {self._calls.shapes()}"
        self._calls.findings.append(Finding("backend", "the edit", Verdict.BAD, expected, came))
        return False

    async def _state_values(self, session_id: str) -> dict[str, str]:
        """Read the state, and name each key's content; none where there is no state."""
        try:
            state = await self._calls.backend.read_state(self._calls.credentials, session_id)
        except BackendFault:
            return {}
        inner = self._calls.last_data().get("state")
        values = inner if isinstance(inner, dict) else self._calls.last_data()
        others = {key: _digest(value) for key, value in values.items() if key != "draft"}
        return others | {"draft": fingerprint(state.draft)}

    async def _export(self, session_id: str) -> None:
        read = self._calls.backend.read_state(self._calls.credentials, session_id)
        state = await self._calls.make("the state before the export", "a draft with a segment on a track", read)
        if state is None or not exportable(state.draft):
            self._calls.judge_last(Verdict.BAD)
            return
        render_id = f"render_{Clock().now_ms()}"
        self._calls.private.add(render_id)
        ids = await self._start_render(session_id, render_id, state.draft or _NO_DRAFT)
        if ids and (done := await self._await_render(ids)):
            await self._film(ids, done)

    async def _start_render(self, session_id: str, render_id: str, draft: Draft) -> tuple[str, ...]:
        """Ask for a render; by which ids it is known, none where it was refused."""
        starting = self._calls.backend.start_render(
            self._calls.credentials,
            render_id=render_id,
            session_id=session_id,
            draft=draft,
            output={"format": "mp4", "quality": "high"},
        )
        started = await self._calls.make("export", "200, success, our id, pending", _done(starting))
        named = {str(self._calls.last_data().get(key)) for key in ("id", "taskId") if self._calls.last_data().get(key)}
        self._calls.private |= named
        self._seen.render_answer = "refused" if not started else _id_words(named, render_id)
        self._seen.exported = None if started else False
        return (*(named - {render_id}), render_id) if started else ()

    async def _await_render(self, ids: tuple[str, ...]) -> RenderStatus | None:
        expected = "pending, processing, then completed with a link"
        status = None
        for _ in range(self._settings.render_polls):
            self._calls.answers.clear()
            try:
                status = await self._calls.backend.read_render_status(self._calls.credentials, *ids)
            except BackendFault as fault:
                self._calls.findings.append(self._calls.failure("render status", expected, fault, Verdict.BAD))
                return None
            if status.status in ("completed", "failed"):
                break
            await asyncio.sleep(self._settings.render_poll_s)
        completed = status is not None and status.status == "completed"
        verdict = Verdict.OK if completed else Verdict.BAD
        self._calls.findings.append(Finding("backend", "render status", verdict, expected, self._calls.shapes()))
        self._seen.exported = completed
        return status if completed else None

    async def _film(self, ids: tuple[str, ...], status: RenderStatus) -> None:
        """Fetch the film as a job does: by its link, else by the download call."""
        self._calls.private |= {status.url, urlsplit(status.url).query} if status.url else set()
        way = FilmFetch(self._calls.backend, self._outbound, self._calls.credentials, ids, status.url)
        film = await self._calls.make("the film", "an mp4 by its link, without a token", way.fetch())
        asked = [answer for answer in self._calls.answers if not answer.path.endswith("/download")]
        link = _link_words(status.url, self._calls.host)
        self._seen.output_link = f"{link}; asked: {', '.join(str(answer.status) for answer in asked) or 'never'}"
        if film is not None and format_of_content(film) != "mp4":
            self._calls.judge_last(Verdict.BAD)
        elif film is not None and len(self._calls.answers) > len(asked):
            self._calls.judge_last(Verdict.WARNING)


async def _done(call: Awaitable[object]) -> bool:
    await call
    return True


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _id_words(named: set[str], render_id: str) -> str:
    if not named:
        return "taken, and the answer names no id"
    return "taken under our id" if named == {render_id} else "taken, and the answer names an id of its own"


def _link_words(url: str | None, host: str) -> str:
    if not url:
        return "no link came with completed"
    where = urlsplit(url).hostname
    return "the link is relative" if not where else f"the link is on {'the same' if where == host else 'another'} host"
