"""Signatures of callbacks and of our own links: pure functions over bytes, keys handed in.

Callbacks follow Standard Webhooks (https://www.standardwebhooks.com): `id.timestamp.body`, HMAC-SHA256, one signature
per secret that is valid right now. Links to outputs carry an expiry and a signature of our own. The worker signs
callbacks, both processes make links, the API verifies links. Nothing here reads a clock or a setting, and no key or
secret is ever part of an error.
"""

import base64
import hashlib
import hmac
import secrets as randomness
from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import urlencode

from standardwebhooks import Webhook

SECRET_BYTES = 32
#: Keeps a link's signature from meaning anything wherever else the same key may sign.
_LINK_PURPOSE = b"reelgate-link-v1\n"


def new_secret() -> str:
    """Make a callback secret, ``whsec_`` and base64 of 32 random bytes."""
    return "whsec_" + base64.b64encode(randomness.token_bytes(SECRET_BYTES)).decode("ascii")


def sign(secrets: Sequence[str], *, message_id: str, timestamp_s: int, body: bytes) -> str:
    """Sign the very bytes that are sent: ``v1,g0hM9S… v1,kD7x…``, one for each secret. `body` is UTF-8."""
    moment = datetime.fromtimestamp(timestamp_s, UTC)
    return " ".join(Webhook(secret).sign(message_id, moment, body.decode()) for secret in secrets)


def headers(secrets: Sequence[str], *, message_id: str, timestamp_s: int, body: bytes) -> dict[str, str]:
    """Make the headers of one attempt; `timestamp_s` is the attempt's time, `message_id` stays the event's."""
    return {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": sign(secrets, message_id=message_id, timestamp_s=timestamp_s, body=body),
    }


def sign_path(key: bytes, *, path: str, expires_at_s: int) -> str:
    """Make an expiring link of a path: ``/v1/jobs/job_…/output?expires=1795213575&signature=3q2-7w…``."""
    return f"{path}?{urlencode({'expires': expires_at_s, 'signature': _link_signature(key, path, expires_at_s)})}"


def verify_path(keys: Sequence[bytes], *, path: str, expires_at_s: int, signature: str, now_s: int) -> bool:
    """Tell whether a link is ours and still good. Several keys are tried, so that they can be rotated."""
    expected = [_link_signature(key, path, expires_at_s) for key in keys]
    ours = [hmac.compare_digest(each.encode(), signature.encode()) for each in expected]
    return any(ours) and now_s < expires_at_s


def _link_signature(key: bytes, path: str, expires_at_s: int) -> str:
    digest = hmac.digest(key, _LINK_PURPOSE + f"{expires_at_s}\n{path}".encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(digest).decode("ascii").rstrip("=")
