"""What callers' commands say of the API's things."""

import pytest

from reelgate.client import Estimate, Job
from service.cli.formatting import expectation_of, print_result


@pytest.mark.parametrize(
    ("estimate", "words"),
    [
        (
            Estimate(credits=(50, 100), credits_typical=50, p50_s=30.0, p90_s=60.0),
            "50 credits, up to 100 (as published); 30 s, up to 60 s (as published)",
        ),
        (
            Estimate(credits=(50, 50), credits_typical=50, credits_jobs=187, p50_s=7.95, p90_s=1130.0, time_jobs=212),
            "50 credits (by 187 jobs); 7.95 s, up to 1130 s (by 212 jobs)",
        ),
        (Estimate(), "no credits (as published)"),
    ],
)
def test_what_is_expected_of_a_job_is_said_in_a_line_with_what_it_is_known_by(estimate, words):
    assert expectation_of(estimate) == words


@pytest.mark.parametrize(("reply", "lines"), [("Title added. Muted", 2), ("I added it.", 4), (None, 3)])
def test_changes_that_the_reply_names_already_are_said_once(reply, lines, capsys):
    """So does the reply to an edit that the backend made without a word."""
    print_result(Job(id="job_1", status="succeeded", reply=reply, changes=("Title added", "Muted"), timeline="1 track"))
    assert len(capsys.readouterr().out.splitlines()) == lines
