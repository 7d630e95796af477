"""Signatures of callbacks by Standard Webhooks (https://www.standardwebhooks.com). Pure: secrets and times are handed in.

What is signed is `id.timestamp.body`, by HMAC-SHA256, once for each secret that is valid right now. The worker signs; no
secret is ever part of an error.
"""

import base64
import secrets as randomness
from collections.abc import Sequence
from datetime import UTC, datetime

from standardwebhooks import Webhook

SECRET_BYTES = 32


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
