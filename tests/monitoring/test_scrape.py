"""A real Prometheus scrapes a real API and a real worker, with the rules that are shipped; and what parked jobs look like."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.gateway_fixture import FAST, Gateway, running_gateway, unique_title
from tests.monitoring.dashboard import panels
from tests.monitoring.prometheus import Prometheus, scraping
from tests.monitoring.promtool import program
from tests.until import PATIENCE_S, wait_until


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_gateway(tmp_path_factory.mktemp("world"), **FAST) as running:
        yield running


@pytest.fixture(scope="module")
def prometheus(gateway: Gateway, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """One that has scraped both processes before and after a job."""
    binary = program("prometheus")
    targets = {"api": gateway.world["metrics"]["api"], "worker": gateway.world["metrics"]["worker"]}
    with scraping(binary, targets, tmp_path_factory.mktemp("prometheus")) as asked:
        asked.until("count(up == 1) == 2")
        ask = f"generate a 4-second promotional video from my text: {unique_title()}"
        job = gateway.submit(ask, profile="free-video-generation-automatic")
        assert gateway.ended(job["id"])["status"] == "succeeded"
        gateway.callbacks(job["id"])
        asked.until('sum(reelgate_jobs_finished_total{status="succeeded"}) == 1')
        asked.until('sum(reelgate_callback_delay_seconds_count{type="job.succeeded"}) == 1')
        yield asked


def test_both_processes_are_scraped_and_say_what_they_are(prometheus: Prometheus) -> None:
    processes = {row["metric"]["process"] for row in prometheus.query("reelgate_build_info")}
    assert processes == {"api", "worker"}
    assert {row["metric"]["job"] for row in prometheus.query("up == 1")} == {"api", "worker"}


def test_each_process_shows_what_is_its_own_to_say(prometheus: Prometheus) -> None:
    for name, job in (("reelgate_jobs", "worker"), ("reelgate_http_requests_total", "api")):
        assert {row["metric"]["job"] for row in prometheus.query(name)} == {job}


def test_the_first_event_of_a_kind_is_an_increase(prometheus: Prometheus) -> None:
    for query in (
        'sum(increase(reelgate_jobs_finished_total{status="succeeded"}[5m]))',
        'sum(increase(reelgate_http_requests_total{route="/v1/jobs",method="POST",status="202"}[5m]))',
        'sum(increase(reelgate_callbacks_total{outcome="delivered",type="job.succeeded"}[5m]))',
        'sum(increase(reelgate_job_seconds_count{status="succeeded"}[5m]))',
        "sum(increase(reelgate_job_wait_seconds_count[5m]))",
    ):
        prometheus.until(f"{query} > 0.5")


def test_a_job_s_times_are_those_that_its_caller_is_told(gateway: Gateway, prometheus: Prometheus) -> None:
    [job] = gateway.http.get("/v1/jobs").json()["data"]
    created, started, finished = (
        datetime.fromisoformat(job[f"{what}_at"]) for what in ("created", "started", "finished")
    )
    waited_s, ended_s = ((then - created).total_seconds() for then in (started, finished))
    assert prometheus.value("sum(reelgate_job_wait_seconds_sum)") == pytest.approx(waited_s, abs=0.01)
    assert prometheus.value("sum(reelgate_job_seconds_sum)") == pytest.approx(ended_s, abs=0.01)


def test_every_query_of_the_dashboard_is_answered(prometheus: Prometheus) -> None:
    prometheus.until('count({__name__=~"reelgate:.*_late:ratio_rate.*"}) == 8')  # rules have an interval of their own
    answers = {t.query: prometheus.query(t.query) for panel in panels(rate_interval="1m") for t in panel.targets}
    empty = {query for query, found in answers.items() if not found}
    # those that show only what is there: no job failed, no breaker is open, nothing was refused
    assert all("> 0" in query for query in empty), empty


def test_the_rules_are_loaded_and_nothing_that_is_well_sounds_an_alarm(prometheus: Prometheus) -> None:
    def judged() -> list[dict[str, Any]]:
        rules = [rule for group in prometheus.get("/api/v1/rules")["groups"] for rule in group["rules"]]
        return [] if "unknown" in {rule["health"] for rule in rules} else rules

    rules = wait_until(judged, within_s=PATIENCE_S, every_s=0.2)
    assert len(rules) > 20
    assert {rule["health"] for rule in rules} == {"ok"}
    assert [rule["name"] for rule in rules if rule.get("state") in ("pending", "firing")] == []


def worker_page(gateway: Gateway) -> dict[str, float]:
    """What the worker says of jobs, by state."""
    text = httpx.get(gateway.world["metrics"]["worker"][0], trust_env=False).text
    families = {family.name: family for family in text_string_to_metric_families(text)}
    return {sample.labels["state"]: sample.value for sample in families["reelgate_jobs"].samples}


def test_five_jobs_that_wait_for_a_dead_backend_are_seen(tmp_path: Path) -> None:
    """Parked, without a coroutine or a slot in any process."""
    slow = FAST | {"REELGATE_BACKOFF_S": "30"}
    with running_gateway(tmp_path, "--backend", "http://127.0.0.1:9", **slow) as gateway:
        for _ in range(5):
            gateway.submit("trim the first 2 seconds", media=[{"url": "https://example.com/clip.mp4"}])
        wait_until(
            lambda: worker_page(gateway)["backend_down"] == 5,
            within_s=PATIENCE_S,
            every_s=0.1,
            told=lambda: worker_page(gateway),
        )
        seen = worker_page(gateway)
        assert seen["running"] == 5
        assert seen["queued"] == 0
