"""The alerts: each fires and stays silent where it should, names metrics that are shown, and leads to a page that helps."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.errors import Code
from tests.monitoring.promtool import program
from tests.monitoring.queries import DEPLOY, MONITORING, shown, whats_wrong
from tests.until import PATIENCE_S

RULES = MONITORING / "rules.yaml"
CASES = Path(__file__).with_name("rules_test.yaml")
GROUPS = yaml.safe_load(RULES.read_text())["groups"]
ALERTS = {rule["alert"]: rule for group in GROUPS for rule in group["rules"] if "alert" in rule}
EXPRESSIONS = [rule["expr"] for group in GROUPS for rule in group["rules"]]
#: failed jobs that are the caller's to mend: they ended in time
CALLERS = {
    *(Code.BUDGET_EXCEEDED, Code.UNSUPPORTED_MEDIA, Code.MEDIA_TOO_LARGE, Code.MEDIA_UNREACHABLE),
    *(Code.NOTHING_CHANGED, Code.NEEDS_INPUT, Code.NOTHING_TO_EXPORT),
}


def run(*command: str) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_prometheus_takes_the_rules():
    run(program("promtool"), "check", "rules", str(RULES))


def test_each_alert_fires_where_it_should_and_stays_silent_where_it_should():
    run(program("promtool"), "test", "rules", str(CASES))


def outcomes(alert: str) -> set[bool]:
    """Whether the cases have this alert fire, and whether they have it stay silent."""
    tests: list[dict[str, Any]] = yaml.safe_load(CASES.read_text())["tests"]
    cases = [case for test in tests for case in test.get("alert_rule_test", []) if case["alertname"] == alert]
    return {bool(case.get("exp_alerts")) for case in cases}


@pytest.mark.parametrize("alert", ALERTS)
def test_there_is_a_case_of_each_kind_for_every_alert(alert: str):
    assert outcomes(alert) == {True, False}


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_metric_and_label_that_a_rule_names_is_shown(expression: str):
    assert whats_wrong(expression, shown()) is None


@pytest.mark.parametrize("alert", ALERTS)
def test_each_alert_leads_to_a_section_of_the_runbook_that_says_what_to_do(alert: str):
    page, _, anchor = ALERTS[alert]["annotations"]["runbook"].partition("#")
    text = (DEPLOY.parent / page).read_text()
    sections = {slug(title): body for title, body in re.findall(r"^### (.*)\n((?:(?!^##).*\n)*)", text, re.MULTILINE)}
    assert anchor in sections
    assert all(f"**{part}.**" in sections[anchor] for part in ("Means", "Look", "Do"))
    assert alert in sections[anchor]


def slug(title: str) -> str:
    """The anchor of a title, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def test_reasons_of_ours_are_all_that_are_not_the_callers():
    lists = {tuple(named.split("|")) for named in re.findall(r'code!~"([^"]*)"', RULES.read_text())}
    assert [set(named) for named in lists] == [{str(code) for code in Code} - {str(code) for code in CALLERS}]


def test_both_service_levels_burn_in_two_windows_above_a_floor_of_traffic():
    for level in ("jobs", "callbacks"):
        alerts = [rule for rule in ALERTS.values() if rule["labels"].get("service_level") == level]
        windows = [set(re.findall(r"ratio_rate(\w+)", rule["expr"])) for rule in alerts]
        assert windows == [{"1h", "5m"}, {"6h", "30m"}]
        assert all(re.search(r">= \d+\s*$", rule["expr"]) for rule in alerts)


def test_the_bounds_of_the_service_levels_are_buckets():
    samples = shown()
    bounds = set(re.findall(r'(reelgate_\w+_bucket)\{[^}]*le="([\d.]+)"', RULES.read_text()))
    assert len(bounds) == 2, "one of each level"
    for metric, bound in bounds:
        assert any(labels["le"] == bound for labels in samples[metric]), (metric, bound)
