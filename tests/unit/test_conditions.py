"""Conditional requests: each row is a rule of RFC 9110, 13."""

import pytest

from service.http.conditions import ConditionOutcome, Conditions, Validators, evaluate, takes_range

FILE = Validators('"a"', 1_795_215_630)
MADE, BEFORE, AFTER = (f"Fri, 20 Nov 2026 23:00:{second} GMT" for second in (30, 29, 31))


@pytest.mark.parametrize(
    ("asked", "decision"),
    [
        (Conditions(), "met"),
        (Conditions(if_match='"a"'), "met"),
        (Conditions(if_match='"b", "a"'), "met"),
        (Conditions(if_match=" * "), "met"),
        (Conditions(if_match='"b"'), "failed"),
        (Conditions(if_match='W/"a"'), "failed"),
        (Conditions(if_match='W/"a", "a"'), "met"),
        (Conditions(if_match=""), "failed"),
        (Conditions(if_unmodified_since=MADE), "met"),
        (Conditions(if_unmodified_since=AFTER), "met"),
        (Conditions(if_unmodified_since=BEFORE), "failed"),
        (Conditions(if_unmodified_since="Friday, 20-Nov-26 23:00:29 GMT"), "failed"),
        (Conditions(if_unmodified_since="Fri Nov 20 23:00:29 2026"), "failed"),
        (Conditions(if_unmodified_since="yesterday"), "met"),
        (Conditions(if_match='"a"', if_unmodified_since=BEFORE), "met"),
        (Conditions(if_match='"b"', if_none_match='"a"'), "failed"),
        (Conditions(if_match='"a"', if_none_match='"a"'), "unchanged"),
        (Conditions(if_unmodified_since=BEFORE, if_none_match='"a"'), "failed"),
        (Conditions(if_none_match='W/"a"'), "unchanged"),
        (Conditions(if_none_match='"b"'), "met"),
        (Conditions(if_none_match='"b"', if_modified_since=AFTER), "met"),
        (Conditions(if_modified_since=MADE), "unchanged"),
        (Conditions(if_modified_since=AFTER), "unchanged"),
        (Conditions(if_modified_since=BEFORE), "met"),
        (Conditions(if_modified_since="yesterday"), "met"),
    ],
)
def test_tags_decide_before_dates_and_what_must_be_the_same_before_what_may_be_known(
    asked: Conditions, decision: ConditionOutcome
) -> None:
    assert evaluate(asked, FILE) == decision


@pytest.mark.parametrize(
    ("if_range", "takes"),
    [(None, True), ('"a"', True), ('W/"a"', False), ('"b"', False), (MADE, True), (AFTER, False), ("yesterday", False)],
)
def test_a_range_is_one_of_this_very_file_or_none(if_range: str | None, takes: bool) -> None:
    assert takes_range(if_range, FILE) is takes
