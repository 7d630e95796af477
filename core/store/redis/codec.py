"""Encoding of records in Redis: msgpack. What this release does not know is kept, and written again as it came.

So two releases run side by side: the older one may write a record of the newer one, and loses nothing of it. Here alone
are records decoded; one that cannot be raises `Unreadable`, is counted and named in the log.
The arguments of an operation are msgpack too; see `raw`.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from math import isfinite
from typing import Any, TypeVar

import msgspec

from core.logs import get_logger
from core.metrics import UNREADABLE_RECORDS
from core.model.job import BEYOND, Record

log = get_logger(__name__)

R = TypeVar("R", bound=Record)
S = TypeVar("S")

_encoder = msgspec.msgpack.Encoder()
#: how the field that holds unknown ones begins in msgpack: a string of that many bytes
_BEYOND_PACKED = bytes([0xA0 | len(BEYOND)]) + BEYOND.encode()


#: of what this process has had a line in the log already, the latest last: a list that is read often says it once
_told: dict[tuple[str, str], None] = {}
_TOLD_AT_MOST = 1000


class Unreadable(Exception):  # noqa: N818 - it says what the record is
    """This release cannot read a record: a newer one wrote it, or it is broken. It costs itself alone.

    `kind`: ``"job"``, ``"tenant_webhook"``.
    """

    def __init__(self, kind: str, why: str) -> None:
        super().__init__(f"a {kind} that cannot be read: {why}")
        self.kind = kind


#: the kinds of records that this release knows, as they are counted where one cannot be read
RECORD_KINDS = (
    *("job", "session", "delivery", "upload", "tenant_webhook", "signing_secrets", "orphan_render", "token", "draft"),
)


def unreadable(kind: str, item_id: str, why: str) -> Unreadable:
    """Count and log a record that cannot be read. `why` must name no content."""
    UNREADABLE_RECORDS.labels(kind).inc()
    if (kind, item_id) not in _told:
        _told[kind, item_id] = None
        if len(_told) > _TOLD_AT_MOST:
            del _told[next(iter(_told))]
        log.error("a record cannot be read", kind=kind, item_id=item_id or None, why=why)
    return Unreadable(kind, why)


def record_kind(kind: type) -> str:
    """Name a kind of record for metrics and logs: ``"tenant_webhook"``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind.__name__).lower().strip("_")


def pack(record: Record) -> bytes:
    """Write a record, with the fields of a newer release that it came with."""
    packed = _encoder.encode(record)
    return packed if _BEYOND_PACKED not in packed else _encoder.encode(_merged(msgspec.msgpack.decode(packed)))


def unpack(raw: bytes, kind: type[R], *, item_id: str = "") -> R:
    """Read a record. Raises Unreadable where Redis holds something else."""
    record = decode(raw, kind, item_id=item_id)
    # what is written again byte for byte has nothing that is unknown here
    return record if _encoder.encode(record) == raw else _keeping_unknown(record, msgspec.msgpack.decode(raw))


def decode(raw: bytes, kind: type[S], *, item_id: str = "") -> S:
    """Read what is never written again, and so needs to keep nothing. Raises Unreadable."""
    try:
        return msgspec.msgpack.decode(raw, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise unreadable(record_kind(kind), item_id, _place_of(error)) from None


def _place_of(error: Exception) -> str:
    """Say what is wrong and where, without the value: ``Invalid enum value - at `$.stage```."""
    return re.sub(r"'[^']*'|(?<=Invalid enum value )\S+", "", str(error))[:200]


def _keeping_unknown(record: R, told: Mapping[str, Any]) -> R:
    """Put what was told and is in no field into `beyond`; of a plain struct inside too, under that field's name."""
    fields = _fields_of(type(record))
    beyond: dict[str, Any] = {}
    changed: dict[str, Any] = {}
    for name, inner in told.items():
        value = getattr(record, fields[name]) if name in fields else None
        if name not in fields:
            beyond[name] = inner
        elif isinstance(value, Record):
            changed[fields[name]] = _keeping_unknown(value, inner)
        elif isinstance(value, tuple) and value and isinstance(value[0], Record):
            changed[fields[name]] = tuple(map(_keeping_unknown, value, inner))
        elif isinstance(value, msgspec.Struct) and (unknown := inner.keys() - set(value.__struct_fields__)):
            beyond[name] = {each: inner[each] for each in unknown}
    return msgspec.structs.replace(record, beyond=beyond, **changed) if beyond or changed else record


@cache
def _fields_of(kind: type[Record]) -> dict[str, str]:
    return {field.encode_name: field.name for field in msgspec.structs.fields(kind)}


def _merged(packed: Any) -> Any:
    """Put what was unknown back into the places that it came from."""
    if isinstance(packed, list):
        return [_merged(inner) for inner in packed]
    if not isinstance(packed, dict):
        return packed
    told = {name: _merged(inner) for name, inner in packed.items()}
    beyond = told.pop(BEYOND) if isinstance(told.get(BEYOND), dict) else {}
    for name, inner in beyond.items():
        told[name] = told[name] | inner if name in told else inner
    return told


def read_sum(stored: bytes | None) -> float:
    """Read a number that is added up; what somebody has written over it, and is none, counts as nothing, as the operations take it."""
    with suppress(ValueError):
        if isfinite(number := float(stored or 0)):
            return number
    return 0.0


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
    """Read what `pack_json` wrote; nothing is None. Raises Unreadable."""
    try:
        return msgspec.json.decode(raw) if raw else None
    except msgspec.MsgspecError as error:
        raise unreadable("draft", "", _place_of(error)) from None
