"""A caller's client that repeats what the API asks to have repeated: Redis was not heard in time, on a busy machine."""

import time
import uuid
from http import HTTPStatus

import httpx

from tests.until import PATIENCE_S


def is_redis_slow(answer: httpx.Response) -> bool:
    """Tell the API's own word for a Redis that was not heard in time from its last words, and from a balancer's page.

    The body must have been read.
    """
    if answer.status_code != HTTPStatus.SERVICE_UNAVAILABLE or "problem" not in answer.headers["content-type"]:
        return False
    return str(answer.json()["detail"]).startswith("Redis does not answer")


class RepeatingTransport(httpx.HTTPTransport):
    """Sends a call again, under one Idempotency-Key, as long as Redis is slow; a body that is read once is sent once."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if not isinstance(request.stream, httpx.ByteStream):
            return super().handle_request(request)
        if request.method == "POST":
            request.headers.setdefault("Idempotency-Key", uuid.uuid4().hex)
        ends_s = time.monotonic() + PATIENCE_S
        answer = super().handle_request(request)
        while answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE and time.monotonic() < ends_s:
            answer.read()
            if not is_redis_slow(answer):
                break
            time.sleep(int(answer.headers["retry-after"]))
            answer = super().handle_request(request)
        return answer
