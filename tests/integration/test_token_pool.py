"""Which token a job gets, over a real store and the sandbox: one anonymous call for all, balances first."""

import asyncio
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from itertools import cycle

import msgspec
import pytest
import redis

from core.clock import stopwatch_s
from core.errors import Code, Permanent, Temporary, WaitReason
from core.model import transitions
from core.model.job import Estimate, Job, Sent
from core.model.plan import Plan
from core.model.session import of_user, opened
from core.model.token import Scope, TokenState
from core.profiles import PROFILES
from core.security.encryption import Encryption
from core.store.redis.keys import key
from core.store.tokens.tokens import Tokens
from tests.peer_fixture import answered, peer
from tests.sandbox_fixture import running_sandbox
from tests.scripted_backend import said, scripted_backend
from tests.store_fixture import Core, core, in_hundreds
from tests.until import PATIENCE_S, until
from tests.worker_fixture import Calls, context_over, in_hand
from worker.backend.faults import BackendFault, Fault
from worker.context import WorkerContext
from worker.jobs.fault_handling import handle_fault
from worker.jobs.retry_policy import TRIES
from worker.jobs.runner import run_job

__all__ = ["core"]


async def taken_by_all(core: Core, contexts: list[WorkerContext], jobs: list) -> list[str]:
    """Let every job ask for a token, and list those that were given."""
    asked = (
        context.token_pool.reservations.reserve(job, core.submission(job).session)
        for context, job in zip(cycle(contexts), jobs, strict=False)
    )
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} <= {str, Temporary}
    return [outcome for outcome in outcomes if isinstance(outcome, str)]


async def locked(core: Core, *, is_locked: bool) -> None:
    """Wait until somebody renews the identity, or nobody does any more."""
    async with asyncio.timeout(PATIENCE_S):
        while bool(await core.redis.exists(key("anonymous_identity_lock"))) is not is_locked:
            await core.redis.ping()


async def test_many_jobs_in_many_workers_make_one_anonymous_token(core, tmp_path):
    calls, jobs = Calls(), [await core.submit() for _ in range(20)]
    async with running_sandbox() as sandbox, AsyncExitStack() as stack:
        opened = [context_over(core, tmp_path, backend=sandbox.url, calls=calls) for _ in range(3)]
        contexts = [await stack.enter_async_context(context) for context in opened]
        await taken_by_all(core, contexts, jobs)
        again = await taken_by_all(core, contexts, jobs)
    assert calls["anonymous_token"] == 1
    assert (len(again), len(set(again))) == (2, 1), "its 100 credits are two edits"


async def test_the_answer_to_a_renewal_outlives_the_job_that_asked_for_it(core, tmp_path):
    async with running_sandbox() as sandbox, context_over(core, tmp_path, backend=sandbox.url) as context:
        await sandbox.faults(latency_s=0.3)
        job = await core.submit()
        asking = asyncio.create_task(context.token_pool.reservations.reserve(job, core.submission(job).session))
        await locked(core, is_locked=True)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await locked(core, is_locked=False)
        assert await taken_by_all(core, [context], [job])
        issued = [row for row in (await sandbox.ledger())["tokens"] if row["anonymous"]]
    assert len(issued) == 1


async def test_nobody_else_asks_for_a_token_while_the_backend_takes_its_time_over_one(core, tmp_path):
    async with running_sandbox() as sandbox, context_over(core, tmp_path, backend=sandbox.url) as context:
        await sandbox.faults(latency_s=3)
        job = await core.submit()
        asking = asyncio.create_task(context.token_pool.reservations.reserve(job, core.submission(job).session))
        await locked(core, is_locked=True)
        left_ms = [await core.redis.pttl(key("anonymous_identity_lock"))]

        async def is_held_anew() -> bool:
            left_ms.append(await core.redis.pttl(key("anonymous_identity_lock")))
            return left_ms[-1] > left_ms[-2]

        await until(is_held_anew, within_s=PATIENCE_S)
        assert not asking.done()
        assert await asking
        await locked(core, is_locked=False)


async def test_an_identity_that_gets_no_token_rests_and_is_asked_again_after_that(core, tmp_path):
    calls, job = Calls(), await core.submit()
    limited = running_sandbox(SANDBOX_ANONYMOUS_PER_CLIENT=0)
    async with limited as sandbox, context_over(core, tmp_path, backend=sandbox.url, calls=calls) as context:
        for _ in range(3):
            with pytest.raises(Temporary) as waits:
                await context.token_pool.reservations.reserve(job, core.submission(job).session)
            assert waits.value.reason is WaitReason.NO_CREDITS
        assert calls["anonymous_token"] == 1
        core.clock.turn(by_s=core.settings.rate_limited_s + 1)
        assert await taken_by_all(core, [context], [job]) == []
    assert calls["anonymous_token"] == 2


async def test_an_operator_s_token_makes_the_anonymous_call_needless(core, tmp_path):
    calls, job = Calls(), await core.submit()
    async with running_sandbox() as sandbox, context_over(core, tmp_path, backend=sandbox.url, calls=calls) as context:
        token_id = await core.tokens.add(await sandbox.add_token(credits=50), kind="operator")
        assert await taken_by_all(core, [context], [job]) == [token_id]
        assert await taken_by_all(core, [context], [await core.submit()]) == []
    assert calls["anonymous_token"] == 0
    token = await core.tokens.get(token_id)
    assert token is not None
    assert (token.available, token.reserved) == (50, 50), "its balance was read before it was taken"


async def test_a_tenant_s_own_token_is_taken_first_also_before_its_balance_was_ever_read(core, tmp_path):
    async with running_sandbox() as sandbox, context_over(core, tmp_path, backend=sandbox.url) as context:
        everybodys = await core.tokens.add(await sandbox.add_token(), kind="operator")
        assert await taken_by_all(core, [context], [await core.submit()]) == [everybodys]
        own = await core.tokens.add(await sandbox.add_token(), kind="operator", tenant="acme")
        assert await taken_by_all(core, [context], [await core.submit()]) == [own]
        assert await taken_by_all(core, [context], [await core.submit("other")]) == [everybodys]


async def test_while_one_token_rests_after_a_429_another_is_taken_and_without_one_the_job_says_why(core, tmp_path):
    async with running_sandbox() as sandbox, context_over(core, tmp_path, backend=sandbox.url) as context:
        tokens = [await core.tokens.add(await sandbox.add_token(), kind="operator") for _ in range(2)]
        [first] = await taken_by_all(core, [context], [await core.submit()])
        await context.token_pool.rest(first, rest_s=30)
        [second] = await taken_by_all(core, [context], [await core.submit()])
        assert {first, second} == set(tokens)
        began_s = stopwatch_s()
        await context.token_pool.rest(second, rest_s=20)
        job = await core.submit()
        with pytest.raises(Temporary) as waits:
            await context.token_pool.reservations.reserve(job, core.submission(job).session)
        assert waits.value.reason is WaitReason.BACKEND_RATE_LIMITED
        assert 19 - (stopwatch_s() - began_s) < waits.value.delay_s <= 20, "the shorter of the two rests"
        assert [token.state for token in await core.tokens.all()] == [TokenState.RATE_LIMITED] * 2
        core.clock.turn(by_s=20)
        assert await taken_by_all(core, [context], [job]) == [second]


