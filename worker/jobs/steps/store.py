"""The finished video comes into our storage, under the job's id: doing it twice writes the same file."""

from collections.abc import AsyncIterator
from typing import Any

from core.model import transitions
from core.model.job import Job, OutputFile, Render
from worker.backend.faults import BackendFault, Fault
from worker.jobs.execution import JobExecution, StepResult
from worker.jobs.mp4 import measure

_TYPES_MEASURED = ("mp4", "mov")


async def store(work: JobExecution) -> StepResult:
    """Fetch the render's file, or where keeping is off note the backend's own link, and end the job."""
    job = work.job
    assert job.render is not None
    output = await _kept(work, job.render) if work.kit.settings.keep_outputs else _linked(work, job.render)
    return StepResult(transitions.succeeded(job, now_ms=work.now_ms, output=output))


async def _kept(work: JobExecution, done: Render) -> OutputFile:
    path = f"outputs/{work.job.id}.{work.job.output_ask.format}"
    async with work.kit.backend.fetch_output(await work.caller_if_any(), url=done.url, render_id=done.id) as download:
        size_bytes = await work.kit.storage.write(path, _whole(download.chunks, download.size_bytes))
    measured = await _measured(work, path) if work.job.output_ask.format in _TYPES_MEASURED else {}
    return _file(work, done, path=path, size_bytes=size_bytes, **measured)


async def _whole(chunks: AsyncIterator[bytes], size_bytes: int | None) -> AsyncIterator[bytes]:
    """Pass the file on, and notice when it ends too early."""
    seen_bytes = 0
    async for chunk in chunks:
        seen_bytes += len(chunk)
        yield chunk
    if seen_bytes == 0 or (size_bytes is not None and seen_bytes != size_bytes):
        raise BackendFault(Fault.BROKEN, call="output", detail="the file ended too early")


async def _measured(work: JobExecution, path: str) -> dict[str, Any]:
    async def read(start: int, end: int) -> bytes:
        return b"".join([chunk async for chunk in (await work.kit.storage.read(path, start=start, end=end)).chunks])

    facts = await measure(read, await work.kit.storage.size_bytes(path))
    return {"duration_s": facts.duration_s, "width": facts.width, "height": facts.height} if facts else {}


def _linked(work: JobExecution, done: Render) -> OutputFile:
    return _file(work, done, path=None, backend_url=done.url)


def _file(work: JobExecution, done: Render, *, path: str | None, **facts: Any) -> OutputFile:
    job: Job = work.job
    known = {"duration_s": done.duration_s} | {name: value for name, value in facts.items() if value is not None}
    expires_at_ms = work.now_ms + job.retention_s * 1000
    return OutputFile(path=path, format=job.output_ask.format, expires_at_ms=expires_at_ms, **known)
