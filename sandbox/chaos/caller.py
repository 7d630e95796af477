"""A caller who does not give up: what is refused for now is tried again under the same key, at either API."""

import asyncio
import itertools
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

#: refusals that pass: too often, Redis away, an API that is just starting
_PASSING = frozenset({409, 429, 502, 503, 504})
_AGAIN_S = 0.2
_LIMIT_S = 20.0
_PAGE = 100


class CallerFailed(Exception):  # noqa: N818 - it says what happened, as the person at the terminal reads it
    """The gateway refused a call for good; `code` is the problem document's."""

    def __init__(self, call: str, answer: httpx.Response) -> None:
        super().__init__(f"{call} was answered with {answer.status_code}: {answer.text[:300]}")
        is_json = "json" in answer.headers.get("content-type", "")
        self.code = str(answer.json().get("code", "")) if is_json else ""


class Caller:
    """One tenant's program, before several APIs."""

    def __init__(self, addresses: list[str], api_key: str, *, hooks: str) -> None:
        headers = {"Authorization": f"Bearer {api_key}"}
        self._clients = [
            httpx.AsyncClient(base_url=address, headers=headers, timeout=_LIMIT_S, trust_env=False)
            for address in addresses
        ]
        self._next: Iterator[httpx.AsyncClient] = itertools.cycle(self._clients)
        self._hooks = hooks

    async def aclose(self) -> None:
        for client in self._clients:
            await client.aclose()

    async def upload(self, path: Path) -> str:
        """Send a file and give its ``upl_`` id."""
        content = await asyncio.to_thread(path.read_bytes)
        answer = await self._until_taken("POST", "/v1/uploads", params={"filename": path.name}, content=content)
        return str(answer.json()["id"])

    async def session(self) -> str:
        return str((await self._until_taken("POST", "/v1/sessions", json={})).json()["id"])

    async def submit(self, body: dict[str, Any], *, hook: str) -> str:
        """Post a job until it has its 202, and give its id."""
        whole = body | {"webhook": {"url": self._hooks + hook}}
        return str((await self._until_taken("POST", "/v1/jobs", json=whole)).json()["id"])

    async def cancel(self, job_id: str) -> None:
        await self._until_taken("POST", f"/v1/jobs/{job_id}/cancel")

    async def job(self, job_id: str) -> dict[str, Any] | None:
        """Read a job. None: nobody knows it."""
        answer = await self._until_taken("GET", f"/v1/jobs/{job_id}", also=404)
        return None if answer.status_code == httpx.codes.NOT_FOUND else dict(answer.json())

    async def jobs(self) -> list[dict[str, Any]]:
        """List all jobs, newest first."""
        found: list[dict[str, Any]] = []
        query: dict[str, Any] = {"limit": _PAGE}
        while True:
            page = (await self._until_taken("GET", "/v1/jobs", params=query)).json()
            found += page["data"]
            if not page["has_more"]:
                return found
            query["after"] = page["next_cursor"]

    async def _until_taken(self, method: str, path: str, *, also: int = 200, **request: Any) -> httpx.Response:
        """Make a call until it succeeds, with one idempotency key for all tries. Raises CallerFailed."""
        key = {"Idempotency-Key": uuid.uuid4().hex} if path == "/v1/jobs" else {}
        while True:
            answer = await self._tried(method, path, headers=key, **request)
            if answer is not None and (answer.is_success or answer.status_code == also):
                return answer
            if answer is not None and answer.status_code not in _PASSING:
                raise CallerFailed(f"{method} {path}", answer)
            await asyncio.sleep(_AGAIN_S)

    async def _tried(self, method: str, path: str, **request: Any) -> httpx.Response | None:
        """None: the connection broke, and nobody knows what became of the call."""
        try:
            return await next(self._next).request(method, path, **request)
        except httpx.TransportError:
            return None
