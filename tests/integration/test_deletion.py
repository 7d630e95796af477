"""Deletion: what a deleted or forgotten job said or named is nowhere in Redis or storage any more."""

from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.clock import HandClock
from core.events.delivery import Attempt
from core.model import session as sessions
from core.model import transitions
from core.model.job import Job
from core.store.jobs.admission import Admission
from tests.api_fixture import Api, running_api
from tests.job_ends import told

#: in what a job asks, brings, is told and answers
SECRET = "Zqxjkvbnmw"
ASK = {
    "prompt": f'add a title "{SECRET}"',
    "media": [{"url": f"https://media.example.com/{SECRET}.mp4"}],
    "metadata": {"who": SECRET},
    "webhook": {"url": f"https://hooks.example.com/{SECRET}"},
}
PLAIN = {"prompt": "trim the first 2 seconds", "media": [{"url": "https://media.example.com/plain.mp4"}]}
_owners = count(1)


@pytest.fixture
async def api(redis_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(redis_url, tmp_path, clock=HandClock()) as running_one:
        yield running_one


async def begin(api: Api, job_id: str) -> tuple[Job, sessions.Session, str]:
    """Start a job as a worker does: its files come into its session and are uploaded."""
    context, owner = api.context, f"w{next(_owners)}:1"
    await Admission(context.store, context.settings, context.clock).admit(worker="w", slots=50, alive_s=600)
    claim = await context.jobs.claim(job_id, owner=owner)
    assert claim is not None
    session = claim.session
    if not session.backend_id:
        session = sessions.opened(session, backend_id="1", task_id="t", user_id="u", token_id="tok_1")
    session = sessions.joined(session, claim.job.media, job_id=claim.job.id)
    session = sessions.uploaded(session, len(session.media))
    started = transitions.started(claim.job, now_ms=context.clock.now_ms())
    event = await told(context, claim.job, started)
    started = await context.jobs.commit(claim.job, started, owner=owner, session=session, event=event)
    return started, session, owner


async def end(api: Api, begun: tuple[Job, sessions.Session, str], words: str) -> None:
    job, session, owner = begun
    context = api.context
    session = sessions.timeline_changed(session, job_id=job.id, timeline=f"Timeline: {words}")
    session = msgspec.structs.replace(session, claim_url=f"https://nemo.example/claim?ct={words}")
    edited = transitions.edited(job, changes=(words,), timeline=f"Timeline: {words}", reply=words)
    edited = await context.jobs.commit(
        job, edited, owner=owner, session=session, fields={"tracks": f'["{words}"]'.encode()}
    )
    done = transitions.failed(edited, now_ms=context.clock.now_ms(), code="render_failed", detail=f"{words} broke")
    await context.jobs.commit(edited, done, owner=owner, event=await told(context, edited, done))
    for delivery, _ in await context.deliveries.of_job(job.id):
        attempt = Attempt(at_ms=0, status=500, excerpt=words)
        await context.deliveries.record(msgspec.structs.replace(delivery, attempts=(attempt,)), owner=None)


async def ended(api: Api, job_id: str, words: str = SECRET) -> None:
    await end(api, await begin(api, job_id), words)


async def keys_with(api: Api, words: str) -> list[str]:
    """Name every key in Redis, whatever its type, in which these words can be read."""
    redis, found = api.context.store.redis, []
    reads: dict[bytes, Any] = {
        b"stream": redis.xrange,
        b"hash": redis.hgetall,
        b"string": redis.get,
        b"list": lambda name: redis.lrange(name, 0, -1),
        b"set": redis.smembers,
        b"zset": lambda name: redis.zrange(name, 0, -1),
    }
    async for name in redis.scan_iter("*", count=1000):
        value = await reads[await redis.type(name)](name)
        if words in repr(value) or words.encode() in name:
            found.append(name.decode())
    return found


def files_with(folder: Path) -> list[Path]:
    """List stored files that have the words in their name or content."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    return [file for file in files if SECRET in str(file) or SECRET.encode() in file.read_bytes()]


async def post(api: Api, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    headers = {"Idempotency-Key": f"k{next(_owners)}"}
    answer = await api.http.post(path, json=body, headers=headers)
    assert answer.status_code in {201, 202}, answer.text
    return answer.json()


async def delete(api: Api, *job_ids: str) -> None:
    for job_id in job_ids:
        assert (await api.http.delete(f"/v1/jobs/{job_id}")).status_code == 200


async def test_nothing_of_a_deleted_job_is_left_wherever_it_came_from(api: Api, tmp_path: Path) -> None:
    session = await post(api, "/v1/sessions")
    single = await post(api, "/v1/jobs", ASK)
    inside = await post(api, "/v1/jobs", ASK | {"session_id": session["id"]})
    batch = await post(api, "/v1/batches", {"jobs": [ASK, ASK], "session": "shared"})
    ids = [single["id"], inside["id"], *(job["id"] for job in batch["jobs"])]
    for job_id in ids:
        await ended(api, job_id)
    again = await post(api, f"/v1/jobs/{single['id']}/replay")
    await ended(api, again["id"])
    assert await keys_with(api, SECRET)
    await delete(api, *ids, again["id"])
    assert await keys_with(api, SECRET) == []
    for job_id in ids:
        assert SECRET not in (await api.http.get(f"/v1/jobs/{job_id}")).text
    assert not files_with(tmp_path)


async def test_files_that_an_ended_job_does_not_know_of_go_with_its_data(api: Api, tmp_path: Path) -> None:
    """A worker had written them, and died before it wrote that down; the next one could only end the job."""
    job = await post(api, "/v1/jobs", ASK)
    await ended(api, job["id"])
    for name in (f"outputs/{job['id']}.mp4", f"outputs/{job['id']}/1a2b3c4d.mp4", f"fetched/{job['id']}/0"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(SECRET)
    await delete(api, job["id"])
    assert not files_with(tmp_path)


async def test_nothing_of_a_job_is_left_after_its_retention(api: Api) -> None:
    session = await post(api, "/v1/sessions")
    job = await post(api, "/v1/jobs", ASK | {"session_id": session["id"]})
    await ended(api, job["id"])
    found = await api.context.jobs.load(job["id"])
    assert found is not None
    await api.context.job_removal.remove(found)
    await api.context.jobs.forget(job["id"])
    assert await keys_with(api, SECRET) == []


async def test_a_session_goes_on_without_what_a_deleted_job_brought(api: Api) -> None:
    session = await post(api, "/v1/sessions")
    first = await post(api, "/v1/jobs", ASK | {"session_id": session["id"]})
    await ended(api, first["id"])
    second = await post(api, "/v1/jobs", PLAIN | {"session_id": session["id"]})
    await ended(api, second["id"], "plain words")
    await delete(api, first["id"])
    shown = (await api.http.get(f"/v1/sessions/{session['id']}")).json()
    assert (shown["media"], shown["edits"], shown["timeline"]) == (["(deleted)", "plain.mp4"], 2, None)
    assert (await api.http.get(f"/v1/sessions/{session['id']}/timeline")).status_code == 404
    third = await post(api, "/v1/jobs", PLAIN | {"session_id": session["id"]})
    await ended(api, third["id"], "third words")
    shown = (await api.http.get(f"/v1/sessions/{session['id']}")).json()
    assert (shown["edits"], shown["timeline"]) == (3, "Timeline: third words")
    assert (await api.http.get(f"/v1/sessions/{session['id']}/timeline")).json() == ["third words"]


async def test_a_running_job_does_not_bring_back_what_was_deleted_in_its_session_meanwhile(api: Api) -> None:
    session = await post(api, "/v1/sessions")
    first = await post(api, "/v1/jobs", ASK | {"session_id": session["id"]})
    await ended(api, first["id"])
    second = await post(api, "/v1/jobs", PLAIN | {"session_id": session["id"]})
    begun = await begin(api, second["id"])
    await delete(api, first["id"])
    job, old, owner = begun
    noted = await api.context.jobs.commit(job, transitions.progress_noted(job, "on it"), owner=owner, session=old)
    assert await keys_with(api, SECRET) == []
    await end(api, (noted, old, owner), "plain words")
    assert await keys_with(api, SECRET) == []
    shown = (await api.http.get(f"/v1/sessions/{session['id']}")).json()
    assert (shown["media"], shown["timeline"]) == (["(deleted)", "plain.mp4"], "Timeline: plain words")
    assert await api.context.store.redis.hget(f"rg:ses:{session['id']}", "removed") is None


async def test_a_file_of_a_session_of_an_older_version_is_known_by_its_url(api: Api) -> None:
    session = await post(api, "/v1/sessions")
    job = await post(api, "/v1/jobs", ASK | {"session_id": session["id"]})
    begun, now, owner = await begin(api, job["id"])
    nameless = tuple(msgspec.structs.replace(m, job_id=None, by_bytes=True) for m in now.media)
    await end(api, (begun, msgspec.structs.replace(now, media=nameless), owner), SECRET)
    await delete(api, job["id"])
    assert await keys_with(api, SECRET) == []


async def test_a_new_generation_of_a_session_brings_no_file_of_a_deleted_job(api: Api) -> None:
    session = await post(api, "/v1/sessions")
    job = await post(api, "/v1/jobs", ASK | {"session_id": session["id"]})
    await ended(api, job["id"])
    await delete(api, job["id"])
    kept = await api.context.sessions.load(session["id"])
    assert kept is not None
    assert [m.removed for m in kept.media] == [True]
    assert sessions.forgotten(kept).media == ()


async def test_events_that_a_long_job_has_lost_from_its_own_stream_leave_the_feed_too(api: Api) -> None:
    job = await post(api, "/v1/jobs", ASK)
    begun, session, owner = await begin(api, job["id"])
    await api.context.store.redis.xtrim(f"rg:events:{job['id']}", maxlen=1, approximate=False)
    now = begun
    for n in range(520):
        noted = transitions.progress_noted(now, f"{n}")
        now = await api.context.jobs.commit(now, noted, owner=owner, event=await told(api.context, now, noted))
    await end(api, (now, session, owner), SECRET)
    await delete(api, job["id"])
    assert await keys_with(api, SECRET) == []
