"""How the sending is shared out over receiver hosts: a few attempts at a time each, and a pause for the silent ones.

The delivery loop asks `retry_at_ms` before it takes a delivery up, sends inside `slot`, and tells `heard` what came
back. All of it lives in this process and may be forgotten: it spares a host, it decides nothing about a delivery.
The breaker counts silence only (no connection, no answer); a host that answers 500 is alive, and may serve others
under the same name. This module must not know deliveries, tenants or Redis.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import msgspec

from core.clock import Clock
from worker.callbacks.schedule import Answer, Fault

PER_HOST = 4
#: So many silences in a row open the breaker; each further one doubles the pause.
SILENCES_ALLOWED = 5
FIRST_PAUSE_MS = 5_000
LONGEST_PAUSE_MS = 300_000
#: How long the single try after a pause keeps the others away: the length of an attempt, and a bit.
PROBE_MS = 20_000
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
    """Tell whether the host itself gave no sign; a target that we refuse says nothing about a host."""
    return answer.status is None and answer.error is not Fault.FORBIDDEN


def host_of(url: str) -> str:
    """Name the place that attempts are counted by: host and port, e.g. ``hooks.example.com:8443``."""
    parts = urlsplit(url)
    port = parts.port or (80 if parts.scheme == "http" else 443)
    return f"{(parts.hostname or '').removesuffix('.')}:{port}"


class _Host:
    def __init__(self) -> None:
        self.health = Health()
        self.places = asyncio.Semaphore(PER_HOST)
        #: Attempts that are being made or wait for a place.
        self.present = 0


class Hosts:
    """The hosts that this process sends to right now, and those that it had to pause."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._hosts: dict[str, _Host] = {}

    def retry_at_ms(self, url: str) -> int | None:
        """Say when this URL's host may be tried again; None means now."""
        host = self._hosts.get(host_of(url))
        if host is None or host.health.paused_until_ms <= self._clock.now_ms():
            return None
        return host.health.paused_until_ms

    def busy(self, url: str) -> bool:
        """Tell whether an attempt would have to wait for a place; better take up a delivery for another host."""
        host = self._hosts.get(host_of(url))
        return host is not None and host.present >= PER_HOST

    @asynccontextmanager
    async def slot(self, url: str) -> AsyncGenerator[None, None]:
        """Hold one of the host's few places, waiting in order of arrival unless `busy` has just said no."""
        name = host_of(url)
        host = self._hosts.setdefault(name, _Host())
        host.present += 1
        try:
            async with host.places:
                host.health = after_start(host.health, now_ms=self._clock.now_ms())
                yield
        finally:
            host.present -= 1
            self._forget(name, host)

    def heard(self, url: str, answer: Answer) -> None:
        """Remember how the host behaved; call it inside the slot."""
        host = self._hosts[host_of(url)]
        silent = is_silence(answer)
        host.health = after_silence(host.health, now_ms=self._clock.now_ms()) if silent else Health()

    def _forget(self, name: str, host: _Host) -> None:
        if host.present == 0 and host.health == Health():
            del self._hosts[name]
        if len(self._hosts) > MAX_HOSTS_KNOWN:
            self._forget_old()

    def _forget_old(self) -> None:
        now_ms = self._clock.now_ms()
        kept = {
            name: host for name, host in self._hosts.items() if host.present or host.health.paused_until_ms > now_ms
        }
        self._hosts = kept
