"""The index of backend tokens: it finds what a look at every token would find, and costs the same however many there are."""

import random
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import pytest

from core.clock import HandClock
from core.model.token import OVER, REFUSED_EXPORTS, Scope, Token, TokenState, token_kind_of
from core.store.redis.functions import REFUSAL_FORGOTTEN_MS
from core.store.redis.keys import key
from tests.integration.test_store_gauges import commands
from tests.store_fixture import Core, core, in_hundreds

__all__ = ["core"]

HOUR_MS = 3_600_000
ALL = tuple(Scope)
TENANTS = ("acme", "other")


class Known(NamedTuple):
    """A token, with what only its hash tells."""

    token: Token
    blocked: int
    doubts: frozenset[Scope]


async def pool(core: Core) -> list[Known]:
    found = []
    for token in await core.tokens.all():
        row = await core.redis.hgetall(key("token", token.id))  # type: ignore[misc]
        now_ms = core.clock.now_ms()
        said = {scope: int(row.get(f"doubt scope {scope}".encode(), 0)) for scope in Scope}
        doubts = frozenset(scope for scope, at_ms in said.items() if at_ms and now_ms - at_ms <= REFUSAL_FORGOTTEN_MS)
        found.append(Known(token, int(row.get(b"blocked", 0)), doubts))
    return found


def fits(known: Known, ask: dict[str, Any]) -> bool:
    """The rule, as a look at one token."""
    token, exports = known.token, Scope.RENDER in ask["needs"]
    if token.state is TokenState.EXPORT_BLOCKED:
        if exports and known.blocked >= REFUSED_EXPORTS:
            return False
    elif token.state is not TokenState.ACTIVE:
        return False
    alive = token.expires_ms is None or token.expires_ms >= ask["until_ms"]
    free = None if token.available is None else token.available - token.reserved
    enough = ask["cost"] == 0 or free is None or free >= ask["cost"]
    own = token.tenant in ("", ask["tenant"]) and (ask["anonymous"] or token.kind != "anonymous")
    return alive and enough and own and token.may(ask["needs"])


def order(known: Known, ask: dict[str, Any]) -> tuple[bool, bool, float]:
    """First those that were never refused, then a tenant's own, then who expires first."""
    token = known.token
    blocked = Scope.RENDER in ask["needs"] and token.state is TokenState.EXPORT_BLOCKED
    doubted = blocked or bool(known.doubts & set(ask["needs"]))
    return doubted, token.tenant == "", token.expires_ms or float("inf")


def choices(tokens: list[Known], ask: dict[str, Any]) -> set[str]:
    """All that are as good as the best."""
    fitting = [known for known in tokens if fits(known, ask)]
    best = min((order(known, ask) for known in fitting), default=None)
    equals = [known for known in fitting if order(known, ask) == best]
    if not ask["unread"] and equals and all(known.token.available is None for known in equals):
        return set()
    return {known.token.id for known in equals}


def some_ask(core: Core, dice: random.Random) -> dict[str, Any]:
    return {
        "tenant": dice.choice(TENANTS),
        "cost": dice.choice([0, 1, 49, 50, 64, 100, 1000]),
        "until_ms": core.clock.now_ms() + dice.choice([0, HOUR_MS]),
        "needs": dice.sample(ALL, dice.randrange(1, 5)),
        "only": None,
        "anonymous": dice.random() < 0.2,
        "unread": dice.random() < 0.7,
    }


async def add_some(core: Core, dice: random.Random, number: int) -> list[str]:
    now_ms = core.clock.now_ms()
    return [
        await core.tokens.add(
            f"secret {dice.random()}",
            kind=dice.choice(["operator"] * 4 + ["anonymous"]),
            tenant=dice.choice(["", "", *TENANTS]),
            expires_ms=dice.choice([None, now_ms + dice.randrange(-HOUR_MS, 3 * HOUR_MS)]),
            available=dice.choice([None, 0, 49, 50, 63, 64, 65, 100, dice.randrange(2000)]),
            scopes=dice.choice(["", "*", "read", "read+write", "read+write+upload+render"]),
        )
        for _ in range(number)
    ]


