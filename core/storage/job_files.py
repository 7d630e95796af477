"""A job's files in our storage: its film, and what passes through on its way to the backend; and how all of them go.

They lie in folders that are named by the job's id, so that what a worker left that died between a file and its record is
found without one.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from secrets import token_hex

from core.model.job import Job
from core.storage.errors import StorageDenied, StorageDown
from core.storage.storage import Storage
from core.store.redis.client import STORE_DOWN
from core.store.uploads import Uploads


def new_film_path(job: Job) -> str:
    """Name a place for a job's film where nobody else writes: ``outputs/job_…/5f1d0c7e.mp4``.

    Who was frozen while another took the job over finishes what it fetches, and may only find then that it is no film.
    """
    return f"{_films_folder(job)}/{token_hex(4)}.{job.output_ask.format}"


def new_fetched_path(job: Job) -> str:
    """Name a place for a file while a job brings it by its bytes, where nobody else writes: ``fetched/job_…/5f1d0c7e``."""
    return f"{_fetched_folder(job)}/{token_hex(4)}"


async def discard_file(storage: Storage, uploads: Uploads, path: str) -> None:
    """Delete a file of a job that its record will not name, at once or when the storage answers; at the latest it goes with its job."""
    try:
        await storage.delete(path)
    except StorageDown:
        with suppress(*STORE_DOWN):
            await uploads.delete_later(path)


async def delete_what_was_left(storage: Storage, job: Job, ensure_held: Callable[[], Awaitable[None]]) -> None:
    """Delete what a worker brought that was lost at a job, which no record will name; at the latest it goes with its job.

    Raises what `ensure_held` does where another worker has the job by now. What is found before is asked goes by its name: of
    who has it later all files have others, however late this is.
    """
    with suppress(StorageDown):
        left = [
            path for folder in (_films_folder(job), _fetched_folder(job)) for path in await storage.names_in(folder)
        ]
        if left:
            await ensure_held()
        for path in left:
            await storage.delete(path)


async def delete_job_files(storage: Storage, job: Job) -> None:
    """Delete every file that an ended job may have, written down or not. Safe to repeat. Raises StorageDown."""
    if job.started_at_ms is None:
        return
    if job.output and job.output.path:
        await storage.delete(job.output.path)
    await storage.delete(_path_in_older_releases(job))
    for folder in (_films_folder(job), _fetched_folder(job)):
        await storage.delete_folder(folder)


async def delete_job_files_or_note(storage: Storage, uploads: Uploads, job: Job) -> None:
    """Delete them, or note by its name what the storage does not let us delete: a job's record does not stay for that past its time.

    Raises StorageDown where the storage is away.
    """
    try:
        await delete_job_files(storage, job)
    except StorageDenied:
        named = [job.output.path] if job.output and job.output.path else []
        listed = [
            path for folder in (_films_folder(job), _fetched_folder(job)) for path in await storage.names_in(folder)
        ]
        for path in {*named, *listed}:
            await uploads.delete_later(path)


def _path_in_older_releases(job: Job) -> str:
    """Name where a worker of one may have left a film, also of a job that another worker has brought to its end since."""
    return f"outputs/{job.id}.{job.output_ask.format}"


def _films_folder(job: Job) -> str:
    return f"outputs/{job.id}"


def _fetched_folder(job: Job) -> str:
    return f"fetched/{job.id}"
