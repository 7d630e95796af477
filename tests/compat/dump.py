"""What a version has left in Redis, in a form that outlives it: each key by type and value, and what the API said of it.

`make_dump` writes one, `test_last_version` reads it. Bytes stay as the version wrote them: nothing here decodes a record.
"""

import lzma
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import redis

#: the last version's dump
FILE = Path(__file__).with_name("last_version.dump")
#: a number is taken for a time where it is this near to the dump's own
_NEAR_MS = 40 * 86_400_000
#: a time in ms as msgpack writes it, which for its size is always eight bytes, and as decimal digits
_PACKED_TIME = re.compile(rb"([\xcf\xd3])(\x00\x00\x01.{5})", re.DOTALL)
_WRITTEN_TIME = re.compile(rb"(?<![\w.-])(\d{13})(?![\w.])")


class Kept(msgspec.Struct, frozen=True):
    """One key. `value`: bytes, a dict, or a list of members, of (member, score) or of (id, fields)."""

    name: bytes
    kind: str
    value: Any
    ttl_ms: int | None = None


class Told(msgspec.Struct, frozen=True):
    """What the API answered to a GET: ``Told("acme", "/v1/jobs", 200, b'{"data":…')``."""

    tenant: str
    path: str
    status: int
    body: bytes


class Repeat(msgspec.Struct, frozen=True):
    """A call that was made under an Idempotency-Key, and what its repetition was answered."""

    tenant: str
    path: str
    key: str
    content: bytes
    status: int
    body: bytes


class Dump(msgspec.Struct, frozen=True, kw_only=True):
    """A whole installation at one moment. All secrets were made for this and open nothing else."""

    commit: str
    #: the clock's time at which the keys were read
    now_ms: int
    secret_key: str
    public_url: str
    #: jobs of one tenant that could run at once
    tenant_running_jobs: int
    #: where callbacks went: to a receiver, to nobody, to one that never answers; ``127.0.0.1:41234`` each
    addresses: list[str]
    #: by tenant
    api_keys: dict[str, str]
    webhook_secrets: dict[str, list[str]]
    #: credits by the backend's tokens
    backend_tokens: dict[str, int]
    #: API keys of the first tenant: one that was taken back, and one that may only read
    revoked_key: str
    reading_key: str
    #: ids of jobs, sessions, uploads and batches by what they show: ``{"parked render": "job_…"}``
    ids: dict[str, str]
    told: list[Told]
    repeats: list[Repeat]
    #: files of the storage folder that jobs yet need
    files: dict[str, bytes]
    keys: list[Kept]


def write(dump: Dump, path: Path) -> None:
    path.write_bytes(lzma.compress(msgspec.msgpack.encode(dump), preset=9 | lzma.PRESET_EXTREME))


def read(path: Path = FILE) -> Dump:
    return msgspec.msgpack.decode(lzma.decompress(path.read_bytes()), type=Dump)


def take_all(client: redis.Redis) -> list[Kept]:
    """Read every key, in the order of their names."""
    return [_take(client, name) for name in sorted(client.scan_iter(count=1000))]


def _take(client: redis.Redis, name: bytes) -> Kept:
    kind = client.type(name).decode()
    read_as: dict[str, Callable[[bytes], Any]] = {
        "string": client.get,
        "hash": client.hgetall,
        "list": lambda n: client.lrange(n, 0, -1),
        "set": lambda n: sorted(client.smembers(n)),
        "zset": lambda n: client.zrange(n, 0, -1, withscores=True),
        "stream": client.xrange,
    }
    ttl_ms = client.pttl(name)
    return Kept(name, kind, read_as[kind](name), ttl_ms if ttl_ms > 0 else None)


def restore(keys: list[Kept], client: redis.Redis) -> None:
    """Write keys into an empty Redis."""
    pipe = client.pipeline(transaction=True)
    for kept in keys:
        _put(pipe, kept)
        if kept.ttl_ms:
            pipe.pexpire(kept.name, kept.ttl_ms)
    pipe.execute()


def _put(pipe: Any, kept: Kept) -> None:
    match kept.kind:
        case "string":
            pipe.set(kept.name, kept.value)
        case "hash":
            pipe.hset(kept.name, mapping=kept.value)
        case "list":
            pipe.rpush(kept.name, *kept.value)
        case "set":
            pipe.sadd(kept.name, *kept.value)
        case "zset":
            pipe.zadd(kept.name, dict(kept.value))
        case "stream":
            for entry_id, fields in kept.value:
                pipe.xadd(kept.name, fields, id=entry_id)


def moved(dump: Dump, *, by_ms: int, receiver: str) -> list[Kept]:
    """Give the keys as they would stand had the dump been taken so much later, with all callbacks going to `receiver`.

    Times move where a clock is compared with them: in records, fields and scores. Ids, and the streams whose entries
    are named after them, stay. An address must be as long as the one that it stands for, since msgpack counts bytes.
    """
    assert all(len(address) == len(receiver) for address in dump.addresses)
    changed = _Changes(dump.now_ms, by_ms, dict.fromkeys(dump.addresses, receiver))
    return [k if k.kind == "stream" else msgspec.structs.replace(k, value=changed(k.value)) for k in dump.keys]


class _Changes:
    """Moves the times and addresses in a value, however deep they are."""

    def __init__(self, then_ms: int, by_ms: int, addresses: dict[str, str]) -> None:
        self._then_ms = then_ms
        self._by_ms = by_ms
        self._addresses = {old.encode(): new.encode() for old, new in addresses.items()}

    def __call__(self, value: Any) -> Any:
        match value:
            case bytes():
                return self._in_bytes(value)
            case dict():
                return {self._in_bytes(name): self(inner) for name, inner in value.items()}
            case list() | tuple():
                return [self(inner) for inner in value]
            case float() if self._is_time(value):
                return value + self._by_ms
        return value

    def _in_bytes(self, raw: bytes) -> bytes:
        raw = _PACKED_TIME.sub(lambda found: found[1] + self._packed(found[2]), raw)
        raw = _WRITTEN_TIME.sub(lambda found: str(self._moved(int(found[1]))).encode(), raw)
        for old, new in self._addresses.items():
            raw = raw.replace(old, new)
        return raw

    def _packed(self, raw: bytes) -> bytes:
        return self._moved(int.from_bytes(raw)).to_bytes(8)

    def _moved(self, number: int) -> int:
        return number + self._by_ms if self._is_time(number) else number

    def _is_time(self, number: float) -> bool:
        return abs(number - self._then_ms) < _NEAR_MS


def paths_of(ids: dict[str, str]) -> Iterator[str]:
    """Name every GET that shows a job, session, upload or batch."""
    parts = {"job": ("jobs", ("", "/events", "/deliveries", "/timeline")), "ses": ("sessions", ("", "/timeline"))}
    parts |= {"upl": ("uploads", ("",)), "bat": ("batches", ("",))}
    for item_id in ids.values():
        folder, ends = parts[item_id[:3]]
        yield from (f"/v1/{folder}/{item_id}{end}" for end in ends)
