"""Identifiers: a prefix that says what it names, and a UUIDv7, so that ids sort by the time they were made."""

import re
from typing import Literal

from uuid_utils import uuid7

IdKind = Literal["job", "ses", "upl", "bat", "evt", "dlv", "tok", "key"]

_SHAPE = re.compile(r"[a-z]{3}_[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def new_id(kind: IdKind) -> str:
    """Make an id, e.g. ``job_019a3c1e-7b2f-7c3d-9e4f-0123456789ab``."""
    return f"{kind}_{uuid7()}"


def is_id(text: str, kind: IdKind) -> bool:
    """Tell whether `text` could be an id of this kind; nothing else may become part of a Redis key or a path."""
    return text.startswith(f"{kind}_") and _SHAPE.fullmatch(text) is not None
