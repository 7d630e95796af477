"""Decides how the sandbox behaves: every setting, its default, its unit, and how the environment names it.

Read once, by `sandbox/main.py`; everybody else is handed the result. The variable of a field is `SANDBOX_` and
the field's name in capitals. Fields whose comment says *nominal* are divided by `time_scale` before use.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

PREFIX = "SANDBOX_"


class BadSetting(Exception):  # noqa: N818 - the name says it
    """A variable holds something that it cannot hold. Names the variable, never its value."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    #: registered tokens, `token:credits[:plan[:scope+scope]]`, with commas; plan `pro` and all scopes unless said
    tokens: str = ""
    #: how many times faster than the real one the clocks run
    time_scale: float = 1.0
    #: credits that one edit costs
    edit_credits: int = 50
    #: credits that one generated clip costs
    generate_credits: int = 100
    #: credits of a new anonymous token
    anonymous_credits: int = 100
    #: share of plain edits that close their stream without a word, 0 to 1
    silent_rate: float = 0.3
    #: share of answers that talk of buttons and panels without being asked to, 0 to 1
    gui_rate: float = 0.25
    #: shape of the message stream; `mixed` chooses by session
    seed_shape: Literal["vendor", "adk", "mixed"] = "mixed"
    #: whose id a render has: `given` by its caller, or the backend's `own`, which the render call answers with and by
    #: which alone it is then known; a caller's id is refused as a duplicate either way
    render_ids: Literal["given", "own"] = "given"
    #: shape of a render's status: `task` (flat, `taskId`, `output.url`), `data` (the second one: wrapped in `success` and
    #: `data`, `id`, `outputUrl`); `mixed` by render
    render_shape: Literal["task", "data", "mixed"] = "mixed"
    #: renders at a time; the others are pending
    renders: int = 2
    #: seconds, nominal: the least a render takes, whatever ffmpeg needs
    render_s: float = 0.0
    #: whether a render that is being made can still be cancelled, or only one that is pending
    cancels_processing: bool = True
    #: seconds, nominal: how long an anonymous token lives, and one client has to wait for the next
    token_life_s: float = 604_800.0
    #: anonymous tokens per client id in one token life
    anonymous_per_client: int = 1
    #: anonymous tokens per address in one token life
    anonymous_per_address: int = 10
    #: whether anonymous tokens may export; without it they answer 402
    anonymous_exports: bool = True
    #: whether the token that a client gets after expiry sees the old one's sessions and renders
    successor_sees_sessions: bool = False
    #: seconds, nominal: a session that nobody used for so long has ended
    session_idle_s: float = 7_200.0
    #: seconds, nominal: bounds of a plain edit's time
    edit_min_s: float = 0.3
    edit_max_s: float = 1.0
    #: seconds, nominal: time of a generation
    generate_s: float = 2.0
    #: seconds, nominal: time of a `slow` edit
    slow_s: float = 5.0
    #: seconds, nominal: pause between heartbeats
    heartbeat_s: float = 1.0
    #: seconds, nominal: how long after a dropped stream the edit comes, or its credits thaw
    drop_s: float = 3.0
    #: seconds, nominal: how long after the raw video music and title come, for `two-stage`
    second_stage_s: float = 2.0
    #: seconds, nominal: the longest that a message's stream stays open
    stream_s: float = 900.0
    #: seconds, nominal: the life of a claim token
    claim_life_s: float = 604_800.0
    #: bytes, inclusive: largest file
    upload_bytes: int = 500_000_000
    #: bytes, inclusive: largest file for calls of the skill `free-video-generation-automatic`
    generation_upload_bytes: int = 200_000_000
    #: seconds, real: how long one media URL may take to be fetched
    fetch_s: float = 60.0


def variable(field: str) -> str:
    """Name the variable of a field: ``SANDBOX_TIME_SCALE``."""
    return PREFIX + field.upper()


def read(environ: Mapping[str, str]) -> Settings:
    """Read the settings. Raises BadSetting for a value that does not fit, and for a variable nobody knows."""
    given = {name: value for name, value in environ.items() if name.startswith(PREFIX)}
    known = {variable(field.name): field.name for field in msgspec.structs.fields(Settings)}
    if unknown := sorted(given.keys() - known.keys()):
        raise BadSetting(f"no such setting: {unknown[0]}")
    settings = Settings()
    for name, text in given.items():
        settings = _with(settings, known[name], text)
    if settings.time_scale <= 0:
        raise BadSetting(f"{variable('time_scale')} must be above 0")
    return settings


def _with(settings: Settings, field: str, text: str) -> Settings:
    try:
        return msgspec.convert({**msgspec.structs.asdict(settings), field: text}, Settings, strict=False)
    except msgspec.ValidationError:
        raise BadSetting(f"{variable(field)} has a value that it cannot have") from None
