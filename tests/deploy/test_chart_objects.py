"""The chart renders: helm takes it, and every object is what its API describes, field by field."""

import tomllib
from copy import deepcopy
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
import yaml

from tests.deploy.helm import CHART, Object, as_options, helm
from tests.deploy.installations import INSTALLATIONS, objects

#: the oldest Kubernetes that the chart names, and the newest whose schemas there are
KUBERNETES = ("1.30", "1.37")
SCHEMAS = {path.stem: yaml.safe_load(path.read_text()) for path in (Path(__file__).parent / "schemas").glob("*.yaml")}

every_installation = pytest.mark.parametrize("installation", INSTALLATIONS)


def check(thing: Object) -> None:
    """Hold an object against the schema of its kind: an operator's, or Kubernetes' own without fields that it lacks.

    Raises jsonschema's or kubernetes_validate's error; an unknown kind or version is one, too.
    """
    schema = SCHEMAS.get(thing["kind"])
    if schema:
        jsonschema.validate(thing, schema)
        return
    for version in KUBERNETES:
        kubernetes_validate.validate(thing, version, strict=True)


@every_installation
@pytest.mark.quick
def test_helm_finds_nothing_to_complain_of(installation):
    answer = helm("lint", "--strict", str(CHART), *as_options(INSTALLATIONS[installation]))
    assert answer.returncode == 0, answer.stdout
    assert "WARNING" not in answer.stdout


@every_installation
def test_every_object_is_what_its_schema_describes(installation):
    for thing in objects(installation):
        check(thing)


def test_every_kind_that_the_templates_can_make_is_rendered_somewhere():
    written = {
        line.split()[1]
        for template in (CHART / "templates").iterdir()
        for line in template.read_text().splitlines()
        if line.startswith("kind:")
    }
    assert written == {thing["kind"] for installation in INSTALLATIONS for thing in objects(installation)}


def test_a_kind_that_nobody_describes_fails():
    with pytest.raises(kubernetes_validate.SchemaNotFoundError):
        check({"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledJob", "metadata": {"name": "a"}})


@pytest.mark.parametrize("kind", ["Deployment", "NetworkPolicy", *SCHEMAS])
def test_a_field_that_a_kind_does_not_have_fails(kind):
    thing = deepcopy(next(thing for name in INSTALLATIONS for thing in objects(name) if thing["kind"] == kind))
    check(thing)
    thing["spec"]["replicaz"] = 3
    with pytest.raises((jsonschema.ValidationError, kubernetes_validate.ValidationError)):
        check(thing)


def test_the_chart_installs_the_release_that_it_stands_beside():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = tomllib.loads((CHART.parents[1] / "pyproject.toml").read_text())["project"]
    assert chart["appVersion"] == chart["version"] == project["version"]
    assert chart["kubeVersion"] == f">={KUBERNETES[0]}.0-0"


@every_installation
def test_names_are_unique_and_short_enough_for_a_label(installation):
    names = [(thing["kind"], thing["metadata"]["name"]) for thing in objects(installation)]
    assert len(names) == len(set(names))
    assert all(len(name) <= 63 for _, name in names)


@every_installation
def test_nothing_names_a_namespace_of_its_own(installation):
    assert not [thing for thing in objects(installation) if "namespace" in thing["metadata"]]
