"""The kind of all structs that callers read. What is in them stands beside what they show."""

import msgspec

from core.security.redacted_repr import redacted_repr


@redacted_repr("id", "version", "status", "stage", "type", "code", "reason")
class View(msgspec.Struct, kw_only=True):
    """Every struct that callers read: all fields are always there."""
