"""Logs: one JSON object a line, and of an exception where it came from, never what it says."""

import asyncio
import json
import logging.config
import subprocess
import sys

import pytest
import uvicorn.config

from core.logs import bind, bind_anew, configure_logs, get_logger, trace_id_of

MARK = "a caller's prompt"


@pytest.fixture(autouse=True)
def logs_as_before():
    """Give each logger back what it had: what is turned down here, another test of this process may listen to."""
    loggers = [logging.getLogger(), *map(logging.getLogger, logging.root.manager.loggerDict)]
    before = [(each, each.handlers[:], each.level, each.propagate) for each in loggers]
    told = (logging.logThreads, logging.logProcesses, logging.logMultiprocessing)
    yield
    for each, handlers, level, propagate in before:
        each.handlers[:], each.propagate = handlers, propagate
        each.setLevel(level)
    logging.logThreads, logging.logProcesses, logging.logMultiprocessing = told


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


def test_fields_are_told_beside_what_is_bound_in_our_lines_and_in_a_librarys(capsys):
    configure_logs("INFO")
    bind_anew(job_id="job_1", tenant="acme")
    get_logger("worker.main").info("job ended", status="failed")
    get_logger("worker.main").debug("unheard")
    logging.getLogger("uvicorn.error").warning("a library's %s", "line")
    ours, theirs = logged(capsys)
    assert (ours["event"], ours["status"], ours["job_id"], ours["tenant"]) == ("job ended", "failed", "job_1", "acme")
    assert (ours["level"], ours["logger"], ours["timestamp"][-1]) == ("info", "worker.main", "Z")
    assert (theirs["event"], theirs["job_id"]) == ("a library's line", "job_1")


def test_what_is_bound_anew_leaves_nothing_of_what_was_bound(capsys):
    configure_logs("INFO")
    bind(request_id="req_1", trace_id="of the first")
    bind_anew(request_id="req_2")
    get_logger("service.main").info("request")
    [line] = logged(capsys)
    assert (line["request_id"], line.get("trace_id")) == ("req_2", None)


def test_a_librarys_own_handlers_do_not_write_past_the_formatter(capsys):
    logging.config.dictConfig(uvicorn.config.LOGGING_CONFIG)
    configure_logs("INFO")
    logging.getLogger("uvicorn.error").warning("a library's %s", "line")
    [line] = logged(capsys)
    assert line["event"] == "a library's line"


def test_a_value_that_is_no_json_is_told_by_its_type_and_an_exception_as_ever(capsys):
    configure_logs("INFO")
    try:
        broken_twice()
    except KeyError:
        get_logger("worker").exception("broke", value={MARK})
    [line] = logged(capsys)
    assert line["value"] == "set"
    assert line["exception"].startswith("KeyError at test_logs.py:")
    assert MARK not in json.dumps(line)


def test_lines_are_readable_where_that_is_chosen(capsys):
    configure_logs("INFO", "console")
    get_logger("worker").info("job ended", status="failed")
    text = capsys.readouterr().err
    assert "job ended" in text
    assert "status=failed" in text
    assert "{" not in text


CRASH = """
import asyncio, threading, warnings
from core.logs import configure_logs, log_crashes
configure_logs("INFO")
log_crashes()
warnings.warn("MARK said twice")
threading.Thread(target=lambda: {}["MARK"]).start()
class Odd:
    def __del__(self): {}["MARK"]
Odd()
{}["MARK"]
"""


def test_what_python_would_write_of_a_crash_is_a_line_without_its_words():
    done = subprocess.run([sys.executable, "-c", CRASH], capture_output=True, text=True, check=False)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert done.returncode == 1
    assert {line["level"] for line in lines} == {"warning", "critical"}
    assert [line["exception"][:8] for line in lines if "exception" in line] == ["KeyError"] * 3


@pytest.mark.parametrize("given", [None, "", "nonsense", "00-short-1-01"])
def test_what_is_no_trace_context_has_no_trace(given):
    assert trace_id_of(given) is None
