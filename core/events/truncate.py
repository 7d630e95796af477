"""Truncation of callbacks: what is left out where one would grow too long, the texts that its reader can fetch anyway.

Pure. `core.events.event` asks for it when it writes an event's body; the job itself is always shown whole. Ids, times,
links and the caller's metadata are never cut. Budgets are bytes of JSON, in which a control character counts six.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from core.model.job_view import JobView, ProblemView

T = TypeVar("T")
_encode = msgspec.json.Encoder().encode


def fitted(job: JobView, *, most_bytes: int) -> tuple[JobView, tuple[str, ...]]:
    """Cut a job to this size, and name what was cut: ``("plan.message", "changes")``. Cut texts end in ``…``."""
    names: list[str] = []
    for name, cut in _CUTS:
        if size_bytes(job) <= most_bytes:
            break
        shorter = cut(job)
        if shorter != job:
            names.append(name)
        job = shorter
    return job, tuple(names)


def size_bytes(value: Any) -> int:
    """Measure a value as JSON."""
    return len(_encode(value))


def cut_text(text: str | None, most_bytes: int) -> str | None:
    """Shorten a text to this size, quotes and ``…`` included."""
    if text is None or size_bytes(text) <= most_bytes:
        return text
    while (now_bytes := size_bytes(text + "…")) > most_bytes:
        text = text[: min(len(text) - 1, len(text) * most_bytes // now_bytes)]
    return text + "…"


def cut_list(texts: tuple[str, ...], most_bytes: int) -> tuple[str, ...]:
    """Keep the first of some texts, each of a sensible length, as far as they fit."""
    if size_bytes(texts) <= most_bytes:
        return texts
    kept = tuple(cut_text(text, most_bytes // 4) or "" for text in texts)
    while size_bytes(kept) > most_bytes:
        kept = kept[:-1]
    return kept


def _if_small(value: T, most_bytes: int) -> T | None:
    return value if size_bytes(value) <= most_bytes else None


def _cut_reply(job: JobView) -> JobView:
    reply = cut_text(job.reply, 2_500)
    return msgspec.structs.replace(job, reply=reply, reply_truncated=job.reply_truncated or reply != job.reply)


def _cut_error(job: JobView) -> JobView:
    return msgspec.structs.replace(job, error=_brief(job.error)) if job.error else job


def _brief(error: ProblemView) -> ProblemView:
    detail, hint = cut_text(error.detail, 400), cut_text(error.hint, 400)
    return msgspec.structs.replace(error, detail=detail, hint=hint)


def _cut_message(job: JobView) -> JobView:
    plan = msgspec.structs.replace(job.plan, message=cut_text(job.plan.message, 1_500))
    return msgspec.structs.replace(job, plan=plan)


#: in this order, until it fits
_CUTS: tuple[tuple[str, Callable[[JobView], JobView]], ...] = (
    ("result", lambda job: msgspec.structs.replace(job, result=_if_small(job.result, 1_500))),
    ("plan.message", _cut_message),
    ("timeline", lambda job: msgspec.structs.replace(job, timeline=cut_text(job.timeline, 1_500))),
    ("changes", lambda job: msgspec.structs.replace(job, changes=cut_list(job.changes, 2_000))),
    ("hints", lambda job: msgspec.structs.replace(job, hints=cut_list(job.hints, 800))),
    ("error", _cut_error),
    ("claim_url", lambda job: msgspec.structs.replace(job, claim_url=_if_small(job.claim_url, 800))),
    ("reply", _cut_reply),
)
