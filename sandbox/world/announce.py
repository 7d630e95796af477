"""What `./run up` prints once all is ready: one line of JSON for programs, or addresses and lines to copy for people."""

import json
import shlex
from pathlib import Path

from sandbox.world.processes import REELGATE
from sandbox.world.world import World

ASK = {
    "profile": "free-video-generation-automatic",
    "prompt": "generate a 10-second promotional video from my text: Fresh bread, every morning",
}


def as_json(world: World) -> str:
    """Write the one line of `./run up --json`, whose names programs rely on: ``{"api": "http://127.0.0.1:21001", …``."""
    line = {
        "api": world.apis[0].address,
        "apis": [api.address for api in world.apis],
        "api_key": world.api_key,
        "webhook_secret": world.webhook_secret,
        "backend": world.backend,
        "receiver": receiver_address(world),
        "redis_url": world.redis_url,
        "metrics": {
            "api": [f"{api.address}/metrics" for api in world.apis],
            "worker": [metrics_url(worker.address) for worker in world.workers],
        },
    }
    return json.dumps(line)


def as_text(world: World, *, kept: bool = False) -> str:
    rows = [
        *((f"API {number}", api.address) for number, api in enumerate(world.apis, 1)),
        ("documentation", f"{world.apis[0].address}/docs"),
        ("backend", world.backend),
        ("receiver", f"{receiver_address(world)}/hook  (what came: {receiver_address(world)}/_received)"),
        ("Redis", world.redis_url),
        *((f"worker {number}", metrics_url(worker.address)) for number, worker in enumerate(world.workers, 1)),
        ("API key", world.api_key),
        ("webhook secret", world.webhook_secret),
        ("logs", str(world.folders.logs)),
    ]
    lines = [f"  {name:<15}{value}" for name, value in rows]
    end = (
        "Ctrl-C ends it; the next ./run up has all of it again, and --fresh begins anew." if kept else "Ctrl-C ends it."
    )
    to_copy = ["For another terminal, to copy:", "", *exports(world)]
    return "\n".join(["Reelgate is up.", "", *lines, "", *to_copy, "", "Try it:", "", curl_line(world), "", end])


def exports(world: World) -> list[str]:
    """Write what a shell needs for the command line, and for the README's curl: where, who, and `reelgate` itself.

    The venv comes last on the PATH: nobody's own python shall be another one for that.
    """
    return [
        f"export REELGATE_API={world.apis[0].address}",
        f"export REELGATE_API_KEY={world.api_key}",
        f'export PATH="$PATH":{shlex.quote(str(Path(REELGATE).parent))}',
    ]


def curl_line(world: World) -> str:
    """Write a call that works as it stands: a job that needs no file, and waits for its end. Its key is in a file."""
    ask = {**ASK, "webhook": {"url": f"{receiver_address(world)}/hook"}}
    arguments = [
        "curl", "-sS", f"{world.apis[0].address}/v1/jobs",
        "-H", f"@{world.folders.authorization}",
        "-H", "Content-Type: application/json",
        "-H", "Prefer: wait=60",
        "-d", json.dumps(ask),
    ]  # fmt: skip
    return shlex.join(arguments)


def metrics_url(address: str) -> str:
    return f"{address.removesuffix('/metrics')}/metrics"


def receiver_address(world: World) -> str:
    return world.receiver.address if world.receiver else ""
