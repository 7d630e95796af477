"""What every installation holds, whatever its values: rules that no schema knows.

Kubernetes takes many an object that does not work: a budget that lets no pod go, a selector that finds nobody, a grace
that is shorter than what it is for.
"""

import ipaddress
import re
from fractions import Fraction

import kubernetes_validate
import pytest
import yaml

from core.metrics import Shows, exposition, show_metrics_of
from core.security import url_policy
from core.settings import Settings, variable_of
from service.routes import system
from tests.deploy.helm import CHART, Object, as_options, helm, render
from tests.deploy.installations import (
    INSTALLATIONS,
    OURS,
    containers,
    environment,
    objects,
    of_kind,
    pods,
    selected,
    workloads,
)

RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
USER = 10001
#: a label's value
LABEL = r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
#: what a worker's stream may take, by which a scale-down waits
STREAM_S = int(Settings.model_fields["stream_limit_s"].default)
PRIVATE = ("10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254", "127.0.0.1", "fd00::1", "fe80::1")
PUBLIC = ("1.1.1.1", "93.184.215.14", "172.15.0.1", "192.167.255.255", "2606:4700::1111", "2a00:1450::1")

every_installation = pytest.mark.parametrize("installation", INSTALLATIONS)


# Who runs


@every_installation
def test_every_pod_keeps_to_the_restricted_level(installation):
    for pod in pods(installation).values():
        security = pod["securityContext"]
        assert security["runAsNonRoot"] is True
        ours = {} if installation == "assigned users" else dict.fromkeys(("runAsUser", "runAsGroup", "fsGroup"), USER)
        assert {who: security[who] for who in ("runAsUser", "runAsGroup", "fsGroup") if who in security} == ours
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & pod.keys()
    for _, container in containers(installation):
        assert container["securityContext"] == RESTRICTED


def test_the_user_is_the_one_that_the_image_makes():
    assert f"USER {USER}:{USER}" in (CHART.parent / "Dockerfile").read_text()


@every_installation
def test_no_pod_gets_a_token_of_kubernetes_or_the_addresses_of_services(installation):
    for pod in pods(installation).values():
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False
        assert pod["serviceAccountName"] in of_kind(installation, "ServiceAccount")
    for account in of_kind(installation, "ServiceAccount").values():
        assert account["automountServiceAccountToken"] is False


@every_installation
def test_every_container_says_what_it_needs_and_has_an_end_of_memory(installation):
    for _, container in containers(installation):
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}
        assert "memory" in container["resources"]["limits"]


@every_installation
def test_an_image_has_a_version_and_no_moving_name(installation):
    for _, container in containers(installation):
        name, sign, version = re.fullmatch(r"(.+?)([:@])([\w.:-]+)", container["image"]).groups()
        assert name
        assert version != "latest"
        assert sign == ":" or version.startswith("sha256:")


def test_a_digest_wins_over_a_tag_and_the_version_is_still_told():
    values = ("small", 'image.tag="1.2.3"', f'image.digest="sha256:{"0" * 64}"')
    [api] = [
        made for made in render(*values) if made["kind"] == "Deployment" and made["metadata"]["name"] == "films-api"
    ]
    assert api["spec"]["template"]["spec"]["containers"][0]["image"] == f"reelgate@sha256:{'0' * 64}"
    assert api["metadata"]["labels"]["app.kubernetes.io/version"] == "1.2.3"


@pytest.mark.parametrize("tag", ["1.2.3-" + "a" * 100, "2026_", "_nightly", "a" * 62 + "-1"])
def test_a_tag_of_any_kind_makes_a_version_that_a_label_may_hold(tag):
    for made in render("small", f'image.tag="{tag}"'):
        version = made["metadata"]["labels"]["app.kubernetes.io/version"]
        assert re.fullmatch(LABEL, version), version


