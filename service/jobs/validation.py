"""Validates a job as it was asked for, and makes its record, or says everything that is wrong with it. Pure.

What the job names in Redis is handed in as `JobInputs`. Called by `service/jobs/submission.py` for each job of a
submit, a batch or a `:validate`.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from core.ids import new_id
from core.media.file_names import MOST_OWN_CHARACTERS, UNNAMED, plain_name_of_url
from core.media.formats import FORMATS, foreign_suffix, format_of_name, name_as
from core.model.estimate import NOTHING_MEASURED, Measurements, estimate_of
from core.model.job import Job, MediaRef, Webhook
from core.model.job_view import view
from core.model.message_cost import exceeds_limit, usual_cost
from core.model.plan import Reading, RequestedOutput
from core.model.session import Session
from core.model.upload import Upload
from core.profiles import PROFILES, Profile
from core.security.redacted_repr import redacted_repr
from core.security.url_policy import check_url
from core.settings import Settings
from service.http.headers import NOWHERE, CallOrigin
from service.problems import FieldError, invalid
from service.prompt import needs_media, read_cached
from service.schemas.requests import JobRequest, MediaSource

METADATA_LIMIT_BYTES = 4096


@redacted_repr("continues")
class JobInputs(NamedTuple):
    """What a job names: its session where it names one, and its uploads by their ids."""

    uploads: dict[str, Upload]
    session: Session | None = None
    #: the session has a timeline, or a job that will make one
    continues: bool = False


@redacted_repr("job")
class NewJob(NamedTuple):
    """A job that passed every check. `session`: the one that has to be made for it, if any.

    `view_json`: the job as callers read it, written once for the response, the event and its callback.
    """

    job: Job
    session: Session | None
    view_json: bytes
    #: its URL
    location: str


class JobFacts(NamedTuple):
    """What a job's body does not say: whose it is, when it came, and what it belongs to."""

    tenant: str
    now_ms: int
    origin: CallOrigin = NOWHERE
    batch_id: str | None = None
    measurements: Measurements = NOTHING_MEASURED


def makes_timeline(job: Job) -> bool:
    """Tell whether a job leaves something for the next one in its session; a question of credits does not."""
    return bool(job.media) or job.plan.message is not None


def new_job(job: Job, session: Session | None, settings: Settings, measurements: Measurements) -> NewJob:
    """Put a job together with what is written for it, and say what it will cost and take."""
    job = msgspec.structs.replace(job, estimate=estimate_of(job, measurements))
    job = msgspec.structs.replace(job, hints=(*job.hints, *_budget_hint(job)))
    shown = view(job, public_url=settings.public_url)
    return NewJob(job, session, msgspec.json.encode(shown), location=shown.links.self)


def _budget_hint(job: Job) -> Iterator[str]:
    """Say before its turn what ends a job at its turn."""
    if exceeds_limit(job):
        yield f"It will end as budget_exceeded: the edit costs about {usual_cost(job)} credits, and max_credits is {job.max_credits}."


def validate(ask: JobRequest, inputs: JobInputs, settings: Settings, facts: JobFacts) -> NewJob:
    """Check a job and make it. Raises ApiError (422) with every wrong field."""
    profile, media = _checked_fields(ask, inputs, settings)
    reading = _read(ask, profile, media, continues=inputs.continues)
    if not media and needs_media(reading.plan, profile, continues_session=inputs.continues):
        words = f"'{profile.name}' edits media: add at least one file to media, or go on in a session that has some."
        raise invalid([FieldError(pointer="/media", code="media_needed", detail=words)])
    session = inputs.session or implicit_session(
        facts.tenant, profile.name, ask.language, facts.now_ms, cell=settings.cell
    )
    job_id = new_id("job", settings.cell)
    job = _job(ask, reading, session, facts, id=job_id, media=media, profile=profile.name)
    return new_job(job, None if inputs.session else session, settings, facts.measurements)


def _checked_fields(ask: JobRequest, inputs: JobInputs, settings: Settings) -> tuple[Profile, tuple[MediaRef, ...]]:
    """Find the profile and the media. Raises ApiError (422) with all that is wrong with any field."""
    wrong: list[FieldError] = []
    profile = _profile(ask, inputs, settings, wrong)
    media = [_media(m, inputs.uploads, settings, profile) for m in ask.media]
    for number, bad in enumerate(media):
        if isinstance(bad, FieldError):
            wrong.append(msgspec.structs.replace(bad, pointer=f"/media/{number}{bad.pointer}"))
    wrong += _plain_field_errors(ask, settings)
    if wrong:
        raise invalid(wrong)
    return profile, tuple(m for m in media if isinstance(m, MediaRef))


def implicit_session(tenant: str, profile: str, language: str | None, now_ms: int, *, cell: str) -> Session:
    """Make the session of a job that names none."""
    session_id = new_id("ses", cell)
    return Session(
        id=session_id, tenant=tenant, profile=profile, language=language, created_at_ms=now_ms, implicit=True
    )


