"""A worker is killed or frozen, or loses its connection, at every write to Redis and every call of the backend.

Each in both directions: before the other side has heard of it, and after it has done it, without the worker's knowing.
Somebody must go on without doing anything twice. The backend's ledger and the receiver tell.
"""

import asyncio
import itertools
from typing import Any

import pytest

from tests.crash.harness import running_harness
from tests.crash.lane import Lane, open_lane
from tests.crash.left_over import left_over
from tests.crash.token_use import OF_SHARED, OF_UNREAD, token_used_for
from tests.crash.traps import How, Moment

LANES = 5
#: what a plain job writes and takes, in its order: begin with a token, session, file, intent, what was heard, edit with a
#: render id, render; and what it does with its token where it can't in these
WRITES = (
    *(("commit_job", nth) for nth in range(1, 8)),
    *(("commit_job:editing", nth) for nth in (1, 2)),
    ("commit_job:storing", 1),
    ("commit_job:end", 1),
    ("claim_job", 1),
    *((name, 1) for name in (*OF_UNREAD, *OF_SHARED)),
    ("claim_delivery", 1),
    ("record_delivery", 1),
)
#: what it asks of the backend; the state is read before the message, after it, and before the render
CALLS = (
    *(("state", nth) for nth in (1, 2, 3)),
    *(("credits", nth) for nth in (1, 2)),
    *((name, 1) for name in ("session", "upload", "message", "render", "claim-link", "status", "output")),
)
AFTER_THE_EDIT = {
    "commit_job:storing",
    "commit_job:end",
    "claim_delivery",
    "record_delivery",
    "render",
    "claim-link",
    "status",
    "output",
}
PROMPTS = tuple(f'add a title "{{title}}"{shape}' for shape in ("", " [[story:adk]]", " [[story:adk-partial]]"))


def moments(how: How) -> list[Moment]:
    return [Moment(name, nth, side, how) for name, nth in (*WRITES, *CALLS) for side in ("before", "after")]


def exports(moment: Moment) -> bool:
    """Whether the moment comes after the edit: the others need no video."""
    return moment.nth > 6 or moment[:2] == ("state", 3) or moment.name in AFTER_THE_EDIT


async def ends_rightly(lane: Lane, moment: Moment, job: dict[str, Any]) -> bool:
    """A message that reached the backend led to its edit; only one that never did may be unconfirmed."""
    messages = (await lane.harness.sandbox.ledger())["messages"]
    was_sent = any(row["text"] == job["plan"]["message"] for row in messages)
    code = job["error"]["code"] if job["error"] else None
    if moment.how == "freeze" and moment.name in ("commit_job", "message") and code == "edit_unconfirmed":
        return True  # the one that slept may have sent it when the others had given up
    return code == (None if was_sent else "edit_unconfirmed")


async def through(lane: Lane, turns: list[tuple[Moment, str]], problems: list[str]) -> None:
    """Take one job through each moment that is left, and note what came out wrong."""
    while turns:
        moment, prompt = turns.pop()
        try:
            async with token_used_for(lane, moment):
                job = await lane.run(moment, prompt, output={"export": exports(moment), "resolution": "360p"})
        except (TimeoutError, AssertionError) as stuck:
            problems.append(f"{moment}: {type(stuck).__name__} {stuck} in lane {lane.database}")
            return
        if not await ends_rightly(lane, moment, job):
            problems.append(f"{moment}: {job['id']} ended {job['status']} {job['error']}")


@pytest.mark.parametrize("how", ["kill", "freeze", "cut"])
async def test_a_worker_that_stops_at_any_moment_loses_and_repeats_nothing(tmp_path, how):
    problems: list[str] = []
    shapes = {"SANDBOX_SEED_SHAPE": "vendor", "SANDBOX_SILENT_RATE": 0.3}
    async with running_harness(tmp_path, lanes=LANES, **shapes) as harness:
        turns = list(zip(moments(how), itertools.cycle(PROMPTS), strict=False))
        async with asyncio.TaskGroup() as group:
            for database in range(LANES):
                group.create_task(in_a_lane(harness, database, turns, problems))
        verdict = await harness.verdict()
    assert not problems, "\n".join(problems)
    assert verdict.bad == dict.fromkeys(verdict.bad, ())


async def in_a_lane(harness, database, turns, problems):
    # each has a token of its own: what one lane spends another one could not tell from its own
    token = await harness.sandbox.add_token(credits=1_000_000)
    async with open_lane(harness, database, token=token) as lane:
        await through(lane, turns, problems)
        problems.extend(await left_over(lane))