@pytest.mark.parametrize("version", ["1.2.0+7", "1.2.0-" + "a" * 60 + "+b"])
def test_a_chart_that_is_packaged_with_a_build_makes_labels_and_a_tag_that_kubernetes_takes(version, tmp_path):
    """It refuses a plus in both, and with them every object."""
    words = ("package", str(CHART), "--version", version, "--app-version", "1.2.0+7", "--destination", str(tmp_path))
    assert helm(*words).returncode == 0
    [archive] = tmp_path.glob("*.tgz")
    answer = helm("template", "films", str(archive), *as_options(("small",)))
    made = [thing for thing in yaml.safe_load_all(answer.stdout) if thing]
    assert len(made) == len(objects("small"))
    for name in ("helm.sh/chart", "app.kubernetes.io/version"):
        assert all(re.fullmatch(LABEL, thing["metadata"]["labels"][name]) for thing in made)
    images = [
        thing["spec"]["template"]["spec"]["containers"][0]["image"] for thing in made if thing["kind"] == "Deployment"
    ]
    assert images == ["reelgate:1.2.0_7"] * 2


def test_names_that_yaml_takes_for_something_else_stay_names():
    """A Secret that is named by its day: Kubernetes takes no number for a name."""
    values = (
        "small",
        'api.secretName="20261127"',
        'worker.secretName="true"',
        'storage.existingClaim="7"',
        'expose.ingress.tlsSecretName="1e3"',
        'expose.ingress.className="0"',
    )
    made = [*render(*values, release="true"), *render("small", 'storage.storageClass="1"', release="true")]
    for thing in made:
        kubernetes_validate.validate(thing, "1.37", strict=True)
        assert thing["metadata"]["labels"]["app.kubernetes.io/instance"] == "true"
    claims = [thing for thing in made if thing["kind"] == "PersistentVolumeClaim"]
    assert [claim["spec"]["storageClassName"] for claim in claims] == ["1"]


# What they are told


@every_installation
def test_every_variable_is_a_setting_and_has_a_value_that_settings_take(installation, monkeypatch, tmp_path):
    known = {variable_of(field): field for field in Settings.model_fields}
    for component, container in containers(installation):
        if component not in OURS:
            continue
        told = environment(container)
        assert len(told) == len(container["env"]), "a variable stands twice"
        assert told.keys() <= known.keys() | {"AWS_REGION"}
        given = {known[name]: value for name, value in told.items() if name in known}
        with monkeypatch.context() as patch:
            elsewhere = {"REELGATE_SECRETS_DIR": str(tmp_path)} if "REELGATE_SECRETS_DIR" in told else {}
            for name, value in ({"REELGATE_SECRET_KEYS": "k" * 40} | told | elsewhere).items():
                patch.setenv(name, value)
            assert Settings().model_fields_set >= given.keys()


@every_installation
def test_secrets_come_from_existing_secrets_alone(installation):
    assert not of_kind(installation, "Secret")
    if "sandbox" in pods(installation):
        return
    secret = {"REELGATE_SECRET_KEYS", "NEMO_TOKEN", "REDIS_URL"}
    for component, container in containers(installation):
        told = environment(container)
        assert not secret & told.keys()
        [volume] = [volume for volume in pods(installation)[component]["volumes"] if "secret" in volume]
        [mount] = [mount for mount in container["volumeMounts"] if mount["name"] == volume["name"]]
        assert volume["secret"]["defaultMode"] == 0o440
        assert mount["mountPath"] == told["REELGATE_SECRETS_DIR"]
        assert mount["readOnly"] is True


def test_workers_can_have_a_secret_that_the_api_does_not_see():
    named = {of: pod["volumes"][1]["secret"]["secretName"] for of, pod in pods("real").items()}
    assert named == {"api": "reelgate-api", "worker": "reelgate-worker"}


@every_installation
def test_every_mount_has_its_volume_and_nothing_but_scratch_and_storage_is_written(installation):
    for component, container in containers(installation):
        pod = pods(installation)[component]
        volumes = {volume["name"]: volume for volume in pod.get("volumes", [])}
        assert {mount["name"] for mount in container["volumeMounts"]} == volumes.keys()
        for mount in container["volumeMounts"]:
            if not mount.get("readOnly"):
                assert {"emptyDir", "persistentVolumeClaim"} & volumes[mount["name"]].keys()


