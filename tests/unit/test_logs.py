"""Logs: one JSON object a line, and of an exception where it came from, never what it says."""

import asyncio
import json
import logging

import pytest

from core.logs import configure_logs

MARK = "a caller's prompt"


@pytest.fixture(autouse=True)
def logs_as_before():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def logged(capsys) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def broken_twice() -> None:
    try:
        int(MARK)
    except ValueError:
        {}[MARK]


def test_an_exception_is_told_by_its_kind_and_place_and_not_by_its_words(capsys):
    configure_logs("DEBUG")
    try:
        broken_twice()
    except KeyError:
        logging.getLogger("worker.jobs.runner").exception("%s broke", "job_1")
    [line] = logged(capsys)
    assert line["event"] == "job_1 broke"
    assert line["level"] == "error"
    assert line["exception"].startswith("KeyError at test_logs.py:")
    assert ", during ValueError at test_logs.py:" in line["exception"]
    assert MARK not in json.dumps(line)


async def test_a_task_that_broke_unseen_is_told_without_its_words(capsys):
    configure_logs("DEBUG")
    error = ValueError(MARK)
    context = {"message": "Task exception was never retrieved", "exception": error, "future": error}
    asyncio.get_running_loop().call_exception_handler(context)
    [line] = logged(capsys)
    assert line["event"] == "Task exception was never retrieved"
    assert MARK not in json.dumps(line)


def test_libraries_that_write_urls_or_arguments_are_heard_at_warning_alone(capsys):
    configure_logs("DEBUG")
    for name in ("httpx", "httpcore.connection", "arq.worker"):
        logging.getLogger(name).info("GET https://example.com/?token=1")
    logging.getLogger("worker.main").debug("ours")
    assert [line["event"] for line in logged(capsys)] == ["ours"]
