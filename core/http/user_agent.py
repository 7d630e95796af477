"""The User-Agent header of everything that goes out: backend calls, callbacks, fetched media, the command line."""

from functools import cache
from importlib.metadata import version


@cache
def user_agent() -> str:
    """Give the value of the ``User-Agent`` header: ``Reelgate/0.1.0``."""
    return f"Reelgate/{version('reelgate')}"
