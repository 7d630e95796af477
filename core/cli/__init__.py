"""The operator's commands: API keys, backend tokens, secret keys and Redis itself. They talk to Redis alone."""