async def something_happens(core: Core, dice: random.Random, token_id: str) -> None:
    """What jobs and refusals do to a token."""
    match dice.randrange(7):
        case 0:
            rest_until_ms = core.clock.now_ms() + dice.randrange(60_000)
            await core.tokens.mark(token_id, TokenState.RATE_LIMITED, rest_until_ms=rest_until_ms)
        case 1:
            await core.tokens.mark(token_id, dice.choice([TokenState.EXHAUSTED, TokenState.ACTIVE, TokenState.EXPIRED]))
        case 2:
            await core.token_use.note_balance(token_id, available=dice.randrange(200), frozen=dice.randrange(5))
        case 3:
            await (core.export_on if dice.random() < 0.3 else core.tokens.note_export_refused)(token_id)
        case 4:
            await core.tokens.note_refusal(token_id, f"scope {dice.choice(ALL)}")
        case 5:
            await core.tokens.note_denied(token_id, dice.choice(ALL))
        case 6 if dice.random() < 0.3:
            await core.tokens.remove(token_id)
    core.clock.turn(by_s=dice.choice([0, 1, 40, 1000]))


@pytest.mark.parametrize("seed", range(6))
async def test_the_index_finds_what_a_look_at_all_tokens_would_find(core: Core, seed: int) -> None:
    dice = random.Random(seed)
    ids = await add_some(core, dice, 24)
    for n in range(60):
        await something_happens(core, dice, dice.choice(ids))
        ask = some_ask(core, dice)
        good = choices(await pool(core), ask)
        await core.let_run(f"job_{n}")
        taken = await core.tokens.take(job_id=f"job_{n}", **ask)
        assert (taken in good) if good else taken is None, (n, ask, good)
        if taken and dice.random() < 0.5:
            await core.token_use.settle(taken, job_id=f"job_{n}", available=None, frozen=None)
        known = await pool(core)
        found = await core.gauges()
        assert {s: c for s, c in found.tokens.items() if c} == counted(known, core.clock.now_ms())
        assert found.credits == credits_of(known, core.clock.now_ms())


def is_past(token: Token, now_ms: int) -> bool:
    return bool(token.expires_ms) and token.expires_ms < now_ms


def counted(tokens: list[Known], now_ms: int) -> dict[TokenState, int]:
    """Count as an operator would: one whose time has passed has expired, unless its like is fetched when somebody needs one.

    One refused export may be a mishap, and the token serves.
    """
    states = [
        TokenState.EXPIRED
        if is_past(token, now_ms) and token.kind != "anonymous" and token.state not in OVER
        else token_kind_of(token).state
        for token, _, _ in tokens
    ]
    return {state: states.count(state) for state in TokenState if state in states}


def credits_of(tokens: list[Known], now_ms: int) -> dict[str, int]:
    """Count what can be spent, and what is spoken for."""
    every = [known.token for known in tokens]
    alive = [token for token in every if token.state not in OVER and not is_past(token, now_ms)]
    return {
        "available": sum(token.available or 0 for token in alive),
        "frozen": sum(token.frozen or 0 for token in alive),
        "reserved": sum(token.reserved for token in every),
    }


async def test_a_token_that_is_over_has_no_credits_to_show_and_serves_no_more(core: Core) -> None:
    """An alert goes by these: what nobody can spend hid that the rest ran out."""
    at_ms = core.clock.now_ms() + HOUR_MS
    revoked = await core.tokens.add("a", kind="operator", available=5000)
    await core.tokens.add("b", kind="operator", available=700, expires_ms=at_ms)
    await core.tokens.add("c", kind="operator", available=30)
    await core.tokens.mark(revoked, TokenState.REVOKED)
    found = await core.gauges()
    assert (found.tokens[TokenState.ACTIVE], found.credits["available"]) == (2, 730)
    core.clock.turn(by_s=HOUR_MS / 1000 + 1)
    found = await core.gauges()
    assert found.tokens == dict.fromkeys(TokenState, 0) | {
        TokenState.ACTIVE: 1,
        TokenState.EXPIRED: 1,
        TokenState.REVOKED: 1,
    }
    assert found.credits["available"] == 30


