"""What becomes of an edit that can't be seen, and of one on an account where somebody else's credits are frozen.

All in one world whose waits are a twentieth of those in life, each job on a token of its own.
"""

import itertools
from datetime import datetime
from typing import Any

import pytest

from tests.dialects.dialects import AS_IT_IS, Dialect
from tests.dialects.flows import make_files
from tests.dialects.harness import Case, running_harness, running_stand_in
from tests.dialects.proxy import Conversation
from tests.dialects.shapes import others_frozen

UNSEEN_S = 3
SHORT = {
    "REELGATE_SETTLE_S": "0.4",
    "REELGATE_RECOVER_FIRST_S": "1",
    "REELGATE_RECOVER_EVERY_S": "1",
    "REELGATE_UNSEEN_EDIT_S": str(UNSEEN_S),
    "REELGATE_STREAM_LIMIT_S": "90",
    "REELGATE_STREAM_QUIET_S": "30",
    "REELGATE_LEASE_S": "8",
}
STEADY = {"SANDBOX_SILENT_RATE": "0", "SANDBOX_GUI_RATE": "0", "SANDBOX_SECOND_STAGE_S": "2"}
_ticks = itertools.count(1)


def moving(call: str, data: Any) -> Any:
    """Somebody else's credits on the account are frozen all the time, and never as many as before."""
    more = 600 + next(_ticks)
    return {**data, "frozen": data["frozen"] + more, "total": data["total"] + more} if call == "credits" else data


NEVER_SHOWS = Dialect("never-shows", lag_s=1_000_000)
SEATS = {
    "as-it-is": AS_IT_IS,
    "never-shows": NEVER_SHOWS,
    "never-shows-talk": NEVER_SHOWS,
    "question": NEVER_SHOWS,
    "others": Dialect("others", shapes=(others_frozen,)),
    "moving": Dialect("moving", shapes=(moving,)),
    "two-stage": Dialect("two-stage", shapes=(others_frozen,)),
}


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("edits")
    with running_stand_in(**STEADY) as sandbox, running_harness(folder, sandbox, **SHORT) as harness:
        files = make_files(folder)
        opened = harness.open_cases({name: Conversation(dialect) for name, dialect in SEATS.items()})
        yield {name: (case, case.gateway.upload(files["two"])) for name, case in opened.items()}


def run(cases, name: str, prompt: str, **fields: Any) -> dict[str, Any]:
    case, upload = cases[name]
    media = [] if "session_id" in fields else [{"upload_id": upload}]
    fields = {"output": {"export": False}, "media": media} | fields
    answer = case.gateway.http.post("/v1/jobs", json={"prompt": prompt} | fields)
    assert answer.status_code == 202, answer.text
    return dict(case.gateway.ended(answer.json()["id"]))


def charged(case: Case) -> int:
    return len(case.messages())


def took_s(job: dict[str, Any]) -> float:
    began, ended = (datetime.fromisoformat(job[name]) for name in ("started_at", "finished_at"))
    return (ended - began).total_seconds()


def code_of(job: dict[str, Any]) -> str | None:
    return job["error"]["code"] if job["error"] else None


def test_an_edit_whose_tools_ran_and_that_never_shows_goes_on_and_says_so(cases):
    job = run(cases, "never-shows", 'add a title "A"')
    assert (job["status"], code_of(job)) == ("succeeded", None)
    assert took_s(job) >= UNSEEN_S
    assert job["changes"] == []
    assert any("no difference could be seen" in hint for hint in job["hints"])
    assert (job["credits_used"], job["credits_exact"]) == (50, True)
    exported = run(cases, "never-shows", 'add a title "B"', output={"export": True})
    assert (exported["status"], code_of(exported)) == ("failed", "nothing_to_export")
    assert exported["credits_used"] == 50
    assert charged(cases["never-shows"][0]) == 2


@pytest.fixture(scope="module")
def usual_s(cases) -> float:
    """How long an edit takes here that nothing stands in the way of: what a machine is busy with lengthens all alike."""
    return took_s(run(cases, "as-it-is", 'add a title "A"'))


def test_a_question_ends_after_one_look_and_talk_only_when_nothing_can_come(cases, usual_s):
    question = run(cases, "question", '[[story:question]] add a title "A"')
    assert code_of(question) == "needs_input"
    assert took_s(question) < UNSEEN_S + usual_s
    talk = run(cases, "never-shows-talk", '[[story:unchanged]] add a title "A"')
    assert took_s(talk) >= UNSEEN_S
    assert code_of(talk) == "nothing_changed", "it took credits, and says that it kept everything"
    assert talk["credits_used"] == 50


def test_somebody_else_s_frozen_credits_delay_no_edit(cases, usual_s):
    job = run(cases, "others", 'add a title "A"')
    assert job["status"] == "succeeded", job["error"]
    assert took_s(job) < 2 * usual_s + 1.5


def test_somebody_else_s_credits_that_come_and_go_delay_an_edit_no_longer_than_a_change_may_show_late(cases, usual_s):
    job = run(cases, "moving", 'add a title "A"')
    assert job["status"] == "succeeded", job["error"]
    assert took_s(job) < UNSEEN_S + 3 + 2 * usual_s


def test_an_edit_s_own_frozen_credits_are_seen_beside_somebody_else_s(cases):
    first = run(cases, "two-stage", '[[story:two-stage]] add a title "FIRST"')
    assert any("FIRST" in change for change in first["changes"]), first["changes"]
    second = run(cases, "two-stage", 'add a title "SECOND"', session_id=first["session_id"])
    assert any("SECOND" in change for change in second["changes"])
    assert not any("FIRST" in change for change in second["changes"])
