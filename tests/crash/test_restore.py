"""The drill of deploy/RUNBOOK.md: Redis dies with its machine, and is restored from a copy of its append-only file.

Jobs in every state, and real workers that go on by themselves. What was written before the copy ends is neither lost nor
done twice; what came after it is counted, by what the backend and the callers have seen of it.
"""

import asyncio
import shutil
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from sandbox.chaos.counting import ENDS
from tests.crash.harness import running_harness
from tests.crash.lane import Lane, open_lane
from tests.crash.left_over import left_over
from tests.redis_fixture import RedisServer
from tests.until import PATIENCE_S, until

pytestmark = pytest.mark.timeout(6 * PATIENCE_S)

TITLE = 'add a title "{title}"'
SLOW = TITLE + " [[story:slow]]"
EXPORT = {"export": True, "resolution": "360p"}
#: slow enough that Redis is back before the backend has answered, and that no stage is over before the others have begun
BACKEND = {
    "SANDBOX_SLOW_S": 10,
    "SANDBOX_RENDER_S": 8,
    "SANDBOX_DROP_S": 8,
    "SANDBOX_RENDERS": 8,
    "SANDBOX_SILENT_RATE": 0,
}
#: places of the tenant; whoever comes later waits
PLACES = 6
GATEWAY = {
    "REELGATE_TENANT_RUNNING_JOBS": str(PLACES),
    "REELGATE_RECOVER_READS": "40",
    "REELGATE_STREAM_QUIET_S": "60",
}
EVERY_STATUS = {"queued", "running", "succeeded", "failed", "canceled", "expired"}
STAGES = {"editing", "recovering", "rendering"}


@asynccontextmanager
async def working_lane(folder: Path) -> AsyncIterator[Lane]:
    async with running_harness(folder, lanes=1, **BACKEND) as harness:
        token = await harness.sandbox.add_token(credits=1_000_000)
        async with open_lane(harness, 0, token=token, **GATEWAY) as lane:
            await lane.all_ready()
            yield lane


async def jobs_in_every_state(lane: Lane) -> list[str]:
    """Submit jobs until there are some in every state at once, and give all of their ids."""
    ids = await ended_in_every_way(lane)
    while True:
        running = await running_in_every_stage(lane)
        ids += running
        if await show_every_state(lane, ids, until_one_ends=running):
            return ids


async def ended_in_every_way(lane: Lane) -> list[str]:
    session = (
        (await lane.http.post("/v1/sessions", json={"profile": "free-video-fast"})).raise_for_status().json()["id"]
    )
    called_off = await lane.submit(SLOW, session_id=session)
    ids = [
        called_off,
        await lane.submit(TITLE, session_id=session, start_timeout_s=1),  # it waits for its session, and expires
        await lane.submit(TITLE, output=EXPORT),
        await lane.submit(SLOW, timeout_s=1),
        # its callback is tried for a while
        await lane.submit(TITLE, output={"export": False}, webhook={"url": f"{lane.harness.receiver.hook}/fail/4"}),
    ]
    await lane.ended(ids[1])
    (await lane.http.post(f"/v1/jobs/{called_off}/cancel")).raise_for_status()
    await asyncio.gather(*map(lane.ended, ids))
    return ids


async def running_in_every_stage(lane: Lane) -> list[str]:
    """Fill all places, and let some more wait for one."""
    prompts = [*[SLOW] * (PLACES - 2), TITLE + " [[story:drop-stream]]", TITLE, *[TITLE] * 3]
    return await asyncio.gather(*(lane.submit(prompt, output=EXPORT) for prompt in prompts))


async def show_every_state(lane: Lane, ids: list[str], *, until_one_ends: list[str]) -> bool:
    """Whether there were jobs in every state at a moment; on a machine that is late the first may end before the last begins."""

    async def decided() -> tuple[bool, bool] | None:
        jobs = await seen(lane, ids)
        shown = {job["status"] for job in jobs} >= EVERY_STATUS and {job["stage"] for job in jobs} >= STAGES
        one_ended = any(job["status"] in ENDS for job in jobs if job["id"] in until_one_ends)
        return (shown, one_ended) if shown or one_ended else None

    shown, _ = await until(decided, within_s=PATIENCE_S, every_s=0.2)
    return shown


