"""How long the tests are said to take, from what a run of them took."""

import re
from pathlib import Path

import pytest

from tests.how_long import Folder, anew, expected_s, folder_of, in_words, recorded, shares, this_machine

TESTS = Path(__file__).resolve().parents[1]


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
