"""The rules of submits, estimates and replays, without any store."""

import msgspec
import pytest
from pydantic import SecretStr

from core.errors import Code
from core.model.job import Job, Stage, Status
from core.model.session import Session
from core.model.transitions import failed, started
from core.model.upload import Upload
from core.settings import Settings
from core.store.jobs.timings import Pace, Quantiles, TimingStats
from service.jobs.eta import Eta, look_again_s, pace_of
from service.jobs.replay import replay_of
from service.jobs.validation import JobInputs, draft, name_of_url
from service.problems import Refused
from service.schemas.requests import JobAsk

SETTINGS = Settings.model_validate({"secret_keys": (SecretStr("k" * 40),)})
NOW_MS = 1_795_000_000_000
NOTHING = JobInputs(uploads={})
SESSION = Session(id="ses_1", tenant="acme", profile="maker-free", language="ja", created_at_ms=NOW_MS)


def drafted(around: JobInputs = NOTHING, **fields: object) -> Job:
    ask = msgspec.convert({"prompt": "trim the first 2 seconds", **fields}, JobAsk)
    return draft(ask, around, SETTINGS, tenant="acme", now_ms=NOW_MS, trace=None).job


def refused(around: JobInputs = NOTHING, **fields: object) -> list[tuple[str, str]]:
    with pytest.raises(Refused) as caught:
        drafted(around, **fields)
    return [(e.pointer, e.code) for e in caught.value.errors]


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://x.example/a/my%20clip.mp4?x=1#y", "my clip.mp4"),
        ("https://x.example/", "media"),
        ("https://x.example", "media"),
        ("https://x.example/a/clip.mov/", "clip.mov"),
        ("https://x.example/a%2Fb%00.png", "b.png"),
    ],
)
def test_a_file_is_named_by_its_url(url: str, name: str) -> None:
    assert name_of_url(url) == name


def test_a_job_takes_its_sessions_profile_and_language_where_it_names_none() -> None:
    around = JobInputs(session=SESSION, continues=True, uploads={})
    job = drafted(around)
    assert (job.profile, job.language, job.session_id) == ("maker-free", "ja", "ses_1")
    assert drafted(around, profile="trimmer-exe", language="en").profile == "trimmer-exe"


def test_media_are_needed_only_where_there_is_something_to_edit() -> None:
    assert refused() == [("/media", "media_needed")]
    assert drafted(profile="free-video-generation-automatic").media == ()
    assert drafted(JobInputs(session=SESSION, continues=True, uploads={})).media == ()
    assert drafted(prompt="how many credits are left?").plan.action == "credits"


def test_a_name_without_an_ending_is_left_to_the_worker_and_a_wrong_one_is_refused() -> None:
    assert drafted(media=[{"url": "https://x.example/video"}]).media[0].name == "video"
    assert refused(media=[{"url": "https://x.example/a.docx"}]) == [("/media/0/url", "unsupported_media")]


def test_an_uploads_size_is_held_against_its_profile() -> None:
    upload = Upload(
        id="upl_1",
        tenant="acme",
        filename="a.mp4",
        format="mp4",
        size_bytes=200_000_001,
        path="uploads/a.mp4",
        created_at_ms=NOW_MS,
    )
    around = JobInputs(uploads={"upl_1": upload})
    media = [{"upload_id": "upl_1"}]
    assert drafted(around, media=media).media[0].size_bytes == 200_000_001
    wrong = refused(around, media=media, profile="free-video-generation-automatic")
    assert wrong == [("/media/0/upload_id", "media_too_large")]


KNOWN = TimingStats(p50_s=40, p90_s=90, places=4, known=True)


def test_where_nothing_is_known_there_is_no_pace_to_estimate_by() -> None:
    assert pace_of(KNOWN, tenant_places=100) == Pace(40, 90, at_once=4)
    assert pace_of(KNOWN, tenant_places=2) == Pace(40, 90, at_once=2)
    assert pace_of(TimingStats(0, 0, 4, known=False), tenant_places=100) is None


