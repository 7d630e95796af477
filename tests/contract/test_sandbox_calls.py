"""Every call of the backend's contract over HTTP: envelopes, codes, scopes, and what belongs to whom."""

import asyncio
from contextlib import asynccontextmanager
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio

from sandbox.clips import make_audio, make_image, make_talk_clip
from tests.sandbox_caller import calling
from tests.sandbox_fixture import running_sandbox

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox():
    async with running_sandbox(SANDBOX_UPLOAD_BYTES=200_000, SANDBOX_GENERATION_UPLOAD_BYTES=1_000) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clips") / "city 街.mp4"
    await make_talk_clip(path, scenes=1, duration_s=2, silences=[(0.5, 1.5)], size=(320, 180))
    return path


@asynccontextmanager
async def anonymous(sandbox, client_id=None):
    """A client without a token of its own."""
    headers = {"X-Client-Id": client_id} if client_id else {}
    async with httpx.AsyncClient(base_url=sandbox.url, headers=headers, trust_env=False) as http:
        yield http


async def test_an_anonymous_token_has_a_hundred_credits_for_a_week_and_may_export(sandbox):
    async with anonymous(sandbox, str(uuid4())) as http:
        first = await http.post("/api/auth/anonymous-token")
        again = await http.post("/api/auth/anonymous-token")

    data = first.json()["data"]
    assert first.json()["code"] == 0
    assert data["token"].startswith("nmv_usr_")
    assert data["user_id"].startswith("anon_")
    assert data["credits"] == 100
    assert data["expires_at"].endswith("Z")
    assert again.status_code == 429
    async with calling(sandbox.url, data["token"]) as caller:
        answer = await caller.export(await caller.open_session(), "render_empty")
        assert answer.json()["code"] == 3001


async def test_without_a_client_id_there_is_no_token(sandbox):
    async with anonymous(sandbox) as http:
        assert (await http.post("/api/auth/anonymous-token")).status_code == 400


async def test_a_session_opens_with_ids_and_without_a_language(caller):
    data = (await caller.http.post("/api/tasks/me/with-session/nemo_agent", json={"task_name": "project"})).json()[
        "data"
    ]

    assert data["session_id"].isdigit()
    assert data.keys() == {"task_id", "session_id", "user_id"}


async def test_a_claim_link_is_for_the_sessions_own_task(caller):
    session_id = await caller.open_session()
    task_id = (await caller.state(session_id))["data"]["task_id"]

    right = await caller.http.post("/api/auth/claim-token", json={"task_id": task_id, "session_id": session_id})
    wrong = await caller.http.post("/api/auth/claim-token", json={"task_id": "other", "session_id": session_id})

    assert right.json()["data"]["claim_token"].startswith("clm_")
    assert right.json()["data"]["expires_in"] == 604_800
    assert wrong.json()["code"] == 1002


async def test_credits_are_told_as_available_frozen_and_total(caller):
    assert await caller.balance() == {"available": 25_000, "frozen": 0, "total": 25_000}


async def test_an_upload_tells_what_it_found_and_serves_it_from_its_own_url(caller, clip):
    session_id = await caller.open_session()

    answer = (await caller.upload(session_id, clip)).json()

    (file,) = answer["data"]["files"]
    assert answer["data"]["session_state_applied"] is True
    assert (file["filename"], file["file_type"]) == ("city 街.mp4", "video")
    assert (file["width"], file["height"]) == (320, 180)
    assert file["duration"] == pytest.approx(2, abs=0.1)
    served = await caller.http.get(file["cdn_url"])
    assert served.content == clip.read_bytes()
    assert served.headers["content-type"] == "video/mp4"


async def test_several_files_arrive_in_one_call(caller, clip, tmp_path):
    await make_audio(tmp_path / "tone.mp3", duration_s=1)
    await make_image(tmp_path / "card.png", label="A", size=(320, 180))

    files = (
        await caller.upload(await caller.open_session(), clip, tmp_path / "tone.mp3", tmp_path / "card.png")
    ).json()

    assert [file["file_type"] for file in files["data"]["files"]] == ["video", "audio", "image"]


async def test_a_url_is_fetched(caller, clip):
    session_id = await caller.open_session()
    url = (await caller.upload(session_id, clip)).json()["data"]["files"][0]["cdn_url"]

    (file,) = (await caller.upload_urls(session_id, url)).json()["data"]["files"]

    assert file["filename"] == clip.name
    assert file["cdn_url"] != url


@asynccontextmanager
async def serving(content):
    """A server that has these bytes under every path."""

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(content), content))
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize(
    "path",
    ["/file.php?f=clip.mp4", "/clip.mp4;v=2", "/v1.2", "/IMG_2024.10.30", "/clip.mp4.download", "/", "/" + "🎬" * 70],
)
async def test_what_a_url_serves_is_told_by_its_content_and_not_by_its_name(caller, clip, path):
    async with serving(clip.read_bytes()) as url:
        (file,) = (await caller.upload_urls(await caller.open_session(), url + path)).json()["data"]["files"]

    assert file["file_type"] == "video"
    assert (await caller.http.get(file["cdn_url"])).content == clip.read_bytes()


