"""A backend that always says the same to one call, while it does all others well: nobody is asked without end.

For every call and every answer, in three worlds side by side: the job ends in time, with a code from the table in
`always.py`, after no more calls than the bounds there, and is charged once at most. Each case is a tenant with a token of
its own; those of the token call follow one another, since an installation has one anonymous identity. How long a job has
is measured: by how long one takes to which nothing bad is said, on this machine, now.
"""

import asyncio
import math
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import redis

from core.store.redis.keys import key
from sandbox.clips import make_talk_clip
from tests.dialects.always import (
    CALLS,
    GROUPS,
    LEAST_TIMEOUT_S,
    LOOK_EVERY_S,
    TIMES_A_GOOD_ONE,
    TIMES_ONE_BY_ONE,
    codes_of,
    most_calls,
)
from tests.dialects.dialects import Dialect
from tests.dialects.harness import Case, Harness, running_harness, running_stand_in
from tests.dialects.patience import STALLED_S, awaited
from tests.dialects.proxy import Conversation
from tests.until import wait_until

#: `awaited` sees long before whether something stands still
pytestmark = pytest.mark.timeout(3600)

AT_ONCE = 12
#: what an end may take beyond the job's time, at least: the machine is shared
GRACE_S = 4.0
#: a job to which nothing bad is said has this long at most, however slow the machine
LONGEST_S = 1800
#: those of the token call have less time at least, and as many times as long as a good job takes
SHORTER = 4
SHORT = {
    "REELGATE_BACKOFF_S": "0.1",
    "REELGATE_RATE_LIMITED_S": "0.5",
    "REELGATE_SETTLE_S": "0.4",
    "REELGATE_RECOVER_FIRST_S": "0.5",
    "REELGATE_RECOVER_EVERY_S": "0.7",
    "REELGATE_UNSEEN_EDIT_S": "3",
    "REELGATE_STREAM_QUIET_S": "4",
    "REELGATE_STREAM_LIMIT_S": "5",
    "REELGATE_RENDER_POLL_S": str(LOOK_EVERY_S),
    "REELGATE_RENDER_POLLS": "3000",
    "REELGATE_LEASE_S": "8",
}
#: silence is a case of its own, the empty answer
STEADY = {"SANDBOX_SILENT_RATE": "0"}
TOLD_WELL = "nothing"
#: calls without which no message is worked on
UNPAID = ("token", "session", "upload", "message")
TABLE = [(call, answer) for answers in GROUPS.values() for answer in answers for call in CALLS]


@dataclass(frozen=True)
class Ended:
    """How a job ended, and what it asked for until then."""

    job: dict[str, Any]
    calls: Counter[str]
    charged: int
    pace: "Pace"

    @property
    def code(self) -> str:
        return str(self.job["error"]["code"] if self.job["error"] else self.job["status"])

    @property
    def took_s(self) -> float:
        """Seconds from the start, by which the job's own time is measured."""
        began = self.job["started_at"] or self.job["created_at"]
        return (datetime.fromisoformat(self.job["finished_at"]) - datetime.fromisoformat(began)).total_seconds()


@dataclass(frozen=True)
class Pace:
    """How long a job has, and what its end may take beyond that."""

    timeout_s: int
    grace_s: float
    doublings: int = 0


@dataclass(frozen=True)
class Ends:
    """All cases as they run, and the worlds in which they do."""

    running: dict[str, Future[Ended]]
    harnesses: list[Harness]

    def of(self, case: str) -> Ended:
        """Wait for a case as long as anything is asked anywhere, or a job may be waiting for its time to be over."""
        stalled_s = STALLED_S + LONGEST_S / 10
        return awaited(
            self.running[case], lambda: sum(harness.calls() for harness in self.harnesses), stalled_s=stalled_s
        )


@pytest.fixture(scope="module")
def ends(tmp_path_factory) -> Iterator[Ends]:
    """Let all cases run; each test waits for its own."""
    folder = tmp_path_factory.mktemp("always")
    asyncio.run(make_talk_clip(folder / "clip.mp4", scenes=1, duration_s=1.0, silences=(), size=(160, 90)))
    with ExitStack() as stack, ThreadPoolExecutor(len(GROUPS)) as starters:
        sandbox = stack.enter_context(running_stand_in(**STEADY))
        harnesses = {name: running_harness(tmp_path_factory.mktemp(name), sandbox, **SHORT) for name in GROUPS}
        opened = {name: starters.submit(stack.enter_context, harness) for name, harness in harnesses.items()}
        pools = [stack.enter_context(ThreadPoolExecutor(AT_ONCE)) for _ in GROUPS]
        running: dict[str, Future[Ended]] = {}
        for (name, harness), pool in zip(opened.items(), pools, strict=True):
            running |= begin_group(name, harness.result(), pool, folder / "clip.mp4")
        yield Ends(running, [harness.result() for harness in opened.values()])
        for pool in pools:
            pool.shutdown(cancel_futures=True)


