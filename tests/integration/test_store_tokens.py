"""The token pool: no overspending, the right token for each job, nothing left reserved, no secret in the open."""

import asyncio
from typing import Any

import msgspec
import pytest

from core.errors import Code
from core.model import transitions
from core.model.job import Sent, Stage
from core.model.token import Scope, SentMessage, Token, TokenState, Use
from core.security.encryption import Encryption, Undecryptable
from core.store.jobs.records import Claim
from core.store.redis.keys import key
from core.store.tokens.tokens import OverBudget, Serving
from core.store.tokens.use import Settled
from tests.store_fixture import SECRET_KEY, Core, core

__all__ = ["core"]

HOUR_MS = 3_600_000
EDIT = (Scope.READ, Scope.WRITE)
EXPORT = (*EDIT, Scope.RENDER)


async def add(core: Core, secret: str, **facts: Any) -> str:
    return await core.tokens.add(secret, **({"kind": "operator", "available": 1000} | facts))


async def take(core: Core, job_id: str = "job_1", **ask: Any) -> str | None:
    asked = {"tenant": "acme", "cost": 50, "until_ms": core.clock.now_ms(), "needs": EXPORT, "only": None}
    await core.let_run(job_id)
    return await core.tokens.take(job_id=job_id, **({"anonymous": False} | asked | ask))


async def read(core: Core, token_id: str) -> Token:
    token = await core.tokens.get(token_id)
    assert token is not None
    return token


async def test_fifty_takers_never_reserve_more_than_there_is(core: Core) -> None:
    first, second = await add(core, "a", available=500), await add(core, "b", available=240)
    taken = await asyncio.gather(*(take(core, f"job_{n}") for n in range(50)))
    assert taken.count(first) == 10
    assert taken.count(second) == 4
    assert taken.count(None) == 36
    assert [(await read(core, t)).reserved for t in (first, second)] == [500, 200]


async def test_a_tenant_s_own_token_serves_that_tenant_alone_and_first(core: Core) -> None:
    everybody = await add(core, "a", expires_ms=core.clock.now_ms() + HOUR_MS)
    own = await add(core, "b", tenant="acme")
    assert await take(core, "job_1") == own
    assert await take(core, "job_2", tenant="other") == everybody


async def test_of_several_the_one_that_expires_first_is_taken_and_one_without_an_end_last(core: Core) -> None:
    now_ms = core.clock.now_ms()
    endless = await add(core, "a", available=50)
    late = await add(core, "b", available=50, expires_ms=now_ms + 2 * HOUR_MS)
    soon = await add(core, "c", available=50, expires_ms=now_ms + HOUR_MS)
    assert [await take(core, f"job_{n}") for n in range(4)] == [soon, late, endless, None]


async def test_a_token_must_outlive_the_job(core: Core) -> None:
    await add(core, "a", expires_ms=core.clock.now_ms() + HOUR_MS)
    assert await take(core, until_ms=core.clock.now_ms() + HOUR_MS + 1) is None
    assert await take(core, until_ms=core.clock.now_ms() + HOUR_MS) is not None


@pytest.mark.parametrize(
    ("scopes", "renders"), [("", True), ("read+write+upload", False), ("read+write+render", True), ("*", True)]
)
async def test_an_export_needs_a_token_that_may_render(core: Core, scopes: str, renders: bool) -> None:
    await add(core, "a", scopes=scopes)
    assert (await take(core, "job_1") is not None) is renders
    assert await take(core, "job_2", needs=EDIT) is not None


async def test_a_refused_scope_is_remembered_and_keeps_a_token_from_those_who_need_it(core: Core) -> None:
    token = await add(core, "a", scopes="*")
    for _ in range(2):
        await core.tokens.note_denied(token, Scope.UPLOAD)
    await core.tokens.note_denied(token, Scope.RENDER)
    assert (await read(core, token)).denied == {"upload", "render"}
    assert await take(core, "job_1", needs=(*EDIT, Scope.UPLOAD)) is None
    assert await take(core, "job_2", needs=EXPORT) is None
    assert await take(core, "job_3", needs=EDIT) == token


