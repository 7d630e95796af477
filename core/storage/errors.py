"""What a storage can answer instead of what it was asked for: that one file is missing, or that the storage itself is away."""

from obstore.exceptions import BaseError, PermissionDeniedError

from core.metrics import STORAGE_FAILURES


class FileMissing(Exception):  # noqa: N818 - says what is wrong
    """The storage holds no such file (any more)."""


class StorageDown(Exception):  # noqa: N818 - says what is wrong
    """The storage does not answer, or takes no more; the same may work later."""


class StorageDenied(StorageDown):
    """It refuses us what was asked."""


def storage_down(why: str, kind: type[StorageDown] = StorageDown) -> StorageDown:
    """Count it, and make it: its words are for the operator."""
    STORAGE_FAILURES.inc()
    return kind(why)


def says_missing(error: Exception) -> bool:
    """Whether a storage calls it an error that it has no file to delete, as S3 does not. The library knows such errors by words alone."""
    return isinstance(error, BaseError) and "(code: NoSuchKey)" in str(error)


#: what the library says where it has no error of its own: for a list, and for a file of several that are to be deleted
_DENIED_WORDS = ("403 Forbidden", "(code: AccessDenied)")


def says_denied(refusal: Exception) -> bool:
    """Whether we may not do that."""
    if isinstance(refusal, BaseError) and any(words in str(refusal) for words in _DENIED_WORDS):
        return True
    return isinstance(refusal, PermissionDeniedError | PermissionError)
