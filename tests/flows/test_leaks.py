"""Nothing that is secret leaves a process, and nothing that is a caller's content gets into a log or a metric.

One world at debug level is led through every story, every refusal and every bad receiver; then all it said is searched.
"""

import re

from tests.leaks_fixture import CONTENT, EDITS, EXPORTS, Traces, traces

__all__ = ["traces"]

GATEWAY_LOGS = {"api-1.log", "worker-1.log"}


def around(text: str, mark: str) -> str:
    """Show where it was found, without showing all of it."""
    place = text.find(mark)
    return text[max(0, place - 200) : place + 80]


def test_the_world_has_seen_every_kind_of_trouble(traces: Traces):
    codes = {job["error"]["code"] for job in traces.jobs if job["error"]}
    assert codes >= {"needs_input", "nothing_changed", "edit_unconfirmed", "export_blocked", "budget_exceeded"}
    assert {"render_timeout", "media_unreachable"} <= codes
    assert {job["status"] for job in traces.jobs} >= {"succeeded", "failed", "canceled"}
    assert len(traces.jobs) > len(EDITS) + len(EXPORTS)
    assert traces.refusals >= {400, 401, 403, 404, 405, 409, 413, 414, 415, 422, 431, 503}


def test_what_is_searched_for_has_been_everywhere(traces: Traces):
    kept = b"".join(traces.kept.values())
    assert [mark for mark in CONTENT if mark.encode() not in kept] == []
    assert {"batch.completed", "webhook.test", "job.progress"} <= set(
        re.findall(r'"type": "([\w.]+)"', traces.callbacks)
    )


def test_logs_were_written_and_name_the_jobs(traces: Traces):
    assert set(traces.logs) >= GATEWAY_LOGS
    for job in traces.jobs:
        assert job["status"] == "canceled" or job["id"] in traces.logs["worker-1.log"]


def test_no_log_holds_a_secret(traces: Traces):
    for name, text in traces.logs.items():
        for secret in traces.secrets():
            assert secret not in text, f"{name}: {around(text, secret)}"


def test_no_log_holds_a_prompt_a_media_url_or_the_query_of_a_webhook(traces: Traces):
    for name, text in traces.logs.items():
        for mark in CONTENT:
            assert mark.lower() not in text.lower(), f"{name}: {around(text.lower(), mark.lower())}"


def test_no_metric_holds_a_secret_an_id_or_content(traces: Traces):
    for url, text in traces.metrics.items():
        assert "reelgate_" in text
        for mark in [*traces.secrets(), *CONTENT, "job_0", "ses_0", "http://"]:
            assert mark not in text, f"{url}: {around(text, mark)}"


def test_no_answer_of_the_api_holds_a_secret(traces: Traces):
    assert len(traces.answers) > 100
    for text in traces.answers:
        for secret in traces.secrets():
            assert secret not in text, around(text, secret)


def test_no_callback_holds_a_secret(traces: Traces):
    assert traces.callbacks.count('"verified": true') > len(EDITS)
    for secret in traces.secrets():
        assert secret not in traces.callbacks, around(traces.callbacks, secret)


def test_redis_keeps_no_secret_in_the_clear(traces: Traces):
    assert any(name.endswith(".aof") for name in traces.kept)
    for name, raw in traces.kept.items():
        for secret in traces.secrets():
            assert secret.encode() not in raw, name
