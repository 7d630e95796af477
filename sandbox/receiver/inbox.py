"""What came in: each callback with its signature checked. The server fills it; `GET /_received` shows it.

Nobody here knows how a callback was answered, nor does it matter: a refused callback was received all the same.
"""

import asyncio
import binascii
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypedDict

from standardwebhooks import Webhook, WebhookVerificationError


class Received(TypedDict):
    """One request to /hook…, as `GET /_received` lists it. `body` is null where `text` is no JSON."""

    id: str | None
    type: str | None
    job_id: str | None
    verified: bool
    path: str
    headers: dict[str, str]
    body: Any
    text: str
    at: str


class Inbox:
    """Everything received since the start, oldest first."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._webhooks = [Webhook(secret) for secret in secrets]
        self._received: list[Received] = []
        self._news = asyncio.Condition()

    async def add(self, path: str, headers: Mapping[str, str], raw: bytes) -> Received:
        """Keep one request, and wake whoever waits for it."""
        body = _json(raw)
        envelope = body if isinstance(body, dict) else {}
        received = Received(
            id=headers.get("webhook-id"),
            type=envelope.get("type"),
            job_id=_job_id(envelope),
            verified=any(_holds(webhook, headers, raw) for webhook in self._webhooks),
            path=path,
            headers=dict(headers),
            body=body,
            text=raw.decode(errors="replace"),
            at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        )
        async with self._news:
            self._received.append(received)
            self._news.notify_all()
        return received

    def times_seen(self, path: str, webhook_id: str | None) -> int:
        """Count how often this callback has come to this path."""
        return sum(1 for each in self._received if each["path"] == path and each["id"] == webhook_id)

    async def matching(self, wanted: Mapping[str, str], *, at_least: int, wait_s: float) -> list[Received]:
        """List what equals `wanted` in its fields, after waiting a while for `at_least` of them."""
        async with self._news:
            try:
                async with asyncio.timeout(wait_s):
                    await self._news.wait_for(lambda: len(self._select(wanted)) >= at_least)
            except TimeoutError:
                pass
            return self._select(wanted)

    def clear(self) -> None:
        """Forget everything."""
        self._received.clear()

    def _select(self, wanted: Mapping[str, str]) -> list[Received]:
        return [each for each in self._received if all(each.get(field) == value for field, value in wanted.items())]


def _json(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return None


def _job_id(envelope: Mapping[str, Any]) -> str | None:
    """Find the job in ``{"type":…,"data":{"job":{"id":…}}}``; a batch or a test has none."""
    data = envelope.get("data")
    job = data.get("job") if isinstance(data, dict) else None
    return job.get("id") if isinstance(job, dict) else None


def _holds(webhook: Webhook, headers: Mapping[str, str], raw: bytes) -> bool:
    try:
        webhook.verify(raw, dict(headers), json_parse=False)
    except (WebhookVerificationError, ValueError, binascii.Error):
        return False
    return True