async def test_a_token_that_was_refused_a_scope_is_left_to_those_who_can_do_without(core, tmp_path):
    async with running_sandbox() as sandbox, context_over(core, tmp_path, backend=sandbox.url) as context:
        token_id = await core.tokens.add(await sandbox.add_token(), kind="operator")
        await core.tokens.note_denied(token_id, Scope.RENDER)
        exports, edits = await core.submit(), await core.submit(plan=Plan(message="mute it", action="none"))
        with pytest.raises(Permanent) as ended:
            await context.token_pool.reservations.reserve(exports, core.submission(exports).session)
        assert ended.value.code is Code.SCOPE_MISSING
        assert await taken_by_all(core, [context], [edits]) == [token_id]


async def handed_back(core: Core, context: WorkerContext, token_id: str, *, times: int) -> list[str | None]:
    """Let so many jobs be refused the same token at once; the tokens that they go on with come back."""
    jobs = [await core.submit() for _ in range(times)]
    return await asyncio.gather(*(context.token_pool.invalidate(job, token_id, call="message") for job in jobs))


async def test_of_fifty_jobs_that_hand_back_one_token_at_once_one_asks_the_backend(core, tmp_path):
    calls = Calls()
    async with running_sandbox() as sandbox, context_over(core, tmp_path, backend=sandbox.url, calls=calls) as context:
        token_id = await core.tokens.add("nmv_usr_revoked", kind="operator")
        assert await handed_back(core, context, token_id, times=50) == [None] * 50
    assert calls["credits"] == 1
    token = await core.tokens.get(token_id)
    assert token is not None
    assert token.state is TokenState.REVOKED


async def test_fifty_jobs_that_hand_back_the_anonymous_token_at_once_go_on_with_one_new_one(core, tmp_path):
    calls = Calls()
    async with running_sandbox() as sandbox, context_over(core, tmp_path, backend=sandbox.url, calls=calls) as context:
        old = await core.tokens.add("nmv_usr_old", kind="anonymous", available=100)
        await core.identities.read(fresh_client_id=str(uuid.uuid4()))
        await core.identities.write(token_id=old)
        successors = set(await handed_back(core, context, old, times=50))
    assert len(successors) == 1
    assert successors.isdisjoint({None, old})
    assert (calls["credits"], calls["anonymous_token"]) == (1, 1)


async def test_a_token_that_tells_its_balance_is_good_after_all(core, tmp_path):
    async with running_sandbox() as sandbox, context_over(core, tmp_path, backend=sandbox.url) as context:
        token_id = await core.tokens.add(await sandbox.add_token(), kind="operator")
        assert await handed_back(core, context, token_id, times=1) == [token_id]
        token = await core.tokens.get(token_id)
        assert token is not None
        assert token.state is TokenState.ACTIVE


async def state_of(core: Core, token_id: str) -> TokenState | None:
    token = await core.tokens.get(token_id)
    return token.state if token else None


async def test_a_balance_that_is_refused_once_takes_a_token_from_nobody(core, tmp_path):
    async with peer(answered({"code": 1001})) as remote, context_over(core, tmp_path, backend=remote.url) as context:
        token_id = await core.tokens.add("nmv_usr_a", kind="operator")
        assert await taken_by_all(core, [context], [await core.submit()]) == [token_id]
        job = await core.submit()
        for _ in range(3):
            assert await context.token_pool.invalidate(job, token_id, call="credits") == token_id
        assert await state_of(core, token_id) is TokenState.ACTIVE, "all in the same moment"
        core.clock.turn(by_s=2)
        assert await context.token_pool.invalidate(job, token_id, call="credits") is None
    assert await state_of(core, token_id) is TokenState.REVOKED


@asynccontextmanager
async def telling_balances_together(of: int) -> AsyncIterator[str]:
    """A backend that tells a balance only once it is asked for so many at a time."""
    together = asyncio.Barrier(of)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await together.wait()
        writer.write(answered({"code": 0, "data": {"available": 500}}, "200 OK", "Connection: close"))
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_balances_that_a_job_needs_are_asked_for_at_once(core, tmp_path):
    for number in range(5):
        await core.tokens.add(f"nmv_usr_{number}", kind="operator")
    async with telling_balances_together(5) as url, context_over(core, tmp_path, backend=url) as context:
        assert len(await taken_by_all(core, [context], [await core.submit()])) == 1
    assert [token.available for token in await core.tokens.all()] == [500] * 5


async def revoked_for_a_mishap(core: Core, context: WorkerContext) -> str:
    """The backend's login is out of order for a moment: it refuses a good token a call, and its balance."""
    token_id = await core.tokens.add("nmv_usr_a", kind="operator")
    await handed_back(core, context, token_id, times=1)
    assert await state_of(core, token_id) is TokenState.REVOKED
    return token_id


async def test_a_revoked_token_serves_again_when_its_balance_is_told_after_all(core, tmp_path):
    async with peer(answered({"code": 1001})) as remote, context_over(core, tmp_path, backend=remote.url) as context:
        token_id = await revoked_for_a_mishap(core, context)
        remote.answer = answered({"code": 0, "data": {"available": 500}})
        await context.token_pool.revoked.ask_for_due()
        assert await state_of(core, token_id) is TokenState.REVOKED, "it was revoked this very moment"
        core.clock.turn(by_s=2)
        await context.token_pool.revoked.ask_for_due()
        assert await state_of(core, token_id) is TokenState.ACTIVE
        assert await taken_by_all(core, [context], [await core.submit()]) == [token_id]


async def test_a_token_that_stays_revoked_is_asked_for_each_time_that_it_has_been_so_for_twice_as_long(core, tmp_path):
    calls = Calls()
    async with (
        peer(answered({"code": 1001})) as remote,
        context_over(core, tmp_path, backend=remote.url, calls=calls) as context,
    ):
        token_id = await revoked_for_a_mishap(core, context)
        asked_after_s, before = [], calls["credits"]
        for second in range(1, 61):
            core.clock.turn(by_s=1)
            await asyncio.gather(*(context.token_pool.revoked.ask_for_due() for _ in range(3)))
            asked_after_s += [second] * (calls["credits"] - before)
            before = calls["credits"]
    assert asked_after_s == [2, 4, 8, 16, 32], "by one of the three"
    assert await state_of(core, token_id) is TokenState.REVOKED


