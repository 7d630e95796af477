"""What a replay takes from the job that it repeats."""

import msgspec
import pytest
from pydantic import SecretStr

from core.errors import Code
from core.model.job import Job, MediaRef, Status
from core.model.session import Session
from core.model.transitions import failed, started
from core.settings import Settings
from service.jobs.replay import replay
from service.jobs.validation import JobFacts
from service.problems import ApiError
from tests.store_fixture import make_job

NOW_MS = 1_795_000_000_000
CLIP = MediaRef(url="https://x.example/a.mp4", name="a.mp4")
SETTINGS = Settings.model_validate({"secret_keys": (SecretStr("k" * 40),)})
FACTS = JobFacts("acme", NOW_MS)
SESSION = Session(id="ses_1", tenant="acme", profile="maker-free", language="ja", created_at_ms=NOW_MS)


def ended(**facts: object) -> Job:
    job = failed(started(make_job(media=(CLIP,)), now_ms=NOW_MS), now_ms=NOW_MS, code=Code.INTERNAL)
    return msgspec.structs.replace(job, **facts)


def test_a_replay_starts_anew_unless_the_session_is_one_to_refine_in() -> None:
    parent = ended(session_id="ses_1")
    alone = replay(parent, None, SETTINGS, FACTS, start="start")
    assert alone.session.implicit
    assert (alone.job.status, alone.job.version, alone.job.parent_id) == (Status.QUEUED, 1, parent.id)
    assert alone.job.media == parent.media
    together = replay(parent, SESSION, SETTINGS, FACTS, start="start")
    assert (together.session, together.job.session_id) == (None, "ses_1")


def test_a_render_is_replayed_only_where_the_backend_still_has_the_session() -> None:
    parent = ended(session_id="ses_1")
    at_backend = msgspec.structs.replace(SESSION, backend_id="55")
    made = replay(parent, at_backend, SETTINGS, FACTS, start="render")
    assert (made.job.plan.message, made.job.plan.action, made.job.media) == (None, "export", ())
    for session in (None, SESSION, msgspec.structs.replace(at_backend, lost=True)):
        with pytest.raises(ApiError) as caught:
            replay(parent, session, SETTINGS, FACTS, start="render")
        assert caught.value.code == "session_lost"
