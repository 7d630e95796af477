"""The sweeper: repairs what the others left behind (lost leases, jobs that never started) and removes what is old.

Every worker sweeps; each part is safe to do twice or by two at once. Nothing here touches a job that somebody holds. What
waits for the storage is done beside the rest: a storage that is slow, or hangs, must not keep a lost lease from its repair.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from itertools import count
from typing import TypeVar

from core.logs import get_logger
from core.model import transitions
from core.model.job import Status
from core.model.upload import Upload
from core.storage.job_files import delete_job_files_or_note
from core.storage.upload_files import remove_upload
from core.store.jobs.admission import DueList
from core.store.jobs.unheld import commit_unheld
from core.store.leases import LeaseLost
from core.store.redis.client import STORE_DOWN
from core.store.redis.codec import Unreadable
from core.store.uploads import Place
from worker.context import WorkerContext
from worker.maintenance.gauges import update_gauges
from worker.maintenance.periodic import run_periodically, run_unless_it_breaks
from worker.maintenance.sent_files import remove_what_may_not_be_kept

log = get_logger(__name__)

T = TypeVar("T")

#: what nobody waits for is done in one sweep of so many, the first among them: gauges that are read every quarter of a minute,
_GAUGES_EVERY = 2
#: and what was unused for an hour or a day
_UNUSED_EVERY = 10
#: jobs and files, each with a few calls to the storage, that are removed at a time; and jobs that are ended
_AT_ONCE = 10
#: jobs that one sweep ends for want of a start, a hundred by a hundred: more would keep it for long from a lost lease
_HUNDREDS_EXPIRED = 20


async def run_sweeper(context: WorkerContext) -> None:
    """Sweep every few seconds, each time from where the last one stopped."""
    cursor, sweeps = 0, count()

    async def sweep_on() -> None:
        nonlocal cursor
        cursor = await sweep(context, cursor, nth=next(sweeps))

    await run_periodically("sweep", sweep_on, every_s=context.settings.sweep_s)


async def run_removal(context: WorkerContext) -> None:
    """Remove what is old as often as is swept."""
    rounds = count()

    async def remove_more() -> None:
        await remove_old(context, nth=next(rounds))

    await run_periodically("removal", remove_more, every_s=context.settings.sweep_s)


async def sweep(context: WorkerContext, cursor: int, *, nth: int = 0) -> int:
    """Sweep once; returns where the next one goes on. The first one, `nth` 0, looks after everything."""
    enqueued, cursor = await context.admission.repair(cursor)
    if enqueued:
        log.warning("queued jobs or callbacks again that were left behind", count=enqueued)
    for name, part in _parts(context, nth).items():
        await run_unless_it_breaks(name, part)
    return cursor


async def remove_old(context: WorkerContext, *, nth: int = 0) -> None:
    """Remove what is over, and what was unused for a day, with its files. The first round, `nth` 0, looks after everything."""
    await run_unless_it_breaks("remove what is over", partial(_remove_retired, context))
    if nth % _UNUSED_EVERY == 0:
        unused = {"remove unused uploads": _remove_unused_uploads, "remove what came too late": _remove_late_files}
        for name, remove_some in unused.items():
            await run_unless_it_breaks(name, partial(_as_if_in_each_sweep, partial(remove_some, context)))
        await run_unless_it_breaks("bound what was sent", partial(remove_what_may_not_be_kept, context))


_Parts = dict[str, Callable[[], Awaitable[None]]]


def _parts(context: WorkerContext, nth: int) -> _Parts:
    """Name what else is looked after now; one that breaks keeps none of the others from its turn."""
    parts: _Parts = {"expire jobs": partial(_expire_jobs, context)}
    if nth % _UNUSED_EVERY == 0:
        parts |= _unused_parts(context)
    if nth % _GAUGES_EVERY == 0:
        parts["gauges"] = partial(update_gauges, context, mend=nth % _UNUSED_EVERY == 0)
    return parts


def _unused_parts(context: WorkerContext) -> _Parts:
    idle_s = context.settings.session_idle_s
    return {
        "give older sessions an end": partial(context.sessions.schedule_unscheduled, idle_s=idle_s),
        "close idle sessions": partial(_as_if_in_each_sweep, partial(context.sessions.close_idle, idle_s=idle_s)),
        "remove old tokens": context.token_pool.remove_old_anonymous,
    }


async def _as_if_in_each_sweep(remove_some: Callable[[], Awaitable[int]]) -> None:
    """Remove as many as if every sweep had its turn, so that what is unused becomes no more and more."""
    for _ in range(_UNUSED_EVERY):
        if not await remove_some():
            return


async def _expire_jobs(context: WorkerContext) -> None:
    """End queued jobs whose start_timeout_s is over. What was accepted at once is late at once, thousands perhaps."""
    for _ in range(_HUNDREDS_EXPIRED):
        due = await context.admission.not_started_in_time()
        if not due:
            return
        random.shuffle(due)  # the other workers are at it, too: each passes over what another one has ended
        await _for_each(due, lambda job_id: _or_later(context, "queued_all", job_id, _expire(context, job_id)))


async def _or_later(context: WorkerContext, list_name: DueList, item_id: str, doing: Awaitable[object]) -> None:
    """Do what is due, or leave it for later where nobody here can read what belongs to it: it stands in nobody's way.

    Whatever else breaks is raised, and ends the round: of a storage that is away it may take seconds to hear.
    """
    try:
        await doing
    except Unreadable:
        await context.admission.look_again_later(list_name, item_id)
    except STORE_DOWN:
        raise
    except Exception:
        await context.admission.look_again_later(list_name, item_id)
        raise


async def _expire(context: WorkerContext, job_id: str) -> None:
    """End a job, unless it is not queued any more. Raises Unreadable."""
    job, now_ms = await context.jobs.load(job_id), context.clock.now_ms()
    if job is None or job.status is not Status.QUEUED:
        return await context.admission.look_again_later("queued_all", job_id)
    with suppress(LeaseLost):  # it has started, or was cancelled, at the last moment
        await commit_unheld(
            context.jobs,
            job,
            transitions.expired(job, now_ms=now_ms),
            read_default=context.webhooks.default_with_stored,
            public_url=context.settings.public_url,
            now_ms=now_ms,
        )
    return None


async def _remove_retired(context: WorkerContext) -> None:
    """Remove ended jobs and deliveries whose time is over: all of them, since they end as fast as they began."""
    while due := await context.admission.to_retire():
        random.shuffle(due)  # the other workers are at it, too: each passes over what another one has removed
        await _for_each(due, lambda item_id: _or_later(context, "retire", item_id, _remove(context, item_id)))


async def _for_each(due: Sequence[T], act: Callable[[T], Awaitable[None]]) -> None:
    """Remove, or end, some at a time. Raises what the first one has raised that broke, once those beside it are through."""
    for start in range(0, len(due), _AT_ONCE):
        some = due[start : start + _AT_ONCE]
        for outcome in await asyncio.gather(*map(act, some), return_exceptions=True):
            if outcome is not None:
                raise outcome


async def _remove(context: WorkerContext, item_id: str) -> None:
    """Remove a job with its files, or a delivery."""
    if item_id.startswith("dlv_"):
        await context.deliveries.forget(item_id)
        return
    job = await context.jobs.load(item_id)
    if job:
        await delete_job_files_or_note(context.storage, context.uploads, job)
    if job and not job.data_removed:
        await context.job_removal.remove(job)
    await context.jobs.forget(item_id)


async def _remove_unused_uploads(context: WorkerContext) -> int:
    """Remove some uploads that nobody has used for a day, and tell how many. Raises StorageDown."""
    unused = await context.uploads.due()

    async def remove(upload: Upload) -> None:
        removing = remove_upload(context.storage, context.uploads, upload, only="due")
        await _or_later(context, "uploads", upload.id, removing)

    await _for_each(unused, remove)
    return len(unused)


async def _remove_late_files(context: WorkerContext) -> int:
    """Remove what was sent by a URL, or copied, and is no upload's, and tell how many places were looked at.

    Raises StorageDown.
    """
    closed = await context.uploads.closed_places()
    await _for_each(closed, lambda place: _or_later(context, "upload_urls", place.entry, _clear(context, place)))
    return len(closed)


async def _clear(context: WorkerContext, place: Place) -> None:
    if not await context.uploads.is_in_use(place):
        await context.storage.delete(place.path)
    await context.uploads.forget_place(place)