async def test_a_token_that_a_release_revoked_which_does_not_say_when_is_asked_for_ever_more_rarely_too(core):
    """It stands in the index as revoked once a release that keeps one has looked at it."""
    token_id, damaged = [await core.tokens.add(secret, kind="operator") for secret in ("nmv_usr_a", "nmv_usr_b")]
    for revoked in (token_id, damaged):
        await core.tokens.mark(revoked, TokenState.REVOKED)
    await core.redis.hdel(key("token", token_id), "revoked_ms")
    await core.redis.hset(key("token", damaged), "revoked_ms", "spoilt")
    asked_after_s = []
    for second in range(1, 61):
        core.clock.turn(by_s=1)
        asked = await core.tokens.revoked_to_ask_for()
        await asyncio.gather(*map(core.tokens.note_still_revoked, asked))
        asked_after_s += [second] * (set(asked) == {token_id, damaged})
    assert asked_after_s == [2, 4, 6, 10, 18, 34]


async def test_a_revoked_token_that_an_older_release_has_removed_or_added_again_is_forgotten(core):
    removed, added = [await core.tokens.add(secret, kind="operator") for secret in ("nmv_usr_a", "nmv_usr_b")]
    for revoked in (removed, added):
        await core.tokens.mark(revoked, TokenState.REVOKED)
    await core.redis.delete(key("token", removed))
    await core.redis.hset(key("token", added), "state", "active")
    core.clock.turn(by_s=2)
    assert await core.tokens.revoked_to_ask_for() == ()
    assert await core.redis.exists(key("revoked_tokens"), key("token", removed)) == 0


async def test_a_token_that_was_told_to_rest_since_it_was_asked_for_rests_on(core):
    token_id = await core.tokens.add("nmv_usr_a", kind="operator")
    await core.tokens.mark(token_id, TokenState.RATE_LIMITED, rest_until_ms=core.clock.now_ms() + 3_600_000)
    await core.tokens.mark(token_id, TokenState.ACTIVE)
    assert await state_of(core, token_id) is TokenState.RATE_LIMITED


async def test_who_has_no_other_token_asks_for_a_revoked_one_by_itself(core, tmp_path):
    """After a mishap of hours the next look of all may be hours off; the session would be lost by then."""
    async with peer(answered({"code": 1001})) as remote, context_over(core, tmp_path, backend=remote.url) as context:
        token_id = await revoked_for_a_mishap(core, context)
        core.clock.turn(by_s=3600)
        await context.token_pool.revoked.ask_for_due()
        assert await context.token_pool.revoked.may_come_back(token_id)
        assert await state_of(core, token_id) is TokenState.REVOKED
        remote.answer = answered({"code": 0, "data": {"available": 500}})
        assert await context.token_pool.revoked.may_come_back(token_id)
        assert await state_of(core, token_id) is TokenState.ACTIVE
        assert not await context.token_pool.revoked.may_come_back("tok_gone")


async def test_a_revoked_token_that_was_removed_or_added_again_is_not_asked_for(core, tmp_path):
    calls = Calls()
    async with (
        peer(answered({"code": 1001})) as remote,
        context_over(core, tmp_path, backend=remote.url, calls=calls) as context,
    ):
        token_id, before = await revoked_for_a_mishap(core, context), calls["credits"]
        assert await core.tokens.add("nmv_usr_a", kind="operator", anew=True) == token_id
        core.clock.turn(by_s=2)
        await context.token_pool.revoked.ask_for_due()
        await handed_back(core, context, token_id, times=1)
        await core.tokens.remove(token_id)
        core.clock.turn(by_s=2)
        await context.token_pool.revoked.ask_for_due()
        assert calls["credits"] == before + 1, "by the job that was refused it once more"
    assert await core.redis.exists(key("revoked_tokens")) == 0


async def test_a_revoked_token_that_no_key_opens_or_whose_backend_is_away_stays_revoked(core, tmp_path):
    elsewhere = Tokens(core.store, Encryption(["a key that went " * 3]), core.clock)
    async with peer(answered({"code": 1001})) as remote, context_over(core, tmp_path, backend=remote.url) as context:
        away = await revoked_for_a_mishap(core, context)
        core.clock.turn(by_s=3600)
        locked_away = await elsewhere.add("nmv_usr_b", kind="operator")
        await core.tokens.mark(locked_away, TokenState.REVOKED)
        remote.answer = b""
        core.clock.turn(by_s=2)
        await context.token_pool.revoked.ask_for_due()
        assert [await state_of(core, token_id) for token_id in (away, locked_away)] == [TokenState.REVOKED] * 2
        remote.answer = answered({"code": 0, "data": {"available": 500}})
        core.clock.turn(by_s=60)
        await context.token_pool.revoked.ask_for_due()
        assert await state_of(core, away) is TokenState.ACTIVE, "that nobody answered says nothing of it"


async def test_a_token_that_no_key_opens_is_given_up_by_nobody(core, tmp_path):
    elsewhere = Tokens(core.store, Encryption(["a key that went " * 3]), core.clock)
    token_id = await elsewhere.add("nmv_usr_a", kind="operator")
    async with running_sandbox() as sandbox, context_over(core, tmp_path, backend=sandbox.url) as context:
        for _ in range(3):
            job = await core.submit()
            with suppress(Temporary):
                await context.token_pool.reservations.reserve(job, core.submission(job).session)
            core.clock.turn(by_s=2)
    assert await state_of(core, token_id) is TokenState.ACTIVE


async def test_a_balance_that_is_told_takes_back_that_it_was_refused(core, tmp_path):
    async with peer(answered({"code": 1001})) as remote, context_over(core, tmp_path, backend=remote.url) as context:
        token_id, job = await core.tokens.add("nmv_usr_a", kind="operator"), await core.submit()
        assert await context.token_pool.invalidate(job, token_id, call="credits") == token_id
        remote.answer = answered({"code": 0, "data": {"available": 500}})
        assert await context.token_pool.invalidate(job, token_id, call="credits") == token_id
        core.clock.turn(by_s=2)
        remote.answer = answered({"code": 1001})
        assert await context.token_pool.invalidate(job, token_id, call="credits") == token_id
    assert await state_of(core, token_id) is TokenState.ACTIVE


async def test_a_scope_that_is_refused_once_makes_a_token_the_last_resort_and_twice_closes_it(core, tmp_path):
    known = answered({"data": {"available": 500}})
    async with peer(known) as remote, context_over(core, tmp_path, backend=remote.url) as context:
        odd, good = [await core.tokens.add(f"nmv_usr_{n}", kind="operator", available=500) for n in "ab"]
        first, second = await core.submit(), await core.submit()
        for job in (first, first, second):
            await context.token_pool.deny(job, odd, call="message")
        assert await taken_by_all(core, [context], [await core.submit()]) == [good]
        await core.tokens.remove(good)
        assert await taken_by_all(core, [context], [await core.submit()]) == [odd], "one odd moment closes nothing"
        core.clock.turn(by_s=2)
        await context.token_pool.deny(second, odd, call="message")
        job = await core.submit()
        with pytest.raises(Permanent) as ended:
            await context.token_pool.reservations.reserve(job, core.submission(job).session)
    assert ended.value.code is Code.SCOPE_MISSING


