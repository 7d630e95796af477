"""The words for a status: RFC 9110's, whichever Python runs."""

from http import HTTPStatus

import pytest

from core.http.reason_phrase import reason_phrase


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (404, "Not Found"),
        (413, "Content Too Large"),
        (414, "URI Too Long"),
        (416, "Range Not Satisfiable"),
        (422, "Unprocessable Content"),
    ],
)
def test_a_status_is_said_in_the_words_of_the_standard(status, words):
    assert reason_phrase(status) == words


def test_every_status_has_words_that_fit_into_a_status_line():
    assert all(reason_phrase(status).isascii() and "\n" not in reason_phrase(status) for status in HTTPStatus)


def test_what_is_no_status_has_no_words():
    with pytest.raises(ValueError, match="999"):
        reason_phrase(999)
