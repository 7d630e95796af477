"""Redis Sentinel: where the primary is, and how it is moved.

A process asks when it opens a connection, and again when that broke: so it follows a failover without being told. Of the
Sentinels' answers the most common one counts, since one that was cut off may still name the primary of before.
https://redis.io/docs/latest/develop/reference/sentinel-clients/
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

import redis.asyncio
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from core.sentinel_url import SentinelUrl

#: where a server or a Sentinel listens: host and port
NodeAddress = tuple[str, int]

#: a Sentinel that does not answer within this has no vote
_ANSWER_S = 0.3
#: unless it has to be told something
_PATIENT_S = 2.0


class Sentinels:
    """The Sentinels of one primary."""

    def __init__(self, url: SentinelUrl) -> None:
        self._url = url
        #: whom to trust and what to show, as for Redis itself: ``ssl_ca_certs`` and its kind
        self._tls: dict[str, Any] = {}
        if url.tls:
            self._tls = {name: value for name, value in parse_url(url.redis_url).items() if name.startswith("ssl_")}

    @property
    def service(self) -> str:
        """The primary's name."""
        return self._url.service

    async def primary(self) -> NodeAddress:
        """Ask where the primary is. Raises one of STORE_DOWN where no Sentinel knows."""
        asking = [asyncio.create_task(self._ask_one(each)) for each in self._url.sentinels]
        votes: Counter[NodeAddress] = Counter()
        try:
            for answer in asyncio.as_completed(asking):
                if (found := await answer) is not None:
                    votes[found] += 1
                if votes.total() > len(asking) // 2:
                    break
        finally:
            for each in asking:
                each.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
        if not votes:
            raise RedisConnectionError("no Sentinel knows the primary")
        return votes.most_common(1)[0][0]

    async def agreed_primary(self) -> NodeAddress | None:
        """Ask where the primary is by the word of half of the Sentinels at least, and of more than name any other one.

        Under load another one of them may promote another replica, by a later vote: of one word alone nobody can rely on it.
        """
        votes = Counter(each for each in await self._ask_all() if each)
        (found, most), (_, next_most), *_ = [*votes.most_common(2), (None, 0), (None, 0)]
        return found if 2 * most >= len(self._url.sentinels) and most > next_most else None

    async def _ask_all(self, *, within_s: float = _ANSWER_S) -> list[NodeAddress | None]:
        return await asyncio.gather(*(self._ask_one(each, within_s=within_s) for each in self._url.sentinels))

    async def _ask_one(self, sentinel: NodeAddress, *, within_s: float = _ANSWER_S) -> NodeAddress | None:
        try:
            async with asyncio.timeout(within_s):
                found = await self._command(sentinel, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._url.service)
        except (RedisError, OSError, TimeoutError):
            return None
        return (found[0].decode(), int(found[1])) if found else None

    async def replicas(self) -> list[dict[str, str]]:
        """List the primary's replicas as a Sentinel sees them: ``ip``, ``port``, ``flags``, ``master-link-status``."""
        rows = await self.command("SENTINEL", "REPLICAS", self._url.service)
        return [_as_dict(row) for row in rows]

    async def call_off(self, primary: NodeAddress) -> dict[NodeAddress, NodeAddress | None]:
        """Have nobody promote another one in this primary's place any more; say whom each Sentinel names then.

        None: it could not be told. One that names another one has promoted it by now.
        """
        told = await asyncio.gather(*(self._call_off_at(each, primary) for each in self._url.sentinels))
        named = await self._ask_all(within_s=_PATIENT_S)
        each_with = zip(self._url.sentinels, told, named, strict=True)
        return {each: primary_then if done else None for each, done, primary_then in each_with}

    async def _call_off_at(self, sentinel: NodeAddress, primary: NodeAddress) -> bool:
        """Reset a Sentinel that is promoting somebody, which it would go on with for its `failover-timeout`.

        There is no other word for that. It forgets replicas and other Sentinels, too, and finds them again within seconds. One
        that has promoted somebody by now is left alone: it would name the old one for good.
        """
        try:
            facts = _as_dict(await self._command(sentinel, "SENTINEL", "MASTER", self.service))
            if (
                "failover_in_progress" in facts["flags"].split(",")
                and await self._ask_one(sentinel, within_s=_PATIENT_S) == primary
            ):
                return bool(await self._command(sentinel, "SENTINEL", "RESET", self.service))
        except (RedisError, OSError, TimeoutError):
            return False
        return True

    async def command(self, *words: str) -> Any:
        """Give a command to the first Sentinel that answers. Raises what it refuses with, or one of STORE_DOWN."""
        for sentinel in self._url.sentinels:
            try:
                return await self._command(sentinel, *words)
            except (RedisConnectionError, OSError, TimeoutError):
                continue
        raise RedisConnectionError("no Sentinel answers")

    async def _command(self, sentinel: NodeAddress, *words: str) -> Any:
        host, port = sentinel
        kind = redis.asyncio.SSLConnection if self._url.tls else redis.asyncio.Connection
        connection = kind(
            **self._tls,
            host=host,
            port=port,
            username=self._url.sentinel_username,
            password=self._url.sentinel_password,
            socket_timeout=_PATIENT_S,
            socket_connect_timeout=_ANSWER_S,
            retry=Retry(NoBackoff(), 0),
        )
        try:
            await connection.connect()  # type: ignore[no-untyped-call]
            await connection.send_command(*words)
            return await connection.read_response()
        finally:
            await connection.disconnect(nowait=True)


def _as_dict(row: Sequence[bytes]) -> dict[str, str]:
    texts = [each.decode() for each in row]
    return dict(zip(texts[::2], texts[1::2], strict=True))
