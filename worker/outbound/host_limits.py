"""Limits on what is sent to receivers: a few attempts at a time for each host, a fair share for each tenant, and a
circuit breaker for hosts that are silent.

Whoever sends asks `book_turn_ms` before an attempt, makes it inside `hold`, and tells `record` what came back. All of
it lives in this process and may be forgotten: it spares others, it decides nothing about a delivery. A host is counted
for each tenant by itself, so one tenant's dead URL does not hold up another's under the same name. The breaker counts
silence only (no connection, no answer in time); a host that answers 500 is alive, and may serve others under its name.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from core.breaker import BreakerRule, CircuitBreaker
from core.clock import Clock
from core.security.url_policy import ascii_url

PER_HOST = 4
#: Attempts that a worker makes at a time. It has places of their own for them, beside those for jobs.
AT_ONCE = 240
#: A tenant has at most this part of what is free right now, so that there is always room for another one.
FREE_PER_TENANT = 4
#: Five silences in a row pause a host; its probe keeps the others away for the length of an attempt, and a bit.
RULE = BreakerRule(failures_allowed=5, first_pause_s=5.0, longest_pause_s=300.0, probe_s=20.0)
#: An attempt is taken to last so long before any has ended.
FIRST_PACE_MS = 1_000.0
#: Nobody who is turned away sleeps longer than this beyond a pause, however many others wait.
LONGEST_SLEEP_MS = 300_000
#: Above this many known hosts, those that are idle and past their pause are forgotten.
MAX_HOSTS_KNOWN = 10_000


def host_of(url: str) -> str:
    """Name the place that attempts are counted by: host and port, e.g. ``hooks.example.com:8443``."""
    try:
        parts = urlsplit(ascii_url(url))
        port = parts.port or (80 if parts.scheme == "http" else 443)
    except ValueError:
        return "unreadable:0"  # the client refuses it, whatever place it is counted for
    return f"{(parts.hostname or '').removesuffix('.')}:{port}"


class _Turns:
    """Attempts under way to one host or by one tenant, and turns for those who have to come again."""

    def __init__(self) -> None:
        self.under_way = 0
        #: how long an attempt takes, the later ones counting more
        self._pace_ms = FIRST_PACE_MS
        self._booked_ms = 0.0

    def book_ms(self, from_ms: int, places: int) -> int:
        """Give everybody who is turned away a time of his own, at the pace at which places get free."""
        gap_ms = self._pace_ms / places
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

    def record(self, *, silent: bool, now_ms: int) -> None:
        if silent:
            self.breaker.failed(now_s=now_ms / 1000)
            return
        if self.breaker.failures:
            self.forget_bookings()
        self.breaker.succeeded()

    def paused_until_ms(self, now_ms: int) -> int:
        """When its pause is over, `now_ms` where it has none."""
        return now_ms + round(self.breaker.wait_s(now_s=now_ms / 1000) * 1000)


class HostLimits:
    """The attempts that this process makes right now, and the hosts that it had to pause."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        #: by tenant and host
        self._hosts: dict[tuple[str, str], _Host] = {}
        self._tenants: dict[str, _Turns] = {}
        self._under_way = 0

    def book_turn_ms(self, tenant: str, url: str) -> int | None:
        """Say when somebody who can't be served right now shall ask again; None means now: go into `hold` at once.

        Whoever is turned away gets a time of his own, the later the more there are: nobody comes again in vain.
        """
        now_ms = self._clock.now_ms()
        host, mine = self._hosts.get((tenant, host_of(url))), self._tenants.get(tenant)
        if host and (free_ms := host.paused_until_ms(now_ms)) > now_ms:
            return host.book_ms(free_ms, PER_HOST)
        if host and host.under_way >= PER_HOST:
            return host.book_ms(now_ms, PER_HOST)
        share = self._share()
        if self._under_way >= AT_ONCE or (mine and mine.under_way >= share):
            return self._tenants.setdefault(tenant, _Turns()).book_ms(now_ms, share)
        return None

    def _share(self) -> int:
        return max(1, (AT_ONCE - self._under_way) // FREE_PER_TENANT)

    @contextmanager
    def hold(self, tenant: str, url: str) -> Iterator[None]:
        """Hold a place for one attempt. Nothing may be awaited since `book_turn_ms` said None."""
        name = (tenant, host_of(url))
        host, mine = self._hosts.setdefault(name, _Host()), self._tenants.setdefault(tenant, _Turns())
        host.breaker.begin(now_s=self._clock.now_ms() / 1000)
        self._count(host, mine, 1)
        try:
            yield
        finally:
            self._count(host, mine, -1)
            self._forget_idle(name)

    def _count(self, host: _Host, mine: _Turns, by: int) -> None:
        self._under_way += by
        host.under_way += by
        mine.under_way += by

    def record(self, tenant: str, url: str, *, silent: bool, latency_ms: int) -> None:
        """Remember how the host behaved, inside `hold`; `silent`: it gave no sign at all."""
        host = self._hosts[tenant, host_of(url)]
        host.record(silent=silent, now_ms=self._clock.now_ms())
        for turns in (host, self._tenants[tenant]):
            turns.note_latency(latency_ms)

    def _forget_idle(self, name: tuple[str, str]) -> None:
        """Keep what is in use or was silent; of very many silent ones only those that are paused."""
        host = self._hosts[name]
        if not host.under_way and not host.breaker.failures:
            del self._hosts[name]
        if not self._tenants[name[0]].under_way:
            del self._tenants[name[0]]
        if len(self._hosts) > MAX_HOSTS_KNOWN:
            now_ms = self._clock.now_ms()
            self._hosts = {n: h for n, h in self._hosts.items() if h.under_way or h.paused_until_ms(now_ms) > now_ms}