async def test_nothing_is_written_of_a_token_that_was_removed(core: Core) -> None:
    token = await add(core, "a")
    await core.tokens.remove(token)
    await core.tokens.mark(token, TokenState.REVOKED)
    await core.tokens.note_denied(token, Scope.UPLOAD)
    assert await core.redis.keys("rg:tok*") == [key("removed_token", *Encryption([SECRET_KEY]).hashes("a")).encode()]


async def test_a_token_of_unknown_balance_may_be_tried(core: Core) -> None:
    token = await add(core, "a", available=None)
    assert await take(core, cost=10_000) == token


@pytest.mark.parametrize("state", [TokenState.EXPIRED, TokenState.REVOKED])
async def test_a_token_that_is_over_serves_nobody(core: Core, state: TokenState) -> None:
    token = await add(core, "a")
    await core.tokens.mark(token, state)
    core.clock.turn(by_s=86400)
    assert await take(core) is None
    assert await take(core, only=token) is None


async def test_a_token_that_rests_serves_again_after_its_time(core: Core) -> None:
    token = await add(core, "a")
    await core.tokens.mark(token, TokenState.RATE_LIMITED, rest_until_ms=core.clock.now_ms() + 30_000)
    assert await take(core) is None
    assert (await read(core, token)).state is TokenState.RATE_LIMITED
    core.clock.turn(by_s=30)
    assert (await read(core, token)).state is TokenState.ACTIVE
    assert await take(core) == token


async def test_a_shorter_rest_ends_no_longer_one(core: Core) -> None:
    token, now_ms = await add(core, "a"), core.clock.now_ms()
    for rest_until_ms in (now_ms + 3_600_000, now_ms + 30_000):
        await core.tokens.mark(token, TokenState.RATE_LIMITED, rest_until_ms=rest_until_ms)
    assert (await read(core, token)).rest_until_ms == now_ms + 3_600_000
    core.clock.turn(by_s=3601)
    await core.tokens.mark(token, TokenState.RATE_LIMITED, rest_until_ms=core.clock.now_ms() + 30_000)
    assert (await read(core, token)).rest_until_ms == now_ms + 3_631_000


@pytest.mark.parametrize("state", [TokenState.REVOKED, TokenState.EXPIRED, TokenState.EXHAUSTED])
async def test_a_rest_makes_no_token_better_than_it_is(core: Core, state: TokenState) -> None:
    token = await add(core, "a")
    await core.tokens.mark(token, state)
    await core.tokens.mark(token, TokenState.RATE_LIMITED, rest_until_ms=core.clock.now_ms() + 1)
    assert (await read(core, token)).state is state


@pytest.mark.parametrize("state", [TokenState.REVOKED, TokenState.EXPIRED])
@pytest.mark.parametrize("refused", ["credits", "an export"])
async def test_a_refusal_that_comes_late_makes_no_token_better_than_it_is(
    core: Core, state: TokenState, refused: str
) -> None:
    """Another job has found out meanwhile that the token is over."""
    token = await add(core, "a")
    await core.tokens.mark(token, state)
    if refused == "credits":
        await core.tokens.mark(token, TokenState.EXHAUSTED)
        await core.token_use.note_balance(token, available=60, frozen=0)
    else:
        await core.tokens.note_export_refused(token)
    assert (await read(core, token)).state is state
    assert await take(core, needs=EDIT) is None


async def test_a_token_whose_exports_are_blocked_still_edits(core: Core) -> None:
    token = await add(core, "a")
    for _ in range(2):
        await core.tokens.note_export_refused(token)
    assert await take(core, "job_1") is None
    assert await take(core, "job_2", needs=EDIT) == token


