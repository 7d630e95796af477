"""Deploys, the default lease, jobs that kill their workers, and the anonymous identity."""

import asyncio

import pytest
import pytest_asyncio

from tests.crash.harness import running_harness
from tests.crash.lane import open_lane
from tests.crash.left_over import crashes_of, left_over
from tests.crash.traps import Moment, Trap
from tests.until import PATIENCE_S

pytestmark = pytest.mark.asyncio(loop_scope="module")

TITLE = 'add a title "{title}"'
EXPORT = {"export": True, "resolution": "360p"}
DEFAULT_LEASE = {"REELGATE_LEASE_S": "12", "REELGATE_SWEEP_S": "3"}
LANES = 7


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def harness(tmp_path_factory):
    async with running_harness(tmp_path_factory.mktemp("processes"), lanes=LANES) as running:
        yield running
        verdict = await running.verdict()
        assert verdict.bad == dict.fromkeys(verdict.bad, ())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def token(harness):
    return await harness.sandbox.add_token(credits=1_000_000)


@pytest.mark.quick
async def test_at_the_default_lease_a_killed_workers_job_goes_on_within_15_seconds(harness, token):
    async with open_lane(harness, 0, token=token, **DEFAULT_LEASE) as lane:
        job = await lane.run(Moment("status", 1, "before", "kill"), TITLE, output=EXPORT)
        assert (job["status"], job["attempts"]) == ("succeeded", 2)
        assert lane.gone_on_after_s < 15


async def test_a_worker_that_is_told_to_end_hands_over_long_before_its_lease_runs_out(harness, token):
    async with open_lane(harness, 1, token=token, **DEFAULT_LEASE, REELGATE_DRAIN_S="1") as lane:
        for name in ("session", "upload", "render"):
            job = await lane.run(Moment(name, 1, "before", "end"), TITLE, output=EXPORT)
            assert job["status"] == "succeeded"
            assert lane.gone_on_after_s < 12 / 3, name
        assert await left_over(lane) == []


async def test_an_open_stream_may_end_in_peace_although_its_worker_is_told_to_end(harness, token):
    async with open_lane(harness, 2, token=token, **DEFAULT_LEASE, REELGATE_DRAIN_S="20") as lane:
        job = await lane.run(Moment("message", 1, "amid", "end"), TITLE + " [[story:slow]]", output=EXPORT)
        stages = await lane.stages(job["id"])
        assert job["status"] == "succeeded"
        assert "recovering" not in stages


async def test_five_deploys_in_a_row_cost_a_job_no_try(harness, token):
    async with open_lane(harness, 3, token=token, **DEFAULT_LEASE, REELGATE_DRAIN_S="0") as lane:
        job = await lane.run(Moment("session", 1, "before", "end"), TITLE, times=5, output=EXPORT)
        assert (job["status"], job["attempts"]) == ("succeeded", 1)
        assert await crashes_of(lane, job["id"]) == 0


async def test_a_job_that_kills_its_worker_three_times_ends_poisoned_and_the_next_one_goes_well(harness, token):
    async with open_lane(harness, 3, token=token) as lane:
        job = await lane.run(Moment("session", 1, "before", "kill"), TITLE, times=3, output=EXPORT)
        assert job["error"]["code"] == "poisoned"
        assert (await lane.run(None, TITLE, output=EXPORT))["status"] == "succeeded"
        assert await left_over(lane) == []


async def test_workers_that_were_starved_at_one_step_one_after_the_other_poison_nothing(harness, token):
    async with open_lane(harness, 3, token=token, workers=4) as lane:
        job = await lane.run(Moment("session", 1, "before", "freeze"), TITLE, times=3, output=EXPORT)
        assert (job["status"], job["attempts"]) == ("succeeded", 1)
        assert await crashes_of(lane, job["id"]) == 0
        assert await left_over(lane) == []


async def test_a_render_that_was_taken_back_by_a_worker_that_died_of_it_is_asked_for_once_more(harness, token):
    async with open_lane(harness, 3, token=token, REELGATE_RENDER_POLLS="5") as lane:
        prompt = f"{TITLE} [[story:render-stuck]]"
        job = await lane.run(Moment("cancel", 1, "after", "kill"), prompt, output=EXPORT)
        assert (job["status"], job["credits_used"]) == ("succeeded", 50)
        assert await left_over(lane) == []


async def test_what_a_stream_has_shown_outlives_the_worker_that_heard_it(harness, token):
    async with open_lane(harness, 3, token=token) as lane:
        moment = Moment("commit_job:editing", 2, "after", "kill")
        job = await lane.run(moment, TITLE + " [[story:question]]", output=EXPORT)
        assert (job["error"]["code"], bool(job["reply"])) == ("needs_input", True)
        assert job["credits_used"] == 50


@pytest.mark.parametrize(("story", "code"), [("slow", None), ("unchanged", "edit_unconfirmed")])
async def test_nobody_calls_a_message_talk_alone_whose_worker_was_killed_while_it_heard_the_answer(
    harness, token, story, code
):
    async with open_lane(harness, 3, token=token) as lane:
        prompt = f"{TITLE} [[story:{story}]]"
        job = await lane.run(Moment("message", 1, "amid", "kill"), prompt, output={"export": False})
        assert (job["error"]["code"] if job["error"] else None) == code
        assert (job["credits_used"], "recovering" in await lane.stages(job["id"])) == (50, True)


async def test_a_worker_that_stops_while_it_renews_the_anonymous_identity_holds_nobody_up_for_long(harness):
    moments = [
        Moment("token", 1, "before", "kill"),
        Moment("token", 1, "after", "kill"),
        Moment("token", 1, "after", "freeze"),
    ]
    async with asyncio.TaskGroup() as group:
        for database, moment in enumerate(moments, 4):
            group.create_task(anonymous_jobs_go_well(harness, database, moment))


async def anonymous_jobs_go_well(harness, database, moment):
    async with open_lane(harness, database) as lane:
        await lane.all_ready()
        lane.trap = Trap(moment)
        async with asyncio.timeout(PATIENCE_S):
            ids = [await lane.submit(TITLE, output=EXPORT) for _ in range(3)]
            ends = {(await lane.ended(job_id))["status"] for job_id in ids}
            for job_id in ids:
                await lane.told(job_id)
        assert lane.trap.sprung.is_set()
        assert ends == {"succeeded"}
        assert await left_over(lane) == []