def test_a_caller_is_asked_to_come_back_half_way_to_the_end() -> None:
    job = drafted(media=[{"url": "https://x.example/a.mp4"}])
    assert look_again_s(job, KNOWN, Eta(40, 90), now_ms=NOW_MS) == 20
    assert look_again_s(job, KNOWN, Eta(4000, 9000), now_ms=NOW_MS) == 60
    now = started(job, now_ms=NOW_MS)
    assert look_again_s(now, KNOWN, None, now_ms=NOW_MS + 30_000) == 5
    assert look_again_s(now, KNOWN, None, now_ms=NOW_MS + 300_000) == 2


STAGES = {Stage.EDITING: Quantiles(40, 100), Stage.RENDERING: Quantiles(30, 60), Stage.STORING: Quantiles(2, 4)}


@pytest.mark.parametrize(
    ("stage", "been_s", "wanted_s"),
    [
        (Stage.EDITING, 0, 36),  # half of 40 + 30 + 2
        (Stage.EDITING, 20, 26),
        (Stage.EDITING, 60, 36),  # past the median: 100 is what counts now
        (Stage.RENDERING, 10, 11),
        (Stage.STORING, 1, 1),
        (Stage.STORING, 9, 1),  # longer than nine tenths of all: nothing is known
        (Stage.PREPARING, 0, 20),  # not measured: by whole runs
    ],
)
def test_a_running_job_s_next_look_comes_from_what_its_stages_take(stage: Stage, been_s: int, wanted_s: int) -> None:
    job = started(drafted(media=[{"url": "https://x.example/a.mp4"}]), now_ms=NOW_MS)
    now = msgspec.structs.replace(job, stage=stage, stage_since_ms=NOW_MS)
    assert look_again_s(now, KNOWN._replace(stages=STAGES), None, now_ms=NOW_MS + been_s * 1000) == wanted_s


def test_a_job_without_an_export_has_no_stages_after_its_edit() -> None:
    job = started(drafted(media=[{"url": "https://x.example/a.mp4"}], output={"export": False}), now_ms=NOW_MS)
    now = msgspec.structs.replace(job, stage=Stage.EDITING, stage_since_ms=NOW_MS)
    assert look_again_s(now, KNOWN._replace(stages=STAGES), None, now_ms=NOW_MS) == 20


def ended(**facts: object) -> Job:
    job = failed(
        started(drafted(media=[{"url": "https://x.example/a.mp4"}]), now_ms=NOW_MS), now_ms=NOW_MS, code=Code.INTERNAL
    )
    return msgspec.structs.replace(job, **facts)


def test_a_replay_starts_anew_unless_the_session_is_one_to_refine_in() -> None:
    parent = ended(session_id="ses_1")
    alone = replay_of(parent, None, start="start", now_ms=NOW_MS, trace=None)
    assert alone.session.implicit
    assert (alone.job.status, alone.job.version, alone.job.parent_id) == (Status.QUEUED, 1, parent.id)
    assert alone.job.media == parent.media
    together = replay_of(parent, SESSION, start="start", now_ms=NOW_MS, trace=None)
    assert (together.session, together.job.session_id) == (None, "ses_1")


def test_a_render_is_replayed_only_where_the_backend_still_has_the_session() -> None:
    parent = ended(session_id="ses_1")
    at_backend = msgspec.structs.replace(SESSION, backend_id="55")
    made = replay_of(parent, at_backend, start="render", now_ms=NOW_MS, trace=None)
    assert (made.job.plan.message, made.job.plan.action, made.job.media) == (None, "export", ())
    for session in (None, SESSION, msgspec.structs.replace(at_backend, lost=True)):
        with pytest.raises(Refused) as caught:
            replay_of(parent, session, start="render", now_ms=NOW_MS, trace=None)
        assert caught.value.code == "session_lost"
