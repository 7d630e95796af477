"""How the bench judges what it measured, and what table, JSON, pictures and exit code make of it."""

import asyncio
import json
import math

import pytest

from tests.bench.goals import Direction, Goal, Part, Row, completed, missed
from tests.bench.machine import QUIET, Reference, in_words, measure_reference, median_of
from tests.bench.report import as_json, write_json
from tests.bench.run import measured, verdict
from tests.bench.table import goal_in_words, missed_in_words, number, show

COST = Goal("a job's processor time", 12, " ms")
RATE = Goal("callbacks", 200, "/s", Direction.AT_LEAST)


@pytest.mark.parametrize(
    ("goal", "value", "reached"),
    [
        (COST, 11.9, True),
        (COST, 12, True),
        (COST, 12.1, False),
        (RATE, 199, False),
        (RATE, 200, True),
        (RATE, 900, True),
    ],
)
def test_a_number_reaches_its_goal_up_to_the_bound_itself(goal, value, reached):
    assert goal.row(value).reached is reached


@pytest.mark.parametrize("goal", [COST, RATE])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_number_reaches_nothing(goal, value):
    assert goal.row(value).reached is False
    assert goal.row(value).value is None


def test_a_share_of_one_or_less_is_reached_whichever_the_direction():
    assert COST.share_of(6) == 0.5
    assert RATE.share_of(400) == 0.5
    assert RATE.share_of(100) == 2
    assert RATE.share_of(0) == math.inf


def test_a_goal_that_no_row_answers_is_missed_and_says_why():
    rows = completed((COST, RATE), [COST.row(1)], "the worker did not start")
    assert [row.what for row in missed({"work": rows})] == ["callbacks"]
    assert rows[-1].note == "not measured: the worker did not start"


def test_a_row_without_a_goal_is_neither_reached_nor_missed():
    assert Row("by the clock", 5.0).reached is None
    assert missed({"work": [Row("by the clock", 5.0)]}) == []


def test_each_missed_goal_is_named_with_what_was_measured_and_what_was_wanted():
    results = {"work": [COST.row(34), RATE.not_measured("no time left")]}
    assert missed_in_words(results) == [
        "missed: a job's processor time: 34 ms (goal ≤ 12 ms)",
        "missed: callbacks: not measured (goal ≥ 200/s)",
    ]


def test_the_json_has_each_row_with_its_goal_and_the_names_of_the_missed():
    results = {"work": [COST.row(34), Row("a peer", 5.0, " ms", note="900/s", beside="Submits")]}
    told = as_json(results, machine={"cores": 2})
    goal = {"bound": 12, "unit": "ms", "direction": "at most"}
    assert told == {
        "machine": {"cores": 2},
        "rows": [
            {
                "part": "work",
                "what": "a job's processor time",
                "value": 34,
                "unit": "ms",
                "goal": goal,
                "reached": False,
                "note": "",
                "beside": "",
            },
            {
                "part": "work",
                "what": "a peer",
                "value": 5.0,
                "unit": "ms",
                "goal": None,
                "reached": None,
                "note": "900/s",
                "beside": "Submits",
            },
        ],
        "missed": ["a job's processor time"],
    }


def test_what_was_not_measured_is_null_in_the_json_file(tmp_path):
    write_json(tmp_path / "bench.json", {"work": [COST.row(math.nan)]}, machine={})
    assert json.loads((tmp_path / "bench.json").read_text())["rows"][0]["value"] is None


def test_the_table_shows_goal_measured_and_share_beside_each_other(capsys):
    show({"work": [COST.row(6), Row("by the clock", 7.0, " ms")]}, load_note="busy")
    printed = capsys.readouterr().out
    assert "[work]" in printed
    assert [line.split() for line in printed.splitlines() if line.startswith("ok")] == [
        ["ok", "a", "job's", "processor", "time", "≤", "12", "ms", "6", "ms", "0.50"]
    ]


@pytest.mark.parametrize(("value", "words"), [(0.0123, "0.0123"), (34.567, "34.6"), (1426.4, "1,426"), (99.96, "100")])
def test_numbers_are_as_short_as_they_tell_something(value, words):
    assert number(value) == words


def test_a_goal_says_its_direction():
    assert goal_in_words(COST) == "≤ 12 ms"
    assert goal_in_words(RATE) == "≥ 200/s"


def part_that(measure):
    return Part("work", (COST, RATE), measure)


@pytest.mark.parametrize(
    "broken", [TimeoutError("the jobs did not end"), RuntimeError("no prometheus"), ZeroDivisionError("nothing")]
)
def test_a_part_that_breaks_misses_all_its_goals_and_ends_nothing_else(broken):
    async def break_down():
        raise broken

    rows = asyncio.run(measured(part_that(break_down), 5.0))
    assert [row.what for row in missed({"work": rows})] == [COST.what, RATE.what]
    assert str(broken) in rows[0].note


def test_a_part_that_takes_too_long_misses_all_its_goals():
    rows = asyncio.run(measured(part_that(asyncio.Event().wait), 0.0))
    assert {row.note for row in rows} == {"not measured: no time left"}


@pytest.mark.parametrize(
    ("value", "check", "code"), [(12, True, 0), (13, True, 1), (13, False, 0), (math.nan, True, 1)]
)
def test_only_check_ends_with_1_and_only_where_a_goal_is_missed(value, check, code, capsys):
    assert verdict({"work": [COST.row(value)]}, check=check) == code
    assert (COST.what in capsys.readouterr().err) is bool(code)


def test_a_machine_is_told_by_what_fixed_work_took_against_its_best_hours():
    slow = Reference(loop_ms=QUIET.loop_ms * 1.1, work_ms=QUIET.work_ms * 1.5)
    assert "1.50 times" in in_words(slow)
    assert "a bare loop 1.10 times" in in_words(slow)
    assert median_of([QUIET, slow, slow]) == slow


def test_fixed_work_takes_a_time_that_can_be_told():
    assert all(taken_ms > 0.1 for taken_ms in measure_reference())
