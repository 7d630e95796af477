"""Examples of the OpenAPI document: a finished job as it is really written, and a problem document."""

import msgspec

from core.clock import parse_rfc3339_ms
from core.model.job import Job, OutputFile, Status
from core.model.job_view import view
from core.model.plan import Output, Plan
from service.openapi.texts import Json
from service.problems import FieldError, invalid, problem_document

_BEGAN_MS = parse_rfc3339_ms("2026-11-20T22:59:44.120Z")
_UUID = "019a3c1e-7b2f-7c3d-9e4f-0123456789ab"
_PUBLIC_URL = "https://reelgate.example"


def example_job() -> Json:
    """Show a job that has succeeded."""
    job = Job(
        id=f"job_{_UUID}",
        tenant="acme",
        version=7,
        status=Status.SUCCEEDED,
        prompt="cut the pauses, add background music, and export in 1080p",
        profile="ai-video-pro-online",
        session_id=f"ses_{_UUID}",
        language="en",
        output_ask=Output(),
        plan=Plan(message="cut the pauses, add background music", action="export"),
        metadata={"order": "7"},
        created_at_ms=_BEGAN_MS,
        started_at_ms=_BEGAN_MS + 15,
        finished_at_ms=_BEGAN_MS + 71_000,
        attempts=1,
        percent=100,
        message="Done",
        changes=('Title added: "Urban Dreams" (0-3s)',),
        timeline="Timeline (2 tracks): 1. Video: city timelapse (0-30s) 2. BGM: Lo-fi (0-30s, 35%)",
        output=_output(f"{_PUBLIC_URL}/v1/jobs/job_{_UUID}/output?expires=1795303784&signature=3q2-7w"),
        credits_used=50,
        credits_exact=True,
    )
    shown: Json = msgspec.to_builtins(view(job, public_url=_PUBLIC_URL))
    return shown


def _output(url: str) -> OutputFile:
    return OutputFile(
        path=None,
        backend_url=url,
        format="mp4",
        duration_s=30.5,
        size_bytes=15_728_640,
        width=1920,
        height=1080,
        expires_at_ms=_BEGAN_MS + 86_400_000,
    )


def example_problem() -> Json:
    """Show a problem that points at what is wrong."""
    wrong = FieldError(pointer="/colour", code="unknown_field", detail="Object contains unknown field 'colour'.")
    document = problem_document(invalid([wrong]), "/v1/jobs", request_id="7f61de60-c238-4ab0-99e8-0db0f7a031f4")
    shown: Json = msgspec.to_builtins(document)
    return shown
