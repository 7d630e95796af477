"""Identifiers: a prefix that says what it names, and a UUIDv7, so that ids sort by the time they were made.

Where an installation is one of several behind one address, a cell, its name stands between the two.
"""

import re
from typing import Literal

from uuid_utils import uuid7

IdKind = Literal["job", "ses", "upl", "bat", "evt", "dlv", "tok", "key"]

#: what a cell may be called: no separator of an id, of a key or of a balancer's map is in it
CELL_NAME = "[a-z0-9]{1,12}"

_SHAPE = re.compile(
    rf"[a-z]{{3}}_(?:({CELL_NAME})_)?[0-9a-f]{{8}}-[0-9a-f]{{4}}-7[0-9a-f]{{3}}-[89ab][0-9a-f]{{3}}-[0-9a-f]{{12}}"
)


def new_id(kind: IdKind, cell: str = "") -> str:
    """Make an id: ``job_019a3c1e-7b2f-7c3d-9e4f-0123456789ab``, in a cell ``job_eu1_019a3c1e-…``."""
    return f"{id_prefix(kind, cell)}{uuid7()}"


def id_prefix(kind: IdKind, cell: str = "") -> str:
    """Make what stands before an id's UUID: ``job_``, in a cell ``job_eu1_``."""
    return f"{kind}_{cell}_" if cell else f"{kind}_"


def is_id(text: str, kind: IdKind) -> bool:
    """Tell whether `text` could be an id of this kind; nothing else may become part of a Redis key or a path."""
    return text.startswith(f"{kind}_") and _SHAPE.fullmatch(text) is not None


def cell_of(text: str) -> str:
    """Name the cell in which an id was made; empty where it names none, or is no id."""
    found = _SHAPE.fullmatch(text)
    return (found[1] or "") if found else ""


def first_id(kind: IdKind, at_ms: int, cell: str = "") -> str:
    """Make what stands before all ids that are made from then on: ``job_019a3c1e-7b2f``. `at_ms`: 48 bits, as in a UUIDv7."""
    digits = f"{min(max(at_ms, 0), 2**48 - 1):012x}"
    return f"{id_prefix(kind, cell)}{digits[:8]}-{digits[8:]}"


def made_ms(text: str) -> int:
    """Tell when an id was made, in milliseconds since the epoch."""
    return int(text.rpartition("_")[2].replace("-", "")[:12], 16)
