"""The prompt engine: reads what a prompt asks for. Pure rules, called at submit and at `:validate`."""

from service.prompt.parse import UNCHANGED_MEDIA, needs_media, read_prompt

__all__ = ["UNCHANGED_MEDIA", "needs_media", "read_prompt"]
