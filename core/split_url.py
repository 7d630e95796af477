"""Address, taken apart without being shown: the words of Python's own errors quote it, with the password in it."""

from urllib.parse import SplitResult, urlsplit


def split_url(url: str, *, otherwise: str) -> SplitResult:
    """Take an address apart. Raises ValueError, with the words of `otherwise`, for what is none or has a port that is none."""
    try:
        where = urlsplit(url)
        port = where.port
    except ValueError:
        raise ValueError(otherwise) from None
    if port == 0:
        raise ValueError(otherwise)
    return where
