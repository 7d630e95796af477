"""The line by which a process says that it is ready: plain words, or JSON where its log is that."""

import re


def address_in(line: str, kind: str) -> str | None:
    """Read the address, e.g. of an ``api`` or ``worker``, out of its first line; None: it did not start."""
    found = re.match(rf'(?=.*\b{kind} ready\b).*?(http://[^\s"]+)', line)
    return found[1] if found else None