async def test_one_refused_export_makes_a_token_the_last_resort(core: Core) -> None:
    refused, other = await add(core, "a", expires_ms=core.clock.now_ms() + 10**7), await add(core, "b")
    await core.tokens.note_export_refused(refused)
    assert (await read(core, refused)).state is TokenState.EXPORT_BLOCKED
    assert await take(core, "job_1") == other
    await core.tokens.remove(other)
    assert await take(core, "job_2") == refused
    await core.export_on(refused)
    assert (await read(core, refused)).state is TokenState.ACTIVE


async def lookups(core: Core) -> int:
    return (await core.redis.info("commandstats"))["cmdstat_hget"]["calls"]


async def test_who_takes_a_token_has_its_secret_at_hand(core: Core) -> None:
    token = await add(core, "nmv_usr_a")
    for again in range(2):
        assert await take(core, "job_1") == token
        before = await lookups(core)
        assert await core.tokens.secret_of(token) == "nmv_usr_a"
        assert await lookups(core) == before, again
        core.clock.turn(by_s=2)
    assert await core.tokens.secret_of(token) == "nmv_usr_a"
    assert await lookups(core) == before + 1, "what is known goes stale"


async def test_who_takes_a_token_hears_of_a_secret_that_is_another_one_now(core: Core) -> None:
    token = await add(core, "nmv_usr_a")
    assert await core.tokens.secret_of(token) == "nmv_usr_a"
    await core.redis.hset(key("token", token), "secret", core.vault.lock("nmv_usr_b"))
    assert await take(core, "job_1") == token
    assert await core.tokens.secret_of(token) == "nmv_usr_b"


async def test_a_token_whose_secret_cannot_be_opened_is_taken_and_says_so_when_it_is_used(core: Core) -> None:
    token = await add(core, "nmv_usr_a")
    assert await core.tokens.secret_of(token) == "nmv_usr_a"
    await core.redis.hset(key("token", token), "secret", Encryption(["o" * 40]).lock("nmv_usr_a"))
    assert await take(core, "job_1") == token
    with pytest.raises(Undecryptable):
        await core.tokens.secret_of(token)


async def test_a_month_s_budget_holds_against_what_is_spent_and_what_is_promised(core: Core) -> None:
    await add(core, "a", available=10_000)
    await core.slots(10)
    first, second, third = [await core.begin(await core.submit()) for _ in range(3)]
    for claim in (first, second, second):  # asking again promises nothing twice
        assert await take(core, claim.job.id, month_limit=120)
    with pytest.raises(OverBudget):
        await take(core, third.job.id, month_limit=120)
    await core.finish(first)
    assert await take(core, third.job.id, month_limit=120), "what was promised and not spent is free again"
    assert "promised" not in await core.usage.of_month("acme", "2026-11")


async def test_what_running_jobs_were_promised_last_month_counts_in_this_one_and_once(core: Core) -> None:
    """They will end in this one, which counts what they have spent."""
    await add(core, "a", available=10_000)
    await core.slots(10)
    first, second, third = [await core.begin(await core.submit()) for _ in range(3)]
    assert await take(core, first.job.id, month_limit=120)
    core.clock.turn(by_s=31 * 86400)
    for claim in (second, first, first):
        assert await take(core, claim.job.id, month_limit=120)
    with pytest.raises(OverBudget):
        await take(core, third.job.id, month_limit=120)
    await core.finish(first)
    assert await take(core, third.job.id, month_limit=120)


async def test_an_exhausted_token_serves_again_once_its_balance_says_so(core: Core) -> None:
    token = await add(core, "a")
    await core.tokens.mark(token, TokenState.EXHAUSTED)
    await core.token_use.note_balance(token, available=0, frozen=0)
    assert await take(core) is None
    await core.token_use.note_balance(token, available=60, frozen=0)
    assert await take(core) == token


async def test_what_costs_nothing_runs_on_a_session_s_own_token_also_where_that_has_no_credits(core: Core) -> None:
    """An export is free of credits, and so is a question for them."""
    own, other = await add(core, "a"), await add(core, "b")
    await core.tokens.mark(own, TokenState.EXHAUSTED)
    assert await take(core, "job_1", only=own, cost=0) == own
    assert await take(core, "job_2", only=own) is None
    assert await take(core, "job_3", cost=0) == other
    await core.tokens.mark(own, TokenState.REVOKED)
    assert await take(core, "job_4", only=own, cost=0) is None


