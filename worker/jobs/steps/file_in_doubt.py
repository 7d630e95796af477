"""Finds out whether a file is in the backend's session, of which an upload's answer does not say so, or never came."""

from collections.abc import Collection

from core.media.formats import is_named
from core.model import session as sessions
from core.model.session import Session
from worker.backend.responses import State
from worker.jobs.execution import JobExecution


async def count_file_in_doubt(execution: JobExecution) -> Session:
    """Ask the backend whether it has the next file, of which nobody knows that, and count it where it does."""
    session = execution.session
    state = await execution.context.backend.read_state(await execution.credentials(), execution.backend_session())
    there = session.uploaded + is_there(session, state, {session.media[session.uploaded].name})
    return sessions.uploaded(session, there)


def is_there(session: Session, state: State, names: Collection[str]) -> bool:
    """Whether a session's state lists more files of these names than were brought before.

    Where a name went with its job's data, all files are counted.
    """
    before = session.media[: session.uploaded]
    if any(media.removed for media in before):
        return len(state.video_infos) > len(before)
    return state.count_named(names) > sum(is_named(media.name, names) for media in before)