async def test_what_was_said_of_a_token_long_ago_is_forgotten(core, tmp_path):
    known = answered({"data": {"available": 500}})
    async with peer(known) as remote, context_over(core, tmp_path, backend=remote.url) as context:
        token_id = await core.tokens.add("nmv_usr_a", kind="operator", available=500)
        for _ in range(2):
            await context.token_pool.deny(await core.submit(), token_id, call="message")
            core.clock.turn(by_s=3 * 3600)
        assert await taken_by_all(core, [context], [await core.submit()]) == [token_id]


async def waits_for_identity(core: Core, context: WorkerContext) -> Temporary:
    job = await core.submit()
    with pytest.raises(Temporary) as waits:
        await context.token_pool.reservations.reserve(job, core.submission(job).session)
    return waits.value


@pytest.mark.parametrize(
    ("refusal", "reason"),
    [
        ({"code": 429}, WaitReason.NO_CREDITS),
        ({"code": 2001}, WaitReason.NO_CREDITS),
        ({"code": 1001}, WaitReason.BACKEND_DOWN),
        ({"code": 4001}, WaitReason.BACKEND_DOWN),
        ({"code": 403, "message": "no such scope"}, WaitReason.BACKEND_DOWN),
    ],
)
async def test_the_identity_is_asked_for_once_more_and_then_rests_for_hours(core, tmp_path, refusal, reason):
    calls = Calls()
    async with (
        peer(answered(refusal)) as remote,
        context_over(core, tmp_path, backend=remote.url, calls=calls) as context,
    ):
        asked = []
        for pause_s in (0, core.settings.rate_limited_s + 1, 3000, 700, 3700, 3700):
            core.clock.turn(by_s=pause_s)
            waits = await waits_for_identity(core, context)
            assert waits.reason is reason
            asked.append(calls["anonymous_token"])
    assert asked == [1, 2, 2, 3, 3, 4]


async def is_full(core: Core) -> bool:
    """Whether Redis has refused a write since its statistics began anew."""
    return "errorstat_OOM" in await core.redis.info("errorstats")


async def test_a_token_that_the_backend_gives_while_redis_takes_nothing_is_kept_all_the_same(core, tmp_path, redis_url):
    """There is one a week: what is lost here is missing until then."""
    call = "/api/auth/anonymous-token"
    async with scripted_backend() as backend, context_over(core, tmp_path, backend=backend.url) as context:
        backend.says(call, said({"data": {"token": "nmv_usr_new", "credits": 100}}), said({"code": 429}, 429))
        job = await core.submit()
        await core.redis.config_resetstat()
        with redis.Redis.from_url(redis_url) as aside:
            backend.meanwhile[call] = lambda: aside.config_set("maxmemory", 1)
            try:
                asking = asyncio.create_task(context.token_pool.reservations.reserve(job, core.submission(job).session))
                await until(lambda: is_full(core), within_s=PATIENCE_S)
            finally:
                aside.config_set("maxmemory", 0)
                backend.meanwhile.clear()
        await asyncio.gather(asking, return_exceptions=True)
        assert len(await taken_by_all(core, [context], [job])) == 1
        assert len(backend.calls(call)) == 1


ANONYMOUS = "/api/auth/anonymous-token"
TOLD = said({"code": 0, "data": {"available": 100}})


async def identity_with(core: Core, secret: str, *, expires_in_s: float = 86_400) -> str:
    """Let the installation's identity have this token."""
    expires_ms = core.clock.now_ms() + int(expires_in_s * 1000)
    token_id = await core.tokens.add(secret, kind="anonymous", available=100, expires_ms=expires_ms)
    await core.identities.read(fresh_client_id=str(uuid.uuid4()))
    await core.identities.write(token_id=token_id)
    return token_id


async def test_an_anonymous_token_that_was_refused_for_a_moment_serves_again_where_there_is_no_other(core, tmp_path):
    """The backend gives the next one in a week: an odd second must not cost the installation that week."""
    async with scripted_backend() as backend, context_over(core, tmp_path, backend=backend.url) as context:
        backend.says("credits", said({"code": 1001}), TOLD)
        backend.says(ANONYMOUS, said({"code": 429}, 429))
        token_id = await identity_with(core, "nmv_usr_a")
        assert await context.token_pool.invalidate(await core.submit(), token_id, call="message") == token_id
        assert await taken_by_all(core, [context], [await core.submit()]) == [token_id]
        assert len(backend.calls(ANONYMOUS)) == 1


async def test_an_anonymous_token_whose_time_is_over_by_our_clock_alone_serves_on(core, tmp_path):
    async with scripted_backend() as backend, context_over(core, tmp_path, backend=backend.url) as context:
        backend.says("credits", TOLD)
        backend.says(ANONYMOUS, said({"code": 429}, 429))
        token_id = await identity_with(core, "nmv_usr_a", expires_in_s=-60)
        assert await taken_by_all(core, [context], [await core.submit()]) == [token_id]


async def test_a_session_with_an_edit_goes_on_with_an_anonymous_token_that_is_over_by_our_clock_alone(core, tmp_path):
    async with scripted_backend() as backend, context_over(core, tmp_path, backend=backend.url) as context:
        backend.says("credits", TOLD)
        token_id, job = await identity_with(core, "nmv_usr_a", expires_in_s=-60), await core.submit()
        session = opened(core.submission(job).session, backend_id="b1", task_id=None, user_id=None, token_id=token_id)
        session = msgspec.structs.replace(session, edits=1)
        with pytest.raises(BackendFault) as refused:
            await context.token_pool.reservations.reserve(job, session)
        assert await context.token_pool.invalidate(job, token_id, call=refused.value.call) == token_id
        assert await context.token_pool.reservations.reserve(job, session) == token_id


async def test_an_anonymous_token_that_is_over_for_the_backend_too_stays_so(core, tmp_path):
    async with scripted_backend() as backend, context_over(core, tmp_path, backend=backend.url) as context:
        backend.says("credits", said({"code": 1001}))
        backend.says(ANONYMOUS, said({"code": 429}, 429))
        token_id = await identity_with(core, "nmv_usr_a", expires_in_s=-60)
        assert await taken_by_all(core, [context], [await core.submit()]) == []
        assert (await core.tokens.get(token_id)).expires_ms < core.clock.now_ms()


async def test_an_anonymous_token_that_the_backend_gives_once_more_serves_its_new_time(core, tmp_path):
    async with scripted_backend() as backend, context_over(core, tmp_path, backend=backend.url) as context:
        token_id = await identity_with(core, "nmv_usr_a", expires_in_s=-60)
        until_ms = core.clock.now_ms() + 7 * 86_400_000
        backend.says(ANONYMOUS, said({"data": {"token": "nmv_usr_a", "credits": 100, "expires_at": until_ms}}))
        backend.says("credits", TOLD)
        assert await taken_by_all(core, [context], [await core.submit()]) == [token_id]
        assert len(backend.calls(ANONYMOUS)) == 1


