"""Reprs: no type that holds a prompt, a URL, a body or a secret shows it. New types are found by their fields' names."""

import dataclasses
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from core.model.job import Job, MediaRef, Webhook
from core.model.job_view import view
from core.model.plan import Output, Plan
from core.security.encryption import Encryption

ROOMS = ("core", "service", "worker", "reelgate")
#: names of fields that hold a caller's words, an address that may carry a right, or a secret
CONTENT = {
    *("prompt", "message", "text", "reply", "changes", "timeline", "metadata", "instead"),
    *("url", "urls", "backend_url", "cdn_url", "claim_url", "target", "headers"),
    *("secret", "webhook_secret", "locked", "secrets", "token", "body", "answer", "fields", "draft", "media"),
    *("video_infos", "generated_media", "record", "session_record", "event_body"),
}
#: fields with such a name that hold something else; our own links may be shown
HARMLESS = {
    ("core.security.signed_links", "OutputLink", "url"),
    ("service.openapi.describe", "BodyDoc", "media"),
}


def types_of_ours() -> Iterator[tuple[type, tuple[str, ...]]]:
    """List every struct, dataclass and named tuple with its fields."""
    for room in ROOMS:
        package = importlib.import_module(room)
        for found in pkgutil.walk_packages(package.__path__, f"{room}."):
            module = importlib.import_module(found.name)
            for kind in vars(module).values():
                if inspect.isclass(kind) and kind.__module__ == module.__name__ and (fields := fields_of(kind)):
                    yield kind, fields


def fields_of(kind: type) -> tuple[str, ...]:
    if issubclass(kind, msgspec.Struct):
        return kind.__struct_fields__
    if dataclasses.is_dataclass(kind):
        return tuple(field.name for field in dataclasses.fields(kind))
    return getattr(kind, "_fields", ()) if issubclass(kind, tuple) else ()


def with_content() -> list[Any]:
    """List the types that have a field with a telling name, and those fields."""
    found = []
    for kind, fields in types_of_ours():
        where = (kind.__module__, kind.__qualname__)
        telling = {name for name in fields if name in CONTENT and (*where, name) not in HARMLESS}
        if telling:
            found.append(pytest.param(kind, fields, telling, id=".".join(where)))
    return found


@pytest.mark.parametrize(("kind", "fields", "telling"), with_content())
def test_no_type_shows_the_content_that_it_holds(kind, fields, telling):
    shown = repr(kind(**{name: f"<{name}>" for name in fields}))
    assert not [name for name in telling if f"<{name}>" in shown], shown


def a_job() -> Job:
    return Job(
        id="job_1",
        tenant="acme",
        prompt="MARK",
        profile="maker-free",
        media=(MediaRef(url="https://example.com/MARK", name="MARK.mp4"),),
        session_id="ses_1",
        output_ask=Output(),
        plan=Plan(message="MARK", action="export"),
        webhook=Webhook(url="https://example.com/?token=MARK"),
        metadata={"MARK": "MARK"},
        created_at_ms=0,
    )


def test_a_job_shows_what_tells_it_from_others():
    assert repr(a_job()) == "Job(id='job_1', version=1, status=<Status.QUEUED: 'queued'>)"


def test_nothing_inside_a_job_or_its_view_shows_content():
    job = a_job()
    shown = [job, job.media, job.plan, job.webhook, view(job, public_url="http://127.0.0.1")]
    assert "MARK" not in repr(shown)


def test_the_vault_shows_no_key():
    key = "k" * 32
    assert key not in repr(vars(Encryption([key]))) + repr(Encryption([key]))
