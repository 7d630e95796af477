"""The shapes of an answer that the contract does not know: a closed set, for a metric's label."""

from enum import StrEnum


class Surprise(StrEnum):
    """How an answer differs from all that the contract knows: counted, so that an operator hears of it."""

    #: no JSON: a page of somebody before the backend
    PAGE = "page"
    #: nothing at all where something was asked for
    EMPTY = "empty"
    #: JSON, and no object
    NO_OBJECT = "no_object"
    #: an object without what it was asked for
    MISSING_FIELD = "missing_field"
    #: JSON where a stream or a file was asked for
    NO_STREAM = "no_stream"
    #: a business code that nobody has described
    UNKNOWN_CODE = "unknown_code"
    #: an event of a message stream that nobody has described
    UNKNOWN_EVENT = "unknown_event"