@every_installation
def test_api_and_workers_store_in_the_same_place(installation):
    places = {environment(container)["REELGATE_STORAGE"] for of, container in containers(installation) if of in OURS}
    assert len(places) == 1
    claims = [
        volume["persistentVolumeClaim"]["claimName"]
        for of in OURS
        for volume in pods(installation)[of]["volumes"]
        if "persistentVolumeClaim" in volume
    ]
    if places == {"/data"}:
        assert len(claims) == 2
        assert len(set(claims)) == 1
        assert claims[0] == "films" or claims[0] in of_kind(installation, "PersistentVolumeClaim")
    else:
        assert not claims
        assert not of_kind(installation, "PersistentVolumeClaim")


# How they come and go


@every_installation
def test_each_process_is_probed_where_it_answers(installation):
    ports = {"api": "http", "worker": "metrics"}
    # what fails there ends in a restart, which brings no Redis back: the readiness alone asks for it
    answers = ("/livez", "/readyz", "/livez")
    assert {handler.paths.copy().pop() for handler in (system.livez, system.readyz)} == set(answers)
    for component, container in containers(installation):
        if component in OURS:
            probes = [container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "readiness", "liveness")]
            assert probes == [{"path": path, "port": ports[component]} for path in answers]
            assert ports[component] in {port["name"] for port in container["ports"]}


@every_installation
def test_the_ports_are_those_that_the_processes_are_told(installation):
    for component, container in containers(installation):
        told = dict(zip(container["args"], container["args"][1:], strict=False))
        ports = {port["name"]: str(port["containerPort"]) for port in container["ports"]}
        if component in OURS:
            assert told["--host"] == ("::" if installation == "elsewhere" else "0.0.0.0")
            assert told["--metrics-port"] == ports["metrics"]
            assert told.get("--port") == ports.get("http")


@every_installation
def test_an_api_has_time_for_its_routes_its_delay_and_its_requests(installation):
    pod = pods(installation)["api"]
    [container] = pod["containers"]
    told = environment(container)
    waits = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    needs = waits + int(told["REELGATE_DRAIN_DELAY_S"]) + int(told["REELGATE_REQUEST_GRACE_S"])
    assert needs + 5 <= pod["terminationGracePeriodSeconds"] <= needs + 30


@every_installation
def test_a_worker_has_longer_to_go_than_its_streams(installation):
    pod = pods(installation)["worker"]
    [container] = pod["containers"]
    needs = int(environment(container)["REELGATE_DRAIN_S"])
    assert needs + 25 <= pod["terminationGracePeriodSeconds"] <= needs + 60
    assert "lifecycle" not in container


def test_a_services_worker_lets_a_stream_end():
    [container] = pods("real")["worker"]["containers"]
    assert int(environment(container)["REELGATE_DRAIN_S"]) >= STREAM_S


@every_installation
def test_an_upgrade_takes_nobody_away_before_somebody_new_is_ready(installation):
    for component in OURS:
        strategy = workloads(installation)[component]["spec"]["strategy"]
        assert strategy["type"] == "RollingUpdate"
        assert strategy["rollingUpdate"]["maxUnavailable"] == 0
        assert int(strategy["rollingUpdate"]["maxSurge"].removesuffix("%")) > 0


def test_values_of_an_older_chart_are_taken_as_they_were_meant():
    """As `helm upgrade --reuse-values` hands them on: without those that are new."""
    assert render("small", "listenOn=null", "networkPolicy.dnsPorts=null") == render("small")


@every_installation
def test_an_upgrade_changes_no_selector(installation):
    newer = render(*INSTALLATIONS[installation], 'image.tag="99.0.0"', 'image.digest=""')
    after = {made["metadata"]["name"]: made for made in newer if made["kind"] == "Deployment"}
    for name, made in of_kind(installation, "Deployment").items():
        assert made["spec"]["selector"] == after[name]["spec"]["selector"]
        assert made["spec"]["selector"]["matchLabels"].items() <= made["spec"]["template"]["metadata"]["labels"].items()


