"""Signed, expiring links to finished files, made fresh for every answer and every callback attempt. Pure.

Both processes make them, the API verifies them. A link carries its expiry and a signature of our own; no key is ever part
of an error.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

import msgspec

from core.clock import parse_rfc3339_ms, rfc3339
from core.security.encryption import Encryption

#: how long a link works; whoever knows the job can always have a fresh one
LINK_LIFE_MS = 24 * 3600 * 1000
#: a callback has less
_BODY_ENDS_BYTES = 20_000
#: keeps a link's signature from meaning anything wherever else the same key may sign
_PURPOSE = b"reelgate-link-v1\n"


class OutputLink(NamedTuple):
    """A link that needs no key, and until when it works: ``2026-11-21T22:59:44.000Z``."""

    url: str
    expires_at: str


def output_path(job_id: str) -> str:
    """Name the path that a link to an output signs."""
    return f"/v1/jobs/{job_id}/output"


def output_link(
    encryption: Encryption, job_id: str, *, public_url: str, file_expires_at_ms: int, now_ms: int
) -> OutputLink:
    """Sign the link to a job's file: good for a day, and never longer than the file is kept."""
    expires_at_s = min(now_ms + LINK_LIFE_MS, file_expires_at_ms) // 1000
    signed = sign_path(encryption.link_keys[0], path=output_path(job_id), expires_at_s=expires_at_s)
    return OutputLink(public_url + signed, rfc3339(expires_at_s * 1000))


def with_link(body: bytes, encryption: Encryption, *, public_url: str, now_ms: int) -> bytes:
    """Put a fresh link into an event's body, where it tells of a file in our storage.

    A batch's are without a signature, and need a key: a hundred signed ones are longer than a callback may be. Where they
    are too long even so, since the address is, they are left out, and `truncated` says so.
    """
    event: dict[str, Any] = msgspec.json.decode(body)
    if batch := event["data"].get("batch"):
        return _with_links_of_batch(event, batch["jobs"], public_url)
    job = event["data"].get("job")
    if not job or not job["output"] or job["output"]["url"]:
        return body
    expires_at_ms = parse_rfc3339_ms(job["output"]["expires_at"])
    link = output_link(encryption, job["id"], public_url=public_url, file_expires_at_ms=expires_at_ms, now_ms=now_ms)
    job["output"] |= link._asdict()
    return msgspec.json.encode(event)


def _with_links_of_batch(event: dict[str, Any], jobs: list[dict[str, Any]], public_url: str) -> bytes:
    for job in jobs:
        job["output"] = public_url + path if (path := job.get("output")) else None
    body = msgspec.json.encode(event)
    if len(body) < _BODY_ENDS_BYTES:
        return body
    for job in jobs:
        job["output"] = None
    event["data"]["truncated"] = ["jobs.output"]
    return msgspec.json.encode(event)


def sign_path(key: bytes, *, path: str, expires_at_s: int) -> str:
    """Make an expiring link of a path: ``/v1/jobs/job_…/output?expires=1795213575&signature=3q2-7w…``."""
    return f"{path}?{urlencode({'expires': expires_at_s, 'signature': _signature(key, path, expires_at_s)})}"


def verify_path(keys: Sequence[bytes], *, path: str, expires_at_s: int, signature: str, now_s: int) -> bool:
    """Tell whether a link is ours and still good. Several keys are tried, so that they can be rotated."""
    expected = [_signature(key, path, expires_at_s) for key in keys]
    ours = [hmac.compare_digest(each.encode(), signature.encode()) for each in expected]
    return any(ours) and now_s < expires_at_s


def _signature(key: bytes, path: str, expires_at_s: int) -> str:
    digest = hmac.digest(key, _PURPOSE + f"{expires_at_s}\n{path}".encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(digest).decode("ascii").rstrip("=")
