"""What `./run test` says of its length, and which tests are the quick ones."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.how_long import Folder, anew, expected_s, folder_of, in_words, recorded, shares, this_machine
from tests.until import PATIENCE_S

TESTS = Path(__file__).resolve().parents[1]
#: rooms that need nothing but what `./run setup` brings
ROOMS = ("balancers", "compat", "contract", "crash", "deploy", "flows", "guide", "hostile", "integration", "monitoring")


def test_half_of_a_folders_tests_take_half_of_its_time():
    folders = {"unit": Folder(4000, 30.0), "flows": Folder(200, 160.0)}
    assert expected_s({"unit": 2000, "flows": 50, "new": 3}, folders) == 15 + 40


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (3, "less than half a minute"),
        (40, "about a minute"),
        (89, "about a minute"),
        (100, "about 2 minutes"),
        (965, "about 16 minutes"),
    ],
)
def test_a_length_is_said_as_exactly_as_it_is_known(seconds, words):
    assert in_words(seconds) == words


def test_a_run_is_divided_by_what_the_tests_took_one_after_the_other():
    divided = shares({"unit": 60.0, "flows": 180.0}, {"unit": 10, "flows": 2}, whole_s=80)
    assert divided == {"flows": Folder(2, 60.0), "unit": Folder(10, 20.0)}


def test_a_record_names_the_machine_that_all_of_it_was_taken_on():
    before = {"unit": Folder(10, 30.0), "flows": Folder(2, 160.0)}
    ran = {"unit": Folder(10, 20.0), "flows": Folder(2, 60.0)}
    assert anew("two quiet cores", before, ran) == (this_machine(), ran)
    part = {"flows": Folder(2, 60.0)}
    assert anew("two quiet cores", before, part) == ("two quiet cores", before | part)
    assert re.fullmatch(r"\d+ quiet cores?", this_machine())


def test_every_folder_of_tests_is_in_the_record():
    folders = {folder_of(str(file.relative_to(TESTS.parent))) for file in TESTS.glob("*/test_*.py")}
    assert folders == set(recorded()[1])


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