@every_installation
def test_pods_of_one_process_are_spread_over_zones_and_nodes(installation):
    for component in OURS:
        spread = pods(installation)[component]["topologySpreadConstraints"]
        assert [rule["topologyKey"] for rule in spread] == ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
        for rule in spread:
            assert selected(installation, rule["labelSelector"]["matchLabels"]) == {component}


def refuses_to_empty_a_node(budget: Object) -> bool:
    """Tell whether a budget has no bound, two, or one that lets no pod go."""
    bounds = [budget["spec"][bound] for bound in ("minAvailable", "maxUnavailable") if bound in budget["spec"]]
    return bounds != [1] or "minAvailable" in budget["spec"]


@every_installation
def test_a_node_can_be_emptied_one_pod_of_a_process_at_a_time(installation):
    budgets = of_kind(installation, "PodDisruptionBudget").values()
    assert [selected(installation, budget["spec"]["selector"]["matchLabels"]) for budget in budgets] == [
        {"api"},
        {"worker"},
    ]
    for budget in budgets:
        assert not refuses_to_empty_a_node(budget)
        assert budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


@every_installation
def test_a_rollout_is_given_up_no_sooner_than_an_old_pod_is_gone_and_a_new_one_has_come(installation):
    """On a node without room for both, a new worker comes when an old one's streams have ended."""
    for of in OURS:
        spec = workloads(installation)[of]["spec"]
        assert spec["progressDeadlineSeconds"] == spec["template"]["spec"]["terminationGracePeriodSeconds"] + 600


def test_a_budget_with_both_bounds_passes_its_schema_and_not_the_rule():
    [budget, _] = of_kind("small", "PodDisruptionBudget").values()
    wrong = budget | {"spec": budget["spec"] | {"minAvailable": 1}}
    kubernetes_validate.validate(wrong, "1.37", strict=True)
    assert refuses_to_empty_a_node(wrong)


# How many there are


@every_installation
def test_what_is_scaled_is_scaled_by_one_alone(installation):
    scaled = [found["spec"]["scaleTargetRef"]["name"] for found in of_scalers(installation)]
    assert len(scaled) == len(set(scaled))
    for name, made in of_kind(installation, "Deployment").items():
        assert ("replicas" in made["spec"]) is (name not in scaled)
    assert set(scaled) <= of_kind(installation, "Deployment").keys()


def of_scalers(installation: str) -> list[Object]:
    return [found for found in objects(installation) if found["kind"] in ("HorizontalPodAutoscaler", "ScaledObject")]


def behavior(scaler: Object) -> Object:
    advanced = scaler["spec"].get("advanced", {}).get("horizontalPodAutoscalerConfig", {})
    return scaler["spec"].get("behavior") or advanced["behavior"]


@pytest.mark.parametrize("installation", ["scaled without operators", "real"])
def test_workers_go_no_faster_than_their_streams_end(installation):
    [scaler] = [found for found in of_scalers(installation) if found["metadata"]["name"] == "films-worker"]
    down = behavior(scaler)["scaleDown"]
    assert down["stabilizationWindowSeconds"] >= STREAM_S
    assert all(policy["periodSeconds"] >= STREAM_S for policy in down["policies"])


def test_keda_counts_jobs_that_could_run_and_those_that_hold_a_slot_asleep_or_not():
    """Where those that sleep did not count, a fleet whose slots are full of renders would be thought idle."""
    [scaler] = of_kind("real", "ScaledObject").values()
    [trigger] = scaler["spec"]["triggers"]
    query = trigger["metadata"]["query"]
    asked = re.findall(r"\b(\w+)\{", query)
    assert asked == ["reelgate_queue_due_jobs", "reelgate_slots_used"]
    show_metrics_of(Shows.WORKER)
    shown = exposition()[0].decode()
    assert all(f"# TYPE {name} gauge" in shown for name in asked)
    # every worker shows the same
    assert re.fullmatch(r"max\(\w+\{.+?\}\) \+ max\(\w+\{.+?\}\)", query)
    assert query.count('namespace="media",pod=~"films-worker-') == 2
    assert Fraction(trigger["metadata"]["threshold"]) == 1000 * Fraction("0.8")
    assert trigger["metricType"] == "AverageValue"