@pytest.mark.parametrize("lost_by", ["exhausted", "revoked"])
async def test_that_a_token_s_exports_are_refused_is_not_forgotten_where_it_was_something_else_meanwhile(
    core: Core, lost_by: str
) -> None:
    token = await add(core, "a")
    for _ in range(2):
        await core.tokens.note_export_refused(token)
    await core.tokens.mark(token, TokenState(lost_by))
    await core.token_use.note_balance(token, available=500, frozen=0)
    await core.tokens.mark(token, TokenState.ACTIVE)
    assert (await read(core, token)).state is TokenState.EXPORT_BLOCKED
    assert await take(core, "job_1") is None
    assert await take(core, "job_2", needs=EDIT) == token


async def test_an_export_that_worked_takes_a_refusal_back_that_came_before_the_token_was_exhausted(core: Core) -> None:
    """Else one more odd refusal, however much later, would close it to exports for good."""
    token = await add(core, "a")
    await core.tokens.note_export_refused(token)
    await core.tokens.mark(token, TokenState.EXHAUSTED)
    await core.token_use.note_balance(token, available=500, frozen=0)
    await core.export_on(token)
    await core.tokens.note_export_refused(token)
    assert await take(core, "job_1") == token


async def test_the_session_s_own_token_or_nothing(core: Core) -> None:
    own = await add(core, "a", available=50)
    await add(core, "b")
    assert await take(core, "job_1", only=own) == own
    assert await take(core, "job_2", only=own) is None
    assert await take(core, "job_1", only=own) == own
    assert (await read(core, own)).reserved == 50


async def test_the_anonymous_identity_serves_only_who_asks_for_it(core: Core) -> None:
    token = await add(core, "a", kind="anonymous")
    assert await take(core) is None
    assert await take(core, anonymous=True) == token
    assert not await core.tokens.serves("acme")
    assert await core.tokens.serving("acme", most=9) == Serving(named=False, tokens=[await read(core, token)])
    named = await add(core, "b", tenant="acme")
    assert await core.tokens.serves("acme")
    assert not await core.tokens.serves("other")
    assert await core.tokens.serving("acme", most=9) == Serving(named=True, tokens=[await read(core, named)])


async def test_taking_again_reserves_nothing_twice_also_where_the_job_holds_the_last_credits(core: Core) -> None:
    first = await add(core, "a", available=50, expires_ms=core.clock.now_ms() + HOUR_MS)
    second = await add(core, "b")
    job = await core.submit()
    assert [await take(core, job.id) for _ in range(3)] == [first, first, first]
    assert [(await read(core, t)).reserved for t in (first, second)] == [50, 0]


async def test_a_job_that_moves_to_another_token_lets_go_of_the_first(core: Core) -> None:
    first = await add(core, "a", expires_ms=core.clock.now_ms() + HOUR_MS)
    second = await add(core, "b")
    job = await core.submit()
    assert await take(core, job.id) == first
    await core.tokens.mark(first, TokenState.REVOKED)
    assert await take(core, job.id) == second
    assert [(await read(core, t)).reserved for t in (first, second)] == [0, 50]


async def test_the_end_frees_credits_that_the_record_never_heard_of(core: Core) -> None:
    token = await add(core, "a")
    job = await core.submit()
    claim = await core.begin(job)
    await take(core, job.id)
    await core.finish(claim)
    assert ((await read(core, token)).reserved, (await read(core, token)).in_flight) == (0, 0)


async def test_a_canceled_job_that_waits_for_its_start_frees_its_credits(core: Core) -> None:
    token = await add(core, "a")
    job = await core.submit()
    await take(core, job.id)
    await core.cancel(job)
    assert (await read(core, token)).reserved == 0


async def test_nobody_takes_credits_for_a_job_that_has_ended(core: Core) -> None:
    token = await add(core, "a")
    job = await core.submit()
    await core.run(job)
    assert await take(core, job.id) is None
    assert (await read(core, token)).reserved == 0


