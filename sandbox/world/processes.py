"""What each process of the world is started with, and the line by which it says that it is ready.

Each gets a port that is chosen before it starts, so that one that was killed comes back at the address others know.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

from sandbox.world.child_process import Child
from sandbox.world.folders import Folders

HOST = "127.0.0.1"
#: the gateway's command line, beside the Python that runs this
REELGATE = str(Path(sys.executable).with_name("reelgate"))


def backend_part(port: int, folders: Folders, env: Mapping[str, str]) -> Child:
    return _speaking("sandbox", "sandbox", ["sandbox", "--port", str(port)], env, folders)


def api_part(number: int, port: int, folders: Folders, env: Mapping[str, str]) -> Child:
    return _speaking("api", f"api-{number}", ["api", "--host", HOST, "--port", str(port)], env, folders)


def worker_part(number: int, port: int, folders: Folders, env: Mapping[str, str]) -> Child:
    """Describe a worker; its address is where it shows its metrics."""
    return _speaking("worker", f"worker-{number}", ["worker", "--metrics-port", str(port)], env, folders)


def receiver_part(port: int, folders: Folders, env: Mapping[str, str], *, secret: str) -> Child:
    command = [sys.executable, "-m", "sandbox.receiver", "--port", str(port)]
    own = {**env, "RECEIVER_SECRETS": secret}
    log_path = folders.log("receiver")
    return Child("receiver", command, env=own, ready=_ready_line("receiver"), address="", log_path=log_path)


def _speaking(kind: str, name: str, arguments: list[str], env: Mapping[str, str], folders: Folders) -> Child:
    command = [REELGATE, *arguments]
    return Child(name, command, env=env, ready=_ready_line(kind), address="", log_path=folders.log(name))


def _ready_line(kind: str) -> str:
    """Find a process's address where it says that it is ready, in plain words or in a line of JSON."""
    return rf'^(?=.*\b{kind} ready\b).*?(http://[^\s"]+)'
