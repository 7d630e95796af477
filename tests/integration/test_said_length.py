"""What `./run test` says of its length before it begins, and which tests are the quick ones."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.how_long import recorded
from tests.until import PATIENCE_S

TESTS = Path(__file__).resolve().parents[1]
#: rooms that need nothing but what `./run setup` brings
ROOMS = ("balancers", "compat", "contract", "crash", "deploy", "flows", "guide", "hostile", "integration", "monitoring")


@pytest.mark.parametrize("processes", ["0", "2"])
def test_the_length_is_said_before_the_tests_begin(processes):
    said = pytest_says("-n", processes, "tests/unit/test_retry_after.py", "-q")
    line = re.search(rf"^\d+ tests?: (less than half a minute) on {re.escape(recorded()[0])}\.$", said, re.MULTILINE)
    assert line, said
    assert line.start() < said.index("100%")


def test_the_quick_ones_go_one_way_at_least_through_each_room():
    listed = pytest_says("-n0", "--quick", "--collect-only", "-q", *(f"tests/{room}" for room in ROOMS))
    found = re.findall(r"^tests/(\w+)/test_\w+\.py::", listed, re.MULTILINE)
    assert set(found) == set(ROOMS)
    assert len(found) < 50


def test_the_quick_ones_hold_all_unit_tests():
    listed = pytest_says("-n0", "--quick", "--collect-only", "-q", "tests/unit/test_retry_after.py")
    assert listed == pytest_says("-n0", "--collect-only", "-q", "tests/unit/test_retry_after.py")
    assert "tests/unit/test_retry_after.py::" in listed


def pytest_says(*arguments):
    """Run a pytest of its own; whatever it is told by this one's process is not for it."""
    command = [sys.executable, "-m", "pytest", "-p", "no:randomly", "-p", "no:cacheprovider", *arguments]
    ended = subprocess.run(command, cwd=TESTS.parent, capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    return re.sub(r" in [\d.]+s$", "", ended.stdout, flags=re.MULTILINE)
