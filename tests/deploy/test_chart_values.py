"""What the chart says to values: those it refuses, with a sentence, and what it tells after an installation."""

import json
import re
from pathlib import Path

import pytest
import yaml

from core.settings import Settings, variable_of
from tests.deploy.helm import CHART, NAMESPACE, RELEASE, as_options, helm, refusal, render
from tests.deploy.installations import INSTALLATIONS

VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
#: secrets, and what other values of the chart say
KEPT = {
    "NEMO_TOKEN",
    "REDIS_URL",
    "REELGATE_DRAIN_DELAY_S",
    "REELGATE_DRAIN_S",
    "REELGATE_PUBLIC_URL",
    "REELGATE_REQUEST_GRACE_S",
    "REELGATE_SECRETS_DIR",
    "REELGATE_SECRET_KEYS",
    "REELGATE_STORAGE",
    "REELGATE_WORKER_JOBS",
}
README = (CHART / "README.md").read_text()


def notes(*values: str) -> str:
    answer = helm("install", RELEASE, str(CHART), "-n", NAMESPACE, "--dry-run=client", *as_options(values))
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.partition("\nNOTES:\n")[2]


@pytest.mark.parametrize(
    "values",
    [
        ("small", "api.replicaCount=3"),
        ("small", "api.replicas=0"),
        ("small", "worker.slots=20001"),
        ("small", "worker.drainSeconds=901"),
        ("small", 'worker.autoscaling.by="both"'),
        ("small", "worker.autoscaling.minReplicas=0"),
        ("small", 'image.digest="sha256:abc"'),
        ("small", 'image.repository="reelgate:latest"'),
        ("small", 'publicUrl="reelgate.example.com"'),
        ("small", 'publicUrl="https://example.com/reelgate/"'),
        ("small", 'storage.url="/data"'),
        ("small", 'expose.by="loadbalancer"'),
        ("small", 'valkey.image="valkey"'),
        ("small", "networkPolicy.callers=[{}]"),
        ("small", "monitoring.intervalSeconds=61"),
        ("small", 'networkPolicy.alsoPrivate.v6=["fd00:1234::/32"]'),
        ("small", 'extraEnv=[{"name": "AWS_ALLOW_HTTP", "value": true}]'),
        ("small", 'settings.REELGATE_SECRET_KEYS="a secret"'),
        ("small", 'settings.NEMO_TOKEN="nmv_usr_1"'),
        ("small", 'settings.REDIS_URL="redis://:secret@redis"'),
        ("small", "settings.REELGATE_WORKER_JOBS=10"),
        ("small", "settings.LOG_LEVEL=1"),
        ("small", 'settings.REELGATE_LOGLEVEL="debug"'),
    ],
    ids=lambda values: values[-1],
)
def test_a_value_that_means_nothing_is_refused_by_its_name(values):
    said = refusal(*values)
    *_, name = re.split(r"[./]", values[-1].partition("=")[0])
    assert "values don't meet the specifications of the schema" in said
    assert name in said or name.split("_")[0] in said


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ((), "networkPolicy.redis.to: name the peers that are Redis"),
        (("real", "networkPolicy.storage.to=[]"), "networkPolicy.storage.to: name the peers"),
        (("real", 'storage.existingClaim="films"'), "storage: give a url or an existingClaim, not both"),
        (("sandbox", 'expose.by="ingress"'), "publicUrl: say where callers reach the API"),
        (("small", 'publicUrl="https://10.1.2.3"'), "publicUrl: the route is for its host"),
        (("small", 'publicUrl="https://Reelgate.example.com"'), "publicUrl: the route is for its host"),
        (("real", 'publicUrl="http://[2001:db8::1]:8080"'), "publicUrl: the route is for its host"),
        (("real", "expose.httpRoute.parentRefs=[]"), "expose.httpRoute.parentRefs: name the Gateway"),
        (("real", 'worker.autoscaling.keda.prometheusUrl=""'), "prometheusUrl: say where the Prometheus is"),
        (("real", "worker.autoscaling.minReplicas=31"), "worker.autoscaling: minReplicas is above maxReplicas"),
        (("real", "api.autoscaling.maxReplicas=1"), "api.autoscaling: minReplicas is above maxReplicas"),
        (("real", "api.resources.requests=null"), "api.resources.requests.cpu: the API is scaled by its share"),
        (("real", "api.resources=null"), "api.resources.requests.cpu: the API is scaled by its share"),
        (("small", 'extraEnv=[{"name": "REELGATE_DRAIN_S", "value": "1"}]'), "extraEnv: REELGATE_DRAIN_S is set by"),
        (
            ("small", 'extraEnv=[{"name": "AWS_REGION", "value": "a"}, {"name": "AWS_REGION", "value": "b"}]'),
            "extraEnv: AWS_REGION is set by the chart already, from another value or from settings, or stands there twice",
        ),
        (
            ("small", "settings.REELGATE_SWEEP_S=2", 'extraEnv=[{"name": "REELGATE_SWEEP_S", "value": "1"}]'),
            "extraEnv: REELGATE_SWEEP_S is set by",
        ),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_values_that_do_not_go_together_are_refused_in_a_sentence(values, sentence):
    assert sentence in refusal(*values)


