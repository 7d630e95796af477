"""The kind of all structs that callers read. What is in them stands beside what they show."""

from typing import Annotated

import msgspec
from msgspec import Meta

from core.security.redacted_repr import redacted_repr

#: a time that callers read: RFC 3339 in UTC, with milliseconds
Timestamp = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]


@redacted_repr("id", "version", "status", "stage", "type", "code", "reason")
class View(msgspec.Struct, kw_only=True):
    """Every struct that callers read: all fields are always there."""
