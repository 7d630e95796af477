"""Cache of how prompts were read: programs send the same few words with ever new files."""

from functools import lru_cache

from core.model.plan import Reading, RequestedOutput
from core.profiles import PROFILES
from service.prompt.parse import read_prompt

#: readings that a process remembers, until some job's content is removed
_SIZE = 1024


@lru_cache(maxsize=_SIZE)
def read_cached(
    prompt: str, asked: RequestedOutput, profile: str, formats: tuple[str | None, ...], *, continues: bool
) -> Reading:
    """Read a prompt as `read_prompt` does, for a profile by its name; `formats`: each of a job's media once."""
    return read_prompt(
        prompt, asked=asked, profile=PROFILES[profile], media_formats=formats, continues_session=continues
    )


def clear_cache() -> None:
    """Forget every prompt: one of them may be a job's that was deleted, and reading the others anew costs little."""
    read_cached.cache_clear()
