"""A model of admission: callers, workers and operators in any order, and a gauge that is looked at after each act.

Hypothesis plays them against a real Redis. A place that somebody could have stays free no longer than until the next end of
a job or a worker's sign of life, and what the gauges say of those that wait is what a count of all backlogs says.
"""

from collections import Counter

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from core.errors import WaitReason
from core.model import transitions
from core.model.job import Job, Status
from core.store.audit import AuditEntry
from core.store.jobs.records import Claim
from core.store.pauses import Pauses
from core.store.redis.functions import ADMITTED_PER_PLACE, EVERYBODY
from core.store.redis.keys import key
from core.store.workers import read_beat
from tests.store_machine import StoreMachine

TENANTS = ("a", "b", "c")
BY = AuditEntry(user="root", host="console", action="pause")
ANYBODY = st.sampled_from((*TENANTS, EVERYBODY))


class Queue(StoreMachine):
    """`frees_quietly`: something has freed a place that lets nobody in by itself."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.jobs: dict[str, Job] = {}
        self.held: dict[str, Claim] = {}
        self.frees_quietly = False

    @initialize(cap=st.integers(1, 3), slots=st.integers(0, 6))
    def a_tenant_has_a_cap_and_workers_some_places(self, cap: int, slots: int) -> None:
        self.core.with_settings(tenant_running_jobs=cap)
        self.pauses = Pauses(self.core.store, self.core.settings, self.core.clock)
        self.beat("first", slots)

    @rule(tenant=st.sampled_from(TENANTS), number=st.sampled_from([1, 1, 2, 5, 100]))
    def submit(self, tenant: str, number: int) -> None:
        jobs = [self.core.new_job(tenant) for _ in range(number)]
        self.run(self.core.offer(*jobs))
        self.jobs |= {job.id: job for job in jobs}

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def go_on_in_a_session(self, data: st.DataObject) -> None:
        before = self.jobs[data.draw(st.sampled_from(sorted(self.jobs)))]
        job = self.core.new_job(before.tenant, session_id=before.session_id)
        self.run(self.core.offer(job, new_session=False))
        self.jobs[job.id] = job

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        job = self.run(self.core.read(self.jobs[data.draw(st.sampled_from(sorted(self.jobs)))]))
        if job.status in (Status.QUEUED, Status.RUNNING) and self.run(self.core.cancel(job)).ended:
            self.frees_quietly = False
            self.held.pop(job.id, None)

    @rule(begins=st.booleans())
    def claim_what_is_due(self, begins: bool) -> None:
        """What its tenant's pause has put back, and what was set aside, frees its place."""
        due = self.run(self.core.redis.zrangebyscore(key("arq_queue"), "-inf", self.core.clock.now_ms()))
        for job_id in (raw.decode() for raw in due):
            self.frees_quietly = True
            if claim := self.run(self.core.jobs.claim(job_id, owner=f"w{len(self.held)}:{job_id}")):
                self.held[job_id] = self.begun(claim) if begins else claim

    def begun(self, claim: Claim) -> Claim:
        if claim.job.started_at_ms is not None:
            return claim
        return self.run(self.core.write(claim, transitions.started(claim.job, now_ms=self.core.clock.now_ms())))

    @precondition(lambda self: self.held)
    @rule(data=st.data(), how=st.sampled_from(["finish", "set aside", "hand back", "sleep", "die"]))
    def let_go(self, data: st.DataObject, how: str) -> None:
        claim = self.held.pop(data.draw(st.sampled_from(sorted(self.held))))
        if how == "finish":
            self.run(self.core.finish(self.begun(claim)))
            self.frees_quietly = False
        elif how == "set aside":
            self.run(self.core.jobs.set_aside(claim.job.id, owner=claim.owner))
            self.frees_quietly = True
        elif how == "hand back":
            self.run(self.core.jobs.hand_back({claim.job.id: claim.owner}))
        elif how == "sleep":
            self.sleep(self.begun(claim))
            self.frees_quietly = True

    def sleep(self, claim: Claim) -> None:
        """It waits for credits: until it wakes, its place is another's, from the next beat on."""
        until_ms = self.core.clock.now_ms() + 30_000
        new = transitions.waiting(claim.job, reason=WaitReason.NO_CREDITS, until_ms=until_ms)
        self.run(self.core.write(claim, new, park_until_ms=until_ms))

    @rule(who=ANYBODY)
    def pause(self, who: str) -> None:
        self.run(self.pauses.pause(who, audit=BY))

    @rule(who=ANYBODY)
    def resume(self, who: str) -> None:
        self.run(self.pauses.resume(who, audit=BY))

    @rule(worker=st.sampled_from(["first", "second"]), slots=st.integers(0, 6))
    def beat(self, worker: str, slots: int) -> None:
        self.run(self.core.turns.admit(worker=worker, slots=slots, alive_s=30))
        self.frees_quietly = False

    @rule(by_s=st.sampled_from([1, 13, 61]))
    def time_passes(self, by_s: int) -> None:
        """Leases run out, and workers that have said nothing for long are dead."""
        self.core.clock.turn(by_s=by_s)
        self.held.clear()
        self.run(self.core.turns.repair(0))

    @invariant()
    def no_place_stays_free_that_somebody_could_have(self) -> None:
        if not self.frees_quietly and self.run(self.free_places()) > 0:
            assert "queued_behind" not in self.run(self.counted()), "one waits, and could begin"

    async def free_places(self) -> int:
        beats = [read_beat(told) for told in await self.core.redis.hvals(key("workers"))]
        now_ms = self.core.clock.now_ms()
        places = sum(beat.slots for beat in beats if beat and beat.alive_until_ms > now_ms)
        if await self.core.redis.hexists(key("paused"), EVERYBODY):
            return 0
        asleep = await self.core.redis.zcount(key("asleep"), f"({now_ms}", "+inf")
        admitted: int = await self.core.redis.zcard(key("admitted"))
        return min(places - admitted + asleep, ADMITTED_PER_PLACE * places - admitted)

    @invariant()
    def the_gauges_say_why_each_waits(self) -> None:
        self.run(self.core.gauge_store.read(worker="w", mend=False))
        kept = self.run(self.core.redis.hgetall(key("backlog_sums")))
        assert {why.decode(): int(number) for why, number in kept.items() if int(number)} == self.run(self.counted())

    async def counted(self) -> Counter[str]:
        """Count who waits, and why, backlog by backlog."""
        found = Counter[str]()
        for tenant in TENANTS:
            if waiting := await self.core.redis.zcard(key("backlog", tenant)):
                found[await self.reason(tenant)] += waiting
        return found

    async def reason(self, tenant: str) -> str:
        if await self.core.redis.hexists(key("paused"), tenant):
            return "paused"
        running = await self.core.redis.scard(key("running", tenant))
        return "tenant_cap" if running >= self.core.settings.tenant_running_jobs else "queued_behind"


def test_whatever_happens_in_any_order_no_place_stays_free_and_gauges_are_right(redis_url: str) -> None:
    play = settings(max_examples=50, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(lambda: Queue(redis_url), settings=play)
