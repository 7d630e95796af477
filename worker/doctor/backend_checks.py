"""Checks of the backend: the calls that a job makes, in its order, by the gateway's own client.

Harmless ones first; the message and the export, which cost credits, only where that was asked for. Each answer becomes
a finding with its shape, and what it settles goes into `Seen`. A call that fails ends nothing but what needs it.
"""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Iterator
from importlib import resources
from typing import Any, TypeVar
from urllib.parse import urlsplit

from core.clock import Clock, stopwatch_s
from core.settings import Settings
from core.sniff import format_of_content
from worker.backend.client import Backend, Credentials
from worker.backend.drafts import exportable, fingerprint
from worker.backend.events import Heartbeat
from worker.backend.faults import BackendFault
from worker.backend.responses import OpenedSession, RenderStatus, State, UploadedFile
from worker.backend.transport import RecordedAnswer
from worker.doctor.doubts import Seen
from worker.doctor.findings import Finding, Verdict
from worker.doctor.shapes import decoded, describe

T = TypeVar("T")

MESSAGE = "Put the uploaded clip on the timeline as it is, without any other change."
_CLIP_NAME = "clip.mp4"
_MADE_UP_TOKEN = "nmv_usr_reelgate_doctor_made_this_up"  # noqa: S105 - it opens nothing
_MADE_UP_SESSION = "1000000000000000001"
#: an edit that shows no change is looked for so long, and so many times in that
_CHANGE_LOOKS = 20
_NO_DRAFT: dict[str, Any] = {}


