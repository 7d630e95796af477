"""A token that workers of the first format use beside ours: what they do on it is told from what they write there.

They count how often they take a token, hold credits on it until a message's cost is settled, and are listed as workers as
long as they live. They write down no message, and count only what is taken.
"""

import pytest

from core.model import transitions
from core.model.job import Sent
from core.model.token import Use
from core.store.formats import Membership
from core.store.jobs.records import Claim
from core.store.redis.keys import key
from core.store.token_work import TokenWork
from tests.store_fixture import Core, core

__all__ = ["core"]

COST = 50
BALANCE = {"available": 400, "frozen": 0}


class FirstFormatWorker:
    """Does on a token what a worker of the first format does, and writes what it writes."""

    def __init__(self, core: Core, token_id: str) -> None:
        self._core = core
        self._token_id = token_id

    async def beat(self) -> None:
        told = f"{self._core.clock.now_ms() + 12_000}:8"
        await self._core.redis.hset(key("workers"), "old:1:abcdef:1", told)  # type: ignore[misc]

    async def leave(self) -> None:
        await self._core.redis.hdel(key("workers"), "old:1:abcdef:1")  # type: ignore[misc]

    async def take(self, job_id: str) -> None:
        if await self._core.redis.hsetnx(key("token_reservations", self._token_id), job_id, str(COST)):  # type: ignore[misc]
            await self._core.redis.hincrby(key("token", self._token_id), "taken", 1)  # type: ignore[misc]

    async def settle(self, job_id: str) -> None:
        await self._core.redis.hdel(key("token_reservations", self._token_id), job_id)  # type: ignore[misc]

    async def alone_at(self) -> int | None:
        """How often the token was taken by now; None where more than one job holds it: equal numbers mean alone between."""
        held = await self._core.redis.hlen(key("token_reservations", self._token_id))  # type: ignore[misc]
        taken = await self._core.redis.hget(key("token", self._token_id), "taken")  # type: ignore[misc]
        return int(taken or 0) if held == 1 else None


@pytest.fixture
async def token_id(core: Core) -> str:
    return await core.tokens.add("a", kind="operator", available=500)


@pytest.fixture
def old(core: Core, token_id: str) -> FirstFormatWorker:
    return FirstFormatWorker(core, token_id)


def ours(core: Core, *, settle_s: float = 3600.0) -> Membership:
    return Membership(
        core.store,
        core.clock,
        kind="worker",
        process_id="ours",
        secret_key_names=core.vault.key_names,
        lease_s=12.0,
        settle_s=settle_s,
    )


async def taken(core: Core, token_id: str) -> Claim:
    """A job of ours that has the token."""
    claim = await core.begin(await core.submit())
    await core.tokens.take(
        tenant="acme", job_id=claim.job.id, cost=COST, until_ms=0, needs=[], only=token_id, anonymous=False
    )
    return await core.write(claim, transitions.token_taken(claim.job, token_id=token_id))


async def sent(core: Core, claim: Claim) -> Claim:
    intent = Sent(at_ms=core.clock.now_ms(), before="d", cost=COST)
    return await core.write(claim, transitions.sending(claim.job, sent=intent))


async def use_of(core: Core, claim: Claim) -> Use:
    use = await core.token_use.use_of(str(claim.job.token_id), job_id=claim.job.id)
    assert use is not None
    return use


async def is_exact(core: Core, claim: Claim, before: Use) -> bool:
    """Settle as a worker does that has sent one message since it heard `before`."""
    assert before.others_at_work == 0
    settled = await core.token_use.settle(
        str(claim.job.token_id),
        job_id=claim.job.id,
        kind="an edit",
        learned=100,
        learned_at=before.sends + 1,
        **BALANCE,
    )
    learned = await core.redis.hget(key("message_costs"), "an edit")  # type: ignore[misc]
    assert (learned is not None) == (settled.sends == before.sends + 1)
    return learned is not None


async def test_a_job_alone_on_its_token_knows_what_it_has_cost(core: Core, token_id: str) -> None:
    await ours(core).note()
    claim = await taken(core, token_id)
    before = await use_of(core, claim)
    claim = await sent(core, claim)
    assert await is_exact(core, claim, before)


@pytest.mark.parametrize("whose", ["taken by it", "taken by us"])
async def test_a_worker_of_the_first_format_of_which_nobody_has_heard_yet_makes_costs_uncertain(
    core: Core, token_id: str, old: FirstFormatWorker, whose: str
) -> None:
    """It has come since our processes last looked round; its job was on the token before ours read the balance."""
    await ours(core).note()
    await old.beat()
    theirs = "job_theirs"
    if whose == "taken by it":
        await old.take(theirs)
    else:
        theirs = (await taken(core, token_id)).job.id
    claim = await taken(core, token_id)
    told = transitions.progress_noted(claim.job, "on it")
    job, answers = await core.jobs.commit_with_token(claim.job, told, TokenWork(use_of=token_id), owner=claim.owner)
    claim = Claim(claim.owner, job, claim.session, claim.webhook, claim.crashes, claim.taken_over)
    before = answers.use
    assert before
    claim = await sent(core, claim)
    await old.settle(theirs)
    assert not await is_exact(core, claim, before)


async def test_one_that_was_heard_of_only_after_the_balance_was_read_makes_costs_uncertain(
    core: Core, token_id: str, old: FirstFormatWorker
) -> None:
    theirs, claim = (await taken(core, token_id)).job.id, await taken(core, token_id)
    before = await use_of(core, claim)
    await old.beat()
    await ours(core).note()
    claim = await sent(core, claim)
    await old.settle(theirs)
    await old.leave()
    assert not await is_exact(core, claim, before)


async def test_what_it_holds_counts_for_as_long_as_its_messages_may_be_worked_on(
    core: Core, token_id: str, old: FirstFormatWorker
) -> None:
    """However seldom processes look round, and however soon records may be written anew."""
    claim = await taken(core, token_id)
    await old.beat()
    await old.take("job_theirs")
    await ours(core, settle_s=0).note()
    core.clock.turn(by_s=900)
    assert (await use_of(core, claim)).others_at_work == 1
    core.clock.turn(by_s=3600)
    assert (await use_of(core, claim)).others_at_work == 0


async def test_a_job_of_its_hears_of_each_message_that_we_send_whether_we_have_heard_of_it_or_not(
    core: Core, token_id: str, old: FirstFormatWorker
) -> None:
    await old.take("job_theirs")
    before = await old.alone_at()
    assert before is not None
    claim = await sent(core, await taken(core, token_id))
    assert await old.alone_at() is None
    await core.token_use.settle(token_id, job_id=claim.job.id, **BALANCE)
    after = await old.alone_at()
    assert after is not None
    assert after != before