def test_keda_takes_no_answer_for_nothing_to_do():
    """As it comes, a Prometheus without data is a 0 to it, and a busy fleet goes down to its minimum."""
    [scaler] = of_kind("real", "ScaledObject").values()
    assert scaler["spec"]["triggers"][0]["metadata"]["ignoreNullValues"] == "false"


def pod_name(release: str, ending: str) -> str:
    """Name a pod as Kubernetes does: by its ReplicaSet, cut after 58 characters, and five by chance.

    https://github.com/kubernetes/apiserver/blob/master/pkg/storage/names/generate.go
    """
    return f"{release}-{ending}-6b9f7c5d48-"[:58] + "x2k7q"


def workers_that_keda_counts(release: str) -> str:
    """Give the pattern of the pods' names in what KEDA asks."""
    [scaler] = [made for made in render("real", release=release) if made["kind"] == "ScaledObject"]
    query = scaler["spec"]["triggers"][0]["metadata"]["query"]
    [pattern] = set(re.findall(r'pod=~"([^"]+)"', query))
    return pattern


@pytest.mark.parametrize("characters", [1, 5, *range(38, 54)])
def test_keda_finds_the_workers_of_a_release_whose_name_is_as_long_as_helm_takes_it(characters):
    release = "f" * characters
    assert re.fullmatch(workers_that_keda_counts(release), pod_name(release, "worker"))


def test_keda_counts_no_workers_of_another_release_in_the_namespace():
    """All gauges are over a whole Redis, and the other one has one of its own."""
    pattern = workers_that_keda_counts("films")
    for other in ("films-worker", "films-worker-2", "films-2"):
        assert not re.fullmatch(pattern, pod_name(other, "worker")), other


def test_the_other_scaler_aims_at_the_same_number():
    by_hpa = render("real", 'worker.autoscaling.by="hpa"')
    [scaler] = [
        made for made in by_hpa if made["kind"] == "HorizontalPodAutoscaler" and "worker" in made["metadata"]["name"]
    ]
    [metric] = scaler["spec"]["metrics"]
    assert metric["external"]["target"] == {"type": "AverageValue", "averageValue": "800"}
    assert not [made for made in by_hpa if made["kind"] == "ScaledObject"]


@pytest.mark.parametrize("installation", ["scaled without operators", "real"])
def test_there_is_always_a_worker_to_count_what_waits(installation):
    for scaler in of_scalers(installation):
        spec = scaler["spec"]
        assert spec.get("minReplicas", spec.get("minReplicaCount")) >= 1


# Who may talk to whom


def policies(installation: str) -> dict[str, Object]:
    """Give the network policies' specs by the one component that each is for."""
    found = {}
    for policy in of_kind(installation, "NetworkPolicy").values():
        [component] = selected(installation, policy["spec"]["podSelector"]["matchLabels"])
        assert component not in found
        found[component] = policy["spec"]
    return found


def blocks(rules: list[Object]) -> list[Object]:
    return [peer["ipBlock"] for rule in rules for peer in rule["to"] if "ipBlock" in peer]


def contains(block: Object, address: str) -> bool:
    there = ipaddress.ip_address(address)
    inside = there in ipaddress.ip_network(block["cidr"])
    return inside and not any(there in ipaddress.ip_network(hole) for hole in block.get("except", []))


walled = pytest.mark.parametrize("installation", [name for name in INSTALLATIONS if name != "open"])


@walled
def test_every_pod_has_a_policy_in_both_directions(installation):
    assert policies(installation).keys() == pods(installation).keys()
    for policy in policies(installation).values():
        assert policy["policyTypes"] == ["Ingress", "Egress"]


