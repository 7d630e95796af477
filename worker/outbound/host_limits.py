"""How the sending is shared out: a few attempts at a time for each host, no more than its share for each tenant, and
a pause for hosts that are silent.

The delivery loop asks `come_again_ms` before an attempt, makes it inside `slot`, and tells `heard` what came back.
All of it lives in this process and may be forgotten: it spares others, it decides nothing about a delivery. A host is
counted for each tenant by itself, so one tenant's dead URL does not hold up another's under the same name. The breaker
counts silence only (no connection, no answer in time); a host that answers 500 is alive, and may serve others under its name.
This module must not know deliveries or Redis.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import msgspec

from core.clock import Clock
from worker.callbacks.retry_policy import Answer, Fault

PER_HOST = 4
#: Attempts that a worker makes at a time. It has places of their own for them, beside those for jobs.
AT_ONCE = 240
#: A tenant has at most this part of what is free right now, so that there is always room for another one.
FREE_PER_TENANT = 4
#: So many silences in a row open the breaker; each further one doubles the pause.
SILENCES_ALLOWED = 5
FIRST_PAUSE_MS = 5_000
LONGEST_PAUSE_MS = 300_000
_SILENCES = {Fault.NAME_NOT_FOUND, Fault.REFUSED, Fault.UNREACHABLE, Fault.TIMEOUT}
#: How long the single try after a pause keeps the others away: the length of an attempt, and a bit.
PROBE_MS = 20_000
#: An attempt is taken to last so long before any has ended.
FIRST_PACE_MS = 1_000.0
#: Nobody who is turned away sleeps longer than this beyond a pause, however many others wait.
LONGEST_SLEEP_MS = 300_000
#: Above this many known hosts, those that are idle and past their pause are forgotten.
MAX_HOSTS_KNOWN = 10_000


class Health(msgspec.Struct, frozen=True):
    """How a host has behaved: silences in a row, and until when it is left alone."""

    silences: int = 0
    paused_until_ms: int = 0


def after_silence(health: Health, *, now_ms: int) -> Health:
    """Count a silence; from the fifth in a row on, pause: 5 s, 10 s, 20 s … 5 min."""
    silences = health.silences + 1
    over = silences - SILENCES_ALLOWED
    if over < 0:
        return Health(silences)
    return Health(silences, now_ms + min(FIRST_PAUSE_MS * 2 ** min(over, 10), LONGEST_PAUSE_MS))


def after_start(health: Health, *, now_ms: int) -> Health:
    """After a pause let one attempt try the host, and keep the others away until it has ended."""
    if health.silences < SILENCES_ALLOWED:
        return health
    return Health(health.silences, max(health.paused_until_ms, now_ms + PROBE_MS))


def is_silence(answer: Answer) -> bool:
    """Tell whether the host gave no sign at all; one that hangs up, or fails a handshake, is there."""
    return answer.error in _SILENCES


def host_of(url: str) -> str:
    """Name the place that attempts are counted by: host and port, e.g. ``hooks.example.com:8443``."""
    parts = urlsplit(url)
    port = parts.port or (80 if parts.scheme == "http" else 443)
    return f"{(parts.hostname or '').removesuffix('.')}:{port}"


class _Line:
    """Those that are being sent to one host or by one tenant, and when the next one who was turned away comes again."""

    def __init__(self) -> None:
        self.health = Health()
        self.present = 0
        #: How long an attempt takes, the later ones counting more.
        self.pace_ms = FIRST_PACE_MS
        self._booked_ms = 0.0

    def book(self, from_ms: int, places: int) -> int:
        """Give everybody who is turned away a time of his own, at the pace at which places get free."""
        gap_ms = self.pace_ms / places
        self._booked_ms = max(self._booked_ms, from_ms) + gap_ms
        if self._booked_ms > from_ms + LONGEST_SLEEP_MS:
            self._booked_ms = from_ms + gap_ms  # a round is full; the next one mixes with it
        return int(self._booked_ms) + 1

    def heard(self, answer: Answer, now_ms: int) -> None:
        self.pace_ms = (self.pace_ms + max(1, answer.latency_ms)) / 2
        if is_silence(answer):
            self.health = after_silence(self.health, now_ms=now_ms)
        else:
            self._booked_ms = 0.0 if self.health.silences else self._booked_ms
            self.health = Health()


class Hosts:
    """The attempts that this process makes right now, and the hosts that it had to pause."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        #: by tenant and host
        self._hosts: dict[tuple[str, str], _Line] = {}
        self._tenants: dict[str, _Line] = {}
        self._present = 0

    def come_again_ms(self, tenant: str, url: str) -> int | None:
        """Say when somebody who can't be served right now shall ask again; None means now: go into `slot` at once.

        Whoever is turned away gets a time of his own, the later the more there are: nobody comes again in vain.
        """
        now_ms = self._clock.now_ms()
        host, mine = self._hosts.get((tenant, host_of(url))), self._tenants.get(tenant)
        if host and host.health.paused_until_ms > now_ms:
            return host.book(host.health.paused_until_ms, PER_HOST)
        if host and host.present >= PER_HOST:
            return host.book(now_ms, PER_HOST)
        share = self._share()
        if self._present >= AT_ONCE or (mine and mine.present >= share):
            return self._tenants.setdefault(tenant, _Line()).book(now_ms, share)
        return None

    def _share(self) -> int:
        return max(1, (AT_ONCE - self._present) // FREE_PER_TENANT)

    @contextmanager
    def slot(self, tenant: str, url: str) -> Iterator[None]:
        """Hold a place for one attempt. Nothing may be awaited since `come_again_ms` said None."""
        name = (tenant, host_of(url))
        lines = self._hosts.setdefault(name, _Line()), self._tenants.setdefault(tenant, _Line())
        lines[0].health = after_start(lines[0].health, now_ms=self._clock.now_ms())
        self._count(lines, 1)
        try:
            yield
        finally:
            self._count(lines, -1)
            self._forget(name)

    def _count(self, lines: tuple[_Line, _Line], by: int) -> None:
        self._present += by
        for line in lines:
            line.present += by

    def heard(self, tenant: str, url: str, answer: Answer) -> None:
        """Remember how the host behaved; call it inside the slot."""
        now_ms, mine = self._clock.now_ms(), self._tenants[tenant]
        self._hosts[tenant, host_of(url)].heard(answer, now_ms)
        mine.pace_ms = (mine.pace_ms + max(1, answer.latency_ms)) / 2

    def _forget(self, name: tuple[str, str]) -> None:
        """Keep what is in use or was silent; of very many silent ones only those that are paused."""
        if not self._hosts[name].present and self._hosts[name].health == Health():
            del self._hosts[name]
        if not self._tenants[name[0]].present:
            del self._tenants[name[0]]
        if len(self._hosts) > MAX_HOSTS_KNOWN:
            now_ms = self._clock.now_ms()
            self._hosts = {n: h for n, h in self._hosts.items() if h.present or h.health.paused_until_ms > now_ms}
