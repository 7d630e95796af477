"""What a tenant's tokens come to: it is what a look at all of them would find, and costs the same however many there are."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from core.errors import Code, Permanent, Temporary
from core.model.token import OVER, Scope, Token, TokenKind, TokenState, TokenSums, token_kind_of
from core.store.formats import Membership
from core.store.redis.keys import key
from tests.api_fixture import running_api
from tests.integration.test_store_gauges import commands
from tests.integration.test_token_index import add_some, something_happens
from tests.peer_fixture import answered, peer
from tests.store_fixture import Core, core
from tests.worker_fixture import Calls, context_over
from worker.context import WorkerContext
from worker.rpc import run_rpc_server
from worker.tokens.availability import BALANCES_READ_ANEW, is_over

__all__ = ["core"]

HOUR_MS = 3_600_000
POOR = answered({"code": 0, "data": {"available": 0}})
#: nothing that Redis is asked to do at once may be as large as the pool
ONE_PAGE = 4000


def kind_at(token: Token, now_ms: int) -> TokenKind:
    """One whose time has passed is of a kind that has expired; the anonymous identity's has a successor."""
    is_past = token.kind != "anonymous" and is_over(token, now_ms=now_ms - 1) and token.state not in OVER
    return token_kind_of(token._replace(state=TokenState.EXPIRED) if is_past else token)


def summed(tokens: Sequence[Token], tenant: str, now_ms: int) -> TokenSums:
    """The rule, as a look at every token."""
    named = [t for t in tokens if t.kind != "anonymous" and t.tenant in ("", tenant)]
    serving = named or [t for t in tokens if t.kind == "anonymous" and t.state is not TokenState.EXPIRED]
    # a token serves in the very millisecond in which it expires
    known = [t for t in serving if not is_over(t, now_ms=now_ms - 1) and t.available is not None]
    return TokenSums(
        sure=True,
        kinds=frozenset(kind_at(token, now_ms) for token in serving),
        known=len(known),
        available=sum(t.available or 0 for t in known),
        frozen=sum(t.frozen or 0 for t in known),
        read_ms=min((t.read_at_ms for t in known if t.read_at_ms), default=None),
    )


@pytest.mark.parametrize("seed", range(6))
async def test_the_sums_are_what_a_look_at_all_tokens_would_find_whatever_happens_to_them(
    core: Core, seed: int
) -> None:
    dice = random.Random(seed)
    ids = await add_some(core, dice, 24)
    for _ in range(80):
        await something_happens(core, dice, dice.choice(ids))
        pool, now_ms = await core.tokens.all(), core.clock.now_ms()
        for tenant in ("acme", "other", "nobody"):
            assert await core.tokens.sums(tenant) == summed(pool, tenant, now_ms), tenant


async def test_credits_of_a_token_that_expires_are_nobodys_any_more_although_nobody_says_so(core: Core) -> None:
    soon = core.clock.now_ms() + HOUR_MS
    for n in range(300):  # more than are looked at in one call
        await core.tokens.add(f"soon {n}", kind="operator", available=1, expires_ms=soon)
    await core.tokens.add("stays", kind="operator", available=1000)
    assert (await core.tokens.sums("acme")).available == 1300
    core.clock.turn(by_s=HOUR_MS / 1000 + 1)
    for _ in range(3):
        await core.gauges()
    assert (await core.tokens.sums("acme")).available == 1000


async def test_a_token_that_was_revoked_has_no_credits_and_still_says_what_it_could(core: Core) -> None:
    token_id = await core.tokens.add("a", kind="operator", available=500, scopes="read+write")
    await core.tokens.mark(token_id, TokenState.REVOKED)
    found = await core.tokens.sums("acme")
    assert (found.known, found.available) == (0, 0)
    assert found.kinds == {TokenKind(frozenset({Scope.READ, Scope.WRITE}), TokenState.REVOKED)}


async def forget_index(core: Core) -> None:
    """Leave Redis as a release does that knows no index of tokens."""
    names = [name async for name in core.redis.scan_iter("rg:toks*")]
    await core.redis.delete(key("token_sums"), *names)


