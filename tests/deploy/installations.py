"""The installations that every rule is held against, and how to find one's way in what was rendered for them."""

from collections.abc import Iterator
from typing import Any

from tests.deploy.helm import Object, render

_DIGEST = "sha256:" + "ab" * 32
_EXTRAS = (
    'extraEnv=[{"name": "AWS_REGION", "value": "eu-central-1"}]',
    'extraVolumes=[{"name": "authorities", "configMap": {"name": "authorities"}}]',
    'extraVolumeMounts=[{"name": "authorities", "mountPath": "/etc/ssl/ours", "readOnly": true}]',
    'nodeSelector={"kubernetes.io/arch": "amd64"}',
    'tolerations=[{"key": "films", "operator": "Exists"}]',
)
_REDIS = 'networkPolicy.redis.to=[{"ipBlock": {"cidr": "10.1.2.3/32"}}]'

#: name: values. Each kind that a template can make is in one of them at least.
INSTALLATIONS: dict[str, tuple[str, ...]] = {
    "small": ("small",),
    "real": ("real", f'image.digest="{_DIGEST}"'),
    "elsewhere": ("real", 'listenOn="::"', "networkPolicy.dnsPorts=[5353]", 'worker.autoscaling.by="none"'),
    "sandbox": ("sandbox",),
    "defaults": (_REDIS,),
    "assigned users": ("small", "assignedUser=true"),
    "open": ("networkPolicy.enabled=false", 'storage.existingClaim="films"', 'storage.storageClass="fast"'),
    "scaled without operators": (
        "small",
        "api.autoscaling.enabled=true",
        'worker.autoscaling.by="hpa"',
        "worker.autoscaling.minReplicas=1",
        "worker.slots=1",
    ),
    "watched without monitors": ("small", "monitoring.rules.enabled=true", "monitoring.dashboard.enabled=true"),
    "gateway and no scaling": ("real", "api.autoscaling.enabled=false", 'worker.autoscaling.by="none"'),
    "extras": ("real", *_EXTRAS, "settings.REELGATE_QUEUE_LIMIT=2000000", "settings.REELGATE_ALLOW_HTTP=true"),
    "quick to go": (
        "sandbox",
        "api.drain.routesSeconds=0",
        "api.drain.delaySeconds=0",
        "api.drain.requestsSeconds=1",
        "worker.drainSeconds=0",
    ),
    "slow to go": (
        "small",
        "api.drain.routesSeconds=30",
        "api.drain.delaySeconds=60",
        "api.drain.requestsSeconds=900",
        'networkPolicy.alsoPrivate.v4=["34.118.224.0/20"]',
        'networkPolicy.backend.to=[{"ipBlock": {"cidr": "10.9.0.0/24"}}]',
    ),
}
#: the processes of the gateway itself
OURS = ("api", "worker")


def objects(installation: str) -> tuple[Object, ...]:
    return render(*INSTALLATIONS[installation])


def of_kind(installation: str, *kinds: str) -> dict[str, Object]:
    """Give the objects of these kinds by their names."""
    return {found["metadata"]["name"]: found for found in objects(installation) if found["kind"] in kinds}


def workloads(installation: str) -> dict[str, Object]:
    """Give what makes pods, by component: ``api``, ``worker``, ``valkey``, ``sandbox``."""
    made = of_kind(installation, "Deployment").values()
    return {found["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/component"]: found for found in made}


def pods(installation: str) -> dict[str, Object]:
    """Give the pods' specs by component."""
    return {component: made["spec"]["template"]["spec"] for component, made in workloads(installation).items()}


def containers(installation: str) -> Iterator[tuple[str, Object]]:
    """Give each container with its component."""
    for component, pod in pods(installation).items():
        for container in pod["containers"]:
            yield component, container


def environment(container: Object) -> dict[str, Any]:
    """Give the variables of a container that have their values in the pod."""
    return {variable["name"]: variable.get("value") for variable in container.get("env", [])}


def selected(installation: str, match: dict[str, str]) -> set[str]:
    """Name the components whose pods have all these labels."""
    return {
        component
        for component, made in workloads(installation).items()
        if match.items() <= made["spec"]["template"]["metadata"]["labels"].items()
    }