async def test_a_new_anonymous_token_that_is_said_to_be_over_already_serves(core, tmp_path):
    """Else each look would ask for another one, and there is one a week."""
    async with scripted_backend() as backend, context_over(core, tmp_path, backend=backend.url) as context:
        over = {"token": "nmv_usr_a", "credits": 100, "expires_at": "2020-01-01T00:00:00Z"}
        backend.says(ANONYMOUS, said({"data": over}))
        backend.says("credits", TOLD)
        jobs = [await core.submit(), await core.submit()]
        assert len(await taken_by_all(core, [context], jobs)) == 2
        assert len(backend.calls(ANONYMOUS)) == 1


@pytest.mark.parametrize(("days", "is_kept"), [(2, True), (29, True), (32, False)])
async def test_the_successor_of_an_anonymous_token_is_known_as_long_as_a_session_may_name_it(
    core, tmp_path, days, is_kept
):
    """Nobody knows whether it sees the old one's sessions until it was tried."""
    async with scripted_backend() as backend, context_over(core, tmp_path, backend=backend.url) as context:
        backend.says("credits", said({"code": 1001}))
        backend.says("/api/auth/anonymous-token", said({"data": {"token": "nmv_usr_new", "credits": 100}}))
        old = await core.tokens.add("nmv_usr_old", kind="anonymous", expires_ms=core.clock.now_ms())
        core.clock.turn(by_s=days * 86_400)
        await context.token_pool.remove_old_anonymous()
        successor = await context.token_pool.invalidate(await core.submit(), old, call="state")
    assert (successor is not None) == is_kept


async def test_a_page_before_the_backend_lets_the_identity_rest_for_nobody_else(core, tmp_path):
    page = b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nno"
    async with peer(page) as remote, context_over(core, tmp_path, backend=remote.url) as context:
        job = await core.submit()
        with pytest.raises(BackendFault) as passing:
            await context.token_pool.reservations.reserve(job, core.submission(job).session)
        assert (passing.value.fault, passing.value.call) == (Fault.BROKEN, "anonymous_token")
        remote.answer = answered({"data": {"token": "nmv_usr_new", "credits": 100}})
        assert len(await taken_by_all(core, [context], [job])) == 1


async def test_the_token_call_carries_the_job_s_skill_and_its_version(core, tmp_path):
    answer = answered({"data": {"token": "nmv_usr_new", "credits": 100}})
    async with peer(answer) as remote, context_over(core, tmp_path, backend=remote.url) as context:
        await taken_by_all(core, [context], [await core.submit(profile="trimmer-exe")])
    line, headers, _ = remote.requests[0]
    assert line.startswith("POST /api/auth/anonymous-token ")
    skill = PROFILES["trimmer-exe"]
    assert (headers["x-skill-source"], headers["x-skill-version"]) == (skill.name, skill.version)


async def test_the_registration_link_names_the_account_that_a_session_told_of(core, tmp_path):
    async with context_over(core, tmp_path) as context:
        job = await core.submit()
        session = core.submission(job).session
        hint = await context.token_pool.credits_hint(job, of_user(session, "anon 7"))
    assert hint == "Register at https://nemovideo.com/register?bind=anon%207 to get more credits."


async def test_an_account_of_which_nobody_has_told_is_asked_for_once_when_its_link_is_needed(core, tmp_path):
    issued = answered({"data": {"token": "nmv_usr_new", "credits": 0}})
    async with peer(issued) as remote, context_over(core, tmp_path, backend=remote.url) as context:
        job = await core.submit()
        session = core.submission(job).session
        await context.token_pool._anonymous.get_present_token(profile=job.profile)
        remote.answer = answered({"code": 0, "data": {"session_id": "5", "user_id": "anon_7"}})
        hints = [await context.token_pool.credits_hint(job, session) for _ in range(2)]
    assert hints == ["Register at https://nemovideo.com/register?bind=anon_7 to get more credits."] * 2
    assert [line.split()[1] for line, _, _ in remote.requests] == [
        "/api/auth/anonymous-token",
        "/api/tasks/me/with-session/nemo_agent",
    ]


async def test_an_account_that_cannot_be_asked_for_costs_nothing_but_the_link(core, tmp_path):
    issued = answered({"data": {"token": "nmv_usr_new", "credits": 0}})
    async with peer(issued) as remote, context_over(core, tmp_path, backend=remote.url) as context:
        job = await core.submit()
        await context.token_pool._anonymous.get_present_token(profile=job.profile)
        for answer in (answered({"code": 2001}), answered({"code": 0, "data": {"session_id": "5"}})):
            remote.answer = answer
            assert await context.token_pool.credits_hint(job, core.submission(job).session) is None


async def test_who_never_got_an_anonymous_token_is_told_to_register_though_no_account_is_known(core, tmp_path):
    async with peer(answered({"code": 429})) as remote, context_over(core, tmp_path, backend=remote.url) as context:
        job = await core.submit(start_timeout_s=20)
        await run_job(context, job.id)
        core.clock.turn(by_s=21)
        await run_job(context, job.id)
        ended = await core.read(job)
    assert ended.error is not None
    assert (ended.error.code, ended.credits_used) == (Code.CREDITS_EXHAUSTED, 0)
    assert ended.error.hint.startswith("Register at https://nemovideo.com/register, and have the operator"), ended.error


async def test_who_waits_for_tokens_that_are_all_over_is_not_told_to_top_up(core, tmp_path):
    async with context_over(core, tmp_path) as context:
        job, hints = await core.submit(), []
        revoked = await core.tokens.add("nmv_usr_a", kind="operator", available=500)
        await core.tokens.add("nmv_usr_b", kind="operator", available=0, expires_ms=core.clock.now_ms() + 1000)
        await core.tokens.mark(revoked, TokenState.REVOKED)
        for _ in ("one may be topped up", "its time is over, too"):
            hints.append(await context.token_pool.credits_hint(job, core.submission(job).session))
            core.clock.turn(by_s=2)
    assert hints[0] is None
    assert "the operator of this service has to add one" in hints[1]


async def test_a_token_that_is_over_before_a_long_deadline_is_the_last_choice_unless_it_is_over_soon(core, tmp_path):
    told = answered({"code": 0, "data": {"available": 500, "frozen": 0}})
    hour_ms = 3_600_000
    async with peer(told) as remote, context_over(core, tmp_path, backend=remote.url) as context:
        now_ms, names = core.clock.now_ms(), {}
        for hours in (0.5, 20, 30):
            expires_ms = now_ms + int(hours * hour_ms)
            names[hours] = await core.tokens.add(f"{hours}", kind="operator", available=500, expires_ms=expires_ms)
        taken = []
        for _ in range(3):
            job = await core.submit(timeout_s=86_400)
            with suppress(Temporary):
                taken += [await context.token_pool.reservations.reserve(job, core.submission(job).session)]
                await core.tokens.remove(taken[-1])
    assert taken == [names[30], names[20]]


