"""Months of a time, by which budgets and usage count."""

import pytest

from core.clock import month_before, month_of, parse_rfc3339_ms


@pytest.mark.parametrize(
    ("at", "month", "before"),
    [
        ("2026-11-27T00:00:00Z", "2026-11", "2026-10"),
        ("2027-01-01T00:00:00Z", "2027-01", "2026-12"),
        ("2026-12-31T23:59:59Z", "2026-12", "2026-11"),
        ("2028-03-31T12:00:00Z", "2028-03", "2028-02"),
    ],
)
def test_a_time_has_a_month_and_one_before(at: str, month: str, before: str) -> None:
    at_ms = parse_rfc3339_ms(at)
    assert (month_of(at_ms), month_before(at_ms)) == (month, before)
