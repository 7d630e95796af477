"""How records are written to Redis: msgpack, with unknown fields ignored, so that two versions can run side by side."""

from typing import Any, TypeVar

import msgspec

from core.model.job import Record

R = TypeVar("R", bound=Record)

_encoder = msgspec.msgpack.Encoder()


def pack(record: Record) -> bytes:
    """Write a record."""
    return _encoder.encode(record)


def unpack(raw: bytes, kind: type[R]) -> R:
    """Read a record. Raises msgspec.ValidationError where Redis holds something else."""
    return msgspec.msgpack.decode(raw, type=kind)


def pack_json(value: Any) -> bytes:
    """Write what the backend gave us, as JSON: a draft, its tracks."""
    return msgspec.json.encode(value)


def unpack_json(raw: bytes | None) -> Any:
    """Read what `pack_json` wrote; nothing is None."""
    return msgspec.json.decode(raw) if raw else None
