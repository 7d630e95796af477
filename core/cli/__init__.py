"""The operator's commands: API keys and backend tokens. They talk to Redis alone."""

from core.cli.api_keys import keys
from core.cli.tokens import tokens

__all__ = ["keys", "tokens"]
