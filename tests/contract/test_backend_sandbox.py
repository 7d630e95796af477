"""The client, the drafts and the GUI talk against the sandbox: every call, every story that it tells."""

import asyncio
from collections.abc import AsyncIterator
from typing import NamedTuple
from uuid import uuid4

import pytest
import pytest_asyncio

from sandbox.clips import make_talk_clip
from tests.sandbox_fixture import Sandbox, running_sandbox
from worker.backend.client import Backend, Credentials
from worker.backend.drafts import changes, exportable, fingerprint, summary, timeline
from worker.backend.faults import BackendFault, Fault
from worker.backend.gui_talk import is_question, translate
from worker.backend.responses import RenderStatus, State
from worker.backend.transcript import Transcript

pytestmark = pytest.mark.asyncio(loop_scope="module")

SETTINGS = {
    "SANDBOX_TIME_SCALE": 10,
    "SANDBOX_SILENT_RATE": 0,
    "SANDBOX_GUI_RATE": 0,
    "SANDBOX_UPLOAD_BYTES": 5_000_000,
}
SMALL = {"format": "mp4", "quality": "low", "resolution": "144p"}


class Uncounted:
    """Takes the counts of a client whose counts are tested elsewhere."""

    def request(self, call: str, code: str, seconds: float) -> None: ...

    def stream_event(self, kind: str) -> None: ...

    def surprise(self, call: str, kind: str) -> None: ...

    def tls_failure(self) -> None: ...


class Stage(NamedTuple):
    """A session with a clip in it."""

    sandbox: Sandbox
    backend: Backend
    caller: Credentials
    session_id: str
    task_id: str

    async def say(self, text: str) -> Transcript:
        heard = Transcript()
        async with self.backend.send_message(self.caller, session_id=self.session_id, text=text) as events:
            async for event in events:
                heard.add(event)
        return heard

    async def fault(self, text: str) -> BackendFault:
        with pytest.raises(BackendFault) as caught:
            await self.say(text)
        return caught.value

    async def state(self) -> State:
        return await self.backend.read_state(self.caller, self.session_id)

    async def upload(self, data: bytes, filename: str = "city 街.mp4") -> None:
        await self.backend.upload_file(
            self.caller, session_id=self.session_id, filename=filename, size_bytes=len(data), chunks=in_portions(data)
        )

    async def render(self, render_id: str) -> None:
        draft = (await self.state()).draft
        assert draft is not None
        await self.backend.start_render(
            self.caller, render_id=render_id, session_id=self.session_id, draft=draft, output=SMALL
        )

    async def rendered(self, render_id: str) -> RenderStatus:
        """Wait until the render has ended, and ask for its end."""
        open_states = ("pending", "processing")
        await self.sandbox.until(
            lambda ledger: any(row["id"] == render_id and row["status"] not in open_states for row in ledger["renders"])
        )
        return await self.backend.read_render_status(self.caller, render_id)


async def in_portions(data: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(data), 10_000):
        yield data[at : at + 10_000]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox() -> AsyncIterator[Sandbox]:
    async with running_sandbox(**SETTINGS) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def backend(sandbox: Sandbox) -> AsyncIterator[Backend]:
    made = Backend(sandbox.url, platform="unknown", metrics=Uncounted())
    yield made
    await made.aclose()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    await make_talk_clip(path, scenes=2, duration_s=4, silences=[(1, 2)], size=(320, 180))
    return await asyncio.to_thread(path.read_bytes)


@pytest_asyncio.fixture(loop_scope="module")
async def stage(sandbox: Sandbox, backend: Backend, clip: bytes) -> Stage:
    caller = Credentials(await sandbox.add_token(), "ai-video-pro-online")
    opened = await backend.open_session(caller, language="en")
    assert opened.task_id is not None
    made = Stage(sandbox, backend, caller, opened.session_id, opened.task_id)
    await made.upload(clip)
    return made


