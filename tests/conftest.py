"""What all tests share: a Redis for each test process, how many examples property tests try, and who begins first."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

from tests.redis_fixture import redis_server, redis_url

__all__ = ["redis_server", "redis_url"]

ROOT = Path(__file__).parent
#: what takes longest, longest first: side by side with others these begin, so that none of them is left for the end
LONG = (
    "dialects/test_always.py",
    "dialects/test_dialects.py",
    "crash/test_crash_moments.py",
    "flows/test_world_demo.py",
    "balancers/test_restarts.py",
    "balancers/test_cells.py",
    "integration/test_failover.py",
    "crash/test_chaos.py",
    "flows/test_tokens.py",
    "flows/test_world_up.py",
    "crash/test_crash_processes.py",
    "crash/test_crash_stories.py",
    "compat/test_side_by_side.py",
    "compat/test_last_version.py",
    "hostile/test_schema.py",
    "clients/test_generated_clients.py",
    "clients/test_typescript_client.py",
    "flows/test_sessions.py",
    "flows/test_leaks.py",
    "flows/test_stories.py",
    "flows/test_callbacks.py",
    "crash/test_crash_redis.py",
    "crash/test_restore.py",
)

# No deadline for one example: it would judge the machine's load. New examples come with every run, so a few are enough
# from day to day.
settings.register_profile("everyday", max_examples=25, deadline=None)
settings.register_profile("thorough", max_examples=100, deadline=None)
settings.load_profile("thorough" if "CI" in os.environ else "everyday")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long files first and the quick tests last; what is alike stays in its random order."""
    items.sort(key=lambda item: _rank(item.path.relative_to(ROOT)))


def _rank(path: Path) -> int:
    name = path.as_posix()
    if name in LONG:
        return LONG.index(name)
    return len(LONG) + (path.parts[0] == "unit")