async def test_a_job_that_begins_late_waits_for_a_moment_for_credits_that_others_hold(core, tmp_path):
    told = answered({"code": 0, "data": {"available": 50, "frozen": 0}})
    async with peer(told) as remote, context_over(core, tmp_path, backend=remote.url) as context:
        token_id = await core.tokens.add("nmv_usr_a", kind="operator", available=50)
        holder, late = await core.submit(), await core.submit(start_timeout_s=600)
        assert await taken_by_all(core, [context], [holder]) == [token_id]
        core.clock.turn(by_s=599)
        await run_job(context, late.id)
        core.clock.turn(by_s=5)
        await run_job(context, late.id)
        waiting = await core.read(late)
        core.clock.turn(by_s=30)
        await run_job(context, late.id)
        ended = await core.read(late)
    assert waiting.wait is not None
    assert (waiting.status, waiting.wait.reason) == ("running", WaitReason.NO_CREDITS)
    assert ended.error is not None
    assert ended.error.code is Code.CREDITS_EXHAUSTED


@pytest.mark.parametrize("written", [True, False])
async def test_what_an_expired_token_could_keeps_no_job_waiting_for_credits(core, tmp_path, written):
    """`written`: the backend refused it, else its time has passed alone."""
    told = answered({"code": 0, "data": {"available": 500, "frozen": 0}})
    async with peer(told) as remote, context_over(core, tmp_path, backend=remote.url) as context:
        soon_ms = None if written else core.clock.now_ms() + 1000
        over = await core.tokens.add("nmv_usr_a", kind="operator", available=500, expires_ms=soon_ms)
        closed = await core.tokens.add("nmv_usr_b", kind="operator", available=500)
        for _ in range(2):
            await core.tokens.note_export_refused(closed)
        if written:
            await core.tokens.mark(over, TokenState.EXPIRED)
        core.clock.turn(by_s=2)
        job = await core.submit()
        with pytest.raises((Permanent, Temporary)) as ended:
            await context.token_pool.reservations.reserve(job, core.submission(job).session)
    assert isinstance(ended.value, Permanent), ended.value
    assert ended.value.code is Code.EXPORT_BLOCKED


async def test_an_export_that_costs_nothing_asks_anew_whether_the_plan_allows_it(core, tmp_path):
    told = answered({"code": 0, "data": {"available": 500, "frozen": 0}})
    async with peer(told) as remote, context_over(core, tmp_path, backend=remote.url) as context:
        token_id = await core.tokens.add("nmv_usr_a", kind="operator", available=500)
        for _ in range(2):
            await core.tokens.note_export_refused(token_id)
        export, edit = await core.submit(plan=Plan(message=None, action="export"), media=()), await core.submit()
        names = {"backend_id": "b1", "task_id": None, "user_id": None, "token_id": token_id}
        session = msgspec.structs.replace(opened(core.submission(export).session, **names), edits=1)
        assert await context.token_pool.reservations.reserve(export, session) == token_id
        with pytest.raises(Permanent) as refused:
            await context.token_pool.reservations.reserve(edit, session)
        await core.tokens.note_denied(token_id, Scope.RENDER)
        other = await core.submit(plan=Plan(message=None, action="export"), media=())
        with pytest.raises(Permanent) as unscoped:
            await context.token_pool.reservations.reserve(other, session)
    assert (refused.value.code, unscoped.value.code) == (Code.EXPORT_BLOCKED, Code.SCOPE_MISSING)
    assert "replay from the render a job whose export was refused" in refused.value.hint


async def after_two_runs(core: Core, context: WorkerContext, job: Job) -> Job:
    """Run a job until it sleeps, and once more after a long time."""
    await run_job(context, job.id)
    core.clock.turn(by_s=2)
    await run_job(context, job.id)
    return await core.read(job)


async def test_an_edit_that_costs_less_than_was_thought_is_tried_with_what_is_left(core, tmp_path):
    settings = {"SANDBOX_EDIT_CREDITS": 5, "SANDBOX_GENERATE_CREDITS": 5, "SANDBOX_SILENT_RATE": 0}
    async with running_sandbox(**settings) as sandbox, context_over(core, tmp_path, backend=sandbox.url) as context:
        await core.tokens.add(await sandbox.add_token(credits=40), kind="operator")
        job = await core.submit(plan=Plan(message='[[story:question]] add a title "A"', action="none"))
        ended = await after_two_runs(core, context, job)
        sent = (await sandbox.ledger())["messages"]
    assert [row["charged"] for row in sent] == [5]
    assert (ended.credits_used, ended.credits_exact) == (5, True)


async def test_a_refusal_for_want_of_credits_is_heard_once_and_costs_nothing(core, tmp_path):
    async with running_sandbox() as sandbox, context_over(core, tmp_path, backend=sandbox.url) as context:
        await core.tokens.add(await sandbox.add_token(credits=40), kind="operator")
        first, second = await core.submit(start_timeout_s=10_000), await core.submit(start_timeout_s=10_000)
        waits = [await after_two_runs(core, context, job) for job in (first, second)]
        assert [row["charged"] for row in (await sandbox.ledger())["messages"]] == [0]
    assert [(job.wait and job.wait.reason, job.sent) for job in waits] == [(WaitReason.NO_CREDITS, None)] * 2
    assert waits[0].cost_at_least == 41
    core.clock.turn(by_s=10_000)
    await run_job(context, first.id)
    ended = await core.read(first)
    assert ended.error is not None
    assert ended.error.code is Code.CREDITS_EXHAUSTED


async def test_credits_that_were_spent_elsewhere_of_many_tokens_keep_no_job_from_one_that_has_some(core, tmp_path):
    """Each refused message would have its files brought anew; and after some the job ended, though one could pay."""
    calls, soon_ms = Calls(), core.clock.now_ms() + 7 * 86_400_000
    async with running_sandbox() as sandbox, context_over(core, tmp_path, backend=sandbox.url, calls=calls) as context:
        for _ in range(TRIES + 2):
            spent = await sandbox.add_token(credits=0)
            await core.tokens.add(spent, kind="operator", available=500, expires_ms=soon_ms)
        await core.tokens.add(await sandbox.add_token(credits=500), kind="operator", available=500)
        job = await core.submit(plan=Plan(message='[[story:question]] add a title "A"', action="none"))
        ended = await after_two_runs(core, context, job)
        sent = (await sandbox.ledger())["messages"]
    assert [row["charged"] for row in sent] == [0, 50]
    assert (ended.status, ended.credits_used) == ("failed", 50), "it has asked a question"


async def test_that_a_message_was_refused_for_want_of_credits_is_written_before_other_tokens_are_asked(core, tmp_path):
    """They may be slow to tell, and who takes the job over meanwhile must take the message for sent."""
    calls = Calls()
    async with running_sandbox() as sandbox, context_over(core, tmp_path, backend=sandbox.url, calls=calls) as context:
        spent, *others = [
            await core.tokens.add(await sandbox.add_token(credits=left), kind="operator", available=500)
            for left in (0, 0, 500)
        ]
        job = await core.submit()
        taken = transitions.token_taken(transitions.started(job, now_ms=core.clock.now_ms()), token_id=spent)
        intent = transitions.sending(taken, sent=Sent(at_ms=core.clock.now_ms(), before="d", cost=50))
        async with in_hand(core, context, intent) as execution:
            following = await handle_fault(execution, BackendFault(Fault.NO_CREDITS, call="message"))
        assert (following.job.sent, calls["credits"]) == (None, 1)
        reserved = await context.token_pool.reservations.reserve(following.job, execution.session)
    assert (reserved, calls["credits"]) == (others[1], 3), "the other two were asked as well, and one is spent"


