"""A real Prometheus that scrapes a world: its configuration, its process, its answers."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from sandbox.world.ports import free_port
from tests.monitoring.queries import MONITORING
from tests.until import PATIENCE_S, wait_until


class Prometheus:
    """Asks it. Waits are for what it has scraped, never for time."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, trust_env=False, timeout=PATIENCE_S)

    def query(self, query: str) -> list[dict[str, Any]]:
        """Ask for a query's present values. Raises AssertionError with Prometheus's own words."""
        answer = self._http.get("/api/v1/query", params={"query": query}).json()
        assert answer["status"] == "success", (query, answer.get("error"))
        return list(answer["data"]["result"])

    def query_range(self, query: str, *, start_s: float, end_s: float, step_s: float) -> list[dict[str, Any]]:
        """Ask for a query's values over time."""
        params = {"query": query, "start": start_s, "end": end_s, "step": step_s}
        answer = self._http.get("/api/v1/query_range", params=params).json()
        assert answer["status"] == "success", (query, answer.get("error"))
        return list(answer["data"]["result"])

    def value(self, query: str) -> float | None:
        """The one value of a query."""
        found = self.query(query)
        return float(found[0]["value"][1]) if found else None

    def until(self, query: str) -> list[dict[str, Any]]:
        """Ask until there is something. Raises TimeoutError."""
        return wait_until(lambda: self.query(query), within_s=PATIENCE_S, every_s=0.2, told=lambda: query)

    def get(self, path: str) -> Any:
        return self._http.get(path).json()["data"]

    def close(self) -> None:
        self._http.close()


@contextmanager
def scraping(
    program: str, targets: dict[str, Sequence[str]], folder: Path, *, every: str = "1s"
) -> Iterator[Prometheus]:
    """Run a Prometheus with our rules over these metrics pages, by job. It keeps what it has in a folder of the test's."""
    port, config = free_port(), folder / "prometheus.json"  # JSON is YAML
    config.write_text(json.dumps(_config(targets, every)))
    command = [
        program,
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
    ]
    with (folder / "prometheus.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        asked = Prometheus(f"http://127.0.0.1:{port}")
        try:
            _wait_for(asked, process, folder / "prometheus.log")
            yield asked
        finally:
            asked.close()
            process.terminate()
            process.wait(timeout=PATIENCE_S)


def _config(targets: dict[str, Sequence[str]], every: str) -> dict[str, Any]:
    jobs = [
        {"job_name": job, "static_configs": [{"targets": [urlsplit(url).netloc for url in urls]}]}
        for job, urls in targets.items()
    ]
    return {
        "global": {"scrape_interval": every, "evaluation_interval": every, "scrape_timeout": every},
        "rule_files": [str(MONITORING / "rules.yaml")],
        "scrape_configs": jobs,
    }


def _wait_for(asked: Prometheus, process: "subprocess.Popen[bytes]", log: Path) -> None:
    def answers() -> bool:
        assert process.poll() is None, log.read_text()
        with suppress(httpx.HTTPError, ValueError):
            return bool(asked.query("1"))
        return False

    wait_until(answers, within_s=PATIENCE_S, every_s=0.2)
