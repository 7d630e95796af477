"""How tests steer the sandbox: tokens, ledger, faults, reset; and how its process starts and ends."""

import asyncio
import contextlib
import sys
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio

from sandbox.clips import make_talk_clip
from tests.sandbox_caller import calling
from tests.sandbox_fixture import ROOT, running_sandbox
from tests.until import PATIENCE_S, until

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running():
    async with running_sandbox(SANDBOX_TOKENS="nmv_usr_set:75", SANDBOX_TIME_SCALE=10, SANDBOX_SILENT_RATE=0) as one:
        yield one


@pytest_asyncio.fixture(loop_scope="module")
async def sandbox(running):
    """The running sandbox, without faults before and after."""
    yield running
    await running.faults()


async def test_tokens_of_the_settings_are_there_and_more_can_be_added(sandbox):
    async with calling(sandbox.url, "nmv_usr_set") as set_, calling(sandbox.url, await sandbox.add_token()) as added:
        assert (await set_.http.get("/api/credits/balance/simple")).status_code == 200
        assert (await added.balance())["available"] == 25_000


async def test_the_ledger_names_tokens_without_showing_them(sandbox):
    token = await sandbox.add_token(plan="free", scopes=("read", "write"))
    async with calling(sandbox.url, token) as caller:
        await caller.say(await caller.open_session(), "trim")

    ledger = await sandbox.ledger()

    assert ledger.keys() == {"tokens", "sessions", "messages", "uploads", "renders"}
    assert any(row["plan"] == "free" and row["scopes"] == ["read", "write"] for row in ledger["tokens"])
    assert all(row["token_id"].startswith("tok_") for rows in ledger.values() for row in rows)
    assert token not in str(ledger)
    assert "nmv_usr_" not in str(ledger)


async def test_the_ledger_keeps_a_messages_whole_text_with_its_tags(sandbox):
    text = f"{uuid4().hex} [[story:unchanged]]"
    async with calling(sandbox.url, await sandbox.add_token()) as caller:
        await caller.say(await caller.open_session(), text)

    (row,) = [row for row in (await sandbox.ledger())["messages"] if row["text"] == text]
    assert row["charged"] == 50


async def test_a_reset_forgets_everything_and_brings_the_settings_tokens_back(sandbox):
    added = await sandbox.add_token()
    async with calling(sandbox.url, "nmv_usr_set") as caller:
        await caller.say(await caller.open_session(), "trim [[story:unchanged]]")
        await sandbox.reset()
        assert await caller.balance() == {"available": 75, "frozen": 0, "total": 75}

    ledger = await sandbox.ledger()
    assert len(ledger["tokens"]) == 1
    assert ledger["messages"] == ledger["sessions"] == []
    async with calling(sandbox.url, added) as gone:
        assert (await gone.http.get("/api/credits/balance/simple")).status_code == 401


async def test_a_reset_ends_what_is_running(sandbox):
    async with calling(sandbox.url, await sandbox.add_token()) as caller:
        session_id = await caller.open_session()
        talk = asyncio.create_task(caller.say(session_id, "trim [[story:heartbeats-only]]"))
        await sandbox.until(lambda ledger: bool(ledger["messages"]))
        await sandbox.reset()

        assert not (await talk).cut


async def test_every_call_breaks_where_faults_say_so_except_the_control_calls(sandbox):
    await sandbox.faults(http_500_rate=1)

    async with calling(sandbox.url, "nmv_usr_set") as caller:
        assert (await caller.http.get("/api/credits/balance/simple")).status_code == 500
        await sandbox.faults()
        assert (await caller.http.get("/api/credits/balance/simple")).status_code == 200


async def test_streams_drop_where_faults_say_so_and_the_edit_comes_later(sandbox):
    async with calling(sandbox.url, await sandbox.add_token()) as caller:
        session_id = await caller.open_session()
        await sandbox.faults(drop_stream_rate=1)
        heard = await caller.say(session_id, "trim")
        assert heard.cut
        await sandbox.until(lambda ledger: not any(row["status"] == "running" for row in ledger["messages"]))
        assert (await caller.balance())["available"] == 24_950


async def test_a_backend_that_is_down_breaks_connections_or_answers_503(sandbox):
    await sandbox.faults(down_s=60)

    seen = set()
    async with calling(sandbox.url, "nmv_usr_set") as caller:
        for _ in range(4):
            try:
                seen.add((await caller.http.get("/api/credits/balance/simple")).status_code)
            except httpx.TransportError:
                seen.add("cut")

    assert seen == {503, "cut"}


async def test_a_login_that_is_out_of_order_refuses_every_token_and_charges_nothing(sandbox):
    async with calling(sandbox.url, await sandbox.add_token()) as caller:
        session_id = await caller.open_session()
        await sandbox.faults(refuse_tokens=True)
        answers = [await caller.http.get("/api/credits/balance/simple"), await caller.http.post("/run_sse", json={})]
        assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(200, 1001)] * 2
        await sandbox.faults()
        assert (await caller.balance())["available"] == 25_000
        assert (await caller.state(session_id))["code"] == 0


