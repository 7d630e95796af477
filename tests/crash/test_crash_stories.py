"""Every story that the backend knows, in both stream shapes, alone and in company, while workers are killed all the time."""

import asyncio

from tests.crash.harness import running_harness
from tests.crash.lane import open_lane
from tests.crash.left_over import left_over
from tests.crash.traps import EveryNthTrap, Moment

#: how a job with this story ends when nobody dies; None is success
ENDS = {
    **dict.fromkeys(("silent", "gui", "slow", "two-stage", "temporary-issue", "drop-stream"), None),
    **dict.fromkeys(("session-lost", "rate-limited", "render-failed", "render-duplicate", "token-expired"), None),
    "no-credits": None,
    "question": "needs_input",
    "unchanged": "nothing_changed",
    "drop-stream-lost": "edit_unconfirmed",
    "heartbeats-only": "edit_unconfirmed",
    "error-frame": "edit_unconfirmed",
    "http-500": "edit_unconfirmed",
    "export-blocked": "export_blocked",
    "render-stuck": "render_timeout",
}
#: several at once
COMPANY = {
    ("drop-stream", "two-stage"): None,
    ("silent", "render-failed"): None,
    ("rate-limited", "slow"): None,
    ("session-lost", "drop-stream", "render-duplicate"): None,
}
#: what a death may make of any job: the intent was there and nobody knows of the message; or it died three times
BY_DEATH = {"edit_unconfirmed", "poisoned"}
#: a message was refused since its session is gone, and whoever heard so died of it: with the session goes what may stand there
BY_DEATH_IN_A_LOST_SESSION = BY_DEATH | {"session_lost"}
#: whoever gave up on a render took it back and died of it: the next one finds a cancelled render, and asks for another
BY_DEATH_AT_A_STUCK_RENDER = BY_DEATH | {None}
WORKERS = 4
#: a worker dies about every so many writes
WRITES_PER_DEATH = 25
#: no job's end may come from its own deadline, however slow the machine: these tell only that something hangs
DEADLINE_S = 300
LIMIT_S = 900


def asked():
    alone = {(story,): end for story, end in ENDS.items()}
    for stories, end in (alone | COMPANY).items():
        for shape in ("", "adk", "adk-partial"):
            tags = "".join(f" [[story:{story}]]" for story in (*stories, shape) if story)
            yield f'add a title "{{title}}"{tags}', end


def ends_by_death(prompt):
    if "session-lost" in prompt:
        return BY_DEATH_IN_A_LOST_SESSION
    return BY_DEATH_AT_A_STUCK_RENDER if "render-stuck" in prompt else BY_DEATH


async def test_every_story_comes_to_its_end_although_workers_die_all_the_time(tmp_path):
    async with running_harness(tmp_path, lanes=1, SANDBOX_SEED_SHAPE="vendor") as harness:
        tokens = [await harness.sandbox.add_token(credits=1_000_000) for _ in range(40)]
        patience = {"REELGATE_RENDER_POLLS": "100", "REELGATE_RENDER_POLL_S": "0.4", "REELGATE_RECOVER_READS": "3"}
        async with open_lane(harness, 0, token=",".join(tokens), workers=WORKERS, **patience) as lane:
            await lane.all_ready()
            lane.trap = EveryNthTrap(Moment("commit_job", WRITES_PER_DEATH, "before", "kill"))
            asks = list(asked())
            output = {"export": True, "resolution": "360p"}
            ids = [await lane.submit(prompt, output=output, timeout_s=DEADLINE_S) for prompt, _ in asks]
            jobs = await asyncio.gather(*(lane.ended(job_id, within_s=LIMIT_S) for job_id in ids))
            lane.trap = None
            await asyncio.gather(*(lane.told(job_id) for job_id in ids))
            problems = await left_over(lane)
        verdict = await harness.verdict()
    assert len(lane.followers) >= 5, "hardly anybody died"
    for (prompt, end), job in zip(asks, jobs, strict=True):
        code = job["error"]["code"] if job["error"] else None
        if code != end and code not in ends_by_death(prompt):
            problems.append(f"{prompt}: ended {code}, not {end}: {job['id']}")
    assert not problems, "\n".join(problems)
    assert verdict.bad == dict.fromkeys(verdict.bad, ())
