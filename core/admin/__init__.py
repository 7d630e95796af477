"""The operator's commands: API keys and backend tokens. They talk to Redis alone."""

from core.admin.keys import keys
from core.admin.tokens import tokens

__all__ = ["keys", "tokens"]
