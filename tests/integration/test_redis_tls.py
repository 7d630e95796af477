"""Redis and Sentinels behind TLS, with a certificate of an authority that the address names: a proxy ends it before real ones."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from redis.exceptions import ConnectionError as RedisConnectionError

from core.clock import Clock
from core.sentinel_url import parse_sentinel_url
from core.store.events import Events
from core.store.redis.client import Store, connect, why_away
from core.store.redis.sentinel import NodeAddress, Sentinels
from tests.integration.test_callback_attempts import certificate
from tests.redis_fixture import RedisServer, running_redis
from tests.sentinels_fixture import SENTINELS_PASSWORD, SERVICE, running_sentinels
from tests.until import PATIENCE_S, until

LOOPBACK = x509.IPAddress(ip_address("127.0.0.1"))


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(4096):
        writer.write(data)
    writer.close()


@asynccontextmanager
async def behind_tls(port: int, tls: ssl.SSLContext) -> AsyncIterator[int]:
    """End TLS before a server, and give the port at which that is done."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_server = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pass_on(reader, to_server[1]), pass_on(to_server[0], writer), return_exceptions=True)

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls) as server:
        yield server.sockets[0].getsockname()[1]


def server_side(pem: Path, name: x509.GeneralName = LOOPBACK) -> ssl.SSLContext:
    pem.write_bytes(certificate(names=[name]))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


async def primary_of(sentinels: Sentinels) -> NodeAddress | None:
    """Ask them, who may still be starting."""
    with suppress(RedisConnectionError):
        return await sentinels.primary()
    return None


async def test_sentinels_are_believed_by_the_authorities_that_the_address_names(tmp_path: Path) -> None:
    """Redis itself was, and its Sentinels by the system's alone: no process found the primary."""
    pem = tmp_path / "authority.pem"
    tls = server_side(pem)
    async with AsyncExitStack() as stack:
        watched = stack.enter_context(running_sentinels())
        ports = [await stack.enter_async_context(behind_tls(port, tls)) for port in watched.sentinels]
        hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
        url = f"rediss+sentinel://:any@{hosts}/{SERVICE}/0?sentinel_password={SENTINELS_PASSWORD}"
        told = Sentinels(parse_sentinel_url(f"{url}&ssl_ca_certs={pem}&ssl_check_hostname=true"))
        found = await until(lambda: primary_of(told), within_s=PATIENCE_S)
        assert found == ("127.0.0.1", next(iter(watched.servers)))
        with pytest.raises(RedisConnectionError):
            await Sentinels(parse_sentinel_url(url)).primary()


async def test_a_certificate_for_another_host_is_not_redis_unless_the_address_says_so(tmp_path: Path) -> None:
    """Any host with a certificate of the same authority got the password and all that is stored; redis-py asks for no name."""
    pem = tmp_path / "authority.pem"
    tls = server_side(pem, x509.DNSName("redis.example"))
    with running_redis() as server:
        async with behind_tls(server.port, tls) as port:
            url = address(server, port, pem)
            with pytest.raises(RedisConnectionError, match="not valid for") as refused:
                await answered_by(url)
            told = "Redis's certificate at REDIS_URL is not believed: IP address mismatch."
            assert why_away(refused.value) == told, "Redis answers, and whoever is told otherwise looks at the network"
            assert await answered_by(f"{url}&ssl_check_hostname=false")
            assert await answered_by(f"{url}&ssl_cert_reqs=none")


async def test_a_certificate_for_the_host_of_the_address_is_redis(tmp_path: Path) -> None:
    pem = tmp_path / "authority.pem"
    tls = server_side(pem)
    with running_redis() as server:
        async with behind_tls(server.port, tls) as port:
            assert await answered_by(address(server, port, pem))


class Silenced:
    """A cable to a server behind TLS that can be cut without a word to either end."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.cut = False
        #: connections that are still open at one end or the other
        self.open = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        await asyncio.gather(self._pass_on(reader, back), self._pass_on(there, writer), return_exceptions=True)
        self.open -= 1

    async def is_idle(self) -> bool:
        return self.open == 0

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(4096):
            if not self.cut:
                writer.write(data)
        writer.close()


async def test_a_redis_that_says_no_goodbye_is_left_without_a_word(tmp_path: Path) -> None:
    """What a process ends with, or tells the operator, is not that: TLS alone asks for one."""
    pem = tmp_path / "authority.pem"
    tls = server_side(pem)
    with running_redis() as server:
        async with behind_tls(server.port, tls) as port:
            cable = Silenced(port)
            async with await asyncio.start_server(cable.serve, "127.0.0.1", 0) as between:
                store = Store(connect(address(server, between.sockets[0].getsockname()[1], pem), answer_s=0.5))
                assert await store.ask("PING")
                assert await store.redis.ping()
                subscription = await Events(store, Clock()).subscribe()
                cable.cut = True
                await subscription.aclose()  # type: ignore[no-untyped-call]
                await store.close()
                await until(cable.is_idle, within_s=PATIENCE_S)


def address(server: RedisServer, port: int, authority: Path) -> str:
    """Say how a server is reached behind TLS."""
    where = urlsplit(server.url)
    return f"rediss://:{where.password}@127.0.0.1:{port}/0?ssl_ca_certs={authority}"


async def answered_by(url: str) -> bool:
    async with connect(url, answer_s=PATIENCE_S) as redis:
        return bool(await redis.ping())
