"""How the sending is shared out over hosts and tenants, and how silent hosts are left alone."""

import asyncio
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clock import HandClock
from worker.callbacks.retry_policy import AttemptFault, AttemptResult, is_silence
from worker.outbound.host_limits import (
    AT_ONCE,
    FAST_MS,
    LONGEST_SLEEP_MS,
    MOST_PER_HOST,
    MOST_WAITING,
    PER_HOST,
    RULE,
    HostLimits,
    host_of,
)

URL, OTHER_URL = "https://hooks.example.com/a", "https://other.example.com/a"
SILENT = AttemptResult(error=AttemptFault.TIMEOUT)


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def limits(clock):
    return HostLimits(clock)


def record(limits, tenant, url, result):
    limits.record(tenant, url, silent=is_silence(result), latency_ms=result.latency_ms)


def answers(limits, answer, times=1, tenant="acme", url=URL):
    for _ in range(times):
        with limits.hold(tenant, url):
            record(limits, tenant, url, answer)


def pause_ms(limits, clock, tenant="acme", url=URL):
    """How long a host is left alone, to the second: those who ask come back one after another, a little later."""
    again_ms = limits.book_turn_ms(tenant, url)
    return None if again_ms is None else (again_ms - clock.now_ms()) // 1000 * 1000


def fill(limits, stack, tenant, urls):
    """Take places until the tenant is told to come again; returns how many it got."""
    got = 0
    for url in urls:
        if limits.book_turn_ms(tenant, url) is not None:
            break
        stack.enter_context(limits.hold(tenant, url))
        got += 1
    return got


def many_hosts():
    return (f"https://h{number}.example.com/" for number in range(1000))


def test_a_host_that_stays_silent_is_paused_for_a_growing_time(limits, clock):
    answers(limits, SILENT, RULE.failures_allowed - 1)
    assert pause_ms(limits, clock) is None
    answers(limits, SILENT)
    assert pause_ms(limits, clock) == int(RULE.first_pause_s * 1000)
    clock.turn(by_s=RULE.first_pause_s)
    assert pause_ms(limits, clock) is None
    answers(limits, SILENT)
    assert pause_ms(limits, clock) == int(2 * RULE.first_pause_s * 1000)


async def test_a_pause_ends_with_the_url_s_being_set_anew_and_one_that_follows_does_not(limits, clock):
    answers(limits, SILENT, RULE.failures_allowed)
    assert await limits.turn_ms("acme", URL, set_at_ms=1) is None
    answers(limits, SILENT, RULE.failures_allowed)
    assert await limits.turn_ms("acme", URL, set_at_ms=1) > clock.now_ms()
    assert await limits.turn_ms("acme", URL) > clock.now_ms(), (
        "what goes there by a job's own wish says nothing about it"
    )
    assert await limits.turn_ms("acme", URL, set_at_ms=2) is None


def test_the_pause_stops_growing_at_five_minutes(limits, clock):
    answers(limits, SILENT, 100)
    assert pause_ms(limits, clock) == 300_000


@pytest.mark.parametrize("by_s", [-3600, 3600])
def test_a_pause_is_as_long_as_it_is_where_somebody_sets_the_time(limits, clock, by_s):
    answers(limits, SILENT, RULE.failures_allowed)
    clock.set(by_s=by_s)
    assert pause_ms(limits, clock) == int(RULE.first_pause_s * 1000)
    clock.turn(by_s=RULE.first_pause_s)
    assert pause_ms(limits, clock) is None


@pytest.mark.parametrize("by_s", [-3600, 3600])
def test_a_turn_comes_as_soon_as_ever_where_somebody_sets_the_time(limits, clock, by_s):
    with ExitStack() as stack:
        fill(limits, stack, "acme", [URL] * PER_HOST)
        clock.set(by_s=by_s)
        assert 0 < limits.book_turn_ms("acme", URL) - clock.now_ms() < 1000


def test_after_a_pause_one_attempt_tries_the_host_while_the_others_stay_away(limits, clock):
    answers(limits, SILENT, RULE.failures_allowed)
    clock.turn(by_s=RULE.first_pause_s)
    with limits.hold("acme", URL):
        assert pause_ms(limits, clock) == int(RULE.probe_s * 1000)
        record(limits, "acme", URL, AttemptResult(status=500))
    assert pause_ms(limits, clock) is None


@pytest.mark.parametrize(
    "sign",
    [
        AttemptResult(status=503),
        AttemptResult(error=AttemptFault.FORBIDDEN),
        AttemptResult(error=AttemptFault.BROKEN),
        AttemptResult(error=AttemptFault.TLS),
    ],
)
def test_what_comes_from_the_host_or_from_us_is_no_silence(limits, clock, sign):
    answers(limits, sign, RULE.failures_allowed)
    assert pause_ms(limits, clock) is None


