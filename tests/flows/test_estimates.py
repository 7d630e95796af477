"""What is told before a job runs is what jobs like it have really cost and taken, in a world of real processes."""

from datetime import datetime
from typing import Any

import pytest

from core.model.estimate import ENOUGH_JOBS
from tests.gateway_fixture import Gateway, unique_title
from tests.until import PATIENCE_S, wait_until

#: no other test has such jobs, so these are all of their kind
LIKE = {"profile": "trimmer-exe", "output": {"export": False}}


def took_s(job: dict[str, Any]) -> float:
    began, ended = (datetime.fromisoformat(job[name]) for name in ("started_at", "finished_at"))
    return (ended - began).total_seconds()


def validated(gateway: Gateway, upload: str) -> dict[str, Any]:
    ask = {"prompt": f'add a title "{unique_title()}"', "media": [{"upload_id": upload}]} | LIKE
    return dict(gateway.http.post("/v1/jobs:validate", json=ask).json()["estimate"])


@pytest.fixture
def upload(gateway: Gateway) -> str:
    return gateway.upload(gateway.clip())


def test_what_is_told_contains_what_has_happened(gateway: Gateway, upload: str) -> None:
    assert validated(gateway, upload)["time_basis"] == "contract"
    # one after another: what each has cost can be read exactly
    ends = [gateway.run(f'add a title "{unique_title()}"', upload=upload, **LIKE) for _ in range(ENOUGH_JOBS + 2)]
    assert {job["status"] for job in ends} == {"succeeded"}
    wait_until(lambda: validated(gateway, upload)["time_jobs"] == len(ends), within_s=PATIENCE_S, every_s=0.5)
    told = validated(gateway, upload)
    assert (told["time_basis"], told["credits_basis"]) == ("measured", "measured")
    costs = [job["credits_used"] for job in ends if job["credits_exact"]]
    assert told["credits_jobs"] == len(costs)
    assert sum(told["credits"][0] <= cost <= told["credits"][1] for cost in costs) >= 0.8 * len(costs)
    took = [took_s(job) for job in ends]
    assert sum(each <= told["p50_s"] for each in took) >= 0.5 * len(took)
    assert sum(each <= told["p90_s"] for each in took) >= 0.9 * len(took)
    assert told["p90_s"] <= max(took) * 1.14, "and no more than a class above"
    job = gateway.submit(f'add a title "{unique_title()}"', upload=upload, **LIKE)
    assert job["estimate"]["time_basis"] == "measured"
    assert gateway.ended(job["id"])["estimate"] == job["estimate"]