async def add_tokens(core: Core, number: int, **facts: object) -> None:
    for start in range(0, number, 100):
        some = range(start, min(number, start + 100))
        facts_of = {"kind": "operator", "available": 7} | facts
        await asyncio.gather(*(core.tokens.add(f"{number} {n} {facts}", **facts_of) for n in some))


async def largest_operation(core: Core, act: Callable[[], Awaitable[object]]) -> int:
    """How much Redis does at once for something, in commands: the others wait so long."""
    largest, run = 0, core.store.run

    async def counting(*asked, **how):
        nonlocal largest
        result: list[object] = []

        async def call() -> None:
            result.append(await run(*asked, **how))

        largest = max(largest, sum((await commands(core, call)).values()))
        return result[0]

    core.store.run = counting  # type: ignore[method-assign]
    try:
        await act()
    finally:
        core.store.run = run  # type: ignore[method-assign]
    return largest


async def test_after_an_upgrade_the_sums_are_made_in_pages_and_whoever_asks_first_gets_all_of_it(core: Core) -> None:
    await add_tokens(core, 2000)
    await forget_index(core)
    found: list[TokenSums] = []

    async def ask() -> None:
        found.append(await core.tokens.sums("acme"))

    assert await largest_operation(core, ask) < ONE_PAGE
    assert (found[0].sure, found[0].known, found[0].available) == (True, 2000, 14_000)
    assert sum((await commands(core, ask)).values()) < 30
    assert await core.redis.exists(key("token_scan")) == 0


async def test_after_an_upgrade_the_one_that_counts_makes_the_sums_in_pages(core: Core) -> None:
    await add_tokens(core, 500)
    await forget_index(core)
    assert await largest_operation(core, core.gauges) < ONE_PAGE
    for _ in range(20):
        await core.gauges()
    assert (await core.gauges()).credits["available"] == 3500
    assert sum((await commands(core, lambda: core.tokens.sums("acme"))).values()) < 30


async def test_a_take_after_an_upgrade_looks_at_a_page_and_a_job_finds_the_one_token_that_will_do(
    core: Core, tmp_path: Path
) -> None:
    await add_tokens(core, 1500, scopes="read")
    able = await core.tokens.add("able", kind="operator", available=500)
    async with peer(POOR) as remote, context_over(core, tmp_path, backend=remote.url) as context:
        await forget_index(core)
        job = await core.submit()
        taken: list[str] = []

        async def reserve() -> None:
            taken.append(await context.token_pool.reservations.reserve(job, core.submission(job).session))

        assert await largest_operation(core, reserve) < ONE_PAGE
    assert taken == [able]


async def why_not(core: Core, context: WorkerContext) -> Permanent | Temporary:
    job = await core.submit()
    with pytest.raises((Permanent, Temporary)) as why:
        await context.token_pool.reservations.reserve(job, core.submission(job).session)
    return why.value


async def test_beside_a_release_that_keeps_no_sums_no_job_ends_for_want_of_a_token(core: Core, tmp_path: Path) -> None:
    async with peer(POOR) as remote, context_over(core, tmp_path, backend=remote.url) as context:
        await core.tokens.add("a", kind="operator", available=500, scopes="read")
        await core.redis.hset(key("formats"), "first_until_ms", str(core.clock.now_ms() + 10_000))  # type: ignore[misc]
        assert isinstance(await why_not(core, context), Temporary)
        core.clock.turn(by_s=11)
        why = await why_not(core, context)
    assert isinstance(why, Permanent)
    assert why.code is Code.SCOPE_MISSING


@pytest.mark.parametrize("number", [1, 40, 700])
async def test_one_token_among_many_that_could_serve_keeps_a_job_from_its_end(
    core: Core, tmp_path: Path, number: int
) -> None:
    async with peer(POOR) as remote, context_over(core, tmp_path, backend=remote.url) as context:
        await add_tokens(core, number, scopes="read")
        able = await core.tokens.add("able", kind="operator", available=0)
        for state in (TokenState.EXHAUSTED, TokenState.RATE_LIMITED, TokenState.ACTIVE):
            await core.tokens.mark(able, state, rest_until_ms=core.clock.now_ms() + 50_000)
            assert isinstance(await why_not(core, context), Temporary), state
        await core.tokens.remove(able)
        assert isinstance(await why_not(core, context), Permanent)