async def test_a_page_under_the_name_of_a_film_is_refused(caller):
    async with serving(b"<html>sign in</html>") as url:
        answer = await caller.upload_urls(await caller.open_session(), f"{url}/clip.mp4")

    assert answer.json()["code"] == 4001


async def test_of_a_call_that_is_refused_no_file_is_kept(caller, sandbox, clip, tmp_path):
    (tmp_path / "fake.mp4").write_bytes(b"hello")
    session_id = await caller.open_session()
    before = sorted(sandbox.data.iterdir())

    answer = await caller.upload(session_id, clip, tmp_path / "fake.mp4")

    assert answer.json()["code"] == 4001
    assert sorted(sandbox.data.iterdir()) == before
    assert (await caller.state(session_id))["data"]["state"]["video_infos"] == []


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/clip.mp4", "no url at all", "file:///etc/hostname.mp4", "http://[half/clip.mp4"]
)
async def test_a_url_that_nobody_serves_is_an_error(caller, url):
    answer = await caller.upload_urls(await caller.open_session(), url)

    assert (answer.status_code, answer.json()["code"]) == (200, 4003)


@pytest.mark.parametrize(("name", "content"), [("notes.txt", b"hello"), ("fake.mp4", b"hello"), ("empty.mov", b"")])
async def test_wrong_files_are_refused_by_name_and_by_content(caller, sandbox, tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    session_id = await caller.open_session()

    assert (await caller.upload(session_id, tmp_path / name)).json()["code"] == 4001
    assert not [row for row in (await sandbox.ledger())["uploads"] if row["session_id"] == session_id]


async def test_too_large_files_are_refused_and_the_limit_is_the_skills(caller, clip, tmp_path):
    (tmp_path / "large.mp4").write_bytes(bytes(200_001))
    session_id = await caller.open_session()
    assert (await caller.upload(session_id, tmp_path / "large.mp4")).json()["code"] == 4002
    assert (await caller.upload(session_id, clip)).json()["code"] == 0

    caller.http.headers["X-Skill-Source"] = "free-video-generation-automatic"
    assert (await caller.upload(session_id, clip)).json()["code"] == 4002


async def test_the_state_tells_of_media_and_session_and_never_reads_the_same_twice(caller, clip):
    session_id = await caller.open_session()
    await caller.upload(session_id, clip)

    first, second = await caller.state(session_id), await caller.state(session_id)

    data = first["data"]
    assert {"session_id", "task_id", "task_name", "user_id", "state"} == data.keys()
    assert data["state"]["video_infos"][0]["filename"] == clip.name
    assert data["state"]["video_analyses"][0]["silences"][0]["start"] == pytest.approx(0.5, abs=0.1)
    assert data["state"].keys() >= {"draft", "generated_media", "canvas_config"}
    assert first != second


async def test_a_session_belongs_to_its_token(caller, sandbox):
    session_id = await caller.open_session()

    async with calling(sandbox.url, await sandbox.add_token()) as stranger:
        assert (await stranger.state(session_id))["code"] == 1002
        assert (await stranger.say(session_id, "trim")).refusal["code"] == 1002
        assert (await stranger.upload_urls(session_id, "http://127.0.0.1/a.mp4")).json()["code"] == 1002


CALLS = {
    "read": ("GET", "/api/credits/balance/simple"),
    "write": ("POST", "/api/tasks/me/with-session/nemo_agent"),
    "upload": ("POST", "/api/upload-video/nemo_agent/me/1"),
    "render": ("POST", "/api/render/proxy/lambda"),
}


@pytest.mark.parametrize("scope", CALLS)
async def test_a_token_lacks_what_its_scopes_do_not_name(sandbox, scope):
    others = tuple(set(CALLS) - {scope})
    async with calling(sandbox.url, await sandbox.add_token(scopes=others)) as caller:
        method, path = CALLS[scope]
        assert (await caller.http.request(method, path)).status_code == 403


async def test_a_token_that_nobody_has_is_401_and_an_expired_one_is_a_business_error(sandbox):
    async with calling(sandbox.url, "nmv_usr_nobody") as nobody:
        assert (await nobody.http.get("/api/credits/balance/simple")).status_code == 401
    async with calling(sandbox.url, await sandbox.add_token(expires_in_s=0)) as late:
        answer = await late.http.get("/api/credits/balance/simple")
        assert (answer.status_code, answer.json()["code"]) == (200, 1010)


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b"{}", b'{"app_name":"nemo_agent","session_id":"1","new_message":{"parts":[{"text":7}]}}']
)
async def test_a_malformed_message_is_400_and_charges_nothing(caller, body):
    answer = await caller.http.post("/run_sse", content=body)

    assert answer.status_code == 400
    assert (await caller.balance())["total"] == 25_000


async def test_files_lie_under_addresses_that_nobody_guesses(caller):
    assert (await caller.http.get("/files/secret/output.mp4")).status_code == 404
    assert (await caller.http.get("/files/..%2f..%2fetc/passwd")).status_code == 404