@pytest.mark.parametrize("body", [{"http_600_rate": 1}, {"down_s": "long"}])
async def test_an_unknown_fault_is_refused(sandbox, body):
    async with httpx.AsyncClient(base_url=sandbox.url, trust_env=False) as http:
        assert (await http.post("/_sandbox/faults", json=body)).status_code == 400


OTHERS = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:1"},
    {"Host": "rebound.example"},
    {"Host": "127.0.0.1.evil.example"},
    {"Host": "[::1"},
    {"Host": ""},
]


@pytest.mark.parametrize("headers", OTHERS, ids=str)
async def test_a_web_page_can_not_steer_it(sandbox, headers):
    async with httpx.AsyncClient(base_url=sandbox.url, headers=headers, trust_env=False) as http:
        for method, call in (("GET", "ledger"), ("POST", "tokens"), ("POST", "reset"), ("POST", "faults")):
            assert (await http.request(method, f"/_sandbox/{call}")).status_code in {400, 403}
        assert (await http.delete("/_sandbox/faults")).status_code in {400, 403}


async def test_whoever_calls_it_by_localhost_or_from_a_page_of_its_own_may(sandbox):
    port = httpx.URL(sandbox.url).port
    async with httpx.AsyncClient(base_url=sandbox.url, trust_env=False) as http:
        for own in ({"Host": f"localhost:{port}"}, {"Origin": sandbox.url}, {"Host": f"[::1]:{port}"}):
            assert (await http.get("/_sandbox/ledger", headers=own)).status_code == 200


async def test_an_idle_session_ends():
    async with running_sandbox(SANDBOX_SESSION_IDLE_S=0) as one, calling(one.url, await one.add_token()) as caller:
        assert (await caller.state(await caller.open_session()))["code"] == 1002


async def test_it_ends_cleanly_when_told_to_while_a_stream_is_open():
    async with running_sandbox() as sandbox, calling(sandbox.url, await sandbox.add_token()) as caller:
        session_id = await caller.open_session()
        talk = asyncio.create_task(caller.say(session_id, "trim [[story:heartbeats-only]]"))
        await sandbox.until(lambda ledger: bool(ledger["messages"]))
        sandbox.process.terminate()
        assert await asyncio.wait_for(sandbox.process.wait(), PATIENCE_S) == 0
        await asyncio.gather(talk, return_exceptions=True)


async def test_no_ffmpeg_outlives_it(tmp_path):
    await make_talk_clip(tmp_path / "clip.mp4", scenes=1, duration_s=1, silences=[], size=(160, 90))
    async with running_sandbox() as sandbox, calling(sandbox.url, await sandbox.add_token()) as caller:
        session_id = await caller.open_session()
        (file,) = (await caller.upload(session_id, tmp_path / "clip.mp4")).json()["data"]["files"]
        segments = [{"st": at * 1000, "d": 1000, "src": file["cdn_url"], "in": 0} for at in range(300)]
        draft = {"t": [{"tt": 0, "sg": segments}]}
        body = {"id": "render_long", "sessionId": session_id, "draft": draft, "output": {"format": "mp4"}}
        await caller.http.post("/api/render/proxy/lambda", json=body)
        await until(lambda: asyncio.to_thread(processes_in, sandbox.data), within_s=PATIENCE_S)
        sandbox.process.terminate()
        await asyncio.wait_for(sandbox.process.wait(), PATIENCE_S)

        assert processes_in(sandbox.data) == []


async def test_who_goes_away_amid_a_body_has_not_broken_it():
    sandbox = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sandbox.main", "--port", "0"),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert sandbox.stdout is not None
    port = (await sandbox.stdout.readline()).decode().strip().rpartition(":")[2]
    answers, caller = await asyncio.open_connection("127.0.0.1", int(port))
    caller.write(b"POST /_sandbox/faults HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n")
    caller.write(b"Expect: 100-continue\r\n\r\n{")
    assert b"100 Continue" in await answers.readline()
    caller.close()
    await caller.wait_closed()
    sandbox.terminate()
    _, said = await sandbox.communicate()

    assert sandbox.returncode == 0
    assert said == b""


def processes_in(folder):
    """All processes that work in a folder, by their id."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").readlink().is_relative_to(folder):
                found.append(int(process.name))
    return found


async def test_a_bad_setting_stops_the_start_with_its_name():
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sandbox.main", "--port", "0"),
        cwd=ROOT,
        env={"SANDBOX_TOKENS": "nmv_usr_hidden"},
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()

    assert process.returncode == 1
    assert b"SANDBOX_TOKENS" in said
    assert b"hidden" not in said
