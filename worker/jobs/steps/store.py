"""Stores the finished video in the job's folder, each time under a name of its own: the one that counts is in the record.

What came is looked at before it is called a film, also where it is not kept. Where it is none, or nothing came, the render
is looked at again, for a link that is good now; after a few such rounds it is rendered anew, and at last the job ends in
words that say why.
"""

from typing import Any

from core.errors import Code, Permanent
from core.model import transitions
from core.model.job import OutputFile, Render, Status
from core.storage.job_files import discard_file
from worker.films.download import KeptFilm, NoFilm, fetch_film
from worker.jobs.execution import JobExecution
from worker.jobs.step_result import StepResult
from worker.jobs.steps.new_render import render_anew

#: a render's film is fetched so often before it is rendered anew; and so often where its host may well give it later: ten
#: minutes and more
_FETCHES, _PASSING_FETCHES = 4, 15
#: the pause after each grows so much, up to so many seconds
_GROWTH = 3
_LONGEST_PAUSE_S = 60.0


async def store(execution: JobExecution) -> StepResult:
    """Fetch the render's film and look at it, keep it, or where keeping is off note the backend's own link, and end the job.

    A film that only our token opens is kept all the same: nobody else could have it.
    """
    job, render = execution.job, execution.job.render
    assert render is not None
    credentials = await execution.find_credentials()
    found = await fetch_film(execution.context, credentials, job, last=_is_last(render))
    if isinstance(found, NoFilm):
        return _try_again(execution, render, found)
    if found.public and render.url and not execution.context.settings.keep_outputs:
        await discard_file(execution.context.storage, execution.context.uploads, found.path)
        link = execution.context.backend.absolute(render.url)
        return _succeed(execution, render, path=None, backend_url=link, **_measures(found))
    return _succeed(execution, render, path=found.path, **_measures(found))


_NO_FILM = "The timeline was rendered, but there is no film. "


def _try_again(execution: JobExecution, render: Render, found: NoFilm) -> StepResult:
    """Look at the render again, or have another one made. Who has canceled the job does not wait for that."""
    words = _NO_FILM + found.reason
    if execution.job.status is Status.CANCELING:
        raise Permanent(Code.RENDER_FAILED, words)
    if _is_last(render) and not _may_come(render, found):
        return render_anew(execution, render, words)
    pause_s = min(_LONGEST_PAUSE_S, execution.context.settings.backoff_s * _GROWTH ** min(render.fetches, 10))
    return StepResult(transitions.unusable(execution.job, token_tried=found.token_tried), park_s=pause_s)


def _is_last(render: Render) -> bool:
    return render.fetches + 1 >= _FETCHES


def _may_come(render: Render, found: NoFilm) -> bool:
    """Whether to go on with this render. An address that answers with errors for good is another one for another render."""
    return found.unasked or (found.may_pass and render.fetches + 1 < _PASSING_FETCHES)


def _succeed(execution: JobExecution, render: Render, *, path: str | None, **facts: Any) -> StepResult:
    job = execution.job
    known = {"duration_s": render.duration_s} | {name: value for name, value in facts.items() if value is not None}
    expires_at_ms = execution.now_ms + job.retention_s * 1000
    output = OutputFile(path=path, format=job.output_ask.format, expires_at_ms=expires_at_ms, **known)
    return StepResult(transitions.succeeded(job, now_ms=execution.now_ms, output=output))


def _measures(kept: KeptFilm) -> dict[str, Any]:
    facts = kept.facts
    measured = {"duration_s": facts.duration_s, "width": facts.width, "height": facts.height}
    return {"size_bytes": kept.size_bytes} | measured
