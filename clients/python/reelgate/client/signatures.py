"""Callbacks: was it us, and what does it say? By Standard Webhooks, https://www.standardwebhooks.com."""

from collections.abc import Mapping, Sequence

import msgspec

from reelgate.client.errors import BadSignature
from reelgate.client.types import Event


def verify(body: bytes | str, headers: Mapping[str, str], secret: str | Sequence[str]) -> Event:
    """Check a callback's signature and read it. `body`: exactly the bytes that came. Raises BadSignature.

    While a secret is being changed, give the old and the new one. `event.id` is the same at every attempt: take each once.
    """
    # loaded here, since who only submits never needs it
    from standardwebhooks import Webhook, WebhookVerificationError  # noqa: PLC0415

    lower = {name.lower(): value for name, value in headers.items()}
    for each in [secret] if isinstance(secret, str) else secret:
        try:
            Webhook(each).verify(body, lower)
        except WebhookVerificationError:
            continue
        return _read(body, lower["webhook-id"])
    raise BadSignature("This callback was not signed with this secret, or too long ago.")


def _read(body: bytes | str, event_id: str) -> Event:
    return msgspec.structs.replace(msgspec.json.decode(body, type=Event), id=event_id)