class BackendCheckup:
    """One run over the calls. `findings` and `seen` fill up; `private` is what must not get into a report."""

    def __init__(self, backend: Backend, credentials: Credentials, settings: Settings, seen: Seen) -> None:
        self._backend = backend
        self._credentials = credentials
        self._settings = settings
        self._host = urlsplit(settings.nemo_api_url).hostname or ""
        self._answers: list[RecordedAnswer] = []
        self.findings: list[Finding] = []
        self.private: set[str] = {credentials.token}
        self.seen = seen
        backend.record_answers(self._answers.append)

    async def run(self, *, clip_url: str | None, spend: bool) -> None:
        """Make the calls in order."""
        if await self.read_balance() is None:
            return
        await self._refusals()
        session = await self._session()
        if session is None:
            return
        await self._fresh_state(session.session_id)
        state = await self._upload_bytes(session.session_id)
        await self._upload_url(session.session_id, clip_url, before=state)
        if not spend:
            self._skip("message and export", "--spend was not given: they cost credits")
        elif state is not None and await self._message(session.session_id):
            await self._export(session.session_id)

    # The harmless calls.

    async def read_balance(self) -> int | None:
        """Read what the token has; None: it could not be read."""
        expected = "200, data with available, frozen, total"
        balance = await self._call("balance", expected, self._backend.read_credits(self._credentials))
        if balance is None:
            return None
        if self.seen.has_frozen is None:
            self.seen.has_frozen = "frozen" in self._last_data()
            self.seen.frozen_at_first = balance.frozen
        self.seen.balances.append(balance.available)
        return balance.available

    async def _refusals(self) -> None:
        """See how a bad token and an unknown session are refused; that they are is what is expected."""
        made_up = Credentials(_MADE_UP_TOKEN, self._credentials.profile)
        self.seen.bad_token = await self._refusal("a made-up token", self._backend.read_credits(made_up))
        unknown = self._backend.read_state(self._credentials, _MADE_UP_SESSION)
        self.seen.no_session = await self._refusal("a made-up session", unknown)

    async def _refusal(self, what: str, call: Awaitable[object]) -> str:
        self._answers.clear()
        try:
            await call
        except BackendFault as fault:
            came, verdict = f"{fault.fault}; {self._shapes()}", Verdict.OK
        else:
            came, verdict = f"taken; {self._shapes()}", Verdict.WARNING
        self.findings.append(Finding("backend", what, verdict, "a refusal, by code or status", came))
        return self._shapes()

    async def _session(self) -> OpenedSession | None:
        expected = "200, data with session_id, task_id, user_id"
        session = await self._call("session", expected, self._backend.open_session(self._credentials, language="en"))
        if session:
            self.private |= {each for each in (session.session_id, session.task_id, session.user_id) if each}
        return session

    async def _fresh_state(self, session_id: str) -> None:
        expected = "200, data.state with draft, video_infos, generated_media"
        read = self._backend.read_state(self._credentials, session_id)
        state = await self._call("a fresh session's state", expected, read, otherwise=Verdict.WARNING)
        if self._answers:
            self.seen.fresh_state = state is not None

    async def _upload_bytes(self, session_id: str) -> State | None:
        """Send the clip and see it in the state, without which no job gets to its edit."""
        clip = _clip()
        sent = self._backend.upload_file(
            self._credentials,
            session_id=session_id,
            filename=_CLIP_NAME,
            size_bytes=len(clip),
            chunks=_one_chunk(clip),
        )
        if not await self._uploaded("a clip by bytes", sent):
            return None
        return await self._state_with_media("the state after it", session_id, at_least=1)

    async def _upload_url(self, session_id: str, clip_url: str | None, *, before: State | None) -> None:
        if clip_url is None:
            return self._skip("a clip by URL", "no --clip-url was given: the backend fetches it from there")
        self.private |= {clip_url, urlsplit(clip_url).query}
        sent = self._backend.upload_url(self._credentials, session_id=session_id, urls=[clip_url])
        if not await self._uploaded("a clip by URL", sent, otherwise=Verdict.WARNING):
            self.seen.url_refused = self._shapes()
            return None
        known = len(before.video_infos) if before else 0
        state = await self._state_with_media("the state after it", session_id, at_least=known + 1, needed=False)
        self.seen.url_applied = state is not None
        return None

    async def _uploaded(
        self, what: str, sending: Awaitable[list[UploadedFile]], *, otherwise: Verdict = Verdict.BAD
    ) -> bool:
        expected = "200, data.files with one entry without an error, session_state_applied true"
        files = await self._call(what, expected, sending, otherwise=otherwise)
        if files is None:
            return False
        self.private |= {file.cdn_url for file in files if file.cdn_url}
        data = self._last_data()
        if not files or data.get("session_state_applied") is False or _has_error(data):
            self._change_last(otherwise)
            return False
        return True

    async def _state_with_media(
        self, what: str, session_id: str, *, at_least: int, needed: bool = True
    ) -> State | None:
        expected = f"200, video_infos with {at_least} or more"
        otherwise = Verdict.BAD if needed else Verdict.WARNING
        read = self._backend.read_state(self._credentials, session_id)
        state = await self._call(what, expected, read, otherwise=otherwise)
        if state and len(state.video_infos) < at_least:
            self._change_last(Verdict.WARNING)
            return state if needed else None
        return state

    # What costs credits.

    async def _message(self, session_id: str) -> bool:
        """Send one edit, and look for what it changed. False: there is nothing to export."""
        earlier, before = await self._state_values(session_id), await self._state_values(session_id)
        steady = {key: before[key] for key in before if earlier.get(key) == before[key]}
        expected = "a stream of text, tool calls and heartbeats that closes by itself"
        if await self._call("message", expected, self._say(session_id)) is None:
            return False
        self._note_heartbeats()
        ended_s = stopwatch_s()
        await self.read_balance()
        changed = await self._await_change(session_id, steady, unsteady=before.keys() - steady.keys(), since_s=ended_s)
        await self.read_balance()
        return changed

    async def _say(self, session_id: str) -> int:
        """Send the message; give the number of events that were not heartbeats."""
        said = self._backend.send_message(
            self._credentials, session_id=session_id, text=MESSAGE, silence_s=self._settings.stream_quiet_s
        )
        async with asyncio.timeout(self._settings.stream_limit_s), said as events:
            return sum([not isinstance(event, Heartbeat) async for event in events])

    def _note_heartbeats(self) -> None:
        self.seen.streamed = True
        lines = {line for line in self._answers[-1].body.splitlines() if line} if self._answers else set()
        kinds = {
            "comments": any(line.startswith(b":") for line in lines),
            "empty data": any(line.strip() == b"data:" for line in lines),
            "`event: heartbeat`": any(line.replace(b" ", b"") == b"event:heartbeat" for line in lines),
            "`data: heartbeat`": any(line.replace(b" ", b"") == b"data:heartbeat" for line in lines),
            "JSON of type heartbeat": any(line.startswith(b"data:") and b'"heartbeat"' in line for line in lines),
        }
        self.seen.heartbeats = [kind for kind, there in kinds.items() if there]

    async def _await_change(
        self, session_id: str, before: dict[str, str], *, unsteady: set[str], since_s: float
    ) -> bool:
        """Look again and again until the state has changed; what differed without an edit says nothing."""
        expected = "a state that has changed, with something on its timeline"
        for _ in range(_CHANGE_LOOKS):
            self._answers.clear()
            after = await self._state_values(session_id)
            if changed := [key for key in after if key not in unsteady and after[key] != before.get(key)]:
                self.seen.change_after_s, self.seen.changed_keys = stopwatch_s() - since_s, changed
                self.findings.append(Finding("backend", "the edit", Verdict.OK, expected, f"changed: {self._shapes()}"))
                return True
            await asyncio.sleep(self._settings.settle_s)
        self.seen.unchanged_s = stopwatch_s() - since_s
        came = f"no change in {self.seen.unchanged_s:.0f} s; {self._shapes()}"
        self.findings.append(Finding("backend", "the edit", Verdict.BAD, expected, came))
        return False

    async def _state_values(self, session_id: str) -> dict[str, str]:
        """Read the state, and name each key's content; none where there is no state."""
        try:
            state = await self._backend.read_state(self._credentials, session_id)
        except BackendFault:
            return {}
        inner = self._last_data().get("state")
        values = inner if isinstance(inner, dict) else self._last_data()
        others = {key: _digest(value) for key, value in values.items() if key != "draft"}
        return others | {"draft": fingerprint(state.draft)}

    async def _export(self, session_id: str) -> None:
        read = self._backend.read_state(self._credentials, session_id)
        state = await self._call("the state before the export", "a draft with a segment on a track", read)
        if state is None or not exportable(state.draft):
            self._change_last(Verdict.BAD)
            return
        render_id = f"render_{Clock().now_ms()}"
        self.private.add(render_id)
        if await self._start_render(session_id, render_id, state.draft or _NO_DRAFT):
            done = await self._await_render(render_id)
            if done is not None:
                await self._film(render_id, done)

    async def _start_render(self, session_id: str, render_id: str, draft: dict[str, Any]) -> bool:
        starting = self._backend.start_render(
            self._credentials,
            render_id=render_id,
            session_id=session_id,
            draft=draft,
            output={"format": "mp4", "quality": "high"},
        )
        started = await self._call("export", "200, success, our id, pending", _done(starting))
        named = {str(self._last_data().get(key)) for key in ("id", "taskId") if self._last_data().get(key)}
        self.private |= named
        self.seen.render_answer = "refused" if not started else _id_words(named, render_id)
        self.seen.exported = None if started else False
        return bool(started)

    async def _await_render(self, render_id: str) -> RenderStatus | None:
        expected = "pending, processing, then completed with a link"
        status = None
        for _ in range(self._settings.render_polls):
            self._answers.clear()
            try:
                status = await self._backend.read_render_status(self._credentials, render_id)
            except BackendFault as fault:
                self.findings.append(self._failure("render status", expected, fault, Verdict.BAD))
                return None
            if status.status in ("completed", "failed"):
                break
            await asyncio.sleep(self._settings.render_poll_s)
        completed = status is not None and status.status == "completed"
        verdict = Verdict.OK if completed else Verdict.BAD
        self.findings.append(Finding("backend", "render status", verdict, expected, self._shapes()))
        self.seen.exported = completed
        return status if completed else None

    async def _film(self, render_id: str, status: RenderStatus) -> None:
        """Fetch the film as a job does: by its link, else by the download call."""
        self.private |= {status.url, urlsplit(status.url).query} if status.url else set()
        film = await self._call("the film", "an mp4 by its link, without a token", self._fetch(render_id, status))
        asked = [answer for answer in self._answers if not answer.path.endswith("/download")]
        link = _shape_word(status.url, self._host)
        self.seen.output_link = f"{link}; asked: {', '.join(str(answer.status) for answer in asked) or 'never'}"
        if film is not None and format_of_content(film) != "mp4":
            self._change_last(Verdict.BAD)
        elif film is not None and len(self._answers) > len(asked):
            self._change_last(Verdict.WARNING)

    async def _fetch(self, render_id: str, status: RenderStatus) -> bytes:
        fetching = self._backend.fetch_output(self._credentials, url=status.url, render_id=render_id)
        async with fetching as download:
            return b"".join([chunk async for chunk in download.chunks])

    # How a call becomes a finding.

    async def _call(
        self, what: str, expected: str, call: Awaitable[T], *, otherwise: Verdict = Verdict.BAD
    ) -> T | None:
        self._answers.clear()
        try:
            value = await call
        except BackendFault as fault:
            self.findings.append(self._failure(what, expected, fault, otherwise))
            return None
        except TimeoutError:
            self.findings.append(Finding("backend", what, otherwise, expected, "it did not end in time"))
            return None
        self.findings.append(Finding("backend", what, Verdict.OK, expected, self._shapes()))
        return value

    def _failure(self, what: str, expected: str, fault: BackendFault, verdict: Verdict) -> Finding:
        return Finding("backend", what, verdict, expected, f"{fault.fault}; {self._shapes()}")

    def _shapes(self) -> str:
        return "; ".join(describe(answer, host=self._host) for answer in self._answers) or "no answer"

    def _last_data(self) -> dict[str, Any]:
        """Take the last answer out of its envelope; nothing where it has none."""
        answer = decoded(self._answers[-1].body) if self._answers else None
        if not isinstance(answer, dict):
            return {}
        data = answer.get("data")
        return data if isinstance(data, dict) else answer

    def _change_last(self, verdict: Verdict) -> None:
        last = self.findings.pop()
        self.findings.append(Finding(last.area, last.what, verdict, last.expected, last.came))

    def _skip(self, what: str, why: str) -> None:
        self.findings.append(Finding("backend", what, Verdict.SKIPPED, "", why))


def _clip() -> bytes:
    return (resources.files("worker.doctor") / _CLIP_NAME).read_bytes()


async def _one_chunk(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def _done(call: Awaitable[object]) -> bool:
    await call
    return True


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _has_error(data: dict[str, Any]) -> bool:
    return any(isinstance(file, dict) and file.get("error") for file in _listed(data.get("files")))


def _listed(value: object) -> Iterator[object]:
    yield from value if isinstance(value, list) else ()


def _id_words(named: set[str], render_id: str) -> str:
    if not named:
        return "taken, and the answer names no id"
    return "taken under our id" if named == {render_id} else "taken, and the answer names an id of its own"


def _shape_word(url: str | None, host: str) -> str:
    if not url:
        return "no link came with completed"
    where = urlsplit(url).hostname
    return "the link is relative" if not where else f"the link is on {'the same' if where == host else 'another'} host"
