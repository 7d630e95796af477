"""A model of the whole store: callers, workers that die, freeze and come back, time, and the token pool, in any order.

Hypothesis plays them against a real Redis. The model knows only what a caller may rely on: who holds what until when,
which jobs have ended how, and whose turn it was. At the end of each play everything is driven to an end.
"""

from collections import Counter
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from core.errors import Code, WaitReason
from core.model import transitions
from core.model.job import ENDS, Job, Stage, Status
from core.store.jobs.records import Claim
from core.store.leases import LeaseLost
from core.store.redis.keys import key
from tests.store_machine import StoreMachine

TENANTS = ("a", "b", "c")
CAP = 3
CREDITS = 200
#: what a Redis without jobs may still hold
LASTING = (
    *("rg:rate", "rg:clock", "rg:feed", "rg:turn", "rg:usage", "rg:samples", "rg:tok", "rg:workers", "rg:gauges"),
    *(key(name) for name in ("function_libraries", "formats", "token_sums", "backlog_sums", "job_groups", "wakeup")),
)


class Gateway(StoreMachine):
    """The rules are what callers, workers, the sweeper and time do; the invariants are what must hold in between."""

    def __init__(self, url: str) -> None:
        super().__init__(url, tenant_running_jobs=CAP)
        self.jobs: dict[str, Job] = {}
        self.ended: dict[str, Status] = {}
        #: the last claim of each job, and until when nobody else may have it
        self.holder: dict[str, Claim] = {}
        self.until_ms: dict[str, int] = {}
        #: claims whose job somebody else got later: workers back from the dead
        self.ghosts: list[Claim] = []
        self.passed_over: Counter[tuple[str, str]] = Counter()
        self.waiting: set[str] = set()
        self.admitted: set[str] = set()
        self.tokens = [self.run(self.core.tokens.add(s, kind="operator", available=CREDITS)) for s in "xy"]

    @property
    def now_ms(self) -> int:
        return self.core.clock.now_ms()

    def job(self, data: st.DataObject, ids: list[str]) -> Job:
        return self.jobs[data.draw(st.sampled_from(ids))]

    # callers

    @initialize(numbers=st.tuples(*[st.integers(0, 4)] * len(TENANTS)))
    def a_crowd_waits_before_the_first_worker_comes(self, numbers: tuple[int, ...]) -> None:
        for tenant, number in zip(TENANTS, numbers, strict=True):
            self.submit_some(tenant, [0] * number)

    @rule(tenant=st.sampled_from(TENANTS), priorities=st.lists(st.integers(-1, 1), min_size=1, max_size=4))
    def submit(self, tenant: str, priorities: list[int]) -> None:
        self.submit_some(tenant, priorities)

    def submit_some(self, tenant: str, priorities: list[int]) -> None:
        for priority in priorities:
            job = self.run(self.core.submit(tenant, priority=priority))
            self.jobs[job.id] = job

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def go_on_in_a_session(self, data: st.DataObject) -> None:
        before = self.job(data, sorted(self.jobs))
        job = self.run(self.core.submit(before.tenant, new_session=False, session_id=before.session_id))
        self.jobs[job.id] = job

    @precondition(lambda self: self.living)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        job = self.job(data, self.living)
        after = self.run(self.core.cancel(job)) if self.stored(job).status is not Status.CANCELING else job
        self.note(after)

    # workers

    @rule(slots=st.integers(1, 6))
    def beat(self, slots: int) -> None:
        self.run(self.core.slots(slots))

    @precondition(lambda self: self.admitted)
    @rule(data=st.data())
    def claim(self, data: st.DataObject) -> None:
        job = self.job(data, sorted(self.admitted))
        claim = self.run(self.core.jobs.claim(job.id, owner=f"w:{next(self.core._owners)}"))
        held = self.until_ms.get(job.id, 0) > self.now_ms
        assert (claim is None) == held, "held by two, or by nobody"
        if claim:
            if former := self.holder.get(job.id):
                self.ghosts.append(former)
            self.hold(claim)

    def hold(self, claim: Claim) -> None:
        self.holder[claim.job.id] = claim
        self.until_ms[claim.job.id] = self.now_ms + self.core.jobs.lease_ms

    def let_go(self, job_id: str) -> None:
        self.ghosts.append(self.holder.pop(job_id))
        self.until_ms.pop(job_id, None)

    def write(self, claim: Claim, new: Job, **how: Any) -> Claim:
        after = self.run(self.core.write(claim, new, **how))
        self.note(after.job)
        return after

    @precondition(lambda self: self.holder)
    @rule(data=st.data())
    def step(self, data: st.DataObject) -> None:
        claim = self.holder[data.draw(st.sampled_from(sorted(self.holder)))]
        if claim.job.started_at_ms is None:
            new = transitions.started(claim.job, now_ms=self.now_ms)
        else:
            new = transitions.moved(claim.job, data.draw(st.sampled_from(list(Stage))))
        self.holder[new.id] = self.write(claim, new)

    @precondition(lambda self: self.started)
    @rule(
        data=st.data(),
        sleep_s=st.integers(0, 30),
        reason=st.sampled_from([WaitReason.BACKEND_DOWN, WaitReason.NO_CREDITS]),
    )
    def park(self, data: st.DataObject, sleep_s: int, reason: WaitReason) -> None:
        claim = self.holder[data.draw(st.sampled_from(self.started))]
        until_ms = self.now_ms + sleep_s * 1000
        asleep = transitions.waiting(claim.job, reason=reason, until_ms=until_ms)
        self.write(claim, asleep, park_until_ms=until_ms)
        self.let_go(claim.job.id)

    @precondition(lambda self: self.started)
    @rule(data=st.data(), code=st.none() | st.just(Code.RENDER_FAILED))
    def finish(self, data: st.DataObject, code: Code | None) -> None:
        claim = self.holder[data.draw(st.sampled_from(self.started))]
        self.note(self.run(self.core.finish(claim, code)))

    @precondition(lambda self: self.holder)
    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        claim = self.holder[data.draw(st.sampled_from(sorted(self.holder)))]
        lost, _ = self.run(self.core.jobs.renew({claim.job.id: claim.owner}))
        assert lost == []
        self.hold(claim)

    @precondition(lambda self: self.holder)
    @rule(data=st.data())
    def hand_back(self, data: st.DataObject) -> None:
        claim = self.holder[data.draw(st.sampled_from(sorted(self.holder)))]
        self.run(self.core.jobs.hand_back({claim.job.id: claim.owner}))
        self.let_go(claim.job.id)

    @precondition(lambda self: self.ghosts)
    @rule(data=st.data(), ends=st.booleans())
    def come_back_from_the_dead(self, data: st.DataObject, ends: bool) -> None:
        ghost = data.draw(st.sampled_from(self.ghosts))
        before = self.stored(ghost.job)
        new = transitions.succeeded if ends and ghost.job.started_at_ms else transitions.progress_noted
        late = (
            new(ghost.job, now_ms=self.now_ms)
            if new is transitions.succeeded
            else transitions.progress_noted(ghost.job, "late")
        )
        try:
            self.run(self.core.write(ghost, late))
        except LeaseLost:
            pass
        else:
            raise AssertionError("a worker without a lease wrote")
        assert self.run(self.core.jobs.renew({ghost.job.id: ghost.owner}))[0] == [ghost.job.id]
        self.run(self.core.jobs.hand_back({ghost.job.id: ghost.owner}))
        assert self.stored(ghost.job) == before

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), cost=st.sampled_from([50, 100]))
    def take_token(self, data: st.DataObject, cost: int) -> None:
        job_id = data.draw(st.sampled_from(self.living or sorted(self.jobs)))
        ask = {"tenant": "a", "cost": cost, "until_ms": 0, "needs": ["render"], "only": None, "anonymous": False}
        token = self.run(self.core.tokens.take(job_id=job_id, **ask))
        assert token is None or job_id not in self.ended

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        job_id, token = data.draw(st.sampled_from(sorted(self.jobs))), data.draw(st.sampled_from(self.tokens))
        self.run(self.core.token_use.settle(token, job_id=job_id, available=CREDITS, frozen=0))

    # time and the sweeper

    @rule(by_s=st.sampled_from([0.1, 3, 12, 13, 40]))
    def time_passes(self, by_s: float) -> None:
        self.core.clock.turn(by_s=by_s)

    @rule()
    def repair(self) -> None:
        self.run(self.core.turns.repair(0))

    @precondition(lambda self: self.admitted)
    @rule(data=st.data(), what=st.sampled_from(["arq_queue", "arq_job"]))
    def arq_forgets(self, data: st.DataObject, what: str) -> None:
        job_id = data.draw(st.sampled_from(sorted(self.admitted)))
        if what == "arq_queue":
            self.run(self.core.redis.zrem(key("arq_queue"), job_id))
        else:
            self.run(self.core.redis.delete(key("arq_job", job_id)))
        self.run(self.core.turns.repair(0))

    @rule()
    def expire(self) -> None:
        for job_id in self.run(self.core.turns.not_started_in_time()):
            over = transitions.expired(self.stored(self.jobs[job_id]), now_ms=self.now_ms)
            self.note(self.run(self.core.jobs.commit(self.stored(over), over, owner=None)))

    # what the model knows

    @property
    def living(self) -> list[str]:
        return sorted(set(self.jobs) - set(self.ended))

    @property
    def started(self) -> list[str]:
        return sorted(i for i, claim in self.holder.items() if claim.job.started_at_ms is not None)

    def stored(self, job: Job) -> Job:
        return self.run(self.core.read(job))

    def note(self, job: Job) -> None:
        if job.ended:
            self.ended[job.id] = job.status
            if job.id in self.holder:
                self.let_go(job.id)

    # what must hold

    @invariant()
    def no_job_leaves_an_end_and_no_other_is_lost(self) -> None:
        found = self.run(self.core.jobs.load_many(list(self.jobs)))
        assert {j.id: j.status for j in found if j.status in ENDS} == self.ended
        assert len(found) == len(self.jobs)
        for job, place in zip(found, self.run(self.places(found)), strict=True):
            self.is_findable(job, place)

    async def places(self, jobs: list[Job]) -> list[list[Any]]:
        pipe = self.core.redis.pipeline(transaction=False)
        for job in jobs:
            pipe.lpos(key("session_queue", job.session_id), job.id)
            pipe.zscore(key("backlog", job.tenant), job.id)
            pipe.zscore(key("admitted"), job.id)
            pipe.zscore(key("arq_queue"), job.id)
            pipe.exists(key("arq_job", job.id))
        answers = await pipe.execute()
        return [answers[at : at + 5] for at in range(0, len(answers), 5)]

    @staticmethod
    def is_findable(job: Job, place: list[Any]) -> None:
        if job.ended:
            assert place == [None, None, None, None, 0]
            return
        in_session, backlog, admitted, arq, entry = place
        assert in_session is not None, f"{job.id} is lost"
        ways = [backlog is not None, admitted is not None and arq is not None and entry == 1]
        assert ways.count(True) == (1 if in_session == 0 else 0)

    @invariant()
    def no_credits_are_spent_twice(self) -> None:
        for token in self.run(self.core.tokens.all()):
            held = [int(v) for v in self.run(self.core.redis.hvals(key("token_reservations", token.id)))]
            assert token.reserved == sum(held)
            assert 0 <= token.reserved <= CREDITS

    @invariant()
    def turns_are_fair(self) -> None:
        before, self.admitted = self.admitted, set(self.run(self.core.admitted()))
        came = Counter(self.jobs[i].tenant for i in self.admitted - before if i in self.jobs)
        waits = {tenant for tenant in TENANTS if self.run(self.waits(tenant))}
        for tenant in TENANTS:
            for other in set(TENANTS) - {tenant}:
                if tenant in self.waiting & waits and not came[tenant]:
                    self.passed_over[tenant, other] += came[other]
                else:
                    self.passed_over[tenant, other] = 0
                assert self.passed_over[tenant, other] <= 1, f"{tenant} was passed over twice by {other}"
        self.waiting = waits

    async def waits(self, tenant: str) -> bool:
        """Whether a tenant could start a job now, if there is a place."""
        pipe = self.core.redis.pipeline(transaction=False)
        pipe.zcard(key("backlog", tenant))
        pipe.smembers(key("running", tenant))
        pipe.zscore(key("tenant_ring"), tenant)
        backlog, running, turn = await pipe.execute()
        assert {i.decode() for i in running} == {i for i in self.admitted if self.jobs[i].tenant == tenant}
        assert len(running) <= CAP
        can = bool(backlog) and len(running) < CAP
        assert not can or turn is not None, f"{tenant} waits without a turn"
        return can

    # the end

    def teardown(self) -> None:
        try:
            self.run(self.end_everything())
            self.run(self.nothing_is_left())
        finally:
            super().teardown()

    async def end_everything(self) -> None:
        """Every worker is dead. Another one finishes it all."""
        await self.core.slots(100)
        for _ in range(len(self.jobs)):
            self.core.clock.turn(by_s=60)
            await self.core.turns.repair(0)
            for job_id in await self.core.admitted():
                assert (await self.core.redis.zscore(key("arq_queue"), job_id)) <= self.now_ms
                claim = await self.core.claim(self.jobs[job_id])
                if claim.job.started_at_ms is None:
                    claim = await self.core.write(claim, transitions.started(claim.job, now_ms=self.now_ms))
                await self.core.finish(claim)

    async def nothing_is_left(self) -> None:
        assert all(job.ended for job in await self.core.jobs.load_many(list(self.jobs)))
        assert all((t.reserved, t.in_flight) == (0, 0) for t in await self.core.tokens.all())
        for job_id in self.jobs:
            await self.core.jobs.forget(job_id)
        await self.core.gauges()  # backlogs that have changed are counted then
        names = [name.decode() async for name in self.core.redis.scan_iter(count=1000)]
        assert [name for name in names if not name.startswith(LASTING)] == []


def test_the_store_keeps_its_word_whatever_happens_in_any_order(redis_url: str) -> None:
    play = settings(max_examples=12, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(lambda: Gateway(redis_url), settings=play)
