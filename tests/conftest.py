"""What all tests share: a Redis for each test process, how many examples property tests try, who begins first, who is quick."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

from tests.how_long import HowLong
from tests.redis_fixture import redis_server, redis_url

__all__ = ["redis_server", "redis_url"]

ROOT = Path(__file__).parent
#: what takes longest, longest first: side by side with others these begin, so that none of them is left for the end
LONG = (
    "dialects/test_dialects.py",
    "dialects/test_always.py",
    "flows/test_world_kept.py",
    "deploy/test_pods.py",
    "clients/test_typescript_client.py",
    "crash/test_crash_moments.py",
    "flows/test_world_demo.py",
    "integration/test_failover.py",
    "compat/test_last_version.py",
    "balancers/test_restarts.py",
    "integration/test_token_pool.py",
    "crash/test_restore.py",
    "flows/test_tokens.py",
    "compat/test_side_by_side.py",
    "hostile/test_schema.py",
    "monitoring/test_alerts.py",
    "crash/test_crash_processes.py",
    "guide/test_pages.py",
    "balancers/test_cells.py",
    "integration/test_docs_in_browser.py",
    "contract/test_render_effects.py",
    "clients/test_generated_clients.py",
    "flows/test_world_up.py",
    "flows/test_sessions.py",
    "hostile/test_spectral.py",
    "flows/test_start_refused.py",
    "flows/test_callbacks.py",
    "contract/test_edits_long_prompts.py",
    "flows/test_expiry.py",
    "flows/test_leaks.py",
    "crash/test_chaos.py",
    "flows/test_stories.py",
    "crash/test_crash_stories.py",
    "crash/test_crash_redis.py",
)

# No deadline for one example: it would judge the machine's load. New examples come with every run, so a few are enough
# from day to day.
settings.register_profile("everyday", max_examples=25, deadline=None)
settings.register_profile("thorough", max_examples=100, deadline=None)
settings.load_profile("thorough" if "CI" in os.environ else "everyday")


def pytest_addoption(parser: pytest.Parser) -> None:
    ours = parser.getgroup("reelgate")
    ours.addoption("--quick", action="store_true", help="tests/unit, and one way through each room; under two minutes")
    ours.addoption("--record-times", action="store_true", help="write to tests/times.json what this run takes")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(HowLong(config, record=config.getoption("record_times")))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out, for the quick ones, files that have none: to import them all takes as long as to run those few."""
    if not config.getoption("quick") or not collection_path.name.startswith("test_"):
        return None
    return None if _is_unit(collection_path) or "@pytest.mark.quick" in collection_path.read_text() else True


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the long files first and the unit tests last; what is alike stays in its random order."""
    if config.getoption("quick"):
        left_out = [item for item in items if not (_is_unit(item.path) or item.get_closest_marker("quick"))]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
    items.sort(key=lambda item: _rank(item.path.relative_to(ROOT)))


def _is_unit(path: Path) -> bool:
    return path.relative_to(ROOT).parts[0] == "unit"


def _rank(path: Path) -> int:
    name = path.as_posix()
    if name in LONG:
        return LONG.index(name)
    return len(LONG) + (path.parts[0] == "unit")