async def test_a_job_that_was_refused_by_many_tokens_with_a_little_left_waits_for_credits(core, tmp_path):
    async with running_sandbox() as sandbox, context_over(core, tmp_path, backend=sandbox.url) as context:
        for left in range(1, TRIES + 4):
            expires_ms = core.clock.now_ms() + (7 + left) * 86_400_000
            await core.tokens.add(await sandbox.add_token(credits=left), kind="operator", expires_ms=expires_ms)
        job = await core.submit(start_timeout_s=3600, timeout_s=7200)
        for _ in range(TRIES + 4):
            await run_job(context, job.id)
            core.clock.turn(by_s=61)
        waiting, sent = await core.read(job), (await sandbox.ledger())["messages"]
        core.clock.turn(by_s=3600)
        await run_job(context, job.id)
        ended = await core.read(job)
    assert waiting.wait is not None
    assert (waiting.wait.reason, {row["charged"] for row in sent}) == (WaitReason.NO_CREDITS, {0})
    assert len(sent) == TRIES + 3, "each was asked once"
    assert ended.error is not None
    assert ended.error.code is Code.CREDITS_EXHAUSTED


async def run_to_its_end(core: Core, context: WorkerContext, job: Job) -> Job:
    """Run a job, as often as it sleeps."""
    async with asyncio.timeout(PATIENCE_S):
        while not (await core.read(job)).ended:
            await run_job(context, job.id)
            core.clock.turn(by_s=5)
    return await core.read(job)


async def test_an_edited_session_goes_on_where_its_token_was_rotated_and_removed(core, tmp_path):
    title, soon_ms = Plan(message='add a title "A"', action="none"), core.clock.now_ms() + 7 * 86_400_000
    async with (
        running_sandbox(SANDBOX_SILENT_RATE=0) as sandbox,
        context_over(core, tmp_path, backend=sandbox.url) as context,
    ):
        secret = await sandbox.add_token()
        old = await core.tokens.add(secret, kind="operator")
        first = await core.submit(plan=title)
        assert (await run_to_its_end(core, context, first)).edited
        beside = await sandbox.add_token(account_of=secret)
        new = await core.tokens.add(beside, kind="operator", expires_ms=soon_ms)
        assert (await run_to_its_end(core, context, await core.submit(plan=title))).token_id == new
        await core.tokens.remove(old)
        refined = await core.submit(plan=title, media=(), session_id=first.session_id, new_session=False)
        ended = await run_to_its_end(core, context, refined)
        sessions = {row["session_id"] for row in (await sandbox.ledger())["messages"]}
    assert (ended.status, ended.edited, ended.token_id) == ("succeeded", True, new)
    assert len(sessions) == 2, "the third message went into the first one's"


@pytest.mark.parametrize(("facts", "end"), [({"expires_in_s": 1}, None), ({"tenant": "other"}, Code.SESSION_LOST)])
async def test_a_timeline_s_token_serves_it_after_its_time_as_long_as_the_backend_takes_it_and_no_other_s_tenant(
    core, tmp_path, facts, end
):
    """The operator has added it anew: with a time that is over before the backend's own, or for another tenant alone."""
    title = Plan(message='add a title "A"', action="none")
    async with (
        running_sandbox(SANDBOX_SILENT_RATE=0) as sandbox,
        context_over(core, tmp_path, backend=sandbox.url) as context,
    ):
        secret = await sandbox.add_token()
        token_id = await core.tokens.add(secret, kind="operator")
        first = await core.submit(plan=title)
        assert (await run_to_its_end(core, context, first)).edited
        expires_ms = core.clock.now_ms() + facts["expires_in_s"] * 1000 if "expires_in_s" in facts else None
        await core.tokens.add(secret, kind="operator", tenant=facts.get("tenant"), expires_ms=expires_ms, anew=True)
        core.clock.turn(by_s=2)
        refined = await core.submit(plan=title, media=(), session_id=first.session_id, new_session=False)
        ended = await run_to_its_end(core, context, refined)
        assert token_id not in await taken_by_all(core, [context], [await core.submit()]), "nobody else begins on it"
    assert (ended.error and ended.error.code) == end, ended.error
    assert ended.token_id == (None if end else token_id)


async def test_a_question_for_the_credits_is_answered_where_there_are_none(core, tmp_path):
    async with running_sandbox() as sandbox, context_over(core, tmp_path, backend=sandbox.url) as context:
        token_id = await core.tokens.add(await sandbox.add_token(credits=0), kind="operator", available=0)
        await core.tokens.mark(token_id, TokenState.EXHAUSTED)
        job = await core.submit(plan=Plan(message=None, action="credits"), media=())
        await run_job(context, job.id)
        ended = await core.read(job)
    assert (ended.status, ended.result) == ("succeeded", {"credits": {"available": 0, "frozen": 0, "total": 0}})


async def test_a_question_for_the_credits_is_answered_for_all_tokens_that_serve_the_tenant(core, tmp_path):
    async with running_sandbox() as sandbox, context_over(core, tmp_path, backend=sandbox.url) as context:
        for tenant, left in (("", 40), ("acme", 300), ("other", 7)):
            await core.tokens.add(await sandbox.add_token(credits=left), kind="operator", tenant=tenant)
        job = await core.submit(plan=Plan(message=None, action="credits"), media=())
        await run_job(context, job.id)
        ended = await core.read(job)
    assert (ended.status, ended.result) == ("succeeded", {"credits": {"available": 340, "frozen": 0, "total": 340}})
    assert ended.reply == "340 credits available, 0 in use."


async def test_an_export_is_made_in_a_session_whose_token_has_no_credits_and_an_edit_waits(core, tmp_path):
    told = answered({"code": 0, "data": {"available": 0, "frozen": 0}})
    async with peer(told) as remote, context_over(core, tmp_path, backend=remote.url) as context:
        token_id = await core.tokens.add("nmv_usr_a", kind="operator", available=0)
        await core.tokens.mark(token_id, TokenState.EXHAUSTED)
        export, edit = await core.submit(plan=Plan(message=None, action="export"), media=()), await core.submit()
        session = opened(
            core.submission(export).session, backend_id="b1", task_id=None, user_id=None, token_id=token_id
        )
        session = msgspec.structs.replace(session, edits=1)
        assert await context.token_pool.reservations.reserve(export, session) == token_id
        with pytest.raises(Temporary) as waits:
            await context.token_pool.reservations.reserve(edit, session)
    assert waits.value.reason is WaitReason.NO_CREDITS


