"""The operator's commands: API keys, backend tokens, secret keys and Redis itself. They talk to Redis alone."""

from core.cli.api_keys import keys
from core.cli.redis import redis
from core.cli.secrets import secrets
from core.cli.tokens import tokens

__all__ = ["keys", "redis", "secrets", "tokens"]
