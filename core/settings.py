"""Settings: the one module that reads the environment. Everybody else is handed a `Settings`.

A variable wins over a file of its name in REELGATE_SECRETS_DIR. Blanks around a value are no part of it, nor is a byte
order mark. A bad value, and a name that begins like ours and is none, stop the process at start with the variable's name,
never with its value.
"""

import ipaddress
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from core.ids import CELL_NAME
from core.logs import LogFormat
from core.profiles import PROFILES
from core.redis_url import check_redis_url
from core.secret_files import FOLDER, SecretFiles, read_secret_files, value_alone
from core.split_url import split_url

Secrets = Annotated[tuple[SecretStr, ...], NoDecode]
Networks = Annotated[tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...], NoDecode]
#: more is a slip, and in milliseconds no time and no number that Redis is told in
_MOST, _MOST_S = 1_000_000_000_000_000, 1_000_000_000
Count = Annotated[int, Field(gt=0, le=_MOST)]
Seconds = Annotated[float, Field(gt=0, le=_MOST_S, allow_inf_nan=False)]

SHORTEST_SECRET_KEY = 32

#: how an address begins, which would be a folder of that name: ``S3://``, ``gs://``, ``s3:/``
_ADDRESS = re.compile(r"(?!s3://)[A-Za-z][A-Za-z0-9+.-]*:/")
_BASE_URL_FORM = "must be http:// or https:// with a host, and end with the path"

#: ``10.0.0.1/8`` is an address and no network: it may have been meant as either
_NETWORKS_FORM = "must be networks with commas between, such as 127.0.0.0/8,::1/128, and no bit set behind a prefix"