async def seen(lane: Lane, ids: list[str]) -> list[dict[str, Any]]:
    answers = await asyncio.gather(*(lane.http.get(f"/v1/jobs/{job_id}") for job_id in ids))
    return [answer.raise_for_status().json() for answer in answers]


def last_part(folder: Path) -> Path:
    """Find the part of an append-only file that is written to."""
    return max(folder.glob("*.incr.aof"), key=lambda part: int(part.name.split(".")[-3]))


def restore(redis: RedisServer, copy: Path) -> None:
    """What the page tells the operator to do: an empty machine, the copy put in its place, and a start."""
    shutil.rmtree(redis.aof_folder)
    shutil.copytree(copy, redis.aof_folder)
    redis.restart()


async def all_over(lane: Lane, ids: list[str]) -> None:
    """Wait for the ends of jobs and their callbacks."""
    await asyncio.gather(*map(lane.ended, ids))
    await asyncio.gather(*map(lane.told, ids))
    assert await left_over(lane) == []


async def test_redis_is_restored_from_its_whole_file_and_nothing_is_lost_or_done_twice(tmp_path: Path):
    async with working_lane(tmp_path) as lane:
        ids = await jobs_in_every_state(lane)
        lane.harness.redis.kill()
        copy = shutil.copytree(lane.harness.redis.aof_folder, tmp_path / "copy")
        restore(lane.harness.redis, copy)
        await all_over(lane, ids)
        verdict = await lane.harness.verdict()
        assert verdict.bad == dict.fromkeys(verdict.bad, ())


class BackendSaw:
    """What the backend has been asked for by a moment: jobs with a message, and jobs with a render."""

    def __init__(self, lane: Lane, ledger: dict[str, Any]) -> None:
        self._accepted, self._messages = lane.harness.accepted, ledger["messages"]
        self.sent = self._jobs_of({row["session_id"] for row in ledger["messages"]})
        self.rendered = self._jobs_of({row["session_id"] for row in ledger["renders"]})

    def _jobs_of(self, sessions: set[str]) -> set[str]:
        texts = [row["text"] for row in self._messages if row["session_id"] in sessions]
        return {job.id for job in self._accepted if any(job.title in text for text in texts)}


async def test_what_a_cut_tail_takes_along_is_all_that_is_lost_or_done_twice(tmp_path: Path):
    """The file ends in the middle of a write, some writes before the last one that was answered."""
    async with working_lane(tmp_path) as lane:
        redis, sandbox = lane.harness.redis, lane.harness.sandbox
        ids = await jobs_in_every_state(lane)
        before = BackendSaw(lane, await sandbox.ledger())
        ended_before = {job["id"] for job in await seen(lane, ids) if job["status"] in ENDS}
        kept_bytes = last_part(redis.aof_folder).stat().st_size

        key = {"Idempotency-Key": uuid.uuid4().hex}
        body = {"prompt": TITLE.format(title=uuid.uuid4().hex), "media": [{"upload_id": await lane.upload()}]}
        late = (await lane.http.post("/v1/jobs", json=body, headers=key)).raise_for_status().json()["id"]
        await sandbox.until(lambda now: BackendSaw(lane, now).rendered > before.rendered)
        redis.kill()
        after = BackendSaw(lane, await sandbox.ledger())

        copy = shutil.copytree(redis.aof_folder, tmp_path / "copy")
        with last_part(copy).open("r+b") as file:
            file.truncate(kept_bytes + 9)
        restore(redis, copy)
        await all_over(lane, ids)

        assert (await lane.http.get(f"/v1/jobs/{late}")).status_code == 404, "it was accepted after the copy's end"
        again = await lane.http.post("/v1/jobs", json=body, headers=key)
        assert again.status_code == 202, "its caller repeats the call, and has a job again"
        await lane.ended(again.json()["id"])

        verdict, sent, rendered = (
            await lane.harness.verdict(),
            after.sent - before.sent,
            after.rendered - before.rendered,
        )
        assert verdict.lost == verdict.callbacks_missing == ()
        assert set(verdict.charged_twice) <= sent
        assert set(verdict.rendered_twice) | set(verdict.orphaned) <= sent | rendered
        assert set(verdict.ended_twice) <= set(ids) - ended_before