@walled
def test_no_rule_lets_everybody(installation):
    for policy in policies(installation).values():
        for rule in (policy.get("ingress") or []) + (policy.get("egress") or []):
            peers = rule.get("from", rule.get("to"))
            assert peers
            assert all(peers)
            assert all(port["port"] for port in rule["ports"])


@walled
def test_the_api_reaches_redis_storage_and_names_alone(installation):
    reached = {
        (port["port"], port["protocol"]) for rule in policies(installation)["api"]["egress"] for port in rule["ports"]
    }
    [container] = pods(installation)["api"]["containers"]
    on_s3 = environment(container)["REELGATE_STORAGE"].startswith("s3://")
    names = 5353 if installation == "elsewhere" else 53
    assert reached == {(names, "UDP"), (names, "TCP"), (6379, "TCP")} | ({(443, "TCP")} if on_s3 else set())
    for block in blocks(policies(installation)["api"]["egress"]):
        assert not any(contains(block, address) for address in PUBLIC)
        assert ipaddress.ip_network(block["cidr"]).prefixlen >= 24


@walled
def test_a_worker_reaches_public_addresses_and_of_private_ones_only_what_is_named(installation):
    open_to = blocks(policies(installation)["worker"]["egress"])
    named = [*blocks(policies(installation)["api"]["egress"]), {"cidr": "10.9.0.0/24"}]
    anywhere = [block for block in open_to if block not in named]
    assert len(anywhere) == 2
    assert all(any(contains(block, address) for block in anywhere) for address in PUBLIC)
    assert not any(contains(block, address) for block in anywhere for address in PRIVATE)


def allowed_addresses(value: str) -> list[str]:
    """Give what a worker reaches for a setting, beside what it reaches without it, and hold it against Kubernetes' schema."""
    made = render("small", f'settings.REELGATE_ALLOW_ADDRESSES="{value}"')
    [policy] = [
        thing for thing in made if (thing["kind"], thing["metadata"]["name"]) == ("NetworkPolicy", "films-worker")
    ]
    kubernetes_validate.validate(policy, "1.37", strict=True)
    rules = [rule for rule in policy["spec"]["egress"] if rule not in policies("small")["worker"]["egress"]]
    assert all(rule["ports"] == [{"protocol": "TCP", "port": 1, "endPort": 65535}] for rule in rules)
    return [block["cidr"] for block in blocks(rules)]


@pytest.mark.parametrize(
    "value", ["", "10.5.0.0/16", "10.5.0.0/16, 192.168.7.9", "fd00:5::/64,fd00::9", " 10.5.0.0/16 ,"]
)
def test_receivers_that_a_setting_allows_are_reached_through_the_policy_too(value):
    allowed = Settings(secret_keys="k" * 40, allow_addresses=value).allow_addresses
    assert [ipaddress.ip_network(cidr) for cidr in allowed_addresses(value)] == list(allowed)


@walled
def test_the_networks_public_is_the_url_policys_public(installation):
    four, six = (block for block in blocks(policies(installation)["worker"]["egress"]) if "except" in block)
    also = {"34.118.224.0/20"} if installation == "slow to go" else set()
    assert ipaddress.ip_network(six["cidr"]) == url_policy._PUBLIC_V6
    assert set(four["except"]) == {str(network) for network in url_policy._CLOSED_V4} | also
    assert set(six["except"]) == {str(network) for network in url_policy._CLOSED_V6}
    for block in (four, six):
        whole = ipaddress.ip_network(block["cidr"])
        assert all(ipaddress.ip_network(hole).subnet_of(whole) for hole in block["except"])