def test_settings_of_which_none_is_left_are_none():
    """A file of values with all of them commented out, which helm reads as null."""
    assert render("small", "settings=null") == render("small")


#: without these a template says something, or nothing
MAY_BE_TAKEN_AWAY = {
    *("api.resources", "api.secretName", "worker.resources", "worker.secretName"),
    *("networkPolicy.callers", "networkPolicy.dns", "networkPolicy.dnsPorts", "networkPolicy.monitoring"),
    *("assignedUser", "listenOn", "monitoring.dashboard.labels.grafana_dashboard"),
}


@pytest.mark.parametrize("value", ["image", "api.drain", "worker.slots", "networkPolicy.redis.ports"])
def test_a_value_that_is_taken_away_is_asked_for_by_its_name(value):
    """A line of a file of values with nothing behind it is null to helm, which takes the default away."""
    assert f"missing property '{value.rpartition('.')[2]}'" in refusal("real", f"{value}=null")


def test_whatever_templates_cannot_do_without_is_required():
    described = dict(leaves(SCHEMA, VALUES)) | {"": SCHEMA}
    for path, schema in described.items():
        above, _, name = path.rpartition(".")
        is_needed = "properties" in schema or default_of(path)
        if path and is_needed and ".resources." not in path and path not in MAY_BE_TAKEN_AWAY:
            assert name in described[above].get("required", []), path


def default_of(path: str):
    stands = VALUES
    for part in path.split(".") if path else []:
        stands = stands[part]
    return stands


@pytest.mark.parametrize("release", ["films.eu", "1films"])
def test_a_release_after_which_no_service_can_be_named_is_refused(release):
    assert "the release's name" in refusal("small", release=release)


def leaves(schema: dict, values: dict, path: str = ""):
    """Pair each value with its schema, all the way down."""
    for name, value in values.items():
        known = schema.get("properties", {})[name]
        if "$ref" in known:
            known = SCHEMA["$defs"][known["$ref"].rpartition("/")[2]]
        yield f"{path}{name}", known
        if isinstance(value, dict) and "properties" in known:
            yield from leaves(known, value, f"{path}{name}.")


def test_the_schema_knows_every_value_and_no_other():
    described = dict(leaves(SCHEMA, VALUES))
    for name, schema in [("", SCHEMA), *described.items()]:
        if "properties" in schema and name not in ("api.resources", "worker.resources"):
            assert schema["additionalProperties"] is False, name
            assert default_of(name).keys() == schema["properties"].keys() - {"global"}, name


def test_the_settings_that_may_be_given_are_all_but_secrets_and_what_the_chart_sets_itself():
    settings = {variable_of(field) for field in Settings.model_fields}
    assert settings >= KEPT
    assert set(SCHEMA["properties"]["settings"]["propertyNames"]["enum"]) == settings - KEPT


def test_the_notes_say_what_to_do_next():
    said = notes("real")
    for step in (
        "kubectl --namespace media rollout status deployment/films-api",
        "kubectl --namespace media create secret generic reelgate-api",
        "kubectl --namespace media create secret generic reelgate-worker",
        "exec deployment/films-worker -- reelgate doctor",
        "exec deployment/films-api -- reelgate keys create --tenant acme",
        "curl https://reelgate.example.com/readyz",
    ):
        assert step in said


def test_the_notes_warn_of_what_is_for_trying_out():
    said = notes("sandbox", "networkPolicy.enabled=false")
    assert "This Redis is for trying it out" in said
    assert "gone with its pod" in said
    assert "The backend is the sandbox" in said
    assert "No NetworkPolicy" in said
    assert "port-forward service/films-api 8080:80" in said
    assert "create secret" not in said


def test_the_notes_warn_of_links_that_lead_nowhere():
    redis = 'networkPolicy.redis.to=[{"ipBlock": {"cidr": "10.1.2.3/32"}}]'
    assert "lead to http://127.0.0.1:8080" in notes(redis)
    assert "lead to" not in notes("real") + notes("sandbox")


def test_the_page_counts_the_installations_that_are_rendered():
    word = {10: "ten", 11: "eleven", 12: "twelve", 13: "thirteen"}[len(INSTALLATIONS)]
    assert f"| rendered | {word} installations" in README


def test_the_page_names_every_file_of_values_and_every_top_level_value():
    for path in Path(CHART).glob("values-*.yaml"):
        assert f"`{path.name}`" in README
    for name in VALUES:
        assert f"`{name}" in README, name
