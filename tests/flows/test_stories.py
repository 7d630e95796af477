"""Every story of the sandbox's, from POST to verified callback: what the caller learns, and what the ledger saw.

All of them run at once on one token, as they would on a busy day.
"""

from typing import NamedTuple

import pytest

from tests.gateway_fixture import unique_title


class Told(NamedTuple):
    """A story, the end that its caller must learn of, and how many charged messages the ledger may show."""

    stories: str
    status: str = "succeeded"
    code: str | None = None
    charged: int = 1


STORIES = (
    Told("silent"),
    Told("gui"),
    Told("slow"),
    Told("two-stage"),
    Told("adk"),
    Told("adk-partial"),
    Told("temporary-issue"),
    Told("question", "failed", "needs_input"),
    Told("unchanged", "failed", "nothing_changed"),
    Told("drop-stream"),
    Told("drop-stream-lost", "failed", "edit_unconfirmed", 0),
    Told("heartbeats-only", "failed", "edit_unconfirmed", 0),
    Told("error-frame", "failed", "edit_unconfirmed", 0),
    Told("token-expired"),
    Told("session-lost"),
    Told("no-credits"),
    Told("rate-limited"),
    Told("http-500", "failed", "edit_unconfirmed", 0),
    Told("export-blocked", "failed", "export_blocked"),
    Told("render-failed"),
    Told("render-stuck", "failed", "render_timeout"),
    Told("render-duplicate"),
    Told("adk silent two-stage"),
    Told("token-expired drop-stream render-failed"),
    Told("session-lost rate-limited render-duplicate gui"),
)


@pytest.fixture(scope="module")
def told(gateway):
    """Submit every story at once; each test waits for its own."""
    upload, jobs = gateway.upload(gateway.clip()), {}
    for story in STORIES:
        title = unique_title()
        tags = "".join(f"[[story:{name}]]" for name in story.stories.split())
        prompt = f'{tags} add a title "{title}" and export in 360p'
        jobs[story.stories] = (title, gateway.submit(prompt, upload=upload)["id"])
    return jobs


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.stories)
def test_the_caller_learns_the_right_end_once_and_is_charged_at_most_once(gateway, told, story):
    title, job_id = told[story.stories]
    job = gateway.ended(job_id)
    assert (job["status"], (job["error"] or {}).get("code")) == (story.status, story.code)
    assert len(gateway.charged(title)) == story.charged
    callbacks = gateway.callbacks(job_id)
    assert {(c["type"], c["verified"]) for c in callbacks} == {(f"job.{story.status}", True)}
    assert len({c["id"] for c in callbacks}) == 1
    if story.status == "succeeded":
        assert any(title in change for change in job["changes"])
        assert gateway.download(job).stat().st_size == job["output"]["size_bytes"]


def test_every_render_was_read_as_completed_or_ended_otherwise(gateway, told):
    for _, job_id in told.values():
        gateway.ended(job_id)
    left = [row for row in gateway.ledger()["renders"] if row["status"] not in ("failed", "cancelled")]
    assert [row for row in left if not row["fetched"]] == []


def test_a_silent_edit_is_answered_with_what_changed(gateway, told):
    title, job_id = told["silent"]
    assert title in gateway.ended(job_id)["reply"]


def test_gui_talk_never_reaches_the_caller(gateway, told):
    reply = gateway.ended(told["gui"][1])["reply"].lower()
    assert not any(word in reply for word in ("click", "button", "panel", "drag", "点击"))


def test_a_question_leaves_the_session_open_for_the_answer(gateway, told):
    asked = gateway.ended(told["question"][1])
    title = unique_title()
    answered = gateway.run(f'add a title "{title}" and export in 360p', session_id=asked["session_id"])
    assert answered["status"] == "succeeded", answered["error"]
