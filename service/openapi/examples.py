"""Examples of the OpenAPI document, made of the very structs that are sent: one for each way a call can be answered.

The examples of single fields are taken from them (`service/openapi/schemas.py`).
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from core.clock import parse_rfc3339_ms
from core.errors import MEANINGS, Code, WaitReason
from core.events.delivery import DeliveryState
from core.model.input_view import input_view
from core.model.job import Estimate, Job, MediaRef, OutputFile, Problem, Stage, Status, Wait, Webhook
from core.model.job_view import JobView, WaitView, estimate_view, view
from core.model.plan import Output, Plan
from core.profiles import PROFILES
from service.openapi.texts import Json
from service.problem_codes import PROBLEMS, ProblemCode
from service.problems import ApiError, FieldError, ProblemDocument, problem_document
from service.schemas import callbacks
from service.schemas import responses as r

_BEGAN_MS = parse_rfc3339_ms("2026-11-20T22:59:44.120Z")
_BEGAN, _ENDED, _NEXT_DAY = "2026-11-20T22:59:44.120Z", "2026-11-20T23:00:55.120Z", "2026-11-21T23:00:55.120Z"
_UUID = "019a3c1e-7b2f-7c3d-9e4f-0123456789ab"
_JOB, _SESSION, _BATCH, _UPLOAD = f"job_{_UUID}", f"ses_{_UUID}", f"bat_{_UUID}", f"upl_{_UUID}"
_PUBLIC_URL = "https://reelgate.example"
_HOOK = "https://example.com/hook"
_CLAIM_URL = "https://nemovideo.com/workspace/claim?ct=clm_3f9a"
_TIMELINE = "Timeline (2 tracks): 1. Video: city timelapse (0-30s) 2. BGM: Lo-fi (0-30s, 35%)"
#: the one of the known answer of Standard Webhooks
_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 - an example
_REQUEST_ID = "7f61de60-c238-4ab0-99e8-0db0f7a031f4"

_EXPECTED = Estimate(
    credits=(50, 100),
    credits_typical=50,
    credits_basis="measured",
    credits_jobs=187,
    p50_s=39.8,
    p90_s=94.4,
    time_basis="measured",
    time_jobs=212,
)
#: what the examples have in common: the job as it was submitted
_SUBMITTED = Job(
    id=_JOB,
    tenant="acme",
    prompt="cut the pauses, add background music, and export in 1080p",
    profile="ai-video-pro-online",
    media=(
        MediaRef(url="https://example.com/clip.mp4", name="clip.mp4"),
        MediaRef(upload_id=_UPLOAD, name="logo.png", size_bytes=48_213),
    ),
    session_id=_SESSION,
    language="en",
    output_ask=Output(resolution_asked=True),
    plan=Plan(message="cut the pauses, add background music", action="export"),
    hints=("Clips under 60 seconds go fastest.",),
    webhook=Webhook(url=_HOOK, events=("job.succeeded", "job.failed")),
    max_credits=200,
    metadata={"order": "7"},
    created_at_ms=_BEGAN_MS,
    estimate=_EXPECTED,
)


def _shown(job: Job, **beside: Any) -> JobView:
    return msgspec.structs.replace(view(job, public_url=_PUBLIC_URL), **beside)


def _changed(job: Job, **fields: Any) -> Job:
    return msgspec.structs.replace(job, **fields)


_STARTED = _changed(_SUBMITTED, version=4, status=Status.RUNNING, started_at_ms=_BEGAN_MS + 15, attempts=1)
_EDITED = _changed(
    _STARTED,
    version=7,
    finished_at_ms=_BEGAN_MS + 71_000,
    reply="I cut 4 pauses and added lo-fi music.",
    changes=("4 cuts: 38.2s became 30.5s", "BGM added: Lo-fi (0-30s, 35%)"),
    timeline=_TIMELINE,
    credits_used=50,
    credits_exact=True,
    claim_url=_CLAIM_URL,
)
_FILM = OutputFile(
    path=None,
    backend_url=f"{_PUBLIC_URL}/v1/jobs/{_JOB}/output?expires=1795303784&signature=3q2-7w",
    format="mp4",
    duration_s=30.5,
    size_bytes=15_728_640,
    width=1920,
    height=1080,
    expires_at_ms=_BEGAN_MS + 86_400_000,
)

_QUEUED = _shown(_SUBMITTED, wait=WaitView(reason=WaitReason.QUEUED_BEHIND, position=3, eta_p50_s=40.0, eta_p90_s=95.0))
_IN_SESSION = _shown(
    _changed(
        _STARTED,
        stage=Stage.EDITING,
        percent=30,
        message="Editing",
        parent_id=_JOB,
        batch_id=_BATCH,
        wait=Wait(reason=WaitReason.SESSION_BUSY, until_ms=0),
    ),
    wait=WaitView(reason=WaitReason.SESSION_BUSY, behind=_JOB),
)
_SUCCEEDED = _shown(
    _changed(_EDITED, status=Status.SUCCEEDED, percent=100, message="Done", output=_FILM), input=input_view(_SUBMITTED)
)
_FAILED = _shown(
    _changed(
        _EDITED,
        status=Status.FAILED,
        percent=70,
        message="Failed",
        error=Problem(
            code=Code.RENDER_FAILED,
            detail=MEANINGS[Code.RENDER_FAILED].title,
            hint=MEANINGS[Code.RENDER_FAILED].hint,
            retryable=True,
        ),
    )
)
_CANCELING = _shown(_changed(_STARTED, version=5, status=Status.CANCELING, percent=30, message="Canceling"))
_CANCELED = _shown(_changed(_STARTED, version=6, status=Status.CANCELED, finished_at_ms=_BEGAN_MS + 9_000))
_ANSWERED = _shown(
    _changed(
        _EDITED,
        status=Status.SUCCEEDED,
        result={"credits": {"available": 950, "frozen": 50, "total": 1000}},
        output=None,
    )
)
_TOMBSTONE = _shown(
    _changed(
        _EDITED,
        version=8,
        status=Status.SUCCEEDED,
        reply=None,
        changes=(),
        timeline=None,
        metadata={},
        hints=(),
        claim_url=None,
        data_removed=True,
        plan=Plan(message=None, action="export"),
    )
)


def _problem_of(code: ProblemCode, status: int) -> ProblemDocument:
    errors = (FieldError(pointer="/media/0/url", code=code, detail=PROBLEMS[code].title),) if status == _WRONG else ()
    error = ApiError(status, code, PROBLEMS[code].meaning, errors=errors)
    return problem_document(error, "/v1/jobs", request_id=_REQUEST_ID)


_WRONG = 422


def example_problem(code: ProblemCode, status: int) -> Json:
    """Show the problem document of a code, with the status that it comes under first."""
    shown: Json = _as_json(_problem_of(code, status))
    return shown


def _as_json(made: Any) -> Any:
    """Show a value as its reader decodes it: with lists, and no tuples."""
    return msgspec.json.decode(msgspec.json.encode(made))


_ENDS = {str(s): int(s is Status.SUCCEEDED) for s in Status}
_QUEUE = {str(s): int(s is Status.QUEUED) for s in Status}
_BATCH_AS_ACCEPTED = r.BatchAccepted(
    id=_BATCH,
    status="running",
    session_id=None,
    jobs=(r.BatchJob(id=_JOB, status=Status.QUEUED, output=None),),
    counts=_QUEUE,
    created_at=_BEGAN,
    finished_at=None,
    items=(
        r.BatchItem(index=0, status=202, job=_QUEUED, problem=None),
        r.BatchItem(index=1, status=422, job=None, problem=_problem_of("media_needed", _WRONG)),
    ),
)
_BATCH_NOW = r.BatchView(
    id=_BATCH,
    status="completed",
    session_id=_SESSION,
    jobs=(r.BatchJob(id=_JOB, status=Status.SUCCEEDED, output=f"{_PUBLIC_URL}/v1/jobs/{_JOB}/output"),),
    counts=_ENDS,
    created_at=_BEGAN,
    finished_at=_ENDED,
)
_EVENT = r.JobEventBody(type="job.succeeded", timestamp=_ENDED, data=r.JobEventData(job=_SUCCEEDED))
_LONG_EVENT = r.JobEventBody(
    type="job.failed", timestamp=_ENDED, data=r.JobEventData(job=_FAILED, truncated=("timeline", "changes"))
)
_BATCH_EVENT = r.BatchEventBody(
    type="batch.completed",
    timestamp=_ENDED,
    data=r.BatchData(
        batch=r.BatchEnds(
            id=_BATCH,
            status="completed",
            jobs=_BATCH_NOW.jobs,
            counts=_ENDS,
            created_at=_BEGAN,
            finished_at=_ENDED,
        )
    ),
)
_EVENT_ROW = r.EventView(id=f"evt_{_UUID}", type="job.succeeded", timestamp=_ENDED, data=r.EventData(job=_SUCCEEDED))
_UPLOADED = r.UploadView(
    id=_UPLOAD,
    filename="clip.mp4",
    format="mp4",
    size_bytes=15_728_640,
    duration_s=42.5,
    created_at=_BEGAN,
    expires_at=_NEXT_DAY,
)
_SESSION_NOW = r.SessionView(
    id=_SESSION,
    profile="maker-free",
    language="en",
    media=("clip.mp4",),
    edits=2,
    lost=False,
    jobs_waiting=1,
    running_job_id=_JOB,
    timeline=_TIMELINE,
    claim_url=_CLAIM_URL,
    created_at=_BEGAN,
)
_SESSION_NEW = msgspec.structs.replace(
    _SESSION_NOW, media=(), edits=0, jobs_waiting=0, running_job_id=None, timeline=None, claim_url=None
)
_DELIVERED = callbacks.DeliveryView(
    id=f"dlv_{_UUID}",
    event_id=f"evt_{_UUID}",
    type="job.succeeded",
    job_id=_JOB,
    batch_id=None,
    url=_HOOK,
    status=DeliveryState.DELIVERED,
    why=None,
    attempts=(callbacks.AttemptView(at=_ENDED, status=200, latency_ms=48, error=None, answer="ok"),),
    next_attempt_at=None,
    created_at=_ENDED,
)
_DEAD = msgspec.structs.replace(
    _DELIVERED,
    url=None,
    status=DeliveryState.DEAD,
    why="All attempts failed.",
    attempts=(
        callbacks.AttemptView(at=_ENDED, status=None, latency_ms=15_000, error="It did not answer in time.", answer=""),
    ),
)
_DEAD_OF_BATCH = msgspec.structs.replace(_DEAD, type="batch.completed", job_id=None, batch_id=_BATCH)
_AGAIN = msgspec.structs.replace(_DEAD, status=DeliveryState.PENDING, why=None, next_attempt_at=_NEXT_DAY)
_WEBHOOK = callbacks.WebhookView(
    url=_HOOK,
    events=("job.succeeded", "job.failed"),
    status="active",
    failing_since=None,
    disabled_at=None,
    disabled_why=None,
)
_WEBHOOK_OFF = msgspec.structs.replace(
    _WEBHOOK,
    status="disabled",
    failing_since=_BEGAN,
    disabled_at=_NEXT_DAY,
    disabled_why="It failed for five days.",
)
_TRACKS = [{"type": "video", "name": "city timelapse", "segments": [{"start_s": 0, "duration_s": 30.5}]}]

_MADE: dict[str, Any] = {
    "JobView": _SUCCEEDED,
    "JobView, queued": _QUEUED,
    "JobView, running": _IN_SESSION,
    "JobView, failed": _FAILED,
    "JobView, canceling": _CANCELING,
    "JobView, canceled": _CANCELED,
    "JobView, answered": _ANSWERED,
    "JobView, deleted": _TOMBSTONE,
    "JobPage": r.JobPage(data=[_SUCCEEDED], next_cursor=_JOB, has_more=True),
    "Validated": r.Validated(
        valid=True,
        plan=_SUBMITTED.plan,
        output=Output(aspect_ratio="9:16"),
        hints=_SUBMITTED.hints,
        estimate=estimate_view(_EXPECTED),
    ),
    "EventPage": r.EventPage(data=[_EVENT_ROW], next_cursor=_EVENT_ROW.id, has_more=True, trimmed=False),
    "EventData, cut": r.EventData(job=_FAILED, truncated=("timeline", "changes")),
    "UploadView": _UPLOADED,
    "UploadPage": r.UploadPage(data=[_UPLOADED], next_cursor=_UPLOAD, has_more=True),
    "PresignedUpload": r.PresignedUpload(
        id=_UPLOAD,
        filename="clip.mp4",
        url=f"https://storage.example/uploads/{_UPLOAD}.mp4?X-Amz-Signature=9b1e",
        complete=f"{_PUBLIC_URL}/v1/uploads/{_UPLOAD}/complete",
        expires_at=_ENDED,
    ),
    "SessionView": _SESSION_NOW,
    "SessionView, new": _SESSION_NEW,
    "SessionPage": r.SessionPage(data=[_SESSION_NOW], next_cursor=_SESSION, has_more=True),
    "CreditsView": r.CreditsView(available=950, frozen=50, total=1000, as_of=_BEGAN),
    "UsageView": r.UsageView(
        month="2026-11",
        jobs={"succeeded": 118, "failed": 3, "canceled": 1, "expired": 0},
        credits=6150.0,
        credits_estimated=50.0,
        minutes=59.4,
    ),
    "Profiles": {"data": list(PROFILES.values())[:1]},
    "Probe": r.Probe(status="ok", warnings=("Redis keeps no append-only file: a crash may lose accepted jobs.",)),
    "Probe, draining": r.Probe(status="draining"),
    "JobEventBody": _EVENT,
    "JobEventBody, cut": _LONG_EVENT,
    "BatchAccepted": _BATCH_AS_ACCEPTED,
    "BatchAccepted, ended": msgspec.structs.replace(_BATCH_AS_ACCEPTED, session_id=_SESSION, finished_at=_ENDED),
    "BatchView": _BATCH_NOW,
    "BatchPage": r.BatchPage(data=[_BATCH_NOW], next_cursor=_BATCH, has_more=True),
    "BatchEventBody": _BATCH_EVENT,
    "BatchEventBody, cut": msgspec.structs.replace(
        _BATCH_EVENT, data=msgspec.structs.replace(_BATCH_EVENT.data, truncated=("jobs.output",))
    ),
    "DeliveryPage": callbacks.DeliveryPage(data=[_DELIVERED, _DEAD], next_cursor=_DEAD.id, has_more=True),
    "DeliveryPage, of a batch": callbacks.DeliveryPage(data=[_DEAD_OF_BATCH], next_cursor=None, has_more=False),
    "DeliveryView": _AGAIN,
    "Redelivered": callbacks.Redelivered(count=1000, has_more=True, next_cursor=f"dlv_{_UUID}"),
    "WebhookView": _WEBHOOK,
    "WebhookView, disabled": _WEBHOOK_OFF,
    "NewSecret": callbacks.NewSecret(secret=_SECRET, previous_valid_until=_NEXT_DAY),
    "TestedWebhook": callbacks.TestedWebhook(delivered=True, status=200, error=None, answer="ok", latency_ms=48),
    "TestedWebhook, failed": callbacks.TestedWebhook(
        delivered=False, status=None, error="It did not answer in time.", answer="", latency_ms=15_000
    ),
    "ProblemDocument": _problem_of("media_needed", _WRONG),
    "webhook.test": {"type": "webhook.test", "timestamp": _ENDED, "data": {}},
    "timeline": _TRACKS,
    "openapi": {"openapi": "3.1.0", "info": {"title": "Reelgate", "version": "1"}, "paths": {}},
}

#: by the name of the struct, and where there are several, what it shows
EXAMPLES: Mapping[str, Any] = {name: _as_json(made) for name, made in _MADE.items()}

#: examples that are text or a single event of a stream, by the name of the answer and its media type
TEXT_EXAMPLES: Mapping[tuple[str, str], Any] = {
    ("timeline", "text/plain"): _TIMELINE,
    ("metrics", "text/plain"): 'reelgate_jobs_accepted_total{profile="maker-free"} 118.0\n',
    ("docs", "text/html"): "<!doctype html><html>…</html>",
    ("redirect", "text/plain"): "",
    ("EventPage", "text/event-stream"): {
        "id": _EVENT_ROW.id,
        "event": "job.succeeded",
        "data": msgspec.json.encode(_EVENT).decode(),
    },
}