async def test_nobody_takes_credits_for_a_job_that_is_gone(core: Core) -> None:
    """Its worker was frozen for longer than it was kept."""
    token = await add(core, "a")
    asked = {"tenant": "acme", "cost": 50, "until_ms": 0, "needs": EDIT, "only": None, "anonymous": False}
    job = await core.submit()
    await core.run(job)
    await core.jobs.forget(job.id)
    assert await core.tokens.take(job_id=job.id, **asked) is None
    assert (await read(core, token)).reserved == 0
    assert await core.redis.exists(key("job", job.id)) == 0


async def test_settling_writes_the_balance_and_frees_once(core: Core) -> None:
    token = await add(core, "a", available=200)
    await take(core, "job_1")
    await take(core, "job_2", cost=70)
    for _ in range(3):
        assert await core.token_use.settle(token, job_id="job_1", available=150, frozen=10) == Settled(1, 0)
    facts = await read(core, token)
    assert (facts.available, facts.frozen, facts.reserved, facts.in_flight) == (150, 10, 70, 1)
    assert facts.read_at_ms == core.clock.now_ms()


async def test_settling_without_a_balance_keeps_the_one_that_is_known(core: Core) -> None:
    token = await add(core, "a", available=200)
    await take(core, "job_1")
    assert await core.token_use.settle(token, job_id="job_1", available=None, frozen=None) == Settled(0, 0)
    assert ((await read(core, token)).available, (await read(core, token)).reserved) == (200, 0)


async def test_an_anonymous_token_of_which_nobody_knows_when_it_is_over_is_removed_once_it_was_given_up(
    core: Core,
) -> None:
    present = await add(core, "a", kind="anonymous")
    old = await add(core, "b", kind="anonymous")
    await core.tokens.mark(old, TokenState.EXPIRED)
    core.clock.turn(by_s=60)
    await core.tokens.remove_old_anonymous(before_ms=core.clock.now_ms() - 90_000)
    assert {token.id for token in await core.tokens.all()} == {present, old}
    await core.tokens.remove_old_anonymous(before_ms=core.clock.now_ms())
    assert [token.id for token in await core.tokens.all()] == [present]


async def test_a_removed_token_does_not_come_back_by_what_is_said_of_it(core: Core) -> None:
    token = await add(core, "a")
    job = await core.submit()
    await take(core, job.id)
    assert await core.tokens.remove(token)
    await core.token_use.note_balance(token, available=5, frozen=0)
    assert await core.token_use.settle(token, job_id=job.id, available=5, frozen=0) == Settled(0, None)
    await core.tokens.mark(token, TokenState.REVOKED)
    assert await take(core, job.id, only=token) is None
    assert await core.tokens.get(token) is None
    assert await core.tokens.secret_of(token) is None
    assert not await core.tokens.remove(token)
    assert [name for name in await core.everything() if ":tok" in name and not name.endswith(":removed")] == []


async def test_a_token_added_twice_is_one_and_keeps_its_state(core: Core) -> None:
    token = await add(core, "nmv_usr_secret")
    await core.tokens.mark(token, TokenState.REVOKED)
    assert await add(core, "nmv_usr_secret") == token
    assert [(t.id, t.state) for t in await core.tokens.all()] == [(token, TokenState.REVOKED)]


async def test_a_token_that_was_removed_and_is_added_again_is_the_one_that_it_was(core: Core) -> None:
    token_id, other = await add(core, "a"), await add(core, "b")
    assert await core.tokens.remove(token_id)
    assert await add(core, "a") == token_id
    assert await core.tokens.secret_of(token_id) == "a"
    assert {token.id for token in await core.tokens.all()} == {token_id, other}
    await core.tokens.remove(token_id)
    core.tokens._encryption = Encryption(["n" * 40, SECRET_KEY])
    assert await add(core, "a") == token_id


