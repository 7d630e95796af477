"""Waits for a job's callback at the receiver and checks its signature once more, as a caller would."""

import binascii
from typing import Any

import httpx
from standardwebhooks import Webhook, WebhookVerificationError

from sandbox.world.demo.api_client import DemoFailed, checked

WAIT_S = 20


class Receiver:
    """The running callback receiver, and the secret that its tenant's callbacks are signed with."""

    def __init__(self, client: httpx.AsyncClient, secret: str) -> None:
        self._client = client
        self._webhook = Webhook(secret)

    async def end_of(self, job_id: str) -> str:
        """Wait for the callback about a job's end and give its type, ``job.succeeded``. Raises DemoFailed."""
        query = {"job_id": job_id, "at_least": "1", "wait_s": str(WAIT_S)}
        answer = await self._client.get("/_received", params=query, timeout=WAIT_S + 5)
        received = checked(answer, "reading the receiver's inbox").json()
        if not received:
            raise DemoFailed(f"no callback for {job_id} came within {WAIT_S} s of its end")
        return self._verified(received[0], job_id)

    def _verified(self, callback: dict[str, Any], job_id: str) -> str:
        try:
            body = self._webhook.verify(callback["text"], callback["headers"])
        except (WebhookVerificationError, ValueError, binascii.Error):
            raise DemoFailed(f"the signature of the callback for {job_id} does not hold") from None
        if not callback["verified"] or body["data"]["job"]["id"] != job_id:
            raise DemoFailed(f"the receiver could not make sense of the callback for {job_id}")
        return str(body["type"])
