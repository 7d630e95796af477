"""What a commit does with its job's token in the same operation: whole or not at all, and once however often it is written."""

import dataclasses
from typing import Any

import pytest

from core.clock import month_of
from core.model import transitions
from core.model.job import Job, Stage, Status
from core.model.token import Scope, Use
from core.store.jobs.records import Claim, TokenShared
from core.store.leases import LeaseLost
from core.store.redis.keys import key
from core.store.token_work import Answers, ReadBalance, Settling, TokenWork
from tests.store_fixture import Core, core

__all__ = ["core"]

COST = 50


async def add(core: Core, **facts: Any) -> str:
    return await core.tokens.add("a", **({"kind": "operator", "available": 500} | facts))


def taking(core: Core, job: Job, **ask: Any) -> TokenWork:
    asked = {"tenant": job.tenant, "job_id": job.id, "cost": COST, "until_ms": 0, "needs": [Scope.READ], "only": None}
    return TokenWork(take=core.tokens.taking(**(asked | {"anonymous": False} | ask)))


async def begin(core: Core, claim: Claim, work: TokenWork, **how: Any) -> tuple[Job, Answers]:
    started = transitions.started(claim.job, now_ms=core.clock.now_ms())
    return await core.jobs.commit_with_token(claim.job, started, work, owner=claim.owner, **how)


async def reserved(core: Core, token_id: str) -> int:
    token = await core.tokens.get(token_id)
    assert token is not None
    return token.reserved


async def test_a_job_that_begins_has_the_token_in_the_same_write(core: Core) -> None:
    token_id = await add(core)
    claim = await core.claim(await core.submit())
    job, answers = await begin(core, claim, taking(core, claim.job))
    assert job.token_id == token_id
    assert await core.read(job) == job
    assert answers.taken
    core.tokens.note_taken(answers.taken)
    assert await core.tokens.secret_of(token_id) == "a"
    assert await reserved(core, token_id) == COST


@pytest.mark.parametrize("prompt", ["cut it", "x" * 40])
async def test_one_for_whom_there_is_none_begins_without(core: Core, prompt: str) -> None:
    await add(core, available=COST - 1)
    claim = await core.claim(await core.submit(prompt=prompt))
    job, answers = await begin(core, claim, taking(core, claim.job))
    assert (job.token_id, job.prompt, answers) == (None, prompt, Answers())
    assert await core.read(job) == job


async def test_over_its_month_s_budget_it_begins_without_too(core: Core) -> None:
    token_id = await add(core)
    claim = await core.claim(await core.submit())
    job, _ = await begin(core, claim, taking(core, claim.job, month_limit=COST - 1))
    assert job.token_id is None
    assert await reserved(core, token_id) == 0


async def test_a_write_that_is_repeated_takes_nothing_twice(core: Core) -> None:
    token_id = await add(core)
    claim = await core.claim(await core.submit())
    first, _ = await begin(core, claim, taking(core, claim.job), write_id="the same")
    again, _ = await begin(core, claim, taking(core, claim.job), write_id="the same")
    assert again == first
    assert again.token_id == token_id
    assert await reserved(core, token_id) == COST


async def test_a_commit_that_is_refused_takes_nothing(core: Core) -> None:
    token_id = await add(core)
    claim = await core.claim(await core.submit())
    core.clock.turn(by_s=3600)
    await core.claim(claim.job)
    with pytest.raises(LeaseLost):
        await begin(core, claim, taking(core, claim.job))
    assert await reserved(core, token_id) == 0


async def used(core: Core) -> tuple[Claim, str]:
    """A job that has its token."""
    token_id = await add(core)
    claim = await core.claim(await core.submit())
    job, _ = await begin(core, claim, taking(core, claim.job))
    return Claim(claim.owner, job, claim.session, claim.webhook, claim.crashes, claim.taken_over), token_id


async def moved(core: Core, claim: Claim, work: TokenWork) -> tuple[Job, Answers]:
    next_one = transitions.moved(claim.job, Stage.UPLOADING)
    return await core.jobs.commit_with_token(claim.job, next_one, work, owner=claim.owner)


async def another_sends(core: Core, token_id: str) -> None:
    await core.redis.hset(key("job", "job_other"), "status", "running")  # type: ignore[misc]
    await core.redis.hset(key("token_sent", token_id), "job_other", "50:1")  # type: ignore[misc]


async def test_a_commit_tells_who_uses_the_token_and_writes_its_balance(core: Core) -> None:
    claim, token_id = await used(core)
    _, answers = await moved(core, claim, TokenWork(balance=ReadBalance(token_id, 321, 7), use_of=token_id))
    assert answers.use == Use(sends=0, others_at_work=0)
    token = await core.tokens.get(token_id)
    assert token is not None
    assert (token.available, token.frozen) == (321, 7)