async def test_an_id_in_the_pool_without_a_token_is_nobodys_named_token(core: Core) -> None:
    await core.redis.sadd(key("tokens"), "tok_ghost")  # type: ignore[misc]
    await core.tokens.add("anonymous one", kind="anonymous", available=100)
    assert not await core.tokens.serves("acme"), "else nobody would be anonymous, for a token that nobody sees"
    assert (await core.tokens.sums("acme")).available == 100
    assert await core.tokens.remove("tok_ghost")
    assert not await core.tokens.remove("tok_ghost")


async def test_an_anonymous_token_that_was_replaced_keeps_no_job_from_its_end(core: Core, tmp_path: Path) -> None:
    hour = core.clock.now_ms() + HOUR_MS
    async with peer(POOR) as remote, context_over(core, tmp_path, backend=remote.url) as context:
        old = await core.tokens.add("last week's", kind="anonymous", available=0)
        await core.tokens.mark(old, TokenState.EXPIRED)
        present = await core.tokens.add("this week's", kind="anonymous", available=0, expires_ms=hour)
        identity = await core.identities.read(fresh_client_id="c")
        await core.identities.write(token_id=present, rest_until_ms=0, refusals=0)
        assert identity.token_id is None
        for _ in range(2):
            await core.tokens.note_export_refused(present)
        why = await why_not(core, context)
    assert isinstance(why, Permanent)
    assert why.code is Code.EXPORT_BLOCKED


async def test_one_refused_export_ends_no_job_that_waits_for_credits_and_two_do(core: Core, tmp_path: Path) -> None:
    async with peer(POOR) as remote, context_over(core, tmp_path, backend=remote.url) as context:
        only = await core.tokens.add("only", kind="operator", available=0)
        await core.tokens.note_export_refused(only)
        assert isinstance(await why_not(core, context), Temporary)
        await core.tokens.note_export_refused(only)
        why = await why_not(core, context)
    assert isinstance(why, Permanent)
    assert why.code is Code.EXPORT_BLOCKED


async def test_what_a_release_without_sums_has_changed_is_looked_at_before_a_job_ends(
    core: Core, tmp_path: Path
) -> None:
    rich = answered({"code": 0, "data": {"available": 500}})
    async with peer(rich) as remote, context_over(core, tmp_path, backend=remote.url) as context:
        await add_tokens(core, 250, scopes="read")
        mended = await core.tokens.add("mended", kind="operator", available=500, scopes="read")
        assert isinstance(await why_not(core, context), Permanent)
        await core.redis.hset(key("formats"), "first_until_ms", str(core.clock.now_ms() + 10_000))  # type: ignore[misc]
        await core.redis.hset(key("token", mended), "scopes", "")  # type: ignore[misc]
        core.clock.turn(by_s=11)
        job = await core.submit()
        assert await context.token_pool.reservations.reserve(job, core.submission(job).session) == mended


async def test_after_a_roll_back_and_forward_again_that_never_overlapped_the_sums_are_made_anew(core: Core) -> None:
    def process(name: str) -> Membership:
        return Membership(
            core.store, core.clock, kind="worker", process_id=name, secret_key_names=["k"], lease_s=1, settle_s=60
        )

    first, second = process("first"), process("second")
    await first.note()
    changed = await core.tokens.add("a", kind="operator", available=7, scopes="read")
    assert (await core.tokens.sums("acme")).available == 7
    await first.leave()
    core.clock.turn(by_s=86400)  # the last release is at work
    await core.redis.hset(key("token", changed), mapping={"scopes": "", "available": "9"})  # type: ignore[misc]
    await second.note()
    found = await core.tokens.sums("acme")
    assert (found.available, found.kinds) == (9, {TokenKind(frozenset(Scope), TokenState.ACTIVE)})
    assert sum((await commands(core, lambda: core.tokens.sums("acme"))).values()) < 20


GARBAGE = [
    *((name, value) for name in ("available", "frozen", "reserved", "expires_ms", "rest_until_ms", "read_at_ms")
      for value in ("inf", "-inf", "nan", "1e300", "words", "")),
    *((name, value) for name in ("state", "tenant", "kind") for value in ("a|b", "", "\xff", "- -")),
    ("blocked", "nan"), ("doubt scope read", "words"), ("denied", "|||"), ("scopes", "|"), ("taken", "words"),
]  # fmt: skip


