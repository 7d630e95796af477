"""Exports over HTTP, rendered by the real ffmpeg: who may, what a status looks like, how one fails, sticks or ends."""

from uuid import uuid4

import pytest
import pytest_asyncio

from sandbox.clips import make_talk_clip
from sandbox.media import probe
from tests.sandbox_caller import ATTRIBUTION, calling
from tests.sandbox_fixture import running_sandbox

pytestmark = pytest.mark.asyncio(loop_scope="module")

FAST = {"SANDBOX_TIME_SCALE": 10, "SANDBOX_SILENT_RATE": 0}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox():
    async with running_sandbox(**FAST) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clips") / "city.mp4"
    await make_talk_clip(path, scenes=1, duration_s=1, silences=[], size=(160, 90))
    return path


async def edited(caller, clip, *stories):
    """Open a session and edit in it, with stories."""
    session_id = await caller.open_session()
    await caller.upload(session_id, clip)
    tags = "".join(f" [[story:{story}]]" for story in stories)
    await caller.say(session_id, f'add a title "{uuid4().hex[:8]}"{tags}')
    return session_id


def a_render():
    return f"render_{uuid4().hex}"


def facts(status):
    """Status, progress and URL out of either shape."""
    data = status.get("data", status)
    return data["status"], data["progress"], data.get("outputUrl") or data.get("output", {}).get("url")


async def row(sandbox, render_id):
    return next(row for row in (await sandbox.ledger())["renders"] if row["id"] == render_id)


async def test_a_draft_becomes_a_film_under_an_address_of_its_own_and_as_a_download(sandbox, caller, clip, tmp_path):
    render_id, session_id = a_render(), await edited(caller, clip)

    begun = (await caller.export(session_id, render_id, resolution="360p")).json()
    status, progress, url = facts(await caller.ended(render_id))

    assert begun["success"] is True
    assert begun["data"]["id"] == render_id
    assert begun["data"]["status"] == "pending"
    assert (status, progress) == ("completed", 100)
    film, download = await caller.http.get(url), await caller.http.get(f"/api/render/proxy/{render_id}/download")
    assert film.content == download.content
    (tmp_path / "film.mp4").write_bytes(film.content)
    media = await probe(tmp_path / "film.mp4", url=url, name="film.mp4")
    assert (media.kind, media.format) == ("video", "mp4")


async def test_both_status_shapes_are_met(caller, clip):
    shapes = set()
    for _ in range(2):
        render_id = a_render()
        await caller.export(await edited(caller, clip), render_id, resolution="360p")
        shapes |= {frozenset(await caller.ended(render_id))}

    assert {"taskId", "status", "progress", "output"} in shapes
    assert {"success", "data"} in shapes


async def test_the_ledger_knows_whether_a_completed_render_was_read(sandbox, caller, clip):
    render_id = a_render()
    await caller.export(await edited(caller, clip), render_id, resolution="360p")
    await sandbox.until(
        lambda ledger: any(r["id"] == render_id and r["status"] == "completed" for r in ledger["renders"])
    )
    assert not (await row(sandbox, render_id))["fetched"]

    await caller.status(render_id)

    assert (await row(sandbox, render_id))["fetched"]


@pytest.mark.parametrize("header", ATTRIBUTION)
async def test_an_export_that_lacks_an_attribution_header_is_402(caller, header):
    session_id = await caller.open_session()
    del caller.http.headers[header]

    assert (await caller.export(session_id, a_render())).status_code == 402


async def test_the_free_plan_does_not_export(sandbox):
    async with calling(sandbox.url, await sandbox.add_token(plan="free")) as caller:
        assert (await caller.export(await caller.open_session(), a_render())).status_code == 402


async def test_a_blocked_export_is_402_until_the_next_edit(caller, clip):
    session_id = await edited(caller, clip, "export-blocked")
    assert (await caller.export(session_id, a_render())).status_code == 402

    await caller.say(session_id, f'add a title "{uuid4().hex[:8]}"')
    assert (await caller.export(session_id, a_render())).status_code == 200


async def test_an_empty_draft_is_not_exported(caller):
    assert (await caller.export(await caller.open_session(), a_render())).json()["code"] == 3001


async def test_a_render_id_is_used_once(caller, clip):
    render_id, session_id = a_render(), await edited(caller, clip)
    await caller.export(session_id, render_id, resolution="360p")
    await caller.ended(render_id)

    again = await caller.export(session_id, render_id)

    assert again.status_code == 409
    assert "duplicate" in again.json()["message"]


async def test_a_render_that_is_said_to_be_a_duplicate_was_begun(caller, clip):
    render_id, session_id = a_render(), await edited(caller, clip, "render-duplicate")

    assert (await caller.export(session_id, render_id, resolution="360p")).status_code == 409
    assert facts(await caller.ended(render_id))[0] == "completed"