def find_profile(name: str) -> Profile:
    """Find a profile by its name. Raises ApiError (422)."""
    if name not in PROFILES:
        raise invalid([_unknown_profile()])
    return PROFILES[name]


def _unknown_profile() -> FieldError:
    words = f"There is no such profile. Known: {', '.join(PROFILES)}."
    return FieldError(pointer="/profile", code="unknown_profile", detail=words)


def _profile(ask: JobRequest, inputs: JobInputs, settings: Settings, wrong: list[FieldError]) -> Profile:
    name = ask.profile or (inputs.session.profile if inputs.session else settings.default_profile)
    if name not in PROFILES:
        wrong.append(_unknown_profile())
    return PROFILES.get(name) or PROFILES[settings.default_profile]


def _media(
    media: MediaSource, uploads: dict[str, Upload], settings: Settings, profile: Profile
) -> MediaRef | FieldError:
    """Make a file's reference, or say what is wrong with it; the pointer begins at the file."""
    if (media.url is None) == (media.upload_id is None):
        return FieldError(pointer="", code="invalid_value", detail="Give either url or upload_id.")
    if media.url is not None:
        return _media_at_url(media.url, settings)
    upload = uploads[media.upload_id or ""]
    if upload.size_bytes > profile.max_bytes:
        words = f"'{profile.name}' takes files of up to {profile.max_bytes} bytes."
        return FieldError(pointer="/upload_id", code="media_too_large", detail=words)
    return MediaRef(
        upload_id=upload.id,
        name=name_as(upload.filename, upload.format),
        size_bytes=upload.size_bytes,
        duration_s=upload.duration_s,
    )


def _media_at_url(url: str, settings: Settings) -> MediaRef | FieldError:
    if refusal := check_url(url, http_allowed=settings.allow_http, allow=settings.allow_addresses):
        return FieldError(pointer="/url", code=refusal.code, detail=refusal.detail)
    name = plain_name_of_url(url)[-MOST_OWN_CHARACTERS:] or UNNAMED
    if suffix := foreign_suffix(name):
        words = f"Files that end in .{suffix} are not taken. Use one of: {', '.join(FORMATS)}."
        return FieldError(pointer="/url", code="unsupported_media", detail=words)
    return MediaRef(url=url, name=name)


def _plain_field_errors(ask: JobRequest, settings: Settings) -> list[FieldError]:
    wrong: list[FieldError] = []
    if not any(sign.isprintable() and not sign.isspace() for sign in ask.prompt):
        wrong.append(FieldError(pointer="/prompt", code="invalid_value", detail="The prompt is empty."))
    if len(msgspec.json.encode(ask.metadata)) > METADATA_LIMIT_BYTES:
        words = f"As JSON it may have {METADATA_LIMIT_BYTES} bytes."
        wrong.append(FieldError(pointer="/metadata", code="too_large", detail=words))
    if ask.webhook and (error := webhook_url_error(ask.webhook.url, settings)):
        wrong.append(error)
    return wrong


def webhook_url_error(url: str, settings: Settings, *, at: str = "/webhook/url") -> FieldError | None:
    """Judge where callbacks shall go."""
    refusal = check_url(url, http_allowed=settings.allow_http, allow=settings.allow_addresses)
    return FieldError(pointer=at, code=refusal.code, detail=refusal.detail) if refusal else None


def _read(ask: JobRequest, profile: Profile, media: tuple[MediaRef, ...], *, continues: bool) -> Reading:
    output = ask.output
    asked = RequestedOutput(
        export=output.export if output else None,
        format=output.format if output else None,
        quality=output.quality if output else None,
        resolution=output.resolution if output else None,
        aspect_ratio=output.aspect_ratio if output else None,
    )
    formats = dict.fromkeys(format_of_name(m.name) for m in media)
    return read_cached(ask.prompt, asked, profile.name, tuple(formats), continues=continues)


def _job(ask: JobRequest, reading: Reading, session: Session, facts: JobFacts, **found: Any) -> Job:
    return Job(
        tenant=facts.tenant,
        prompt=ask.prompt,
        session_id=session.id,
        language=ask.language or session.language,
        output_ask=reading.output,
        plan=reading.plan,
        hints=reading.hints,
        webhook=Webhook(url=ask.webhook.url, events=tuple(ask.webhook.events)) if ask.webhook else None,
        metadata=ask.metadata,
        priority=ask.priority,
        max_credits=ask.max_credits,
        start_timeout_s=ask.start_timeout_s,
        timeout_s=ask.timeout_s,
        retention_s=ask.retention_s,
        created_at_ms=facts.now_ms,
        batch_id=facts.batch_id,
        traceparent=facts.origin.traceparent,
        request_id=facts.origin.request_id,
        **found,
    )