@pytest.mark.parametrize(("field", "garbage"), GARBAGE)
async def test_a_token_of_which_nobody_can_make_sense_keeps_no_other_from_serving(
    core: Core, field: str, garbage: str
) -> None:
    odd = await core.tokens.add("odd", kind="operator", tenant="acme", available=50, expires_ms=core.clock.now_ms() + 9)
    await core.redis.hset(key("token", odd), field, garbage)  # type: ignore[misc]
    good = await core.tokens.add("good", kind="operator", available=500)
    await core.gauges()
    await core.tokens.mark(odd, TokenState.RATE_LIMITED, rest_until_ms=core.clock.now_ms() + 5)
    core.clock.turn(by_s=1)
    await core.gauges()
    job = await core.submit()
    how = {"needs": (Scope.READ,), "only": None, "anonymous": False}
    taken = await core.tokens.take(tenant="acme", job_id=job.id, cost=100, until_ms=core.clock.now_ms(), **how)
    assert taken == good
    assert (await core.tokens.sums("acme")).available >= 500
    await core.tokens.remove(odd)
    await core.gauges()
    found = await core.tokens.sums("acme")
    assert (found.known, found.available) == (1, 500)
    assert found.kinds == {TokenKind(frozenset(Scope), TokenState.ACTIVE)}


async def change_unheard(core: Core, dice: random.Random, token_id: str) -> None:
    """Do what a release without an index does."""
    token = key("token", token_id)
    digest = await core.redis.hget(token, "digest")  # type: ignore[misc]
    match dice.choice(["state", "available", "scopes", "tenant", "gone"]) if digest else "nothing":
        case "gone":
            await core.redis.srem(key("tokens"), token_id)  # type: ignore[misc]
            await core.redis.delete(token, key("token_digest", digest.decode()))
        case "nothing":
            pass
        case field:
            values = {"state": ["active", "revoked", "exhausted"], "available": ["0", "70"], "scopes": ["", "read"]}
            chosen = dice.choice(values.get(field, ["", "acme", "other"]))
            await core.redis.hset(token, field, chosen)  # type: ignore[misc]


@pytest.mark.parametrize("seed", range(4))
async def test_sums_that_are_made_anew_by_two_at_once_in_several_goes_while_tokens_change_are_right(
    core: Core, seed: int
) -> None:
    dice = random.Random(seed)
    kinds = ["operator", "anonymous"] if seed % 2 else ["operator"]
    facts = {"available": [None, 5, 70], "tenant": ["", "acme", "other"], "kind": kinds, "scopes": ["", "read"]}
    ids = [
        await core.tokens.add(str(n), **{name: dice.choice(some) for name, some in facts.items()})  # type: ignore[arg-type]
        for n in range(250)
    ]
    for turn in range(3):
        await core.redis.hset(key("formats"), "first_until_ms", str(core.clock.now_ms() + 10_000))  # type: ignore[misc]
        for _ in range(30):
            await change_unheard(core, dice, dice.choice(ids))
        core.clock.turn(by_s=11)
        for goes in range(turn):
            await core.gauges()
            await core.tokens.mark(dice.choice(ids), TokenState.EXHAUSTED)
            ids.append(await core.tokens.add(f"new {turn} {goes}", kind="operator", available=3))
            await core.tokens.remove(dice.choice(ids))
        found = await asyncio.gather(*(core.tokens.sums(tenant) for tenant in ("acme", "acme", "nobody")))
        pool, now_ms = await core.tokens.all(), core.clock.now_ms()
        assert found == [summed(pool, tenant, now_ms) for tenant in ("acme", "acme", "nobody")]


# What it costs.


async def add_tenants(core: Core, number: int) -> None:
    """Tenants, each with a token of its own."""
    tenants = [f"t{number}-{n}" for n in range(number)]
    for start in range(0, number, 100):
        some = tenants[start : start + 100]
        await asyncio.gather(*(core.tokens.add(t, kind="operator", tenant=t, available=7, scopes="read") for t in some))
    await core.redis.sadd(key("tenants"), *tenants)  # type: ignore[misc]