async def test_it_tells_of_others_that_are_at_work_and_nothing_of_a_token_that_was_removed(core: Core) -> None:
    claim, token_id = await used(core)
    await another_sends(core, token_id)
    job, answers = await moved(core, claim, TokenWork(use_of=token_id))
    assert answers.use == Use(sends=0, others_at_work=1)
    await core.tokens.remove(token_id)
    told = transitions.progress_noted(job, "on it")
    _, answers = await core.jobs.commit_with_token(job, told, TokenWork(use_of=token_id), owner=claim.owner)
    assert answers.use is None


def settling(token_id: str, *, at_sends: int = 0) -> TokenWork:
    balance = ReadBalance(token_id, 460, 0)
    return TokenWork(settling=Settling(balance, kind="an edit", learned=40, at_sends=at_sends))


async def test_a_cost_is_settled_with_the_record_that_says_so(core: Core) -> None:
    claim, token_id = await used(core)
    await moved(core, claim, settling(token_id))
    token = await core.tokens.get(token_id)
    assert token is not None
    assert (token.reserved, token.available) == (0, 460)
    assert await core.redis.hget(key("message_costs"), "an edit") == b"40"  # type: ignore[misc]


@pytest.mark.parametrize("shared", ["another is at work", "another was"])
async def test_where_another_job_has_used_the_token_nothing_is_written(core: Core, shared: str) -> None:
    claim, token_id = await used(core)
    if shared == "another is at work":
        await another_sends(core, token_id)
    else:
        await core.redis.hincrby(key("token", token_id), "taken", 1)  # type: ignore[misc]
    before = await core.everything()
    with pytest.raises(TokenShared):
        await moved(core, claim, settling(token_id))
    assert await core.everything() == before


async def write_over_costs(core: Core, odd: str) -> None:
    if odd == "another type":
        await core.redis.set(key("message_costs"), "x")
    else:
        await core.redis.hset(key("message_costs"), mapping={"an edit": "x", "an edit:too few": "x"})  # type: ignore[misc]


@pytest.mark.parametrize("odd", ["another type", "no numbers"])
async def test_learned_costs_that_nobody_can_read_cost_no_job_its_start_nor_its_end(core: Core, odd: str) -> None:
    """Somebody has written over them: what a job holds is freed, and its session's next one goes on."""
    claim, token_id = await used(core)
    await write_over_costs(core, odd)
    ended = transitions.succeeded(claim.job, now_ms=core.clock.now_ms(), credits_used=40, credits_exact=True)
    await core.jobs.commit_with_token(claim.job, ended, settling(token_id), owner=claim.owner)
    assert await reserved(core, token_id) == 0
    assert await core.redis.llen(key("session_queue", claim.job.session_id)) == 0  # type: ignore[misc]
    second = await core.claim(await core.submit())
    await write_over_costs(core, odd)
    job, _ = await begin(core, second, taking(core, second.job, kind="an edit"))
    assert job.token_id == token_id
    await core.token_use.note_credits_refused("an edit", 7)


async def test_sums_that_somebody_has_written_over_cost_no_job_its_start_nor_its_end(core: Core) -> None:
    token_id, month = await add(core), month_of(core.clock.now_ms())
    usage, reservations = key("usage", "acme", month), key("token_reservations", token_id)

    async def spoil() -> None:
        for name in (key("token", token_id), key("token_sums"), key("owner_sums", "*"), key("backlog_sums"), usage):
            fields = {*await core.redis.hkeys(name), b"reserved", b"taken", b"promised", b"credits", b"jobs_succeeded"}
            kept = {b"secret", b"digest", b"kind", b"tenant", b"state", b"scopes", b"fmt", b"available"}
            await core.redis.hset(name, mapping=dict.fromkeys(fields - kept, "spoilt"))
        if await core.redis.hexists(reservations, job.id):
            await core.redis.hset(reservations, job.id, "spoilt")

    job = await core.submit()
    claim = await core.claim(job)
    await core.redis.hset(usage, mapping={"promised": "spoilt", "credits": "spoilt"})
    await core.redis.hset(key("token_sums"), "reserved", "spoilt")
    begun, _ = await begin(core, claim, taking(core, claim.job, month_limit=COST))
    assert begun.token_id == token_id
    await spoil()
    ended = await core.finish(dataclasses.replace(claim, job=begun))
    assert ended.status is Status.SUCCEEDED
    assert [event.type for event in (await core.events.of_job(job.id)).events][-1] == "job.succeeded"
    assert not await core.redis.exists(reservations)
    assert await core.redis.hget(usage, "jobs_succeeded") == b"1"
