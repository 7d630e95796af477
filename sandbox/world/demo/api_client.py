"""The outside interface as any program would use it: upload, submit, look, download. All over HTTP, with an API key."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx

ENDS = {"succeeded", "failed", "canceled", "expired"}
CHUNK_BYTES = 1 << 20


class DemoFailed(Exception):  # noqa: N818 - it says what happened, as the person at the terminal reads it
    """One sentence about what went wrong."""


class Gateway:
    """Calls of one API. Every method raises DemoFailed with the problem's own words when it is refused."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def upload(self, path: Path) -> str:
        """Send a file and give its ``upl_`` id."""
        query = {"filename": path.name}
        answer = await self._client.post("/v1/uploads", params=query, headers=length_of(path), content=chunks_of(path))
        return str(checked(answer, f"uploading {path.name}").json()["id"])

    async def submit(self, job: dict[str, Any]) -> dict[str, Any]:
        answer = await self._client.post("/v1/jobs", json=job)
        accepted: dict[str, Any] = checked(answer, f"submitting to {job['profile']}").json()
        return accepted

    async def job(self, job_id: str) -> dict[str, Any]:
        found: dict[str, Any] = checked(await self._client.get(f"/v1/jobs/{job_id}"), f"reading {job_id}").json()
        return found

    async def download(self, url: str, path: Path) -> None:
        """Fetch a signed link, without the API key: the link alone must do."""
        async with self._client.stream("GET", url, headers={"Authorization": ""}) as answer:
            if answer.is_error:
                await answer.aread()
            checked(answer, f"downloading {path.name}")
            with path.open("wb") as file:
                async for chunk in answer.aiter_bytes(CHUNK_BYTES):
                    file.write(chunk)


def length_of(path: Path) -> dict[str, str]:
    return {"Content-Length": str(path.stat().st_size)}


async def chunks_of(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
            yield chunk


def checked(answer: httpx.Response, doing: str) -> httpx.Response:
    if answer.is_success:
        return answer
    raise DemoFailed(f"{doing} was answered with {answer.status_code}: {words_of(answer)}")


def words_of(answer: httpx.Response) -> str:
    """Read a problem document's detail, or the start of whatever came instead."""
    if "json" in answer.headers.get("Content-Type", ""):
        problem = answer.json()
        return str(problem.get("detail") or problem.get("title") or problem)
    return answer.text[:200]
