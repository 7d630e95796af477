"""What PromQL queries name: metrics, and which of their labels have which values; and what processes really show."""

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from core.metrics import exposition
from service.metrics import show_api_metrics
from service.routes import METRICS, ROUTES
from worker.metrics import preset_metrics

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
#: rules and dashboard, which the chart ships
MONITORING = DEPLOY / "chart" / "monitoring"

_SELECTOR = re.compile(r"\b(reelgate_\w+|process_\w+|up)\b(?:\{([^}]*)\})?")
_MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')


class Selector(NamedTuple):
    """One metric in a query, and what it demands of its labels: name, operator, value."""

    metric: str
    matchers: tuple[tuple[str, str, str], ...]


def selectors(query: str) -> Iterator[Selector]:
    for metric, inside in _SELECTOR.findall(query):
        if not re.search(rf"{metric}:", query):
            yield Selector(metric, tuple(_MATCHER.findall(inside)))


def grouped_by(query: str) -> set[str]:
    """Labels that a query keeps or joins by."""
    lists = re.findall(r"\b(?:by|on|without)\s*\(([^)]*)\)", query)
    return {label.strip() for each in lists for label in each.split(",") if label.strip()}


@cache
def shown() -> dict[str, list[dict[str, str]]]:
    """The label sets of every sample that the two processes show before anything has happened, by its name."""
    show_api_metrics([*ROUTES, METRICS])
    preset_metrics()
    found: dict[str, list[dict[str, str]]] = defaultdict(list)
    for family in text_string_to_metric_families(exposition()[0].decode()):
        for sample in family.samples:
            found[sample.name].append(dict(sample.labels))
    return found


def whats_wrong(query: str, samples: dict[str, list[dict[str, str]]]) -> str | None:
    """Say which metric or label of a query nobody shows. Names that are added to what is scraped are not ours to show."""
    for metric, matchers in selectors(query):
        if metric == "up":
            continue
        if metric not in samples:
            return f"nobody shows {metric}"
        for label, operator, value in matchers:
            if "$" in value or label in ("job", "instance", "namespace"):
                continue
            if not any(_matches(labels.get(label), operator, value) for labels in samples[metric]):
                return f"no sample of {metric} has {label}{operator}{value}"
    return None


def _matches(has: str | None, operator: str, value: str) -> bool:
    if has is None:
        return False
    fits = re.fullmatch(value, has) is not None if "~" in operator else has == value
    return fits == operator.startswith("=")
