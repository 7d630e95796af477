"""How the sending is shared out over hosts and tenants, and how silent hosts are left alone."""

from contextlib import ExitStack

import pytest

from core.clock import HandClock
from worker.callbacks.retry_policy import Answer, Fault
from worker.outbound.host_limits import (
    AT_ONCE,
    FIRST_PAUSE_MS,
    LONGEST_SLEEP_MS,
    PER_HOST,
    PROBE_MS,
    SILENCES_ALLOWED,
    Hosts,
    host_of,
)

URL, OTHER_URL = "https://hooks.example.com/a", "https://other.example.com/a"
SILENT = Answer(error=Fault.TIMEOUT)


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def hosts(clock):
    return Hosts(clock)


def answers(hosts, answer, times=1, tenant="acme", url=URL):
    for _ in range(times):
        with hosts.slot(tenant, url):
            hosts.heard(tenant, url, answer)


def pause_ms(hosts, clock, tenant="acme", url=URL):
    """How long a host is left alone, to the second: those who ask come back one after another, a little later."""
    again_ms = hosts.come_again_ms(tenant, url)
    return None if again_ms is None else (again_ms - clock.now_ms()) // 1000 * 1000


def fill(hosts, stack, tenant, urls):
    """Take places until the tenant is told to come again; returns how many it got."""
    got = 0
    for url in urls:
        if hosts.come_again_ms(tenant, url) is not None:
            break
        stack.enter_context(hosts.slot(tenant, url))
        got += 1
    return got


def many_hosts():
    return (f"https://h{number}.example.com/" for number in range(1000))


def test_a_host_that_stays_silent_is_paused_for_a_growing_time(hosts, clock):
    answers(hosts, SILENT, SILENCES_ALLOWED - 1)
    assert pause_ms(hosts, clock) is None
    answers(hosts, SILENT)
    assert pause_ms(hosts, clock) == FIRST_PAUSE_MS
    clock.turn(by_s=FIRST_PAUSE_MS / 1000)
    assert pause_ms(hosts, clock) is None
    answers(hosts, SILENT)
    assert pause_ms(hosts, clock) == 2 * FIRST_PAUSE_MS


def test_the_pause_stops_growing_at_five_minutes(hosts, clock):
    answers(hosts, SILENT, 100)
    assert pause_ms(hosts, clock) == 300_000


def test_after_a_pause_one_attempt_tries_the_host_while_the_others_stay_away(hosts, clock):
    answers(hosts, SILENT, SILENCES_ALLOWED)
    clock.turn(by_s=FIRST_PAUSE_MS / 1000)
    with hosts.slot("acme", URL):
        assert pause_ms(hosts, clock) == PROBE_MS
        hosts.heard("acme", URL, Answer(status=500))
    assert pause_ms(hosts, clock) is None


@pytest.mark.parametrize(
    "sign", [Answer(status=503), Answer(error=Fault.FORBIDDEN), Answer(error=Fault.BROKEN), Answer(error=Fault.TLS)]
)
def test_what_comes_from_the_host_or_from_us_is_no_silence(hosts, clock, sign):
    answers(hosts, sign, SILENCES_ALLOWED)
    assert pause_ms(hosts, clock) is None


def test_a_silent_host_pauses_neither_another_nor_the_same_one_for_another_tenant(hosts, clock):
    answers(hosts, SILENT, SILENCES_ALLOWED)
    assert pause_ms(hosts, clock, url=OTHER_URL) is None
    assert pause_ms(hosts, clock, tenant="other") is None


def test_a_host_has_four_places_and_its_neighbour_four_of_its_own(hosts):
    with ExitStack() as stack:
        assert fill(hosts, stack, "acme", [URL] * 10) == PER_HOST == 4
        assert hosts.come_again_ms("acme", OTHER_URL) is None
        assert hosts.come_again_ms("other", URL) is None
    assert hosts.come_again_ms("acme", URL) is None


def test_those_who_are_turned_away_come_again_one_after_another_and_none_very_late(hosts, clock):
    with ExitStack() as stack:
        fill(hosts, stack, "acme", [URL] * PER_HOST)
        times = [hosts.come_again_ms("acme", URL) - clock.now_ms() for _ in range(10_000)]
    assert times[:3] == sorted(set(times[:3]))
    assert min(times) > 0
    assert max(times) <= LONGEST_SLEEP_MS + 1
    busiest_second = max(sum(at_ms // 1000 == second for at_ms in times) for second in range(301))
    assert busiest_second < 100, "they do not all come at once"


def test_those_who_wait_for_a_slow_host_come_less_often_than_for_a_fast_one(hosts, clock):
    def last_of_ten(tenant, latency_ms):
        with ExitStack() as stack:
            fill(hosts, stack, tenant, [URL] * PER_HOST)
            for _ in range(20):
                hosts.heard(tenant, URL, Answer(status=200, latency_ms=latency_ms))
            return [hosts.come_again_ms(tenant, URL) - clock.now_ms() for _ in range(10)][-1]

    assert last_of_ten("slow", 15_000) > 100 * last_of_ten("fast", 20)


def test_one_tenant_with_ever_new_hosts_leaves_most_places_to_others(hosts):
    with ExitStack() as stack:
        assert fill(hosts, stack, "greedy", many_hosts()) <= AT_ONCE // 4
        assert fill(hosts, stack, "modest", many_hosts()) > AT_ONCE // 8
        for number in range(20):
            assert fill(hosts, stack, f"greedy{number}", many_hosts())
        assert hosts.come_again_ms("newcomer", URL) is None


def test_no_more_attempts_are_made_than_there_are_places_for_them(hosts):
    with ExitStack() as stack:
        taken = sum(fill(hosts, stack, f"tenant{number}", many_hosts()) for number in range(2 * AT_ONCE))
        assert taken == AT_ONCE
        assert hosts.come_again_ms("newcomer", URL) is not None
    assert hosts.come_again_ms("newcomer", URL) is None


def test_a_host_is_the_same_one_in_every_spelling():
    assert (
        host_of("https://Hooks.Example.com./a")
        == host_of("https://hooks.example.com:443/b?c")
        == "hooks.example.com:443"
    )
    assert host_of("http://hooks.example.com/") == "hooks.example.com:80"
