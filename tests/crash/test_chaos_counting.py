"""The chaos run's judge is judged: each wrong that there is to find is found in a ledger that holds it, and nothing else."""

import pytest

from sandbox.chaos.counting import Accepted, judged
from sandbox.chaos.fault_schedule import troubles
from sandbox.chaos.job_requests import asks
from sandbox.chaos.table import complaints
from sandbox.chaos.watch import Watch
from tests.crash.harness import running_harness
from tests.crash.lane import open_lane
from tests.crash.traps import Moment

JOB = Accepted("job_0190-aa", "Q1N00001")
OTHER = Accepted("job_0190-bb", "Q1N00002")


def message(job, *, charged=50, at="10:00", session="one"):
    return {"text": f'add a title "{job.title}"', "charged": charged, "session_id": session, "at": at}


def render(job, *, status="completed", fetched=True):
    """In one session the second job's message comes after the first one's render."""
    facts = {"status": status, "fetched": fetched, "session_id": "one"}
    return {"id": "render_1", "at": "10:01" if job is JOB else "10:03", **facts}


def callback(job, *, webhook_id="evt_1", kind="job.succeeded", verified=True):
    return {"id": webhook_id, "type": kind, "job_id": job.id, "verified": verified}


def verdict_of(*, jobs=None, messages=(), renders=(), received=None):
    """Judge two jobs that went well, but for what is given."""
    fine = {job.id: {"id": job.id, "status": "succeeded", "error": None} for job in (JOB, OTHER)}
    ledger = {
        "messages": [message(JOB), message(OTHER, at="10:02"), *messages],
        "renders": [render(JOB), render(OTHER), *renders],
    }
    told = [callback(JOB), callback(OTHER, webhook_id="evt_2")] if received is None else received
    return judged([JOB, OTHER], jobs=fine | (jobs or {}), ledger=ledger, received=told)


def bad(verdict):
    return {name: value for name, value in verdict.bad.items() if value}


def test_a_run_in_which_all_went_well_is_found_good():
    verdict = verdict_of()
    assert verdict.holds
    assert verdict.ended == {"succeeded": 2}
    assert list(complaints(verdict)) == []


def test_a_refused_message_and_a_failed_render_before_the_good_ones_are_no_wrongs():
    again = render(JOB, status="failed", fetched=False)
    assert verdict_of(messages=[message(JOB, charged=0)], renders=[again, render(JOB, status="cancelled")]).holds


@pytest.mark.parametrize("status", ["queued", "running", "canceling"])
def test_a_job_without_an_end_is_lost(status):
    verdict = verdict_of(jobs={JOB.id: {"id": JOB.id, "status": status, "error": None}})
    assert bad(verdict) == {"lost": (JOB.id,)}


def test_a_job_that_nobody_knows_any_more_is_lost():
    assert bad(verdict_of(jobs={JOB.id: {}})) == {"lost": (JOB.id,)}


def test_a_prompt_with_two_charged_rows_is_charged_twice():
    assert bad(verdict_of(messages=[message(JOB)])) == {"charged_twice": (JOB.id,)}


@pytest.mark.parametrize(("told", "is_exact", "is_wrong"), [(50, True, False), (100, True, True), (100, False, False)])
def test_a_cost_that_is_said_to_be_exact_is_what_was_charged(told, is_exact, is_wrong):
    job = {"id": JOB.id, "status": "succeeded", "error": None, "credits_used": told, "credits_exact": is_exact}
    assert bad(verdict_of(jobs={JOB.id: job})) == ({"cost_told_wrong": (JOB.id,)} if is_wrong else {})


def test_two_completed_renders_for_one_job_are_one_too_many():
    assert bad(verdict_of(renders=[render(JOB)])) == {"rendered_twice": (JOB.id,)}


@pytest.mark.parametrize("status", ["pending", "processing"])
def test_a_render_that_never_ended_is_an_orphan(status):
    assert bad(verdict_of(renders=[render(JOB, status=status, fetched=False)])) == {"orphaned": (JOB.id,)}


def test_a_completed_render_that_nobody_read_is_an_orphan_also_when_it_belongs_to_nobody():
    stray = {"id": "render_of_a_stranger", "status": "completed", "fetched": False, "session_id": "two", "at": "10:09"}
    assert bad(verdict_of(renders=[stray])) == {"orphaned": ("render_of_a_stranger",)}


def test_an_end_that_no_signed_callback_told_is_missing():
    forged = [callback(JOB, verified=False), callback(JOB, kind="job.progress"), callback(OTHER)]
    assert bad(verdict_of(received=forged)) == {"callbacks_missing": (JOB.id,)}


def test_one_end_may_be_told_twice_under_one_id_but_not_under_two():
    twice = [callback(JOB), callback(JOB), callback(OTHER), callback(OTHER, webhook_id="evt_9")]
    assert bad(verdict_of(received=twice)) == {"ended_twice": (OTHER.id,)}


def test_a_wrong_is_told_with_the_jobs_id():
    assert list(complaints(verdict_of(messages=[message(JOB)]))) == [f"charged twice: {JOB.id}"]


def test_a_seed_draws_the_same_jobs_and_troubles_again_and_no_title_twice():
    drawn = list(asks(300, seed=7, clips=2))
    assert drawn == list(asks(300, seed=7, clips=2))
    assert len({ask.title for ask in drawn}) == 300
    assert list(troubles(60, seed=7)) == list(troubles(60, seed=7))
    assert all(trouble.at_s + trouble.for_s <= 60 for trouble in troubles(60, seed=7))


def test_a_standstill_is_the_longest_time_without_a_change_while_something_had_not_ended():
    running, changed, done = (
        {"id": "job_1", "version": n, "status": s} for n, s in ((1, "running"), (2, "running"), (3, "succeeded"))
    )
    watch = Watch()
    for now_s, job in ((0.0, running), (3.0, running), (4.0, changed), (6.0, done), (60.0, done)):
        watch.look([job], now_s=now_s)
    assert watch.longest_standstill_s == 4.0


async def test_workers_that_send_again_what_they_find_unsent_are_reported_as_charging_twice(tmp_path):
    async with running_harness(tmp_path, lanes=1, fork_server="tests.crash.careless_worker") as harness:
        token = await harness.sandbox.add_token(credits=1_000_000)
        async with open_lane(harness, 0, token=token) as lane:
            job = await lane.run(
                Moment("message", 1, "after", "kill"), 'add a title "{title}"', output={"export": False}
            )
        verdict = await harness.verdict()
    assert bad(verdict) == {"charged_twice": (job["id"],)}
