"""What all tests share: a Redis for each test process, and how many examples the property tests try."""

import os

from hypothesis import settings

from tests.redis_fixture import redis_server, redis_url

__all__ = ["redis_server", "redis_url"]

# No deadline for one example: it would judge the machine's load. New examples come with every run, so a few are enough
# from day to day.
settings.register_profile("everyday", max_examples=25, deadline=None)
settings.register_profile("thorough", max_examples=100, deadline=None)
settings.load_profile("thorough" if "CI" in os.environ else "everyday")
