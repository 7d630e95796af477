"""The client's exceptions: they get from one process to another, as pools of processes and task queues send them."""

import copy
import pickle
from pathlib import Path

import pytest

from reelgate.client import (
    BadSignature,
    DownloadFailed,
    Job,
    JobCanceled,
    JobFailed,
    NoAnswer,
    NoFilm,
    NotFound,
    Problem,
    ReelgateError,
    StillRunning,
    errors,
)

JOB = Job(id="job_1", status="failed", error=Problem(code="needs_input", detail="It asked.", hint="Answer."))
ALL = [
    NoAnswer("Nobody is there.", retryable=False),
    NotFound(Problem(code="not_found", detail="It is gone."), status=404, retry_after_s=3.0),
    JobCanceled(JOB),
    JobFailed(JOB),
    StillRunning("job_1"),
    NoFilm(JOB),
    DownloadFailed("job_1", Path("out.mp4"), "it broke"),
    BadSignature("It was not signed."),
]


def test_the_shapes_that_an_exception_can_have_are_all_here():
    makers = {kind.__init__ for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)}
    assert makers == {ReelgateError.__init__, *(type(each).__init__ for each in ALL)}


@pytest.mark.parametrize("error", ALL, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("carried", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy])
def test_an_exception_is_the_same_on_the_other_side(error, carried):
    error.maybe_done, error.idempotency_key = True, "order-7"
    again = carried(error)
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))
