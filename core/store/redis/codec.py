"""Encoding of records in Redis: msgpack, with unknown fields ignored, so that two versions can run side by side.

The arguments of an operation are msgpack too; see `raw`.
"""

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


def raw(data: bytes) -> msgspec.Raw:
    """Write bytes as an argument of an operation: a msgpack string, since the reader inside Redis knows no binary format."""
    size = len(data)
    if size < 1 << 8:
        return msgspec.Raw(b"\xd9" + size.to_bytes(1, "big") + data)
    if size < 1 << 16:
        return msgspec.Raw(b"\xda" + size.to_bytes(2, "big") + data)
    return msgspec.Raw(b"\xdb" + size.to_bytes(4, "big") + data)


def raw_record(record: Record) -> msgspec.Raw:
    """Write a record as an argument of an operation."""
    return raw(pack(record))


def pack_json(value: Any) -> bytes:
    """Write what the backend gave us, as JSON: a draft, its tracks."""
    return msgspec.json.encode(value)


def unpack_json(raw: bytes | None) -> Any:
    """Read what `pack_json` wrote; nothing is None."""
    return msgspec.json.decode(raw) if raw else None