@pytest.fixture(autouse=True)
async def job_1(core: Core) -> None:
    await core.let_run("job_1")


async def take(core: Core, **ask: Any) -> str | None:
    now_ms = core.clock.now_ms()
    asked = {"tenant": "acme", "cost": 50, "until_ms": now_ms, "needs": ALL, "only": None, "anonymous": False}
    return await core.tokens.take(job_id="job_1", **(asked | ask))


@pytest.mark.parametrize("expiry", ["early", "late"])
async def test_one_that_has_the_credits_is_found_behind_a_hundred_that_lack_one(core: Core, expiry: str) -> None:
    now_ms = core.clock.now_ms()
    for n in range(100):
        await core.tokens.add(f"poor {n}", kind="operator", available=49, expires_ms=now_ms + HOUR_MS + n)
    for n in range(100):
        await core.tokens.add(f"over {n}", kind="operator", available=51, expires_ms=now_ms + n)
    at_ms = now_ms + HOUR_MS if expiry == "early" else now_ms + 2 * HOUR_MS
    rich = await core.tokens.add("rich", kind="operator", available=50, expires_ms=at_ms)
    assert await take(core, until_ms=now_ms + HOUR_MS) == rich


async def test_where_too_many_are_in_between_for_one_look_each_is_looked_at_within_some_milliseconds(
    core: Core,
) -> None:
    until_ms = core.clock.now_ms() + HOUR_MS
    for n in range(513):
        await core.tokens.add(f"over {n}", kind="operator", available=51, expires_ms=until_ms - 1)
        await core.tokens.add(f"poor {n}", kind="operator", available=49, expires_ms=until_ms + n)
    only = await core.tokens.add("only", kind="operator", available=52, expires_ms=until_ms + HOUR_MS)
    found = set()
    for _ in range(3):
        found.add(await take(core, until_ms=until_ms))
        core.clock.turn(by_s=0.001)
    assert only in found


async def as_an_older_version(core: Core, token_id: str, **fields: Any) -> None:
    """Write a token as a process does that knows no index."""
    await core.redis.hset(key("token", token_id), mapping=fields)  # type: ignore[misc]
    await core.redis.sadd(key("tokens"), token_id)  # type: ignore[misc]


async def test_what_an_older_version_has_added_and_revoked_is_as_good_and_as_bad_as_it_says(core: Core) -> None:
    revoked = await core.tokens.add("a", kind="operator", available=1000, expires_ms=core.clock.now_ms() + HOUR_MS)
    await as_an_older_version(core, revoked, state="revoked")
    assert await take(core) is None
    row = {"secret": "x", "digest": "d", "kind": "operator", "tenant": "", "state": "active", "scopes": ""}
    await as_an_older_version(core, "tok_of_old", **row, available=100)
    assert await take(core) == "tok_of_old"
    await core.redis.srem(key("tokens"), "tok_of_old")  # type: ignore[misc]
    await core.redis.delete(key("token", "tok_of_old"))
    core.clock.turn(by_s=1)
    await core.let_run("job_2")
    assert (
        await core.tokens.take(
            job_id="job_2", tenant="acme", cost=50, until_ms=0, needs=ALL, only=None, anonymous=False
        )
        is None
    )


async def fill(core: Core, number: int, facts: Callable[[int], dict[str, Any]]) -> None:
    await in_hundreds(core.tokens.add(f"{number} {n}", **({"kind": "operator"} | facts(n))) for n in range(number))


