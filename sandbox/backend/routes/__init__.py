"""Routes of the sandbox backend: the calls of its contract, and those that steer it."""
