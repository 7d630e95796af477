"""The harmless calls of a job, in its order: balance, session, a fresh session's state, a clip by bytes and by URL."""

from collections.abc import AsyncIterator, Awaitable
from importlib import resources
from urllib.parse import urlsplit

from worker.backend.client import Credentials
from worker.backend.faults import BackendFault, Fault
from worker.backend.responses import NO_STATE, OpenedSession, State, UploadAnswer
from worker.doctor.calls import RecordedCalls
from worker.doctor.doubts import Seen
from worker.doctor.findings import Finding, Verdict

_CLIP_NAME = "clip.mp4"
_MADE_UP_TOKEN = "nmv_usr_reelgate_doctor_made_this_up"  # noqa: S105 - it opens nothing
_MADE_UP_SESSION = "1000000000000000001"


async def read_balance(calls: RecordedCalls, seen: Seen) -> int | None:
    """Read what the token has; None: it could not be read."""
    expected = "200, data with available, frozen, total"
    balance = await calls.make("balance", expected, calls.backend.read_credits(calls.credentials))
    if balance is None:
        return None
    if seen.has_frozen is None:
        seen.has_frozen = "frozen" in calls.last_data()
        seen.frozen_at_first = balance.frozen
    seen.balances.append(balance.available)
    return balance.available


class HarmlessChecks:
    """A call that fails ends nothing but what needs it."""

    def __init__(self, calls: RecordedCalls, seen: Seen) -> None:
        self._calls = calls
        self._seen = seen

    async def run(self, *, clip_url: str | None) -> str | None:
        """Make the calls; give the session that has the clip in it. None: a message would be of no use."""
        if await read_balance(self._calls, self._seen) is None:
            return None
        await self._refusals()
        session = await self._session()
        if session is None:
            return None
        await self._fresh_state(session.session_id)
        state = await self._upload_bytes(session.session_id)
        await self._upload_url(session.session_id, clip_url, before=state)
        return session.session_id if state else None

    async def _refusals(self) -> None:
        """See how a bad token and an unknown session are refused; that they are is what is expected."""
        made_up = Credentials(_MADE_UP_TOKEN, self._calls.credentials.profile)
        self._seen.bad_token = await self._refusal("a made-up token", self._calls.backend.read_credits(made_up))
        unknown = self._calls.backend.read_state(self._calls.credentials, _MADE_UP_SESSION)
        self._seen.no_session = await self._refusal("a made-up session", unknown)

    async def _refusal(self, what: str, call: Awaitable[object]) -> str:
        self._calls.answers.clear()
        try:
            await call
        except BackendFault as fault:
            came, verdict = f"{fault.fault}; {self._calls.shapes()}", Verdict.OK
        else:
            came, verdict = f"taken; {self._calls.shapes()}", Verdict.WARNING
        self._calls.findings.append(Finding("backend", what, verdict, "a refusal, by code or status", came))
        return self._calls.shapes()

    async def _session(self) -> OpenedSession | None:
        expected = "200, data with session_id, task_id, user_id"
        session = await self._calls.make(
            "session", expected, self._calls.backend.open_session(self._calls.credentials, language="en")
        )
        if session:
            self._calls.private |= {each for each in (session.session_id, session.task_id, session.user_id) if each}
        return session

    async def _fresh_state(self, session_id: str) -> None:
        expected = "200, data.state with draft, video_infos, generated_media"
        read = self._calls.backend.read_state(self._calls.credentials, session_id)
        state = await self._calls.make("a fresh session's state", expected, read, otherwise=Verdict.WARNING)
        if self._calls.answers:
            self._seen.fresh_state = state is not None

    async def _upload_bytes(self, session_id: str) -> State | None:
        """Send the clip and see it in the state, without which no job gets to its edit."""
        clip = _clip()
        sent = self._calls.backend.upload_file(
            self._calls.credentials,
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
            return self._calls.skip("a clip by URL", "no --clip-url was given: the backend fetches it from there")
        self._calls.private |= {clip_url, urlsplit(clip_url).query}
        sent = self._calls.backend.upload_url(self._calls.credentials, session_id=session_id, urls=[clip_url])
        if not await self._uploaded("a clip by URL", sent, otherwise=Verdict.WARNING):
            self._seen.url_refused = self._calls.shapes()
            return None
        known = len(before.video_infos) if before else 0
        state = await self._state_with_media("the state after it", session_id, at_least=known + 1, needed=False)
        self._seen.url_applied = state is not None
        return None

    async def _uploaded(self, what: str, sending: Awaitable[UploadAnswer], *, otherwise: Verdict = Verdict.BAD) -> bool:
        expected = "200, data.files with one entry without an error, session_state_applied true"
        answer = await self._calls.make(what, expected, sending, otherwise=otherwise)
        if answer is None:
            return False
        self._calls.private |= {file.cdn_url for file in answer.files if file.cdn_url}
        if not answer.brought:
            self._calls.judge_last(otherwise)
        return answer.brought

    async def _state_with_media(
        self, what: str, session_id: str, *, at_least: int, needed: bool = True
    ) -> State | None:
        expected = f"200, video_infos with {at_least} or more"
        otherwise = Verdict.BAD if needed else Verdict.WARNING
        state = await self._calls.make(what, expected, self._state_as_jobs_read_it(session_id), otherwise=otherwise)
        if state and len(state.video_infos) < at_least:
            self._calls.judge_last(Verdict.WARNING)
            return state if needed else None
        return state

    async def _state_as_jobs_read_it(self, session_id: str) -> State:
        """Read a state; one that is missing is no hindrance before the first edit, where an upload says that it brought."""
        try:
            return await self._calls.backend.read_state(self._calls.credentials, session_id)
        except BackendFault as fault:
            if fault.fault not in (Fault.NO_STATE, Fault.NOTHING_TOLD):
                raise
            return NO_STATE


def _clip() -> bytes:
    return (resources.files("worker.doctor") / _CLIP_NAME).read_bytes()


async def _one_chunk(content: bytes) -> AsyncIterator[bytes]:
    yield content
