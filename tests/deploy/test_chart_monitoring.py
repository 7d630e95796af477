"""What the chart ships for whoever watches: the alerts and the dashboard are the very files that monitoring's tests read."""

import json
import tarfile

import pytest
import yaml

from tests.deploy.helm import CHART, as_options, helm, render
from tests.deploy.installations import INSTALLATIONS, Object, objects, of_kind

RULES = yaml.safe_load((CHART / "monitoring" / "rules.yaml").read_text())
DASHBOARD = (CHART / "monitoring" / "dashboard.json").read_text()
WATCHED = ("real", "watched without monitors")


@pytest.mark.parametrize("installation", WATCHED)
def test_the_rules_are_those_of_the_file(installation):
    [shipped] = of_kind(installation, "PrometheusRule").values()
    assert shipped["spec"] == RULES


@pytest.mark.parametrize("installation", WATCHED)
def test_the_dashboard_is_the_file_to_the_byte(installation):
    [shipped] = of_kind(installation, "ConfigMap").values()
    assert shipped["data"] == {"reelgate.json": DASHBOARD.rstrip("\n")}
    assert json.loads(shipped["data"]["reelgate.json"])["uid"] == "reelgate"


def test_a_packaged_chart_ships_both_as_well(tmp_path):
    packed = helm("package", str(CHART), "--destination", str(tmp_path))
    assert packed.returncode == 0, packed.stderr
    [archive] = tmp_path.glob("*.tgz")
    with tarfile.open(archive) as files:
        assert {"reelgate/monitoring/rules.yaml", "reelgate/monitoring/dashboard.json"} <= set(files.getnames())
    values = as_options(INSTALLATIONS["real"])
    answer = helm("template", "films", str(archive), "--namespace", "media", *values)
    assert answer.returncode == 0, answer.stderr
    assert watched(yaml.safe_load_all(answer.stdout)) == watched(objects("real"))


def watched(rendered) -> list[Object]:
    return [thing for thing in rendered if thing and thing["kind"] in ("PrometheusRule", "ConfigMap")]


def test_who_looks_for_them_finds_them_by_their_labels():
    [rules] = of_kind("real", "PrometheusRule").values()
    assert rules["metadata"]["labels"]["release"] == "kube-prometheus-stack"
    [dashboard] = of_kind("real", "ConfigMap").values()
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert "annotations" not in dashboard["metadata"]
    named = (
        'monitoring.dashboard.annotations={"grafana_folder": "Films"}',
        'monitoring.dashboard.labels={"board": "yes"}',
    )
    [other] = [thing for thing in render("real", *named) if thing["kind"] == "ConfigMap"]
    assert other["metadata"]["annotations"] == {"grafana_folder": "Films"}
    assert other["metadata"]["labels"]["board"] == "yes"


@pytest.mark.parametrize(
    "installation", sorted(set(INSTALLATIONS) - {"real", "elsewhere", "gateway and no scaling", "extras", *WATCHED})
)
def test_neither_is_there_unless_it_is_asked_for(installation):
    assert watched(objects(installation)) == []


def test_what_it_ships_fits_into_the_secret_that_helm_keeps_a_release_in(tmp_path):
    """One of 1 MiB, with the chart packed once and its base64 written twice."""
    helm("package", str(CHART), "--destination", str(tmp_path))
    [archive] = tmp_path.glob("*.tgz")
    assert archive.stat().st_size * 16 / 9 < 2**20 / 4