@pytest.mark.quick
async def test_the_whole_way_from_a_token_to_a_file(sandbox: Sandbox, backend: Backend, clip: bytes) -> None:
    issued = await backend.issue_anonymous_token(str(uuid4()), profile="free-video-fast")
    assert issued.credits == 100
    assert issued.expires_at_ms
    caller = Credentials(issued.token, "free-video-fast")
    opened = await backend.open_session(caller, language="en")
    stage = Stage(sandbox, backend, caller, opened.session_id, opened.task_id or "")
    await stage.upload(clip)

    assert not exportable((await stage.state()).draft)
    heard = await stage.say("cut the pauses, add background music")
    assert "background music" in heard.text
    assert heard.saw_tools
    made = (await stage.state()).draft
    assert exportable(made)
    assert (await backend.read_credits(caller)).available == 50

    await stage.render("render_whole_way")
    ended = await stage.rendered("render_whole_way")
    async with backend.open_output(ended.url or "", None) as file:
        film = b"".join([chunk async for chunk in file.chunks])
    assert len(film) == file.size_bytes
    assert film[4:8] == b"ftyp"
    claim = await backend.make_claim_token(caller, task_id=stage.task_id, session_id=stage.session_id)
    assert claim.token.startswith("clm_")
    assert claim.expires_in_s
    (row,) = [row for row in (await sandbox.ledger())["renders"] if row["id"] == "render_whole_way"]
    assert row["fetched"]


@pytest.mark.parametrize("story", ["", "[[story:adk]]", "[[story:adk-partial]]", "[[story:slow]]"])
async def test_every_shape_of_the_stream_says_the_same(stage: Stage, story: str) -> None:
    heard = await stage.say(f'add a title "Urban Dreams" at the top for 3 seconds {story}')
    assert heard.text == 'Title added: "Urban Dreams" (white, top-center, 0-3s).'
    assert heard.error is None


async def test_a_silent_edit_is_told_from_the_drafts(stage: Stage) -> None:
    await stage.say("cut the pauses")
    before = (await stage.state()).draft
    heard = await stage.say('add a title "Paradise Found" at the top for 3 seconds, speed up 2x, 9:16 [[story:silent]]')
    after = (await stage.state()).draft
    assert heard.text == ""
    told = changes(before, after)
    assert {"Speed changed to 2x", "Aspect ratio changed to 9:16"} <= set(told)
    assert any(each.startswith('Title added: "Paradise Found" (white, top-center') for each in told)
    assert '"Paradise Found"' in summary(timeline(after))


async def test_two_reads_of_one_draft_are_the_same_content(stage: Stage) -> None:
    await stage.say("add background music")
    first, second = (await stage.state()).draft, (await stage.state()).draft
    assert first != second
    assert fingerprint(first) == fingerprint(second)
    assert changes(first, second) == []


@pytest.mark.parametrize(
    ("prompt", "kept"),
    [
        ('add a title "Hi" for 2 seconds [[story:gui]]', 'Title added: "Hi" (white, center, 0-2s).'),
        ("添加标题“你好” [[story:gui]]", "已添加标题:“你好”(0-3秒)。"),
    ],
)
async def test_gui_talk_is_taken_out_of_real_answers(stage: Stage, prompt: str, kept: str) -> None:
    seen = translate((await stage.say(prompt)).text)
    assert seen.text == kept
    assert "export" in seen.actions
    assert "state" in seen.actions


async def test_a_question_a_talk_and_a_temporary_issue_are_told_apart(stage: Stage) -> None:
    assert is_question((await stage.say("cut it [[story:question]]")).text)
    assert not is_question((await stage.say("cut it [[story:unchanged]]")).text)
    heard = await stage.say("add background music [[story:temporary-issue]]")
    assert "temporary issue" not in heard.text
    assert heard.text


async def test_an_error_frame_is_a_fault_and_no_answer(stage: Stage) -> None:
    heard = await stage.say("add background music [[story:error-frame]]")
    assert heard.error


@pytest.mark.parametrize(
    ("story", "fault", "maybe_done"),
    [
        ("token-expired", Fault.TOKEN_REFUSED, False),
        ("session-lost", Fault.SESSION_LOST, False),
        ("no-credits", Fault.NO_CREDITS, False),
        ("rate-limited", Fault.RATE_LIMITED, False),
        ("http-500", Fault.BROKEN, True),
        ("drop-stream", Fault.BROKEN, True),
        ("drop-stream-lost", Fault.BROKEN, True),
    ],
)
async def test_every_refusal_and_drop_has_its_fault(
    stage: Stage, story: str, fault: Fault, *, maybe_done: bool
) -> None:
    seen = await stage.fault(f"add background music [[story:{story}]]")
    assert (seen.fault, seen.maybe_done) == (fault, maybe_done)
    assert stage.caller.token not in str(seen)


async def test_a_session_takes_one_message_at_a_time(stage: Stage) -> None:
    async with stage.backend.send_message(
        stage.caller, session_id=stage.session_id, text="add background music [[story:slow]]"
    ) as events:
        await anext(events)
        seen = await stage.fault("mute the video")
    assert (seen.fault, seen.maybe_done) == (Fault.BUSY, False)


