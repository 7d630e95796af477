"""What a process shows before anything has happened, and what a label can be."""

import re
import subprocess
import sys

import msgspec
import pytest

from core import metrics
from core.metrics import REGISTRY, Shows, exposition, show_metrics_of
from core.model.job import Stage
from service.metrics import show_api_metrics
from service.problems import PROBLEM_CODES, ApiError, count_refusal
from service.routes import METRICS, ROUTES
from tests.store_fixture import make_job
from worker.backend.faults import OTHER_CODE, BackendFault, Fault
from worker.jobs.metrics import count_stage


@pytest.fixture(autouse=True)
def _shown() -> None:
    show_api_metrics([*ROUTES, METRICS])
    show_metrics_of(Shows.WORKER)


def value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(f"reelgate_{name}", labels)


def bounds(name: str) -> list[float]:
    """The buckets of a histogram, without the last, which is endless."""
    found = {
        float(b)
        for b in re.findall(rf'^reelgate_{name}_bucket{{.*le="([\d.e+]+)"', exposition()[0].decode(), re.MULTILINE)
    }
    return sorted(found)


def test_each_route_is_there_at_0_before_its_first_request():
    assert value("http_requests_total", method="POST", route="/v1/jobs", status="202") is not None
    assert value("http_requests_total", method="POST", route="/v1/jobs", status="429") is not None
    assert value("http_request_seconds_count", method="HEAD", route="/v1/jobs/{job_id}") is not None
    assert value("jobs_accepted_total", profile="maker-free") is not None


def test_nobody_is_said_to_forget_before_it_was_asked():
    """A process that starts while Redis is away would else sound the alarm of one that loses jobs."""
    shown = subprocess.run(
        [sys.executable, "-c", "from core.metrics import exposition; print(exposition()[0].decode())"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "\nreelgate_redis_durable NaN\n" in shown


def test_each_reason_of_a_refusal_is_there_at_0():
    assert all(value("refusals_total", reason=code) is not None for code in PROBLEM_CODES)


def test_a_refusal_with_a_code_of_a_field_is_counted_under_its_status():
    before = value("refusals_total", reason="invalid") or 0
    count_refusal(ApiError(422, "too_long", "…"))
    assert value("refusals_total", reason="invalid") == before + 1


@pytest.mark.parametrize(
    ("name", "first_s", "last_s"),
    [
        ("backend_request_seconds", 0.01, 900),
        ("callback_seconds", 0.01, 20),
        ("http_request_seconds", 0.001, 900),
        ("job_seconds", 0.1, 86_400),
        ("job_wait_seconds", 0.01, 86_400),
        ("callback_delay_seconds", 0.05, 259_200),
    ],
)
def test_buckets_span_what_the_calls_take(name: str, first_s: float, last_s: float):
    metrics.BACKEND_REQUEST_SECONDS.labels("x")
    metrics.CALLBACK_DELAY_SECONDS.labels("x")
    metrics.JOB_SECONDS.labels("x", "")
    found = bounds(name)
    assert (found[0], found[-1]) == (first_s, last_s)


def test_a_stage_that_began_by_the_clock_of_another_host_takes_no_less_than_no_time():
    begun = msgspec.structs.replace(make_job(), stage=Stage.EDITING, stage_since_ms=60_000)
    before_s = value("stage_seconds_sum", stage="editing") or 0.0
    count_stage(begun, msgspec.structs.replace(begun, stage=Stage.RENDERING), now_ms=1_000)
    assert value("stage_seconds_sum", stage="editing") == before_s


def test_whatever_number_a_backend_sends_as_its_code_makes_no_label():
    assert BackendFault(Fault.REFUSED, call="state", code=7_340_221, status=200).label == OTHER_CODE
    assert BackendFault(Fault.TOKEN_REFUSED, call="state", code=1001, status=200).label == "1001"
    assert BackendFault(Fault.BROKEN, call="state", status=503).label == "503"
    assert BackendFault(Fault.UNREACHABLE, call="state").label == "unreachable"


def test_a_process_shows_its_version_and_what_it_takes_of_the_machine():
    text = exposition()[0].decode()
    assert re.search(
        r'^reelgate_build_info{process="api",python="3\.\d+\.\d+",version="[\d.]+"} 1\.0$', text, re.MULTILINE
    )
    assert "process_resident_memory_bytes" in text
    assert "process_cpu_seconds_total" in text