#: sooner than any job ends, and later than now
SOON_MS = HandClock().now_ms() + HOUR_MS
POOLS: dict[str, Callable[[int], dict[str, Any]]] = {
    "all alike": lambda _: {"available": 1000},
    "each with its own credits and expiry": lambda n: {"available": 100 + n * 977 % 4000, "expires_ms": 10**14 - n},
    "none with enough credits": lambda _: {"available": 49},
    "all but the last too poor by far": lambda n: {"available": 1000 if n == 7 else 1},
    "all over": lambda n: {"available": 1000, "expires_ms": 1 + n},
    "none read": lambda _: {},
    "the rich expire too soon, and the others lack one credit": lambda n: (
        {"available": 51, "expires_ms": SOON_MS + n} if n % 2 else {"available": 49}
    ),
    "and one alone will do": lambda n: (
        {"available": 51, "expires_ms": SOON_MS + n} if n % 2 else {"available": 50 if n == 8 else 49}
    ),
}


NONE_WILL_DO = {
    *("none with enough credits", "all over"),
    "the rich expire too soon, and the others lack one credit",
}
SOME_EXPIRE_TOO_SOON = {"the rich expire too soon, and the others lack one credit", "and one alone will do"}


@pytest.mark.parametrize("which", POOLS)
async def test_a_take_costs_redis_the_same_with_100_and_with_5_000_tokens_and_less_with_10(
    core: Core, which: str
) -> None:
    async def cost() -> int:
        async def take_one() -> None:
            taken.append(await take(core, until_ms=until_ms))

        found = await commands(core, take_one)
        await core.token_use.settle(taken[-1] or "", job_id="job_1", available=None, frozen=None)
        return sum(found.values())

    taken: list[str | None] = []
    until_ms = core.clock.now_ms() + (2 * HOUR_MS if which in SOME_EXPIRE_TOO_SOON else 0)
    await fill(core, 10, POOLS[which])
    await cost()
    few = await cost()
    await fill(core, 90, POOLS[which])
    await cost()
    some = await cost()
    await fill(core, 4900, POOLS[which])
    await cost()
    many = await cost()
    assert few <= some
    assert many <= 1.2 * some + 5
    assert many < 80
    assert (taken[-1] is None) == (which in NONE_WILL_DO)


async def test_a_take_costs_the_same_with_10_and_with_1_000_tenants_that_have_tokens_of_their_own(core: Core) -> None:
    async def cost() -> int:
        found = await commands(core, lambda: take(core))
        await core.token_use.settle(await take(core) or "", job_id="job_1", available=None, frozen=None)
        return sum(found.values())

    await core.tokens.add("acme's", kind="operator", tenant="acme", available=1000)
    await fill(core, 10, lambda n: {"available": 1000, "tenant": f"few{n}"})
    await cost()
    few = await cost()
    await fill(core, 990, lambda n: {"available": 1000, "tenant": f"many{n}"})
    assert await cost() <= few


async def settled(core: Core, act: Callable[[], Awaitable[object]]) -> int:
    return sum((await commands(core, act)).values())


async def test_whatever_is_said_of_a_token_costs_the_same_with_10_and_with_5_000(core: Core) -> None:
    async def said(token_id: str) -> int:
        costs = [
            await settled(core, lambda: core.token_use.note_balance(token_id, available=77, frozen=1)),
            await settled(core, lambda: core.tokens.mark(token_id, TokenState.EXHAUSTED)),
            await settled(core, lambda: core.tokens.serves("acme")),
            await settled(core, lambda: core.tokens.remove_old_anonymous(before_ms=core.clock.now_ms())),
        ]
        return sum(costs)

    await fill(core, 10, POOLS["all alike"])
    few = await said(await core.tokens.add("few", kind="operator", available=1000))
    await fill(core, 4990, POOLS["all alike"])
    assert await said(await core.tokens.add("many", kind="operator", available=1000)) <= few