def begin_group(name: str, harness: Harness, pool: ThreadPoolExecutor, clip: Path) -> dict[str, Future[Ended]]:
    """Open a group's cases and submit their jobs, after the one to which nothing bad is said."""
    conversations = {
        f"{call}-{answer}": conversation_of(name, call, answer) for call in CALLS for answer in GROUPS[name]
    }
    conversations[f"{TOLD_WELL}-{name}"] = Conversation()
    strangers = [case for case in conversations if case.startswith("token-")]
    cases = harness.open_cases(conversations, without_token=frozenset(strangers))
    well = f"{TOLD_WELL}-{name}"
    good = pool.submit(ended, cases[well], well, clip, Pace(LONGEST_S, GRACE_S))
    turns = pool.submit(one_by_one, harness, {case: cases[case] for case in strangers}, clip, good)
    others = {case for case in cases if case not in strangers and case != well}
    running = {case: pool.submit(lambda case=case: ended(cases[case], case, clip, pace_after(good))) for case in others}
    return {well: good} | running | {case: pool.submit(lambda case=case: turns.result()[case]) for case in strangers}


def pace_after(good: Future[Ended], *, least_s: int = LEAST_TIMEOUT_S, times: int = TIMES_A_GOOD_ONE) -> Pace:
    """Give a job so many times as long as a good one takes on this machine now."""
    took_s = good.result().took_s
    timeout_s = min(LONGEST_S, max(least_s, int(times * took_s)))
    return Pace(timeout_s, max(GRACE_S, 2 * took_s), math.ceil(math.log2(timeout_s / least_s)))


def conversation_of(group: str, call: str, answer: str) -> Conversation:
    """Say always the same to a call; a download is asked for only where the film's link does not lead to it."""
    dialect = Dialect("gone", film="gone") if call == "download" else Dialect("plain")
    return Conversation(dialect, always={call: GROUPS[group][answer]})


def one_by_one(harness: Harness, cases: dict[str, Case], clip: Path, good: Future[Ended]) -> dict[str, Ended]:
    """Run the cases of the token call, whose caller nobody knows yet. None inherits the rest of the one before."""
    told = {}
    with redis.Redis.from_url(harness.world.world["redis_url"]) as store:
        for name, case in cases.items():
            store.hdel(key("anonymous_identity"), "rest_until_ms", "refusals")
            harness.proxy.stranger = case.conversation
            told[name] = ended(case, name, clip, pace_after(good, least_s=SHORTER, times=TIMES_ONE_BY_ONE))
    return told


def ended(case: Case, name: str, clip: Path, pace: Pace) -> Ended:
    """Submit a case's job, cancel it where that is the call, and see how it ends."""
    canceled = name.startswith("cancel-")
    story = "[[story:render-stuck]] " if canceled else ""
    prompt = f'{story}add a title "{name}" and export in 360p'
    times = {"timeout_s": pace.timeout_s, "start_timeout_s": pace.timeout_s}
    job = case.gateway.submit(prompt, upload=clip, webhook=None, **times)
    if canceled:
        wait_until(lambda: looked_at(case, job["id"]), within_s=LONGEST_S, every_s=0.1)
        case.gateway.http.post(f"/v1/jobs/{job['id']}/cancel")
    job = case.gateway.ended(job["id"])
    return Ended(job, Counter(case.conversation.calls), len(case.messages()), pace)


def looked_at(case: Case, job_id: str) -> bool:
    """Whether the job's render is under way, or the job is over."""
    return case.conversation.calls["status"] > 0 or case.gateway.job(job_id)["finished_at"] is not None


@pytest.mark.parametrize("group", GROUPS)
def test_where_nothing_bad_is_said_the_job_succeeds(ends, group):
    well = ends.of(f"{TOLD_WELL}-{group}")
    assert (well.code, well.charged) == ("succeeded", 1)


@pytest.mark.parametrize(("call", "answer"), TABLE)
def test_a_job_ends_in_time_with_the_right_code_after_few_calls(ends, call, answer):
    seen = ends.of(f"{call}-{answer}")
    said = "; ".join(complaints(seen, call, answer))
    assert not said, f"{said}; asked for {dict(seen.calls)}"


def complaints(seen: Ended, call: str, answer: str) -> Iterator[str]:
    """Say all that is wrong with an end, the dearest first."""
    if seen.charged > (0 if call in UNPAID else 1):
        yield f"charged {seen.charged} times"
    if seen.code not in codes_of(call, answer):
        yield f"ended as {seen.code}, not as {' or '.join(sorted(codes_of(call, answer)))}"
    if seen.took_s > seen.pace.timeout_s + seen.pace.grace_s:
        yield f"took {seen.took_s:.0f} s of {seen.pace.timeout_s}"
    for asked, times in seen.calls.items():
        if times > most_calls(call, answer, asked, minutes=seen.took_s / 60, doublings=seen.pace.doublings):
            yield f"asked for {asked} {times} times"
    if not seen.calls[call]:
        yield "never came to the call"


def test_the_table_names_codes_for_every_call_and_answer():
    assert all(codes_of(call, answer) for call, answer in TABLE)
    assert len(TABLE) == len(CALLS) * 18
