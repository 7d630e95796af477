"""The dashboard as tests and its picture read it: panels, and their queries as Prometheus takes them."""

import json
import re
from typing import Any, NamedTuple

from tests.monitoring.queries import MONITORING

FILE = MONITORING / "dashboard.json"


class Target(NamedTuple):
    """One query of a panel, and how its lines are called: ``{{state}}``."""

    query: str
    legend: str


class Panel(NamedTuple):
    title: str
    unit: str
    targets: tuple[Target, ...]


def panels(*, rate_interval: str) -> list[Panel]:
    """Read the panels, with what Grafana would put for its own variable, and for all installations together."""
    found: list[dict[str, Any]] = json.loads(FILE.read_text())["panels"]
    return [_panel(each, rate_interval) for each in found if each["type"] != "row"]


def _panel(found: dict[str, Any], rate_interval: str) -> Panel:
    targets = tuple(
        Target(
            target["expr"].replace("$__rate_interval", rate_interval).replace("$namespace", ".*"),
            target["legendFormat"],
        )
        for target in found["targets"]
    )
    return Panel(found["title"], found["fieldConfig"]["defaults"]["unit"], targets)


def legend_of(target: Target, labels: dict[str, str]) -> str:
    """Name a line."""
    return re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), target.legend) or "value"