@walled
def test_metrics_are_read_from_the_monitoring_namespace_alone(installation):
    for component in OURS:
        [rule] = [rule for rule in policies(installation)[component]["ingress"] if rule["ports"][0]["port"] == 9100]
        assert rule["from"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
        assert len(rule["ports"]) == 1


@walled
def test_nobody_calls_a_worker_and_callers_reach_an_apis_http_alone(installation):
    ports = {of: [rule["ports"] for rule in policies(installation)[of]["ingress"]] for of in OURS}
    assert ports["worker"] == [[{"protocol": "TCP", "port": 9100}]]
    assert ports["api"] == [[{"protocol": "TCP", "port": port}] for port in (8080, 9100)]


def test_what_is_for_trying_out_is_reached_by_its_own_pods_and_reaches_nobody():
    walls = policies("sandbox")
    callers = {"valkey": {"api", "worker"}, "sandbox": {"worker"}}
    for component, those in callers.items():
        [rule] = walls[component]["ingress"]
        found = {of for peer in rule["from"] for of in selected("sandbox", peer["podSelector"]["matchLabels"])}
        assert found == those
        assert "egress" not in walls[component]


# Who finds whom


@every_installation
def test_every_service_finds_the_pods_of_one_component_and_their_ports(installation):
    for name, service in of_kind(installation, "Service").items():
        [component] = selected(installation, service["spec"]["selector"])
        assert name == f"films-{component}"
        [container] = pods(installation)[component]["containers"]
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= {
            port["name"] for port in container["ports"]
        }


@every_installation
def test_the_way_in_is_for_the_public_host_and_leads_to_no_metrics(installation):
    ways = of_kind(installation, "Ingress", "HTTPRoute")
    assert len(ways) <= 1
    [container] = pods(installation)["api"]["containers"]
    host = environment(container)["REELGATE_PUBLIC_URL"].removeprefix("https://")
    [service] = [found for name, found in of_kind(installation, "Service").items() if name == "films-api"]
    http = {"name": "films-api", "port": service["spec"]["ports"][0]["port"]}
    assert service["spec"]["ports"][0]["name"] == "http"
    for way in ways.values():
        if way["kind"] == "HTTPRoute":
            assert way["spec"]["hostnames"] == [host]
            assert way["spec"]["rules"][0]["backendRefs"] == [http]
            # an event stream is one long request
            assert way["spec"]["rules"][0]["timeouts"] == {"request": "0s"}
        else:
            [rule] = way["spec"]["rules"]
            assert rule["host"] == host
            assert rule["http"]["paths"][0]["backend"] == {"service": {"name": "films-api", "port": {"name": "http"}}}
            assert [tls["hosts"] for tls in way["spec"]["tls"]] == [[host]]


def test_prometheus_finds_both_processes():
    [api] = of_kind("real", "ServiceMonitor").values()
    [service] = of_kind("real", "Service").values()
    assert api["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert api["spec"]["endpoints"][0]["port"] in {port["name"] for port in service["spec"]["ports"]}
    [worker] = of_kind("real", "PodMonitor").values()
    assert selected("real", worker["spec"]["selector"]["matchLabels"]) == {"worker"}
    [container] = pods("real")["worker"]["containers"]
    assert worker["spec"]["podMetricsEndpoints"][0]["port"] in {port["name"] for port in container["ports"]}
    assert all(monitor["metadata"]["labels"]["release"] == "kube-prometheus-stack" for monitor in (api, worker))


def test_the_trial_redis_keeps_what_it_accepted():
    [container] = pods("sandbox")["valkey"]["containers"]
    words = dict(zip(container["args"], container["args"][1:], strict=False))
    assert words["--appendonly"] == "yes"
    assert words["--maxmemory-policy"] == "noeviction"


def test_an_upgrade_replaces_no_pod_that_keeps_what_it_has_in_itself():
    """A trial's Redis and sandbox: another version of the gateway would take all keys and jobs along."""
    before, after = (
        {made["metadata"]["name"]: made for made in render("sandbox", *tag) if made["kind"] == "Deployment"}
        for tag in ((), ('image.tag="99.0.0"',))
    )
    for name in ("films-valkey", "films-sandbox"):
        template = before[name]["spec"]["template"]
        assert template == after[name]["spec"]["template"]
        assert template["metadata"]["labels"] == before[name]["spec"]["selector"]["matchLabels"]


@pytest.mark.parametrize("installation", sorted(set(INSTALLATIONS) - {"sandbox", "quick to go"}))
def test_a_trial_redis_and_a_sandbox_are_there_only_when_asked_for(installation):
    assert pods(installation).keys() == set(OURS)
