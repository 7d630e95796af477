"""The dashboard: every query names metrics and labels that are shown, and every metric that is shown can be seen there."""

import json
import re

import pytest
import yaml

from core.metrics import REGISTRY
from tests.monitoring.dashboard import FILE, Target, panels
from tests.monitoring.queries import MONITORING, grouped_by, selectors, shown, whats_wrong

TARGETS = [target for panel in panels(rate_interval="1m") for target in panel.targets]
RULES = yaml.safe_load((MONITORING / "rules.yaml").read_text())["groups"]
RECORDED = {rule["record"] for group in RULES for rule in group["rules"] if "record" in rule}
#: added by Prometheus to whatever it scrapes
SCRAPED = {"instance", "job"}


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.query)
def test_every_query_names_a_metric_and_labels_that_are_shown(target: Target):
    samples = shown()
    assert whats_wrong(target.query, samples) is None
    assert set(re.findall(r"reelgate:[\w:]+", target.query)) <= RECORDED
    labels = {name for each in selectors(target.query) for row in samples.get(each.metric, []) for name in row}
    asked = grouped_by(target.query) | set(re.findall(r"\{\{(\w+)\}\}", target.legend))
    assert asked <= labels | SCRAPED


def test_a_query_of_nothing_that_is_shown_would_be_found():
    samples = shown()
    assert whats_wrong("sum(reelgate_no_such_thing)", samples)
    assert whats_wrong('max(reelgate_jobs{state="asleep"})', samples)
    assert whats_wrong('max(reelgate_jobs{stat="queued"})', samples)


@pytest.mark.quick
def test_every_metric_of_ours_is_on_the_dashboard():
    shown()
    text = FILE.read_text()
    names = {family.name for family in REGISTRY.collect() if family.name.startswith("reelgate_")}
    missing = {name for name in names if name not in text}
    # seen by kind of event at a stream's reader, by stage in its place, and summed up in what is shown
    assert missing <= {"reelgate_stream_events", "reelgate_jobs_in_flight", "reelgate_worker_slots"}


def test_every_query_can_be_asked_for_one_installation_of_several():
    board = json.loads(FILE.read_text())
    [chosen] = [variable for variable in board["templating"]["list"] if variable["name"] == "namespace"]
    # one that is scraped outside Kubernetes has no namespace, and is among all
    assert (chosen["includeAll"], chosen["allValue"]) == (True, ".*")
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            metrics = re.findall(r"\b(?:reelgate[_:]|process_)[\w:]+", target["expr"])
            assert target["expr"].count('namespace=~"$namespace"') == len(metrics) > 0, target["expr"]


def test_panels_have_titles_of_their_own():
    titles = [panel.title for panel in panels(rate_interval="1m")]
    assert len(set(titles)) == len(titles) > 20
