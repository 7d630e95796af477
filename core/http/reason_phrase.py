"""The words for a status of HTTP, as RFC 9110 (15) spells them. Pure."""

from http import HTTPStatus

#: as Python spells them only since 3.13; the API's document is the same from whatever Python writes it
_RENAMED = {
    413: "Content Too Large",
    414: "URI Too Long",
    416: "Range Not Satisfiable",
    422: "Unprocessable Content",
}


def reason_phrase(status: int) -> str:
    """Say a status in words: ``Not Found``. Raises ValueError for one that HTTP does not know."""
    return _RENAMED.get(status) or HTTPStatus(status).phrase
