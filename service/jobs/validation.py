"""Admission what a caller asked for into a job, or says everything that is wrong with it. Pure: the facts are handed in.

Called by `service/jobs/submission.py` for each job of a submit, a batch or a `:validate`.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec

from core.file_names import MOST_OWN_CHARACTERS, UNNAMED, plain_name_of_url
from core.formats import FORMATS, foreign_suffix, name_as
from core.ids import new_id
from core.model.job import Job, MediaRef, Webhook
from core.model.plan import OutputAsk, Reading
from core.model.session import Session
from core.model.upload import Upload
from core.profiles import PROFILES, Profile
from core.security.url_policy import check_url
from core.settings import Settings
from service.problems import FieldError, invalid
from service.prompt import needs_media, read_prompt
from service.schemas.requests import JobAsk, MediaAsk

METADATA_LIMIT_BYTES = 4096
#: how many readings of prompts a process remembers, until some job's content is removed
_READINGS = 1024


@dataclass(frozen=True, kw_only=True)
class JobInputs:
    """What a job meets: its session where it names one, and every upload that it names."""

    session: Session | None = None
    #: the session has a timeline, or a job that will make one
    continues: bool = False
    uploads: dict[str, Upload]


@dataclass(frozen=True, kw_only=True)
class NewJob:
    """A job that passed every check, and the session that has to be made for it."""

    job: Job
    reading: Reading
    session: Session | None


def draft(
    ask: JobAsk,
    around: JobInputs,
    settings: Settings,
    *,
    tenant: str,
    now_ms: int,
    trace: str | None,
    batch_id: str | None = None,
    at: str = "",
) -> NewJob:
    """Check a job and make it. Raises Refused (422) with every wrong field; `at` is where it stands in the body."""
    wrong: list[FieldError] = []
    profile = _profile(ask, around, settings, wrong)
    media = [_media(m, around.uploads, settings, profile) for m in ask.media]
    for number, bad in enumerate(media):
        if isinstance(bad, FieldError):
            wrong.append(msgspec.structs.replace(bad, pointer=f"/media/{number}{bad.pointer}"))
    _check_plain_fields(ask, settings, wrong)
    if wrong:
        raise invalid([msgspec.structs.replace(e, pointer=at + e.pointer) for e in wrong])
    found = [m for m in media if isinstance(m, MediaRef)]
    reading = _read(ask, profile, found, continues=around.continues)
    if not found and needs_media(reading, profile, continues_session=around.continues):
        words = f"'{profile.name}' edits media: add at least one file to media, or go on in a session that has some."
        raise invalid([FieldError(pointer=f"{at}/media", code="media_needed", detail=words)])
    session = around.session or _implicit(tenant, profile, ask.language, now_ms)
    job = _job(
        ask,
        reading,
        session,
        media=tuple(found),
        profile=profile.name,
        created_at_ms=now_ms,
        traceparent=trace,
        batch_id=batch_id,
    )
    return NewJob(job=job, reading=reading, session=None if around.session else session)


def _implicit(tenant: str, profile: Profile, language: str | None, now_ms: int) -> Session:
    return Session(
        id=new_id("ses"), tenant=tenant, profile=profile.name, language=language, created_at_ms=now_ms, implicit=True
    )


def profile_named(name: str, *, at: str = "/profile") -> Profile:
    """Find a profile. Raises Refused (422)."""
    wrong: list[FieldError] = []
    if profile := _known(name, at, wrong):
        return profile
    raise invalid(wrong)


def _known(name: str, at: str, wrong: list[FieldError]) -> Profile | None:
    if name not in PROFILES:
        words = f"There is no such profile. Known: {', '.join(PROFILES)}."
        wrong.append(FieldError(pointer=at, code="unknown_profile", detail=words))
    return PROFILES.get(name)


def _profile(ask: JobAsk, around: JobInputs, settings: Settings, wrong: list[FieldError]) -> Profile:
    inherited = around.session.profile if around.session else settings.default_profile
    return _known(ask.profile or inherited, "/profile", wrong) or PROFILES[settings.default_profile]


def _media(media: MediaAsk, uploads: dict[str, Upload], settings: Settings, profile: Profile) -> MediaRef | FieldError:
    """Make a file's reference, or say what is wrong with it; the pointer begins at the file."""
    if (media.url is None) == (media.upload_id is None):
        return FieldError(pointer="", code="invalid_value", detail="Give either url or upload_id.")
    if media.url is not None:
        return _from_url(media.url, settings)
    upload = uploads[media.upload_id or ""]
    if upload.size_bytes > profile.max_bytes:
        words = f"'{profile.name}' takes files of up to {profile.max_bytes} bytes."
        return FieldError(pointer="/upload_id", code="media_too_large", detail=words)
    return MediaRef(upload_id=upload.id, name=name_as(upload.filename, upload.format), size_bytes=upload.size_bytes)


def _from_url(url: str, settings: Settings) -> MediaRef | FieldError:
    if refusal := check_url(url, http_allowed=settings.allow_http, allow=settings.allow_addresses):
        return FieldError(pointer="/url", code=refusal.code, detail=refusal.detail)
    name = plain_name_of_url(url)[-MOST_OWN_CHARACTERS:] or UNNAMED
    if suffix := foreign_suffix(name):
        words = f"Files that end in .{suffix} are not taken. Use one of: {', '.join(FORMATS)}."
        return FieldError(pointer="/url", code="unsupported_media", detail=words)
    return MediaRef(url=url, name=name)


def _check_plain_fields(ask: JobAsk, settings: Settings, wrong: list[FieldError]) -> None:
    if not ask.prompt.strip():
        wrong.append(FieldError(pointer="/prompt", code="invalid_value", detail="The prompt is empty."))
    if len(msgspec.json.encode(ask.metadata)) > METADATA_LIMIT_BYTES:
        words = f"As JSON it may have {METADATA_LIMIT_BYTES} bytes."
        wrong.append(FieldError(pointer="/metadata", code="too_large", detail=words))
    if ask.webhook and (refusal := webhook_refusal(ask.webhook.url, settings)):
        wrong.append(refusal)


def webhook_refusal(url: str, settings: Settings, *, at: str = "/webhook/url") -> FieldError | None:
    """Judge where callbacks shall go."""
    refusal = check_url(url, http_allowed=settings.allow_http, allow=settings.allow_addresses)
    return FieldError(pointer=at, code=refusal.code, detail=refusal.detail) if refusal else None


def _read(ask: JobAsk, profile: Profile, media: list[MediaRef], *, continues: bool) -> Reading:
    output = ask.output
    asked = OutputAsk(
        export=output.export if output else None,
        format=output.format if output else None,
        quality=output.quality if output else None,
        resolution=output.resolution if output else None,
        aspect_ratio=output.aspect_ratio if output else None,
    )
    return read_before(ask.prompt, asked, profile.name, tuple(m.name for m in media), continues=continues)


@lru_cache(maxsize=_READINGS)
def read_before(prompt: str, asked: OutputAsk, profile: str, names: tuple[str, ...], *, continues: bool) -> Reading:
    """Read a prompt, or remember how it was read: programs send the same few words with ever new files."""
    return read_prompt(prompt, asked=asked, profile=PROFILES[profile], media_names=names, continues_session=continues)


def forget_readings() -> None:
    """Forget every prompt: one of them may be a job's that was deleted, and reading the others anew costs little."""
    read_before.cache_clear()


def _job(ask: JobAsk, reading: Reading, session: Session, **facts: Any) -> Job:
    return Job(
        id=new_id("job"),
        tenant=session.tenant,
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
        **facts,
    )
