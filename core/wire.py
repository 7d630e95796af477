"""How records are written to Redis: msgpack, with unknown fields ignored, so that two versions can run side by side."""

from typing import TypeVar

import msgspec

from core.job import Record

R = TypeVar("R", bound=Record)

_encoder = msgspec.msgpack.Encoder()


def pack(record: Record) -> bytes:
    """Write a record."""
    return _encoder.encode(record)


def unpack(raw: bytes, kind: type[R]) -> R:
    """Read a record. Raises msgspec.ValidationError where Redis holds something else."""
    return msgspec.msgpack.decode(raw, type=kind)