async def test_what_was_sent_on_a_token_before_it_was_removed_is_known_when_it_is_added_again(core: Core) -> None:
    claim, token_id, _ = await listened_to(core)
    await core.tokens.remove(token_id)
    assert await add(core, "a") == token_id
    assert await core.token_use.use_of(token_id, job_id="another") == Use(sends=1, others_at_work=1)
    await core.token_use.settle(token_id, job_id=claim.job.id, available=950, frozen=0)
    assert await core.token_use.use_of(token_id, job_id="another") == Use(sends=1, others_at_work=0)


async def test_of_a_token_that_was_removed_nothing_is_left_after_some_time(core: Core) -> None:
    _, token_id, _ = await listened_to(core)
    [digest] = Encryption([SECRET_KEY]).hashes("a")
    await core.tokens.remove(token_id)
    for left in (key("removed_token", digest), key("token_sent", token_id)):
        assert 34 < await core.redis.pttl(left) / 86_400_000 <= 35
    assert await core.redis.exists(key("token", token_id), key("token_digest", digest)) == 0
    await add(core, "a")
    assert await core.redis.pttl(key("token_sent", token_id)) == -1


async def test_a_token_added_by_many_workers_at_once_is_one(core: Core) -> None:
    ids = await asyncio.gather(*(add(core, "nmv_usr_secret") for _ in range(20)))
    assert len(set(ids)) == len(await core.tokens.all()) == 1


async def test_redis_never_sees_a_token_s_secret_and_its_id_opens_it(core: Core) -> None:
    token = await add(core, "nmv_usr_very_secret")
    dump = repr(await core.everything())
    assert "nmv_usr_very" not in dump
    assert await core.tokens.secret_of(token) == "nmv_usr_very_secret"
    assert "very" not in repr(await read(core, token))


async def test_a_token_is_read_after_the_secret_key_was_rotated(core: Core) -> None:
    token = await add(core, "nmv_usr_secret")
    core.tokens._encryption = Encryption(["n" * 40, SECRET_KEY])
    assert await core.tokens.secret_of(token) == "nmv_usr_secret"


async def test_a_token_known_under_an_older_key_is_not_added_again(core: Core) -> None:
    token = await add(core, "nmv_usr_secret")
    core.tokens._encryption = Encryption(["n" * 40, SECRET_KEY])
    assert await add(core, "nmv_usr_secret") == token


async def test_all_workers_share_one_identity(core: Core) -> None:
    found = await asyncio.gather(*(core.identities.read(fresh_client_id=f"client-{n}") for n in range(10)))
    assert len({identity.client_id for identity in found}) == 1
    assert found[0].token_id is None
    await core.identities.write(token_id="tok_1", rest_until_ms=7)
    again = await core.identities.read(fresh_client_id="late")
    assert (again.client_id, again.token_id, again.rest_until_ms) == (found[0].client_id, "tok_1", 7)


async def test_one_worker_renews_the_identity_and_its_death_does_not_block_it(core: Core) -> None:
    owners = [f"w{n}" for n in range(10)]
    locks = await asyncio.gather(*(core.identities.lock(owner, for_s=30) for owner in owners))
    assert sum(locks) == 1
    assert 0 < await core.redis.pttl(key("anonymous_identity_lock")) <= 30_000
    for for_s in (0, 300):
        await core.identities.hold("whose lock has run out", for_s=for_s)
        assert 0 < await core.redis.pttl(key("anonymous_identity_lock")) <= 30_000
    owner = owners[locks.index(True)]
    await core.identities.hold(owner, for_s=300)
    assert await core.redis.pttl(key("anonymous_identity_lock")) > 30_000
    assert not await core.identities.lock("w", for_s=30)
    await core.identities.hold(owner, for_s=0)
    assert await core.identities.lock("w", for_s=30)


async def test_a_job_keeps_its_token_over_its_checkpoints(core: Core) -> None:
    token = await add(core, "a", available=50)
    claim = await core.begin(await core.submit())
    taken = transitions.token_taken(claim.job, token_id=str(await take(core, claim.job.id)))
    claim = await core.write(claim, taken)
    await core.write(claim, transitions.moved(claim.job, Stage.UPLOADING))
    assert await take(core, claim.job.id) == token
    assert (await read(core, token)).reserved == 50