async def test_a_render_that_is_begun_again_is_a_duplicate(stage: Stage) -> None:
    await stage.say("cut the pauses")
    render_id = f"render_{uuid4().hex}"
    await stage.render(render_id)
    with pytest.raises(BackendFault) as caught:
        await stage.render(render_id)
    assert caught.value.fault in (Fault.RENDER_DUPLICATE, Fault.BUSY)
    assert (await stage.rendered(render_id)).status == "completed"
    with pytest.raises(BackendFault) as caught:
        await stage.render(render_id)
    assert caught.value.fault is Fault.RENDER_DUPLICATE


async def test_one_of_the_two_shapes_of_a_status_says_how_long_a_render_took(stage: Stage) -> None:
    took_s = []
    for _ in range(2):
        await stage.say(f"cut the pauses, title {uuid4().hex}")
        await stage.render(render_id := f"render_{uuid4().hex}")
        took_s.append((await stage.rendered(render_id)).took_s)
    assert took_s.count(None) == 1
    assert all(one is None or one > 0 for one in took_s)


async def test_a_render_fails_and_another_is_cancelled(stage: Stage) -> None:
    await stage.say(f"cut the pauses, title {uuid4().hex} [[story:render-failed]]")
    await stage.render(failing := f"render_{uuid4().hex}")
    assert (await stage.rendered(failing)).status == "failed"
    await stage.say("add background music [[story:render-stuck]]")
    await stage.render(stuck := f"render_{uuid4().hex}")
    await stage.backend.cancel_render(stage.caller, stuck)
    assert (await stage.rendered(stuck)).status == "failed"


async def test_an_output_comes_by_the_download_call_too(stage: Stage) -> None:
    await stage.say("cut the pauses")
    await stage.render(render_id := f"render_{uuid4().hex}")
    await stage.rendered(render_id)
    async with stage.backend.open_download(stage.caller, render_id) as file:
        assert (await anext(file.chunks))[4:8] == b"ftyp"


async def test_a_blocked_export_and_an_unknown_render_have_their_faults(stage: Stage) -> None:
    await stage.say("cut the pauses [[story:export-blocked]]")
    with pytest.raises(BackendFault) as caught:
        await stage.render(f"render_{uuid4().hex}")
    assert caught.value.fault is Fault.EXPORT_BLOCKED
    with pytest.raises(BackendFault) as caught:
        await stage.backend.read_render_status(stage.caller, "render_unknown")
    assert caught.value.fault is Fault.RENDER_UNKNOWN


async def test_files_are_refused_with_their_fault(stage: Stage, clip: bytes) -> None:
    with pytest.raises(BackendFault) as caught:
        await stage.upload(b"just some words" * 100, "notes.txt")
    assert caught.value.fault is Fault.UNSUPPORTED
    with pytest.raises(BackendFault) as caught:
        await stage.upload(clip + bytes(6_000_000), "large.mp4")
    assert caught.value.fault is Fault.TOO_LARGE


async def test_a_media_url_is_fetched_by_the_backend_or_refused(stage: Stage) -> None:
    (info, *_) = (await stage.state()).video_infos
    answer = await stage.backend.upload_url(
        stage.caller, session_id=stage.session_id, urls=[info.get("cdn_url") or info["url"]]
    )
    assert answer.brought
    assert answer.files[0].duration_s == pytest.approx(4, abs=0.2)
    with pytest.raises(BackendFault) as caught:
        await stage.backend.upload_url(stage.caller, session_id=stage.session_id, urls=["http://127.0.0.1:1/a.mp4"])
    assert caught.value.fault is Fault.REFUSED


async def test_tokens_are_refused_by_scope_and_by_being_unknown(sandbox: Sandbox, backend: Backend) -> None:
    reader = Credentials(await sandbox.add_token(scopes=("read",)), "maker-free")
    with pytest.raises(BackendFault) as caught:
        await backend.open_session(reader, language=None)
    assert caught.value.fault is Fault.SCOPE_MISSING
    with pytest.raises(BackendFault) as caught:
        await backend.read_credits(Credentials("nmv_usr_nobody", "maker-free"))
    assert caught.value.fault is Fault.TOKEN_REFUSED


async def test_a_second_anonymous_token_is_rate_limited(backend: Backend) -> None:
    client_id = str(uuid4())
    await backend.issue_anonymous_token(client_id, profile="free-video-fast")
    with pytest.raises(BackendFault) as caught:
        await backend.issue_anonymous_token(client_id, profile="free-video-fast")
    assert caught.value.fault is Fault.RATE_LIMITED
