"""Record formats: which ones this release reads and writes, what the mark in Redis says of them, and who may start. Pure.

A format is a number. It rises where an older release would misread what is written, or would lose what it promises by
writing it again. A new field alone is no new format: every release keeps the fields that it does not know.
"""

from typing import NamedTuple


class Release(NamedTuple):
    """What a release does with records."""

    #: it writes this format once all processes can read it, and else the last one
    format: int
    #: the oldest format that it reads
    reads_from: int
    #: the oldest release that reads what it writes, by that one's `format`
    oldest_reader: int


#: Format 1 has no `fmt` beside its records: it is what releases before formats wrote. Format 2 says its number; reads as 1.
THIS_RELEASE = Release(format=2, reads_from=1, oldest_reader=1)
#: what a record is that says nothing, and what is written where no mark says more
FIRST_FORMAT = 1


#: no format has more digits; what says that it has is none
_MOST_DIGITS = 9


def read_format(told: bytes | None) -> int:
    """Read the format that stands beside a record, or in the mark; 0, which no release reads, for what is no number."""
    if told is None:
        return FIRST_FORMAT
    return int(told) if told.isdigit() and len(told) <= _MOST_DIGITS else 0


class Mark(NamedTuple):
    """What stands in Redis for all processes."""

    #: the newest format that may be written now
    written: int = FIRST_FORMAT
    #: the oldest release that may read what was written, by its `format`
    oldest_reader: int = FIRST_FORMAT

    @property
    def is_number(self) -> bool:
        """Whether it says anything: see `read_format`."""
        return self.written > 0 and self.oldest_reader > 0


#: what an operator hears of a mark that is no number
NO_NUMBER = "What this Redis says of its record formats is no number: look at it, or give another REDIS_URL."


def refusal(release: Release, mark: Mark) -> str | None:
    """Say why a release may not serve a Redis; None: it may."""
    if not mark.is_number:
        return NO_NUMBER
    if release.format < mark.oldest_reader:
        return (
            f"This release is too old for this Redis: it reads records up to format {release.format}, and they are "
            f"written in format {mark.written}, which takes a release of format {mark.oldest_reader} or newer. Start "
            "such a release, or give another REDIS_URL."
        )
    if release.reads_from > mark.written:
        return (
            f"This release is too new for this Redis: it reads records from format {release.reads_from} on, and they "
            f"are written in format {mark.written}. Run the release in between until it writes its own format, or give "
            "another REDIS_URL."
        )
    return None


def is_readable(release: Release, mark: Mark, fmt: int) -> bool:
    """Whether a release understands a record of this format: one of its own, or one that the mark says it can read."""
    if fmt <= release.format:
        return fmt >= release.reads_from
    return fmt <= mark.written and mark.oldest_reader <= release.format


def format_to_write(release: Release, mark: Mark) -> int:
    """Say in which format a release writes now: its own, or an older one while somebody needs that."""
    return min(release.format, mark.written)