async def test_a_token_with_fewer_credits_than_the_estimate_is_the_last_choice_and_not_tried_when_it_has_none(
    core: Core,
) -> None:
    poor, rich = await add(core, "a", available=40), await add(core, "b", available=50)
    await add(core, "c", available=0)
    assert await take(core, "job_1") == rich
    assert await take(core, "job_2") is None
    assert await take(core, "job_2", last_choice=True) == poor
    assert (await read(core, poor)).reserved == 50, "the budget counts what it may cost"
    assert await take(core, "job_3", last_choice=True) is None
    assert await take(core, "job_4", cost=0, only=poor) == poor, "what costs nothing needs no credits"


async def test_credits_that_were_refused_as_too_few_are_not_tried_again_for_such_a_message(core: Core) -> None:
    poor = await add(core, "a", available=40)
    await core.token_use.note_credits_refused("maker-free:edit", 40)
    assert await take(core, "job_1", kind="maker-free:edit", last_choice=True) is None
    assert await take(core, "job_2", kind="", least=41, last_choice=True) is None, "this job has heard it itself"
    assert await take(core, "job_3", kind="maker-free:generation", last_choice=True) == poor
    core.clock.turn(by_s=1)
    await core.token_use.settle(poor, job_id="job_3", available=41, frozen=0)
    assert await take(core, "job_1", kind="maker-free:edit", last_choice=True) == poor


async def test_a_smaller_remainder_that_was_refused_leaves_it_known_that_a_greater_one_was_too_few(core: Core) -> None:
    poor, kind = await add(core, "a", available=40), "maker-free:edit"
    for credits_ in (40, 10):
        await core.token_use.note_credits_refused(kind, credits_)
    assert await take(core, "job_1", kind=kind, last_choice=True) is None
    core.clock.turn(by_s=25 * 3600)
    await core.token_use.note_credits_refused(kind, 10)
    assert await take(core, "job_1", kind=kind, last_choice=True) == poor, "what was known is forgotten"


async def test_that_credits_were_too_few_is_forgotten_after_a_day_also_where_other_costs_are_learned(
    core: Core,
) -> None:
    poor, kind = await add(core, "a", available=40), "maker-free:edit"
    await core.token_use.note_credits_refused(kind, 40)
    taken = []
    for hours in (0, 23, 2):
        core.clock.turn(by_s=hours * 3600)
        await core.token_use.settle(poor, job_id="job_0", available=40, frozen=0, kind="trimmer-exe:edit", learned=50)
        taken += [await take(core, "job_1", kind=kind, last_choice=True)]
    assert taken == [None, None, poor]


async def test_what_the_last_message_did_cost_is_enough_for_the_next_and_contradicts_an_older_refusal(
    core: Core,
) -> None:
    poor, kind = await add(core, "a", available=40), "maker-free:edit"
    await core.token_use.note_credits_refused(kind, 40)
    await core.token_use.settle(poor, job_id="job_0", available=40, frozen=0, kind=kind, learned=5)
    assert await take(core, "job_1", kind=kind) == poor
    assert (await read(core, poor)).reserved == 50
    await core.token_use.settle(poor, job_id="job_1", available=40, frozen=0, kind=kind, learned=50)
    assert await take(core, "job_2", kind=kind) is None


async def test_what_a_message_did_cost_is_learned_at_the_number_of_messages_that_it_was_told_by(core: Core) -> None:
    poor, kind = await add(core, "a", available=40), "maker-free:edit"
    how = {"available": 40, "frozen": 0, "kind": kind, "learned": 5}
    await core.redis.hset(key("token", poor), "taken", 3)
    assert await core.token_use.settle(poor, job_id="job_0", learned_at=2, **how) == Settled(0, 3)
    assert await take(core, "job_1", kind=kind) is None
    assert await core.token_use.settle(poor, job_id="job_0", learned_at=3, **how) == Settled(0, 3)
    assert await take(core, "job_1", kind=kind) == poor


