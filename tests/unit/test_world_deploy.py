"""`deploy/`: that what is written there hangs together. No engine runs here, so it is read as an engine would."""

import ipaddress
import os
import re
import shlex
import subprocess
from pathlib import Path

import yaml

from core.settings import Settings

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
GATEWAY = ("api-1", "api-2", "worker-1", "worker-2")
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()


def stage(name):
    """Give the lines of one stage of the Dockerfile."""
    return re.search(rf"^FROM \S+ AS {name}$(.*?)(?=^FROM |\Z)", DOCKERFILE, re.DOTALL | re.MULTILINE)[1]


def redis_script():
    shell, flag, script = SERVICES["redis"]["command"]
    assert (shell, flag) == ("sh", "-c")
    return script


def read_env(name):
    lines = (DEPLOY / name).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_there_are_two_apis_two_workers_a_redis_and_a_balancer():
    assert set(SERVICES) == {*GATEWAY, "redis", "balancer", "sandbox"}
    assert SERVICES["api-1"]["command"][0] == SERVICES["api-2"]["command"][0] == "api"
    assert SERVICES["worker-1"]["command"][0] == SERVICES["worker-2"]["command"][0] == "worker"


def test_redis_keeps_what_it_accepted():
    words = shlex.split(redis_script())
    assert words[words.index("--appendonly") + 1] == "yes"
    assert words[words.index("--maxmemory-policy") + 1] == "noeviction"
    assert "redis:/data" in SERVICES["redis"]["volumes"]


def test_a_redis_that_reads_a_large_log_at_its_start_is_waited_for():
    """All else depends on it, and compose starts none of that where it was unhealthy once."""
    check = SERVICES["redis"]["healthcheck"]
    assert SERVICES["api-1"]["depends_on"]["redis"]["condition"] == "service_healthy"
    assert int(check["start_period"].removesuffix("m")) >= 10


def test_redis_takes_a_password_that_is_on_no_command_line(tmp_path):
    [password] = re.findall(r"^REDIS_PASSWORD=(.+)$", (DEPLOY / "sandbox.env").read_text(), re.MULTILINE)
    assert SERVICES["redis"]["environment"]["REDISCLI_AUTH"] == "${REDIS_PASSWORD}"
    script = redis_script().replace("${REDIS_MAXMEMORY:-1gb}", "1gb").replace("$$", "$")
    told = tmp_path / "docker-entrypoint.sh"
    told.write_text('#!/bin/sh\necho "$@"\ncat\n')
    told.chmod(0o700)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "REDIS_PASSWORD": password}
    done = subprocess.run(["sh", "-c", script], env=env, capture_output=True, text=True, check=True)
    words, configuration = done.stdout.splitlines()
    assert words.startswith("valkey-server - --appendonly yes ")
    assert password not in words
    assert configuration == f"requirepass {password}"


def test_every_process_of_the_gateway_is_confined_and_gets_its_settings():
    for name in GATEWAY:
        service = SERVICES[name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        url = service["environment"]["REDIS_URL"]
        assert re.fullmatch(r"redis://:\$\{REDIS_PASSWORD:\?[^}]+\}@redis:6379/0", url)
        assert ":?" in service["environment"]["REELGATE_SECRET_KEYS"]


def test_a_token_in_a_folder_of_secrets_is_not_covered_by_an_empty_variable():
    """A variable without a value is unset where nobody gives one; an empty one wins over a file."""
    assert all(SERVICES[name]["environment"]["NEMO_TOKEN"] is None for name in GATEWAY)


def test_only_the_balancer_is_reached_from_outside_and_only_from_this_machine():
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["balancer"]
    assert all(port.startswith("127.0.0.1:") for port in SERVICES["balancer"]["ports"])


def test_a_worker_has_longer_to_stop_than_its_streams_have_to_end():
    # at its end a worker asks a Redis that hangs five times, for 5 s each
    assert (
        int(SERVICES["worker-1"]["stop_grace_period"].removesuffix("s")) > Settings.model_fields["drain_s"].default + 25
    )


def test_the_balancer_knows_every_api_and_nothing_but_them():
    servers = re.findall(r"server (\S+):8080", (DEPLOY / "nginx.conf").read_text())
    assert servers == [name for name in SERVICES if name.startswith("api-")]


def test_an_api_that_is_made_anew_is_where_the_balancer_looked_it_up():
    """Those that are made anew together get each other's addresses, and nginx and HAProxy look a name up once."""
    [network] = COMPOSE["networks"]["default"]["ipam"]["config"]
    where = [ipaddress.ip_address(SERVICES[name]["networks"]["default"]["ipv4_address"]) for name in ("api-1", "api-2")]
    subnet = list(ipaddress.ip_network(network["subnet"]))
    assert len(set(where)) == len(where)
    # Docker gives the others the lowest that are free
    assert all(subnet.index(address) > 50 for address in where)


def test_every_brace_of_the_balancers_configuration_is_closed():
    text = (DEPLOY / "nginx.conf").read_text()
    assert text.count("{") == text.count("}") > 0


def test_the_sandbox_starts_only_when_asked_for_and_its_settings_fit_the_network():
    assert SERVICES["sandbox"]["profiles"] == ["sandbox"]
    settings = read_env("sandbox.env")
    [network] = COMPOSE["networks"]["default"]["ipam"]["config"]
    assert settings["REELGATE_ALLOW_ADDRESSES"] == network["subnet"]
    assert settings["NEMO_TOKEN"] in settings["SANDBOX_TOKENS"]
    assert len(settings["REELGATE_SECRET_KEYS"]) >= 32


def test_every_volume_that_is_used_is_declared():
    mounts = [mount.split(":")[0] for service in SERVICES.values() for mount in service.get("volumes", [])]
    assert {mount for mount in mounts if not mount.startswith(".")} == set(COMPOSE["volumes"])


def test_every_target_that_is_built_is_a_stage_that_runs_without_root():
    for service in SERVICES.values():
        if "build" in service:
            assert f"AS {service['build']['target']}\n" in DOCKERFILE
    assert "USER 10001:10001" in stage("plain")
    assert "USER" not in stage("gateway") + stage("sandbox")


def test_the_gateways_image_has_nothing_of_the_sandboxes_programs():
    assert "--extra" not in stage("build-gateway")
    assert "--extra sandbox" in stage("build-sandbox")
    assert "build-sandbox" not in stage("gateway")


def test_what_the_build_copies_is_let_through_to_it():
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    allowed = set(re.findall(r"^!(\S+)$", (DEPLOY / "Dockerfile.dockerignore").read_text(), re.MULTILINE))
    assert {name for line in copied for name in line.split()} == allowed