#: what the callers' commands read
_CLIENT_VARIABLES = {"REELGATE_API", "REELGATE_API_KEY"}
#: what the storage reads by itself, and may stand in the folder of secrets too
_STORAGE_PREFIX = "AWS_"
#: what Kubernetes tells every container of a service whose name begins with "reelgate" (``enableServiceLinks``):
#: REELGATE_SERVICE_HOST, REELGATE_API_PORT_8080_TCP_ADDR. deploy/compose.yaml reads a REELGATE_PORT.
#: https://kubernetes.io/docs/tutorials/services/connect-applications-service/#environment-variables
_INJECTED = re.compile(
    r"REELGATE(_[A-Z0-9_]+)?_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)


class Settings(BaseSettings):
    """Everything that an operator can set. Names without an alias begin with ``REELGATE_`` in the environment."""

    model_config = SettingsConfigDict(env_prefix="REELGATE_", hide_input_in_errors=True, extra="ignore", frozen=True)

    redis_url: SecretStr = Field(SecretStr("redis://127.0.0.1:6379/0"), validation_alias="REDIS_URL")
    nemo_api_url: str = Field("https://mega-api-prod.nemovideo.ai", validation_alias="NEMO_API_URL")
    nemo_web_url: str = Field("https://nemovideo.com", validation_alias="NEMO_WEB_URL")
    #: the operator's backend tokens; none means the one anonymous identity of this installation
    nemo_tokens: Secrets = Field((), validation_alias="NEMO_TOKEN")
    skill_source: str | None = Field(None, validation_alias="SKILL_SOURCE")
    #: the first encrypts and keys the hashes, all of them read, so that it can be rotated
    secret_keys: Secrets
    #: a folder with a file for each setting that is not in the environment; ``None`` or empty: none
    secrets_dir: str | None = None

    #: where callers reach the API; every link in an answer begins with it
    public_url: str = "http://127.0.0.1:8080"
    #: a folder, or ``s3://bucket/prefix``
    storage: str = "./data"
    #: off: finished files are not kept, and ``output.url`` leads to the backend's own link
    keep_outputs: bool = True
    default_profile: str = "free-video-fast"
    #: its name where this installation is one of several behind one address, e.g. ``eu1``; empty: it is the only one,
    #: or the one that was there before there were others
    cell: str = ""
    #: danger: address ranges that callbacks, media, and films elsewhere may reach although they are not public
    allow_addresses: Networks = ()
    #: danger: lets callbacks and media use plain http
    allow_http: bool = False
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    #: auto: readable lines on a terminal, else JSON
    log_format: LogFormat = "auto"

    #: submits that one key may make in a minute, exact over all replicas
    submits_per_minute: Count = 60
    #: jobs of one tenant that run at once; the others wait
    tenant_running_jobs: Count = 100
    #: jobs of one tenant that may be queued
    tenant_queued_jobs: Count = 10_000
    #: explicit sessions that one tenant may have open, and how long one stays open without a job
    tenant_sessions: Count = 10_000
    session_idle_s: int = Field(2_592_000, gt=0, le=_MOST_S)
    #: uploads that one tenant may keep or have begun, each of which takes room in Redis, and bytes of them
    tenant_uploads: Count = 100_000
    tenant_stored_bytes: Count = 50_000_000_000
    #: memory that the uploads under way in one API process, and large bodies of JSON, may take together
    upload_memory_bytes: int = Field(700_000_000, ge=40_000_000, le=_MOST)
    #: event streams, and submits that wait for the end, that one tenant may have open at one API process: each holds a connection
    tenant_streams: Count = 1500
    #: credits that one tenant may spend in a month; 0 is no limit
    tenant_month_credits: int = Field(0, ge=0, le=_MOST)
    #: queued jobs of all tenants together; past it a submit gets 503
    queue_limit: Count = 1_000_000

    #: how long an API goes on as usual after SIGTERM, unready, so that balancers send nothing more
    drain_delay_s: float = Field(10.0, ge=0, le=900)
    #: after that: how long requests in progress, uploads among them, may go on before they are cut off
    request_grace_s: float = Field(60.0, ge=0, le=3600)
    #: how long an API keeps an idle connection: longer than the balancer does, which may be about to use it
    keep_alive_s: int = Field(75, ge=1, le=3600)

    #: replicas of Redis that must have a job before its caller gets a 202; without them it is 503
    wait_replicas: int = Field(0, ge=0, le=10)

    #: jobs that one worker process holds at once; while its event loop is late it offers to hold fewer
    worker_jobs: int = Field(1000, ge=1, le=20_000)
    #: how long a worker may be silent before another takes its jobs
    lease_s: float = Field(12.0, ge=0.3, le=300)
    #: how long no older release must have run before records are written as only newer ones read them
    format_settle_s: float = Field(3600, ge=0, le=604_800)
    #: how long a worker's streams may go on after SIGTERM
    drain_s: float = Field(20.0, ge=0, le=900)
    #: the shortest time between two looks of a worker for work; an idle one is woken
    poll_s: float = Field(0.01, ge=0.001, le=5)
    #: how often lost leases, late jobs and old things are looked for
    sweep_s: float = Field(3.0, ge=0.05, le=5)

    #: between two looks at a render, and before the first one, at the least (`core.model.render_looks`); it counts as stuck
    #: when so many could have been had since it was asked for, and half of them were
    render_poll_s: Seconds = 30.0
    render_polls: Count = 20
    #: the longest a message's stream is listened to, and the longest it may bring heartbeats alone
    stream_limit_s: Seconds = 900.0
    stream_quiet_s: Seconds = 600.0
    #: after a dropped stream: the first wait, the wait between reads, and how many unchanged reads end it
    recover_first_s: Seconds = 30.0
    recover_every_s: Seconds = 60.0
    recover_reads: Count = 5
    #: two reads of a changed draft this far apart must agree, since generation has two stages
    settle_s: Seconds = 3.0
    #: after a stream that closed by itself and no visible change: how long one may still show, five times as long for a
    #: generation; so long, too, is waited for credits that may be frozen for somebody else
    unseen_edit_s: Seconds = 60.0
    #: the wait after a 429, and the first of the growing waits when the backend fails
    rate_limited_s: Seconds = 30.0
    backoff_s: Seconds = 1.0
    #: how often a caller hears that a long edit still works
    still_working_s: Seconds = 120.0
    #: shrinks the callback retry schedule for local use; 1 is the schedule that callers rely on
    callback_step_scale: float = Field(1.0, gt=0, le=1000)
    #: a callback attempt's whole time
    callback_timeout_s: float = Field(15.0, gt=0, le=60)

    @field_validator("nemo_tokens", "secret_keys", mode="before")
    @classmethod
    def _split_secrets(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("allow_addresses", mode="before")
    @classmethod
    def _split_networks(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            return tuple(ipaddress.ip_network(part.strip()) for part in value.split(",") if part.strip())
        except ValueError:
            raise ValueError(_NETWORKS_FORM) from None

    @field_validator("*", mode="before")
    @classmethod
    def _without_blanks_around(cls, value: object) -> object:
        """A blank that was pasted along, or a Secret's line break, is nobody's wish: `` s3://…`` would be a folder.

        It stands behind those that split, and so it runs before them.
        """
        return value_alone(value) if isinstance(value, str) else value

    @field_validator("nemo_api_url", "nemo_web_url", "public_url")
    @classmethod
    def _plain_base_url(cls, value: str) -> str:
        where = split_url(value, otherwise=_BASE_URL_FORM)
        if where.scheme not in ("http", "https") or not where.hostname or where.query or where.fragment:
            raise ValueError(_BASE_URL_FORM)
        if "@" in where.netloc or not _is_visible(value):
            raise ValueError("must hold neither a user nor anything but visible ASCII characters")
        return value.rstrip("/")

    @field_validator("redis_url")
    @classmethod
    def _redis_address(cls, value: SecretStr) -> SecretStr:
        check_redis_url(value.get_secret_value())
        return value

    @field_validator("nemo_tokens")
    @classmethod
    def _header_safe_tokens(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if not all(_is_visible(token.get_secret_value()) for token in value):
            raise ValueError("may hold visible ASCII characters alone, and commas between tokens")
        return value

    @field_validator("skill_source")
    @classmethod
    def _header_safe_name(cls, value: str | None) -> str | None:
        if value and not _is_visible(value):
            raise ValueError("may hold visible ASCII characters alone")
        return value or None

    @field_validator("storage")
    @classmethod
    def _place_with_a_name(cls, value: str) -> str:
        if not value.removeprefix("s3://").strip("/") or _ADDRESS.match(value):
            raise ValueError("must be a folder, or s3://bucket/prefix")
        return value

    @field_validator("secret_keys")
    @classmethod
    def _long_enough(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if not value or any(len(key.get_secret_value()) < SHORTEST_SECRET_KEY for key in value):
            raise ValueError(f"needs one or more keys of at least {SHORTEST_SECRET_KEY} characters")
        return value

    @field_validator("cell")
    @classmethod
    def _cell_name(cls, value: str) -> str:
        if value and not re.fullmatch(CELL_NAME, value):
            raise ValueError("may hold 1 to 12 lower-case letters and digits alone")
        return value

    @field_validator("default_profile")
    @classmethod
    def _known_profile(cls, value: str) -> str:
        if value not in PROFILES:
            raise ValueError(f"must be one of {', '.join(PROFILES)}")
        return value


def _is_visible(value: str) -> bool:
    """Whether it can stand in a header: visible ASCII, no space."""
    return value.isascii() and value.isprintable() and " " not in value


def variable_of(field: str) -> str:
    """Name the environment variable of a field: ``lease_s`` is ``REELGATE_LEASE_S``."""
    alias = Settings.model_fields[field].validation_alias
    return alias if isinstance(alias, str) else f"REELGATE_{field.upper()}"


def unknown_names() -> dict[str, str | None]:
    """Name what looks like a setting and is none, in the environment and among the files, with what may be meant.

    Files of other names in the folder are named too: nobody reads them.
    """
    variables = [name for name in os.environ if not _is_known(name)]
    nearest = {name: _nearest(name) for name in variables}
    looks_alike = {n: near for n, near in nearest.items() if near or n.upper().startswith(("REELGATE_", "NEMO_"))}
    return looks_alike | {name: _nearest_to_file(name) for name in _secret_files().unknown}


def _settings_names() -> set[str]:
    return {variable_of(field) for field in Settings.model_fields}


def _is_known(name: str) -> bool:
    name = name.upper()
    return name in _settings_names() | _CLIENT_VARIABLES or _INJECTED.fullmatch(name) is not None


def _nearest(name: str) -> str | None:
    """Find the setting that may be meant: a prefix too many or too few is the first thing to go wrong."""
    name = name.upper()
    if name.startswith("REELGATE_"):
        return _nearest_bare(name, cutoff=0.7)
    return next(iter(get_close_matches(name, sorted(_settings_names() | _CLIENT_VARIABLES), n=1, cutoff=0.85)), None)


def _nearest_to_file(name: str) -> str | None:
    """Find the setting that a file may be meant for: in a folder of ours ``redis-url`` is near too."""
    name = name.upper().replace("-", "_").replace(".", "_")
    return _nearest(name) or _nearest_bare(name, cutoff=0.85)


def _nearest_bare(name: str, *, cutoff: float) -> str | None:
    """Compare without the prefix."""
    bare = {each.removeprefix("REELGATE_"): each for each in sorted(_settings_names() | _CLIENT_VARIABLES)}
    near = get_close_matches(name.removeprefix("REELGATE_"), bare, n=1, cutoff=cutoff)
    return bare[near[0]] if near else None


def _secret_files() -> SecretFiles:
    """Read the folder that the environment names."""
    folder = next((value for name, value in os.environ.items() if name.upper() == FOLDER), "")
    return read_secret_files(value_alone(folder), _may_be_a_file)


def _may_be_a_file(name: str) -> bool:
    return name.startswith(_STORAGE_PREFIX) or (name != FOLDER and name in _settings_names() | _CLIENT_VARIABLES)


def _mistyped(files: SecretFiles) -> Iterable[str]:
    """Write a sentence for each name that is surely meant for us, and unknown."""
    for name in sorted(os.environ):
        if name.upper().startswith("REELGATE_") and not _is_known(name):
            yield f"{name}: there is no such setting{_hint(_nearest(name))}"
    for name in files.unknown:
        near = _nearest_to_file(name)
        if near or name.upper().startswith(("REELGATE_", "NEMO_")):
            yield f"{name}: this file in {FOLDER} is named as no setting{_hint(near)}"


def _hint(near: str | None) -> str:
    return f"; {near} may be meant" if near else "; docs/CONFIGURATION.md has them all"


def _to_stderr(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")


def load_settings(*, report: Callable[[str], object] = _to_stderr) -> Settings:
    """Read environment and files, or stop the process after a sentence for each bad name or value, told to `report`."""
    files = _secret_files()
    sentences = [*files.faults, *_mistyped(files)]
    told = {name.upper() for name in os.environ}
    from_files = {name: value for name, value in files.values.items() if name not in told}
    try:
        settings = Settings(**_as_fields(from_files))
    except ValidationError as bad:
        sentences += _bad_values(bad, from_files)
    if sentences:
        for sentence in sentences:
            report(sentence)
        raise SystemExit(2) from None
    os.environ.update(_for_the_storage({**os.environ, **from_files}))
    return settings


def _for_the_storage(values: Mapping[str, str]) -> dict[str, str]:
    """Choose what the storage reads by itself, which would sign with a line break at the end of a key, and be refused."""
    return {name: value_alone(value) for name, value in values.items() if name.startswith(_STORAGE_PREFIX)}


@contextmanager
def in_environment(name: str, value: str) -> Iterator[None]:
    """Set a variable for the storage's library: it forgets all others of a kind, as AWS_ALLOW_HTTP, where it is handed one as an argument."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _as_fields(values: dict[str, str]) -> dict[str, Any]:
    """Name values as pydantic wants them: a field by its alias where it has one."""
    fields = {variable_of(field): info.validation_alias or field for field, info in Settings.model_fields.items()}
    return {str(fields[name]): value for name, value in values.items() if name in fields}


def _bad_values(bad: ValidationError, from_files: dict[str, str]) -> Iterable[str]:
    for error in bad.errors(include_input=False, include_url=False, include_context=False):
        where = str(error["loc"][0])
        name = variable_of(where) if where in Settings.model_fields else where.upper()
        yield f"{name}: {error['msg']}" + (f" (its file in {FOLDER})" if name in from_files else "")
