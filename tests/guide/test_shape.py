"""What the guide's comparison lets pass, and what it does not: a page must not be able to lie."""

from http import HTTPStatus

import pytest

from tests.guide.shape import http_differences, json_differences, text_differences

JOB = {
    "id": "job_01a21612-5ca6-7623-b3a3-3b555cc9ecf3",
    "status": "succeeded",
    "credits_used": 50,
    "created_at": "2026-11-26T04:17:11.846Z",
    "output": {"url": "http://127.0.0.1:22768/v1/jobs/job_1/output?expires=1&signature=a-b_c", "size_bytes": 1000},
    "changes": ["Video added: clip (0-3s)"],
}


def shown(**other: object) -> list[str]:
    return list(json_differences(JOB | other, JOB))


def test_what_differs_each_time_may_differ():
    assert not shown(id="job_01a2…", created_at="2027-01-01T00:00:00.000Z")
    assert not shown(id="job_019a3c1e-7b2f-7c3d-9e4f-0123456789ab")
    url = "http://127.0.0.1:8080/v1/jobs/job_1/output?expires=9&signature=zz…"
    assert not shown(output={"url": url, "size_bytes": 3})


@pytest.mark.parametrize(
    "other",
    [
        {"status": "failed"},
        {"credits_used": 100},
        {"id": "ses_01a2…"},
        {"created_at": None},
        {"output": None},
        {"output": {"url": "…"}},
        {"output": {"url": "…", "size_bytes": "1000"}},
        {"changes": []},
        {"changes": ["Video added: clip (0-4s)"]},
        {"credits_used": True},
        {"more": 1},
    ],
    ids=str,
)
def test_all_else_may_not(other):
    assert shown(**other)


def test_a_field_that_is_left_out_is_told_unless_the_page_says_so():
    assert list(json_differences({"status": "succeeded"}, JOB))
    assert not list(json_differences({"status": "succeeded", "…": "…"}, JOB))
    assert list(json_differences({"state": "succeeded", "…": "…"}, JOB))


def test_a_list_that_goes_on_says_so():
    assert list(json_differences([1], [1, 2]))
    assert not list(json_differences([1, "…"], [1, 2]))
    assert list(json_differences([2, "…"], [1, 2]))


@pytest.mark.parametrize(
    ("page", "same"),
    [
        ("one\ntwo\nthree", True),
        ("one\n…\nthree", True),
        ("…\nthree", True),
        ("one\n…", True),
        ("o…\ntwo\nthree", True),
        ("one\nthree", False),
        ("one\ntwo", False),
        ("two\n…", False),
        ("one\ntwo\nthree\nfour", False),
    ],
)
def test_lines_are_those_that_came_in_their_order(page, same):
    assert bool(list(text_differences(page, "one\ntwo\nthree\n"))) is not same


@pytest.mark.parametrize(
    ("page", "same"),
    [
        ('HTTP/1.1 202 Accepted\nRetry-After: 9\n\n{"a": 1}', True),
        ("HTTP/1.1 202 Accepted", True),
        ("HTTP/1.1 200 OK", False),
        ("HTTP/1.1 202 Accepted\netag: …", False),
        ("HTTP/1.1 202 Accepted\ncontent-type: text/plain", False),
        ('HTTP/1.1 202 Accepted\n\n{"a": 2}', False),
    ],
)
def test_headers_that_are_shown_came(page, same):
    real = 'HTTP/1.1 202 Accepted\r\nretry-after: 2\r\ncontent-type: application/json\r\n\r\n{"a":1}'
    assert bool(list(http_differences(page, real))) is not same


@pytest.mark.parametrize(
    ("page", "real", "same"),
    [
        ("422 Unprocessable Content", f"422 {HTTPStatus(422).phrase}", True),
        ("422 Unprocessable Content", "422 Something Else", False),
        ("404 Not Found", "404 Not Found", True),
        ("413 Content Too Large", f"422 {HTTPStatus(422).phrase}", False),
    ],
)
def test_a_status_is_shown_in_the_standards_words_and_comes_in_pythons(page, real, same):
    assert bool(list(http_differences(f"HTTP/1.1 {page}", f"HTTP/1.1 {real}\r\n\r\n"))) is not same
