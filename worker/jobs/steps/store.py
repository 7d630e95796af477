"""Stores the finished video under the job's id: doing it twice writes the same file."""

from collections.abc import AsyncIterator
from typing import Any

from core.model import transitions
from core.model.job import OutputFile, Render
from worker.backend.faults import BackendFault, Fault
from worker.jobs.execution import JobExecution
from worker.jobs.mp4 import measure
from worker.jobs.step_result import StepResult

#: containers whose length and size we can read
_MEASURED_FORMATS = ("mp4", "mov")


async def store(execution: JobExecution) -> StepResult:
    """Fetch the render's file, or where keeping is off note the backend's own link, and end the job."""
    render = execution.job.render
    assert render is not None
    if execution.context.settings.keep_outputs:
        output = await _download(execution, render)
    else:
        output = _output_file(execution, render, path=None, backend_url=render.url)
    return StepResult(transitions.succeeded(execution.job, now_ms=execution.now_ms, output=output))


async def _download(execution: JobExecution, render: Render) -> OutputFile:
    backend, storage, job = execution.context.backend, execution.context.storage, execution.job
    path = f"outputs/{job.id}.{job.output_ask.format}"
    credentials = await execution.find_credentials()
    async with backend.fetch_output(credentials, url=render.url, render_id=render.id) as download:
        size_bytes = await storage.write(path, _whole(download.chunks, download.size_bytes))
    measured = await _measure(execution, path) if job.output_ask.format in _MEASURED_FORMATS else {}
    return _output_file(execution, render, path=path, size_bytes=size_bytes, **measured)


async def _whole(chunks: AsyncIterator[bytes], size_bytes: int | None) -> AsyncIterator[bytes]:
    """Pass the file on, and notice when it ends too early."""
    seen_bytes = 0
    async for chunk in chunks:
        seen_bytes += len(chunk)
        yield chunk
    if seen_bytes == 0 or (size_bytes is not None and seen_bytes != size_bytes):
        raise BackendFault(Fault.BROKEN, call="output", detail="the file ended too early")


async def _measure(execution: JobExecution, path: str) -> dict[str, Any]:
    storage = execution.context.storage

    async def read(start: int, end: int) -> bytes:
        return b"".join([chunk async for chunk in (await storage.read(path, start=start, end=end)).chunks])

    facts = await measure(read, await storage.size_bytes(path))
    return {"duration_s": facts.duration_s, "width": facts.width, "height": facts.height} if facts else {}


def _output_file(execution: JobExecution, render: Render, *, path: str | None, **facts: Any) -> OutputFile:
    job = execution.job
    known = {"duration_s": render.duration_s} | {name: value for name, value in facts.items() if value is not None}
    expires_at_ms = execution.now_ms + job.retention_s * 1000
    return OutputFile(path=path, format=job.output_ask.format, expires_at_ms=expires_at_ms, **known)