#: as few as are all read anew, and as many as nobody reads all of
GROWTH = pytest.mark.parametrize(("add", "few", "many"), [(add_tokens, 20, 5000), (add_tenants, 20, 1000)])
Add = Callable[[Core, int], Awaitable[None]]


@GROWTH
async def test_a_call_for_the_credits_costs_the_same_however_many_tokens_and_tenants_there_are(
    core: Core, tmp_path: Path, add: Add, few: int, many: int
) -> None:
    calls, url = Calls(), core.settings.redis_url.get_secret_value()
    async with (
        peer(answered({"code": 0, "data": {"available": 7, "frozen": 0}})) as remote,
        context_over(core, tmp_path, backend=remote.url, calls=calls) as context,
        running_api(url, tmp_path, clock=core.clock) as api,
        asyncio.TaskGroup() as tasks,
    ):
        worker = tasks.create_task(run_rpc_server(context, asyncio.Event()))

        async def cost() -> tuple[int, int]:
            core.clock.turn(by_s=1)
            asked = calls["credits"]
            done = await commands(core, lambda: api.http.get("/v1/credits"))
            return sum(done.values()), calls["credits"] - asked

        await core.tokens.add("acme's", kind="operator", tenant="acme", available=7)
        await add(core, few)
        await cost()
        few_done, few_asked = await cost()
        await add(core, many - few)
        await cost()
        many_done, many_asked = await cost()
        worker.cancel()
    assert 0 < few_asked == many_asked <= BALANCES_READ_ANEW
    assert many_done <= 1.1 * few_done
    assert many_done < 60 + 30 * BALANCES_READ_ANEW


@GROWTH
async def test_the_end_of_a_job_for_want_of_a_token_costs_the_same_however_many_there_are(
    core: Core, tmp_path: Path, add: Add, few: int, many: int
) -> None:
    async with peer(POOR) as remote, context_over(core, tmp_path, backend=remote.url) as context:
        for n in range(40):  # as many as are looked at, whatever else is there
            await core.tokens.add(f"acme {n}", kind="operator", tenant="acme", available=7, scopes="read")
            await core.tokens.add(f"all {n}", kind="operator", available=7, scopes="read")

        async def cost() -> int:
            core.clock.turn(by_s=60)
            done = await commands(core, lambda: why_not(core, context))
            return sum(done.values())

        async def ended() -> Permanent | Temporary:
            return await why_not(core, context)

        await add(core, few) if add is add_tenants else await add_tokens(core, few, scopes="read")
        few_done = await cost()
        await add(core, many - few) if add is add_tenants else await add_tokens(core, many - few, scopes="read")
        many_done = await cost()
        assert isinstance(await ended(), Permanent)
    assert many_done <= 1.1 * few_done


@GROWTH
async def test_the_sums_cost_as_good_as_nothing(core: Core, add: Add, few: int, many: int) -> None:
    async def cost() -> int:
        return sum((await commands(core, lambda: core.tokens.sums("acme"))).values())

    await add(core, few)
    few_done = await cost()
    await add(core, many - few)
    assert await cost() <= few_done + 2 < 20


@pytest.mark.parametrize("number", [3, BALANCES_READ_ANEW])
async def test_of_few_tokens_each_balance_is_read_anew_and_of_many_all_come_in_turn(
    core: Core, tmp_path: Path, number: int
) -> None:
    rich = answered({"code": 0, "data": {"available": 9, "frozen": 1}})
    async with peer(rich) as remote, context_over(core, tmp_path, backend=remote.url) as context:
        await add_tokens(core, number)
        await context.token_pool.read_balances("acme", profile=core.settings.default_profile)
        assert (await core.tokens.sums("acme")).available == 9 * number
        await add_tokens(core, 50)
        for _ in range(20):
            core.clock.turn(by_s=1)
            await context.token_pool.read_balances("acme", profile=core.settings.default_profile)
        found = await core.tokens.sums("acme")
        assert (found.available, found.frozen) == (9 * (number + 50), number + 50)
        read_ms = [t.read_at_ms for t in await core.tokens.all()]
    assert found.read_ms == min(t for t in read_ms if t)