NO_LIMIT = answered({"code": 0, "data": {"available": -1, "frozen": 0, "total": -1}})


async def test_an_account_without_a_limit_is_one_whose_balance_nobody_knows(core, tmp_path):
    async with peer(NO_LIMIT) as remote, context_over(core, tmp_path, backend=remote.url) as context:
        token_id = await core.tokens.add("nmv_usr_a", kind="operator")
        assert await taken_by_all(core, [context], [await core.submit(), await core.submit()]) == [token_id] * 2
        asked = await core.submit(plan=Plan(message=None, action="credits"), media=())
        await run_job(context, asked.id)
        assert (await core.read(asked)).reply == "No limit of credits, 0 in use."


@pytest.mark.parametrize(("available", "state"), [(-1, TokenState.ACTIVE), (0, TokenState.EXHAUSTED)])
async def test_an_account_serves_that_has_no_limit_since_its_balance_was_written_down(core, tmp_path, available, state):
    """As a number of credits by a release that took it for one; or before its plan was upgraded."""
    async with peer(NO_LIMIT) as remote, context_over(core, tmp_path, backend=remote.url) as context:
        token_id = await core.tokens.add("nmv_usr_a", kind="operator")
        await core.token_use.note_balance(token_id, available=available, frozen=0)
        await core.tokens.mark(token_id, state)
        core.clock.turn(by_s=60)
        assert await taken_by_all(core, [context], [await core.submit(), await core.submit()]) == [token_id] * 2


async def test_a_revoked_token_of_an_account_without_a_limit_serves_again_when_that_is_told_after_all(core, tmp_path):
    async with peer(answered({"code": 1001})) as remote, context_over(core, tmp_path, backend=remote.url) as context:
        token_id = await revoked_for_a_mishap(core, context)
        remote.answer = NO_LIMIT
        core.clock.turn(by_s=2)
        await context.token_pool.revoked.ask_for_due()
        assert await taken_by_all(core, [context], [await core.submit()]) == [token_id]


async def test_an_account_without_a_limit_that_refuses_a_message_for_credits_rests_and_teaches_nothing(core, tmp_path):
    async with peer(NO_LIMIT) as remote, context_over(core, tmp_path, backend=remote.url) as context:
        token_id, job = await core.tokens.add("nmv_usr_a", kind="operator"), await core.submit()
        assert await context.token_pool.exhaust(job, token_id) is None
        assert await state_of(core, token_id) is TokenState.EXHAUSTED
    assert await core.redis.hgetall(key("message_costs")) == {}


DEAR = Estimate(
    credits=(150, 250),
    credits_typical=200,
    credits_basis="measured",
    credits_jobs=30,
    p50_s=None,
    p90_s=None,
    time_basis="contract",
    time_jobs=0,
)


@pytest.mark.parametrize("dear", [{"cost_at_least": 200}, {"estimate": DEAR}], ids=["refused before", "measured"])
async def test_that_a_dear_message_was_refused_keeps_no_usual_one_from_what_is_left(core, tmp_path, dear):
    """Between the reservation and the refusal somebody else has spent of the token."""
    told = answered({"code": 0, "data": {"available": 170, "frozen": 0}})
    async with peer(told) as remote, context_over(core, tmp_path, backend=remote.url) as context:
        token_id = await core.tokens.add("nmv_usr_a", kind="operator", available=170)
        await context.token_pool.exhaust(msgspec.structs.replace(await core.submit(), **dear), token_id)
        assert await taken_by_all(core, [context], [await core.submit()]) == [token_id]


async def without_a_token(core: Core, context: WorkerContext) -> tuple[int, int, Temporary]:
    """Have a job ask that gets none: Redis' commands, microseconds in them, and what the job waits for."""
    job = await core.submit()
    await core.redis.config_resetstat()
    with pytest.raises(Temporary) as waits:
        await context.token_pool.reservations.reserve(job, core.submission(job).session)
    rows = (await core.redis.info("commandstats")).values()
    return sum(row["calls"] for row in rows), sum(row["usec"] for row in rows), waits.value


@pytest.mark.parametrize("state", [TokenState.ACTIVE, TokenState.EXHAUSTED, TokenState.RATE_LIMITED])
async def test_a_job_that_gets_no_token_costs_the_same_with_100_and_with_5_000(core, tmp_path, state):
    async def add_poor(numbers: range) -> None:
        added = await in_hundreds(core.tokens.add(f"nmv_usr_{n}", kind="operator", available=0) for n in numbers)
        if state is not TokenState.ACTIVE:
            until_ms = core.clock.now_ms() + 50_000
            await in_hundreds(core.tokens.mark(token_id, state, rest_until_ms=until_ms) for token_id in added)

    poor, calls = answered({"code": 0, "data": {"available": 0}}), Calls()
    async with peer(poor) as remote, context_over(core, tmp_path, backend=remote.url, calls=calls) as context:
        await add_poor(range(100))
        few, few_us, _ = await without_a_token(core, context)
        await add_poor(range(100, 5000))
        many, many_us, waits = await without_a_token(core, context)
    sys.stderr.write(f"{state}: {few} commands in {few_us} us, {many} in {many_us} us\n")
    assert many <= 1.2 * few
    rests = state is TokenState.RATE_LIMITED
    asked_about = range(1) if rests else range(60, 65)
    assert calls["credits"] in asked_about, "so many tokens does a job ask the backend about, and of none that rests"
    assert waits.reason is (WaitReason.BACKEND_RATE_LIMITED if rests else WaitReason.NO_CREDITS)


async def test_of_many_tokens_without_credits_the_one_that_was_topped_up_is_found_in_time(core, tmp_path):
    async with running_sandbox() as sandbox, context_over(core, tmp_path, backend=sandbox.url) as context:
        for _ in range(120):
            await core.tokens.add(await sandbox.add_token(credits=0), kind="operator", available=0)
        rich = await core.tokens.add(await sandbox.add_token(credits=500), kind="operator", available=0)
        job = await core.submit()
        for _ in range(100):
            if given := await taken_by_all(core, [context], [job]):
                break
            core.clock.turn(by_s=20)
    assert given == [rich]


async def test_what_ends_a_job_is_said_of_all_tokens_not_of_those_looked_at(core, tmp_path):
    poor = answered({"code": 0, "data": {"available": 0}})
    async with peer(poor) as remote, context_over(core, tmp_path, backend=remote.url) as context:
        for n in range(300):
            await core.tokens.add(f"nmv_usr_{n}", kind="operator", available=500, scopes="read")
        job = await core.submit()
        with pytest.raises(Permanent) as ended:
            await context.token_pool.reservations.reserve(job, core.submission(job).session)
        assert ended.value.code is Code.SCOPE_MISSING
        await core.tokens.add("nmv_usr_able", kind="operator", available=0, scopes="*")
        for _ in range(5):
            assert (await waits_for_identity(core, context)).reason is WaitReason.NO_CREDITS