def test_a_silent_host_pauses_neither_another_nor_the_same_one_for_another_tenant(limits, clock):
    answers(limits, SILENT, RULE.failures_allowed)
    assert pause_ms(limits, clock, url=OTHER_URL) is None
    assert pause_ms(limits, clock, tenant="other") is None


def test_a_host_has_four_places_and_its_neighbour_four_of_its_own(limits):
    with ExitStack() as stack:
        assert fill(limits, stack, "acme", [URL] * 10) == PER_HOST == 4
        assert limits.book_turn_ms("acme", OTHER_URL) is None
        assert limits.book_turn_ms("other", URL) is None
    assert limits.book_turn_ms("acme", URL) is None


def test_those_who_are_turned_away_come_again_one_after_another_and_none_very_late(limits, clock):
    with ExitStack() as stack:
        fill(limits, stack, "acme", [URL] * PER_HOST)
        times = [limits.book_turn_ms("acme", URL) - clock.now_ms() for _ in range(10_000)]
    assert times[:3] == sorted(set(times[:3]))
    assert min(times) > 0
    assert max(times) <= LONGEST_SLEEP_MS + 1
    busiest_second = max(sum(at_ms // 1000 == second for at_ms in times) for second in range(301))
    assert busiest_second <= 10_000 / 20, "they do not all come at once"


def test_a_host_that_has_not_answered_yet_is_taken_to_be_as_slow_as_it_is_already(limits, clock):
    with ExitStack() as stack:
        fill(limits, stack, "acme", [URL] * PER_HOST)
        clock.turn(by_s=4)
        times = [limits.book_turn_ms("acme", URL) - clock.now_ms() for _ in range(10)]
    assert times[-1] > 10_000 - 10


def test_those_who_wait_for_a_slow_host_come_less_often_than_for_a_fast_one(limits, clock):
    def last_of_ten(tenant, latency_ms):
        answers(limits, AttemptResult(status=200, latency_ms=latency_ms), 20, tenant=tenant)
        with ExitStack() as stack:
            fill(limits, stack, tenant, [URL] * 100)
            return [limits.book_turn_ms(tenant, URL) - clock.now_ms() for _ in range(10)][-1]

    assert last_of_ten("slow", 15_000) > 100 * last_of_ten("fast", 20)


def test_one_tenant_with_ever_new_hosts_leaves_most_places_to_others(limits):
    with ExitStack() as stack:
        assert fill(limits, stack, "greedy", many_hosts()) <= AT_ONCE // 4
        assert fill(limits, stack, "modest", many_hosts()) > AT_ONCE // 8
        for number in range(20):
            assert fill(limits, stack, f"greedy{number}", many_hosts())
        assert limits.book_turn_ms("newcomer", URL) is None


def test_no_more_attempts_are_made_than_there_are_places_for_them(limits):
    with ExitStack() as stack:
        taken = sum(fill(limits, stack, f"tenant{number}", many_hosts()) for number in range(2 * AT_ONCE))
        assert taken == AT_ONCE
        assert limits.book_turn_ms("newcomer", URL) is not None
    assert limits.book_turn_ms("newcomer", URL) is None


def test_a_host_is_the_same_one_in_every_spelling():
    assert (
        host_of("https://Hooks.Example.com./a")
        == host_of("https://hooks.example.com:443/b?c")
        == "hooks.example.com:443"
    )
    assert host_of("http://hooks.example.com/") == "hooks.example.com:80"
    assert (
        host_of("https://stra\u00dfe.example/")
        == host_of("https://xn--strae-oqa.example")
        == "xn--strae-oqa.example:443"
    )


@given(st.text(st.characters()))
def test_every_text_has_a_host_to_be_counted_for(text):
    for url in (text, f"https://{text}", f"https://a.example:{text}", f"https://[{text}"):
        assert host_of(url)


class Sender:
    """Somebody who makes attempts: each waits for its turn, and ends when it is told to."""

    def __init__(self, limits, url=URL):
        self.limits, self.url = limits, url
        self.under_way = []
        self.turned_away = []

    async def attempt(self, number, tenant="acme", latency_ms=20):
        if (turn_ms := await self.limits.turn_ms(tenant, self.url)) is not None:
            self.turned_away.append(turn_ms)
            return
        end = asyncio.Event()
        with self.limits.hold(tenant, self.url):
            self.under_way.append((number, end))
            await end.wait()
            self.under_way.remove((number, end))
            self.limits.record(tenant, self.url, silent=False, latency_ms=latency_ms)

    async def settle(self):
        for _ in range(10):
            await asyncio.sleep(0)


async def test_a_place_that_gets_free_is_taken_at_once_by_who_has_waited_longest(limits):
    sender = Sender(limits)
    attempts = [asyncio.create_task(sender.attempt(number, latency_ms=FAST_MS + 1)) for number in range(10)]
    await sender.settle()
    assert [number for number, _ in sender.under_way] == [0, 1, 2, 3]
    sender.under_way[0][1].set()
    await sender.settle()
    assert [number for number, _ in sender.under_way] == [1, 2, 3, 4]
    while sender.under_way:
        sender.under_way[0][1].set()
        await sender.settle()
    await asyncio.gather(*attempts)
    assert sender.turned_away == []


async def test_a_host_that_answers_fast_gets_more_places_and_one_that_does_not_loses_them(limits):
    answers(limits, AttemptResult(status=200, latency_ms=20), 100)
    with ExitStack() as stack:
        assert fill(limits, stack, "acme", [URL] * 100) == MOST_PER_HOST
    answers(limits, AttemptResult(status=200, latency_ms=FAST_MS + 1))
    with ExitStack() as stack:
        assert fill(limits, stack, "acme", [URL] * 100) == MOST_PER_HOST // 2
    answers(limits, AttemptResult(status=200, latency_ms=15_000), 10)
    with ExitStack() as stack:
        assert fill(limits, stack, "acme", [URL] * 100) == PER_HOST


async def test_nobody_waits_in_the_process_for_a_host_that_is_slow_or_paused(limits, clock):
    answers(limits, AttemptResult(status=200, latency_ms=15_000), 10)
    with ExitStack() as stack:
        fill(limits, stack, "acme", [URL] * PER_HOST)
        again_ms = await asyncio.wait_for(limits.turn_ms("acme", URL), 0.5)
    assert again_ms - clock.now_ms() > 3_000
    answers(limits, SILENT, RULE.failures_allowed)
    assert await asyncio.wait_for(limits.turn_ms("acme", URL), 0.5) is not None


async def test_who_waits_in_vain_is_told_a_time_and_leaves_the_line(clock):
    limits = HostLimits(clock, wait_s=0.01)
    sender = Sender(limits)
    attempts = [asyncio.create_task(sender.attempt(number)) for number in range(PER_HOST + 1)]
    await asyncio.gather(*attempts[PER_HOST:])
    assert len(sender.turned_away) == 1
    for _, end in list(sender.under_way):
        end.set()
    await asyncio.gather(*attempts)
    assert limits.book_turn_ms("acme", URL) is None


async def test_one_who_is_cancelled_while_waiting_or_just_called_leaves_the_place_to_the_next(limits):
    sender = Sender(limits)
    attempts = [asyncio.create_task(sender.attempt(number)) for number in range(PER_HOST + 3)]
    await sender.settle()
    attempts[PER_HOST].cancel()
    await sender.settle()
    sender.under_way[0][1].set()
    await sender.settle()
    assert {number for number, _ in sender.under_way} >= {1, 2, 3, PER_HOST + 1}
    while sender.under_way:
        sender.under_way[0][1].set()
        await sender.settle()
    await asyncio.gather(*attempts, return_exceptions=True)
    assert sender.turned_away == []


@pytest.mark.parametrize("turns", range(6))
async def test_one_who_is_cancelled_however_soon_after_it_was_called_is_cancelled(limits, turns):
    with ExitStack() as stack:
        fill(limits, stack, "acme", [URL] * PER_HOST)
        waiting = asyncio.create_task(limits.turn_ms("acme", URL))
        await Sender(limits).settle()
    for _ in range(turns):
        await asyncio.sleep(0)
    came_too_late = waiting.done()
    waiting.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled() or came_too_late
    with ExitStack() as stack:
        assert fill(limits, stack, "acme", [URL] * 100) == PER_HOST


async def test_those_who_wait_leave_room_in_the_line_for_another_tenant(limits):
    greedy, modest = Sender(limits), Sender(limits, OTHER_URL)
    many = [asyncio.create_task(greedy.attempt(number)) for number in range(1000)]
    await greedy.settle()
    assert len(greedy.turned_away) >= 1000 - PER_HOST - MOST_WAITING // 4
    few = [asyncio.create_task(modest.attempt(number, tenant="modest")) for number in range(PER_HOST + 20)]
    await modest.settle()
    assert modest.turned_away == []
    for task in (*many, *few):
        task.cancel()
    await asyncio.gather(*many, *few, return_exceptions=True)


@given(st.lists(st.sampled_from(["come", "end", "cancel"]), max_size=60))
async def test_in_whatever_order_they_come_end_and_give_up_no_place_is_lost(steps):
    limits = HostLimits(HandClock())
    sender, attempts = Sender(limits), []
    for step in steps:
        if step == "come":
            attempts.append(asyncio.create_task(sender.attempt(len(attempts))))
        elif step == "cancel" and attempts:
            attempts[len(attempts) // 2].cancel()
        elif sender.under_way:
            sender.under_way[0][1].set()
        await asyncio.sleep(0)
    for task in attempts:
        task.cancel()
    await asyncio.gather(*attempts, return_exceptions=True)
    with ExitStack() as stack:
        assert fill(limits, stack, "acme", [URL] * 100) >= PER_HOST
