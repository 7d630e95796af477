"""What the world's processes find in their environment: the caller's own variables, with what is set here.

`REELGATE_…` settings that the caller has set win over the world's own choices; the addresses of the parts never do.
"""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

SANDBOX_CREDITS = 25_000

#: what a world on one machine needs: callbacks to loopback, and Ctrl-C that waits neither long for streams and requests
#: nor for a balancer that is not there
LOCAL_CHOICES = {
    "REELGATE_ALLOW_ADDRESSES": "127.0.0.0/8,::1/128",
    "REELGATE_ALLOW_HTTP": "true",
    "REELGATE_DRAIN_S": "2",
    "REELGATE_DRAIN_DELAY_S": "0",
    "REELGATE_REQUEST_GRACE_S": "5",
}
#: the sandbox may be asked more often than the real backend, and as long as its renders may take on two cores
SANDBOX_PACE = {"REELGATE_RENDER_POLL_S": "0.5", "REELGATE_RENDER_POLLS": "300", "REELGATE_SETTLE_S": "0.5"}


def callers_environment() -> dict[str, str]:
    return dict(os.environ)


def called_from(caller: Mapping[str, str]) -> Path:
    """Give the folder in which `./run` was typed: it goes to its own before it begins this."""
    return Path(caller.get("RUN_FROM", ""))


def cache_folder(caller: Mapping[str, str]) -> Path:
    """Name the folder for what can be made again, by the XDG Base Directory Specification: ``~/.cache/reelgate``."""
    chosen = Path(caller.get("XDG_CACHE_HOME", ""))
    return (chosen if chosen.is_absolute() else Path.home() / ".cache") / "reelgate"


def new_sandbox_token() -> str:
    """Invent a registered account of the sandbox's."""
    return f"nmv_usr_{secrets.token_hex(16)}"


def sandbox_environment(caller: Mapping[str, str], *, token: str) -> dict[str, str]:
    """Give the sandbox backend one registered token with plenty of credits, unless the caller has named its tokens."""
    return {"SANDBOX_TOKENS": f"{token}:{SANDBOX_CREDITS}", "PYTHONUNBUFFERED": "1", **caller}


def gateway_environment(
    caller: Mapping[str, str],
    *,
    redis_url: str,
    backend: str,
    public_url: str,
    storage: str,
    secret_key: str,
    pace: Mapping[str, str],
) -> dict[str, str]:
    """Give API, workers and the gateway's commands the addresses of the others, and the world's secret key."""
    own = {"REELGATE_SECRET_KEYS": secret_key, "REELGATE_STORAGE": storage, "PYTHONUNBUFFERED": "1"}
    addresses = {"REDIS_URL": redis_url, "NEMO_API_URL": backend, "REELGATE_PUBLIC_URL": public_url}
    return {**own, **LOCAL_CHOICES, **pace, **caller, **addresses}


def with_sandbox_account(caller: Mapping[str, str], *, token: str) -> dict[str, str]:
    """Let the workers use the registered token of the world's own backend, unless the caller chose tokens."""
    chosen = "NEMO_TOKEN" in caller or "SANDBOX_TOKENS" in caller
    return dict(caller) if chosen else {**caller, "NEMO_TOKEN": token}


def without_accounts(caller: Mapping[str, str]) -> dict[str, str]:
    """Leave the workers with the anonymous identity, and the backend with the world's own token."""
    return {name: value for name, value in caller.items() if name not in {"NEMO_TOKEN", "SANDBOX_TOKENS"}}