async def test_a_render_fails_once_and_the_next_one_works(caller, clip):
    session_id = await edited(caller, clip, "render-failed")
    first, second = a_render(), a_render()

    await caller.export(session_id, first)
    failed = await caller.ended(first)
    await caller.export(session_id, second, resolution="360p")

    assert facts(failed)[0] == "failed"
    assert failed.get("data", failed)["error"]
    assert facts(await caller.ended(second))[0] == "completed"


async def test_a_stuck_render_keeps_its_session_from_exporting_until_it_is_cancelled(sandbox, caller, clip):
    session_id = await edited(caller, clip, "render-stuck")
    stuck, other = a_render(), a_render()
    await caller.export(session_id, stuck)

    assert (await caller.export(session_id, other)).json()["code"] == 3002
    cancelled = await caller.http.post(f"/api/render/proxy/lambda/{stuck}/cancel")

    assert cancelled.json()["data"]["status"] == "cancelled"
    assert (await row(sandbox, stuck))["status"] == "cancelled"
    assert (await caller.export(session_id, other)).json()["success"] is True


async def test_a_finished_render_is_not_cancelled(caller, clip):
    render_id = a_render()
    await caller.export(await edited(caller, clip), render_id, resolution="360p")
    await caller.ended(render_id)

    assert (await caller.http.post(f"/api/render/proxy/lambda/{render_id}/cancel")).json()["code"] == 3003
    assert facts(await caller.status(render_id))[0] == "completed"


async def test_a_render_is_its_tokens_own(sandbox, caller, clip):
    render_id = a_render()
    await caller.export(await edited(caller, clip), render_id, resolution="360p")

    async with calling(sandbox.url, await sandbox.add_token()) as stranger:
        assert (await stranger.http.get(f"/api/render/proxy/lambda/{render_id}")).status_code == 404
        assert (await stranger.http.get(f"/api/render/proxy/{render_id}/download")).status_code == 404


async def test_a_draft_that_cannot_be_rendered_fails_with_a_reason(caller, clip):
    render_id, session_id = a_render(), await edited(caller, clip)
    draft = {"t": [{"tt": 0, "sg": [{"st": 0, "d": 1000, "src": "http://127.0.0.1/nobody.mp4", "in": 0}]}]}
    body = {"id": render_id, "sessionId": session_id, "draft": draft, "output": {"format": "mp4"}}

    await caller.http.post("/api/render/proxy/lambda", json=body)

    assert facts(await caller.ended(render_id))[0] == "failed"


async def test_whatever_refuses_a_render_call_says_that_it_was_no_success(sandbox, caller, clip):
    session_id, path = await edited(caller, clip), "/api/render/proxy/lambda"
    async with (
        calling(sandbox.url, await sandbox.add_token(scopes=("read",))) as reader,
        calling(sandbox.url, await sandbox.add_token(expires_in_s=0)) as late,
        calling(sandbox.url, "nmv_usr_nobody") as nobody,
    ):
        refused = {
            1002: await caller.http.post(path, json={"id": a_render(), "sessionId": "1", "draft": {}}),
            400: await caller.http.post(path, json={"sessionId": session_id, "draft": {}}),
            403: await reader.http.post(path, json={}),
            404: await caller.http.post(f"{path}/nothing/cancel"),
            1010: await late.http.get(f"{path}/nothing"),
            1011: await nobody.http.get("/api/render/proxy/nothing/download"),
        }

    assert {code: (answer.json()["code"], answer.json()["success"]) for code, answer in refused.items()} == {
        code: (code, False) for code in refused
    }
    assert "success" not in (await caller.http.post("/run_sse", json={})).json()


async def test_a_download_is_named_as_what_it_is(caller, clip):
    render_id = a_render()
    await caller.export(await edited(caller, clip), render_id, resolution="360p", format="mov")
    await caller.ended(render_id)

    download = await caller.http.get(f"/api/render/proxy/{render_id}/download")

    assert f'{render_id}.mov"' in download.headers["content-disposition"]


async def test_a_render_may_get_an_id_of_the_backends_own_by_which_alone_it_is_known(clip):
    settings = FAST | {"SANDBOX_RENDER_IDS": "own", "SANDBOX_RENDER_SHAPE": "data"}
    async with running_sandbox(**settings) as sandbox, calling(sandbox.url, await sandbox.add_token()) as caller:
        given, session_id = a_render(), await edited(caller, clip)

        own = (await caller.export(session_id, given, resolution="360p")).json()["data"]["id"]
        ended = await caller.ended(own)

        assert own != given
        assert (ended["data"]["id"], facts(ended)[0]) == (own, "completed")
        assert (await caller.http.get(f"/api/render/proxy/{own}/download")).status_code == 200
        for call in (f"lambda/{given}", f"{given}/download"):
            assert (await caller.http.get(f"/api/render/proxy/{call}")).json()["code"] == 404
        assert (await caller.export(session_id, given)).json()["message"].startswith("duplicate")
        assert (await row(sandbox, given))["own_id"] == own
