"""Callbacks: was it us, and what does it say? By Standard Webhooks, https://www.standardwebhooks.com."""

import base64
from collections.abc import Mapping, Sequence

import msgspec

from reelgate.client.errors import BadSignature
from reelgate.client.types import Event


def verify(body: bytes | str, headers: Mapping[str, str], secret: str | Sequence[str]) -> Event:
    """Check a callback's signature and read it. `body`: exactly the bytes that came. Raises BadSignature, and TypeError for a
    body that was parsed already.

    While a secret is being changed, give the old and the new one. `event.id` is the same at every attempt: take each once.
    """
    if not isinstance(body, bytes | bytearray | str):
        raise TypeError("body must be the bytes as they came, not what was read from them")
    # loaded here, since who only submits never needs it
    from standardwebhooks import Webhook, WebhookVerificationError  # noqa: PLC0415

    lower = {name.lower(): value for name, value in headers.items()}
    lower["webhook-signature"] = " ".join(_signatures(lower.get("webhook-signature", "")))
    for each in [secret] if isinstance(secret, str) else secret:
        try:
            Webhook(each).verify(body, lower)
        except (WebhookVerificationError, UnicodeDecodeError):
            continue
        return _read(body, lower["webhook-id"])
    raise BadSignature("This callback was not signed with this secret, or too long ago.")


def _signatures(header: str) -> list[str]:
    """Give those that may be one: another kind, or none at all, beside a good one is no reason to refuse it."""
    return [each for each in header.split() if _is_signature(each)]


def _is_signature(each: str) -> bool:
    kind, _, value = each.partition(",")
    try:
        return kind == "v1" and bool(base64.b64decode(value, validate=True))
    except ValueError:
        return False


def _read(body: bytes | str, event_id: str) -> Event:
    return msgspec.structs.replace(msgspec.json.decode(body, type=Event), id=event_id)
