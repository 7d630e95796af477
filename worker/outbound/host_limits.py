"""Limits on what is sent to receivers: a few attempts at a time for each host, a fair share for each tenant, and a
circuit breaker for hosts that are silent.

Whoever sends asks `turn_ms` before an attempt, makes it inside `hold`, and tells `record` what came back. Who finds no
place waits a moment in this process and gets the next one that is free; where that is hopeless it is told to come again
later, and `recall` names it earlier if its host turns out to have room. A host that answers fast gets more places. All of it lives in this process and may be forgotten: it spares
others, it decides nothing about a delivery. A host is counted
for each tenant by itself, so one tenant's dead URL does not hold up another's under the same name. The breaker counts
silence only (no connection, no answer in time); a host that answers 500 is alive, and may serve others under its name.

Inside, times are those of a counter that nobody sets back; who is told when to come again is told the time of day.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple
from urllib.parse import urlsplit

from core.breaker import BreakerRule, CircuitBreaker
from core.clock import Clock
from core.security.url_policy import ascii_url

#: Places of a host, and what they grow to, by one with each answer within `FAST_MS`; one that is slow halves them.
PER_HOST, MOST_PER_HOST, FAST_MS = 4, 16, 500
#: Attempts that a worker makes at a time. It has places of their own for them, beside those for jobs.
AT_ONCE = 240
#: A tenant has at most this part of what is free right now, so that there is always room for another one.
FREE_PER_TENANT = 4
#: Five silences in a row pause a host; its probe keeps the others away for the length of an attempt, and a bit.
RULE = BreakerRule(failures_allowed=5, first_pause_s=5.0, longest_pause_s=300.0, probe_s=20.0)
#: An attempt is taken to last so long before any has ended, and no shorter than those under way already do.
FIRST_PACE_MS = 10.0
#: So long somebody waits in this process for a place, and so many do.
WAIT_S, MOST_WAITING = 1.0, 240
#: So many of those who sleep are known by name, for each host, to be called before their time.
MOST_SLEEPERS = 10_000
#: Nobody who is turned away sleeps longer than this beyond a pause, however many others wait.
LONGEST_SLEEP_MS = 300_000
#: Above this many known hosts, those that are idle and in no pause are forgotten.
MAX_HOSTS_KNOWN = 10_000


def host_of(url: str) -> str:
    """Name the place that attempts are counted by: host and port, e.g. ``hooks.example.com:8443``."""
    try:
        parts = urlsplit(ascii_url(url))
        port = parts.port or (80 if parts.scheme == "http" else 443)
    except ValueError:
        return "unreadable:0"  # the client refuses it, whatever place it is counted for
    return f"{(parts.hostname or '').removesuffix('.')}:{port}"


class Sleeper(NamedTuple):
    """A delivery that was told to come again, and when."""

    delivery_id: str
    until_ms: int


class _Turns:
    """Attempts under way to one host or by one tenant, and turns for those who have to come again."""

    def __init__(self) -> None:
        #: when each attempt began, the oldest first
        self._begun_ms: dict[int, int] = {}
        self._count = 0
        #: how long an attempt takes, the later ones counting more
        self._pace_ms = FIRST_PACE_MS
        self._booked_ms = 0.0

    @property
    def under_way(self) -> int:
        return len(self._begun_ms)

    def begin(self, now_ms: int) -> int:
        """An attempt begins; returns its number, to be told at its end."""
        self._count += 1
        self._begun_ms[self._count] = now_ms
        return self._count

    def end(self, number: int) -> None:
        """An attempt is over."""
        del self._begun_ms[number]

    def gap_ms(self, places: int, now_ms: int) -> float:
        """How long it takes until the next of these places gets free."""
        oldest_ms = next(iter(self._begun_ms.values()), now_ms)
        return max(self._pace_ms, now_ms - oldest_ms) / places

    def book_ms(self, from_ms: int, places: int, now_ms: int) -> int:
        """Give everybody who is turned away a time of his own, at the pace at which places get free."""
        gap_ms = self.gap_ms(places, now_ms)
        self._booked_ms = max(self._booked_ms, from_ms) + gap_ms
        if self._booked_ms > from_ms + LONGEST_SLEEP_MS:
            self._booked_ms = from_ms + gap_ms  # a round is full; the next one mixes with it
        return int(self._booked_ms) + 1

    def note_latency(self, latency_ms: int) -> None:
        self._pace_ms = (self._pace_ms + max(1, latency_ms)) / 2

    def forget_bookings(self) -> None:
        self._booked_ms = 0.0


class _Host(_Turns):
    """One host as one tenant sees it."""

    def __init__(self) -> None:
        super().__init__()
        self.breaker = CircuitBreaker(RULE)
        self.places = PER_HOST
        #: who waits for a place, and how many were told that they have one and have not taken it yet
        self.line: deque[asyncio.Future[None]] = deque()
        self.promised = 0
        #: when its tenant last set its default URL, 0 where it was never that
        self.set_at_ms = 0
        #: what was told to come again later, the latest of very many
        self.sleepers: deque[Sleeper] = deque(maxlen=MOST_SLEEPERS)

    @property
    def has_room(self) -> bool:
        return self.under_way + self.promised < self.places

    @property
    def is_idle(self) -> bool:
        return not (self.under_way or self.promised or self.line)

    def wait_ms(self, now_ms: int) -> float:
        """How long the next one in the line will wait, as far as one can tell."""
        return (len(self.line) + 1) * self.gap_ms(self.places, now_ms)

    def wake(self) -> None:
        """Give the places that are free to those who have waited longest."""
        while self.line and self.has_room:
            self.line.popleft().set_result(None)
            self.promised += 1

    def next_sleeper(self, now_ms: int) -> Sleeper | None:
        """Name who sleeps and has been turned away first; whose time has come comes by itself, and is named no more."""
        while self.sleepers:
            sleeper = self.sleepers.popleft()
            if sleeper.until_ms > now_ms:
                return sleeper
        return None

    def record(self, *, silent: bool, latency_ms: int, now_ms: int) -> None:
        fast = not silent and latency_ms <= FAST_MS
        self.places = min(self.places + 1, MOST_PER_HOST) if fast else max(self.places // 2, PER_HOST)
        self.note_latency(latency_ms)
        if silent:
            self.breaker.failed(now_s=now_ms / 1000)
            return
        if self.breaker.failures:
            self.forget_bookings()
        self.breaker.succeeded()

    def begin_anew(self, set_at_ms: int) -> None:
        """Forget what it did before its tenant set the URL, or enabled it: then it is said to be there."""
        if self.set_at_ms != set_at_ms:
            self.set_at_ms = set_at_ms
            self.breaker.succeeded()
            self.forget_bookings()

    def paused_until_ms(self, now_ms: int) -> int:
        """When its pause is over, `now_ms` where it has none."""
        return now_ms + round(self.breaker.wait_s(now_s=now_ms / 1000) * 1000)


class HostLimits:
    """The attempts that this process makes right now, and the hosts that it had to pause."""

    def __init__(self, clock: Clock, *, wait_s: float = WAIT_S) -> None:
        self._clock = clock
        self._wait_s = wait_s
        #: by tenant and host
        self._hosts: dict[tuple[str, str], _Host] = {}
        self._tenants: dict[str, _Turns] = {}
        self._under_way = 0
        #: those who wait, by tenant
        self._waiting: Counter[str] = Counter()

    async def turn_ms(self, tenant: str, url: str, *, set_at_ms: int = 0) -> int | None:
        """Wait for a place that gets free soon. None: go into `hold` at once; else when to ask again.

        `set_at_ms`: when the tenant set this URL as its default, 0 where it did not.
        """
        name = tenant, host_of(url)
        if set_at_ms:
            self._hosts.setdefault(name, _Host()).begin_anew(set_at_ms)
        host = self._hosts.get(name)
        if host and self._is_worth_waiting(tenant, host):
            await self._wait(tenant, host)
        turn_ms = self.book_turn_ms(tenant, url)
        if host and turn_ms is not None:
            host.wake()  # somebody else may want what this one could not take
        return turn_ms

    def note_sleeper(self, tenant: str, url: str, sleeper: Sleeper) -> None:
        """Remember who sleeps until its turn, so that `recall` can call it earlier."""
        if host := self._hosts.get((tenant, host_of(url))):
            host.sleepers.append(sleeper)

    def recall(self, tenant: str, url: str) -> Sleeper | None:
        """Name one who sleeps although its host has room by now."""
        host = self._hosts.get((tenant, host_of(url)))
        if host is None or not host.sleepers or host.line or not self._has_room(tenant, host):
            return None
        return host.next_sleeper(self._clock.now_ms())

    def _has_room(self, tenant: str, host: _Host) -> bool:
        now_ms, mine = self._clock.steady_ms(), self._tenants.get(tenant)
        full = self._under_way >= AT_ONCE or (mine and mine.under_way >= self._share())
        return not full and host.has_room and host.paused_until_ms(now_ms) <= now_ms

    def _is_worth_waiting(self, tenant: str, host: _Host) -> bool:
        now_ms = self._clock.steady_ms()
        if (host.has_room and not host.line) or host.paused_until_ms(now_ms) > now_ms:
            return False
        share = (MOST_WAITING - self._waiting.total()) // FREE_PER_TENANT
        return self._waiting[tenant] < share and host.wait_ms(now_ms) <= self._wait_s * 1000

    async def _wait(self, tenant: str, host: _Host) -> None:
        """Stand in a host's line until a place gets free, for `wait_s` at most."""
        place = asyncio.get_running_loop().create_future()
        host.line.append(place)
        self._waiting[tenant] += 1
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._wait_s):
                    await asyncio.shield(place)
        except asyncio.CancelledError:
            self._leave(tenant, host, place)
            host.wake()
            raise
        self._leave(tenant, host, place)

    def _leave(self, tenant: str, host: _Host, place: asyncio.Future[None]) -> None:
        self._waiting[tenant] -= 1
        if not self._waiting[tenant]:
            del self._waiting[tenant]
        if place.done():
            host.promised -= 1
        else:
            host.line.remove(place)

    def book_turn_ms(self, tenant: str, url: str) -> int | None:
        """Say when somebody who can't be served right now shall ask again; None means now: go into `hold` at once.

        Whoever is turned away gets a time of his own, the later the more there are: nobody comes again in vain.
        """
        now_ms = self._clock.steady_ms()
        turn_ms = self._book_ms(tenant, url, now_ms)
        return None if turn_ms is None else self._clock.now_ms() + turn_ms - now_ms

    def _book_ms(self, tenant: str, url: str, now_ms: int) -> int | None:
        host, mine = self._hosts.get((tenant, host_of(url))), self._tenants.get(tenant)
        if host and (free_ms := host.paused_until_ms(now_ms)) > now_ms:
            return host.book_ms(free_ms, PER_HOST, now_ms)
        if host and not host.has_room:
            return host.book_ms(now_ms, host.places, now_ms)
        share = self._share()
        if self._under_way >= AT_ONCE or (mine and mine.under_way >= share):
            return self._tenants.setdefault(tenant, _Turns()).book_ms(now_ms, share, now_ms)
        return None

    def _share(self) -> int:
        return max(1, (AT_ONCE - self._under_way) // FREE_PER_TENANT)

    @contextmanager
    def hold(self, tenant: str, url: str) -> Iterator[None]:
        """Hold a place for one attempt. Nothing may be awaited since `turn_ms` said None."""
        host = self._hosts.setdefault((tenant, host_of(url)), _Host())
        mine = self._tenants.setdefault(tenant, _Turns())
        now_ms = self._clock.steady_ms()
        host.breaker.begin(now_s=now_ms / 1000)
        self._under_way += 1
        numbers = host.begin(now_ms), mine.begin(now_ms)
        try:
            yield
        finally:
            self._under_way -= 1
            host.end(numbers[0])
            mine.end(numbers[1])
            host.wake()
            self._forget_idle(tenant)

    def record(self, tenant: str, url: str, *, silent: bool, latency_ms: int) -> None:
        """Remember how the host behaved, inside `hold`; `silent`: it gave no sign at all."""
        self._hosts[tenant, host_of(url)].record(silent=silent, latency_ms=latency_ms, now_ms=self._clock.steady_ms())
        self._tenants[tenant].note_latency(latency_ms)

    def _forget_idle(self, tenant: str) -> None:
        """Of very many hosts keep those that are in use or paused: the others' pace is learnt again."""
        if not self._tenants[tenant].under_way:
            del self._tenants[tenant]
        if len(self._hosts) > MAX_HOSTS_KNOWN:
            now_ms = self._clock.steady_ms()
            self._hosts = {n: h for n, h in self._hosts.items() if not h.is_idle or h.paused_until_ms(now_ms) > now_ms}