async def test_a_message_counts_as_sent_from_its_intent_until_it_is_settled_or_refused(core: Core) -> None:
    token_id = await add(core, "a")
    job = await core.submit()
    claim = await core.begin(job)
    assert await take(core, job.id) == token_id
    taken = transitions.token_taken(claim.job, token_id=token_id)
    sending = transitions.sending(taken, sent=Sent(at_ms=1, before="d", cost=50))
    claim = await core.write(claim, sending)
    sent_ms = core.clock.now_ms()
    assert await core.token_use.sent_on(token_id) == {job.id: SentMessage(50, sent_ms)}
    assert await core.token_use.use_of(token_id, job_id=job.id) == Use(sends=1, others_at_work=0)
    assert await core.token_use.use_of(token_id, job_id="another") == Use(sends=1, others_at_work=1)
    claim = await core.write(claim, transitions.message_refused(claim.job))
    assert await core.token_use.sent_on(token_id) == {}
    claim = await core.write(claim, msgspec.structs.replace(sending, version=claim.job.version + 1))
    assert (await core.token_use.settle(token_id, job_id="another", available=950, frozen=0)).sends is None
    assert (await core.token_use.settle(token_id, job_id=job.id, available=950, frozen=0)).sends == 2
    assert await core.token_use.use_of(token_id, job_id="another") == Use(sends=2, others_at_work=0)


async def listened_to(core: Core, **alone: int) -> tuple[Claim, str, int]:
    """A job whose message was sent on a token, and whose stream has closed by itself; and when it was sent."""
    token_id = await add(core, "a")
    claim = await core.begin(await core.submit())
    taken = transitions.token_taken(claim.job, token_id=token_id)
    claim = await core.write(claim, transitions.sending(taken, sent=Sent(at_ms=1, before="d", cost=50, **alone)))
    sent_ms = core.clock.now_ms()
    assert await core.token_use.sent_on(token_id) == {claim.job.id: SentMessage(50, sent_ms)}
    core.clock.turn(by_s=1)
    return await core.write(claim, transitions.stream_closed(claim.job, now_ms=core.clock.now_ms())), token_id, sent_ms


async def test_nobody_is_told_that_a_stream_has_closed_where_the_job_is_alone_and_settles_at_once(core: Core) -> None:
    claim, token_id, sent_ms = await listened_to(core, sends=0)
    assert await core.token_use.sent_on(token_id) == {claim.job.id: SentMessage(50, sent_ms)}


async def test_others_are_told_as_soon_as_it_is_not_certain_what_the_message_did(core: Core) -> None:
    claim, token_id, _ = await listened_to(core, sends=0)
    await core.write(claim, transitions.confirmation_needed(claim.job, now_ms=core.clock.now_ms()))
    assert await core.token_use.sent_on(token_id) == {claim.job.id: SentMessage(50, 0)}


async def test_others_are_told_at_once_where_others_use_the_token(core: Core) -> None:
    claim, token_id, _ = await listened_to(core)
    assert await core.token_use.sent_on(token_id) == {claim.job.id: SentMessage(50, 0)}


async def test_others_are_told_where_a_cancel_ends_the_stream(core: Core) -> None:
    claim, token_id, _ = await listened_to(core, sends=0)
    await core.cancel(claim.job)
    assert await core.token_use.sent_on(token_id) == {claim.job.id: SentMessage(50, 0)}


async def test_an_end_takes_back_that_a_message_is_being_worked_on(core: Core) -> None:
    token_id = await add(core, "a")
    job = await core.submit()
    claim = await core.begin(job)
    await take(core, job.id)
    taken = transitions.token_taken(claim.job, token_id=token_id)
    claim = await core.write(claim, transitions.sending(taken, sent=Sent(at_ms=1, before="d", cost=50)))
    await core.finish(claim, Code.EDIT_UNCONFIRMED)
    assert await core.token_use.sent_on(token_id) == {}
