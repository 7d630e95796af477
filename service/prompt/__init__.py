"""The prompt engine: reads what a prompt asks for. Pure rules, called at submit and at `:validate`."""

from service.prompt.cache import clear_cache, read_cached
from service.prompt.parse import UNCHANGED_MEDIA, needs_media, read_prompt

__all__ = ["UNCHANGED_MEDIA", "clear_cache", "needs_media", "read_cached", "read_prompt"]
