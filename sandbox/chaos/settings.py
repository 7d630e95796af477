"""How a chaos run's processes are set: short waits everywhere, so that much happens in little time."""

from collections.abc import Mapping

PACE = {
    "REELGATE_LEASE_S": "2",
    "REELGATE_SWEEP_S": "0.5",
    "REELGATE_POLL_S": "0.03",
    "REELGATE_RENDER_POLL_S": "0.5",
    "REELGATE_RENDER_POLLS": "60",
    "REELGATE_RECOVER_FIRST_S": "1",
    "REELGATE_RECOVER_EVERY_S": "1",
    "REELGATE_UNSEEN_EDIT_S": "2",
    "REELGATE_SETTLE_S": "0.5",
    "REELGATE_RATE_LIMITED_S": "0.5",
    "REELGATE_BACKOFF_S": "0.2",
    "REELGATE_STREAM_QUIET_S": "3",
    "REELGATE_STREAM_LIMIT_S": "30",
    "REELGATE_SUBMITS_PER_MINUTE": "1000000",
    "REELGATE_CALLBACK_STEP_SCALE": "0.01",
    "REELGATE_DRAIN_S": "1",
    "SANDBOX_EDIT_MIN_S": "0.05",
    "SANDBOX_EDIT_MAX_S": "0.4",
    "SANDBOX_SLOW_S": "2",
    "SANDBOX_DROP_S": "1",
    "SANDBOX_SECOND_STAGE_S": "0.7",
}
#: enough for every job of the longest run
CREDITS = 10_000_000


def paced(caller: Mapping[str, str], *, token: str) -> dict[str, str]:
    """Give the world one token with plenty of credits, and waits of its own where the caller has set none."""
    return {**PACE, **caller, "NEMO_TOKEN": token, "SANDBOX_TOKENS": f"{token}:{CREDITS}"}
