"""Redis Functions: every operation that must happen whole, as one library that Redis compiles once and keeps.

The library is put together from `core/store/lua/`: the keys, the constants below, what `shared/` holds, and one file for
each operation. Its name and those of its functions end in a digest of its source, so that two versions of this program
run side by side on one Redis, each with its own. A Redis that does not know it, since it is new, was emptied or lost it
in a restart, is given it by whoever notices first.
"""

import hashlib
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any, NamedTuple, Protocol

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from core.events.delivery import DeliveryState
from core.model.formats import FIRST_FORMAT, THIS_RELEASE
from core.model.job import ENDS, REMOVED_NAME
from core.model.token import REFUSED_EXPORTS
from core.store.redis.keys import REPLICATED_CHANNEL, key, keys_as_lua
from core.store.redis.pipeline import Word
from core.store.redis.queue_entries import DELIVERY_ENTRY, JOB_ENTRY

#: events that are kept of one job
EVENTS_PER_JOB = 500
#: a tenant's feed, from which its deliveries take what they send, reaches so far back
FEED_LIFE_MS = 14 * 86_400_000
#: a batch is kept for so long after its end
BATCH_LIFE_MS = 30 * 86_400_000
#: a batch stands in its tenant's list for so long after it was accepted: its jobs may take some days
BATCH_LISTED_MS = BATCH_LIFE_MS + 10 * 86_400_000
#: a month's usage is kept for so long after its last change: 25 months
USAGE_LIFE_MS = 25 * 31 * 86_400_000
#: submits of an API key are counted in windows of this length
RATE_WINDOW_MS = 60_000
#: what messages of a kind have cost is remembered for so long
MESSAGE_COSTS_LIFE_MS = 86_400_000
#: which tokens are of one account is known for so long after the last message by one of them, and a token that was removed is
#: the same one when it is added again: longer than a session that nobody uses stays open, which is gone on with by it
TOKENS_REMEMBERED_MS = 35 * 86_400_000
#: until so long has passed a refusal counts that a token was told once, else it is as if it never was
REFUSAL_FORGOTTEN_MS = 3_600_000
#: it is known for so long when a secret key last wrote
SECRET_KEY_USE_KEPT_MS = 30 * 86_400_000
#: a worker looks for work so often although nobody has woken it, and then learns what is due before the next time
IDLE_POLL_MS = 1000
#: so much earlier than it came is due what goes ahead of all that has slept: by far before the first time there is
AHEAD_MS = 10**13
#: jobs that are let in for each place of a worker, those included that sleep for a token: each looks for one once a minute, which
#: costs 5 ms of a worker and 1 ms of Redis, so that three for each of a thousand places take a quarter of a core; beyond these
#: one more for each tenant
ADMITTED_PER_PLACE = 4
#: what only a newer release can read is left to its workers for so long at a time
ANOTHERS_TURN_MS = 1_000
#: operators' acts are kept for so long, and so many of them
AUDIT_LIFE_MS = 366 * 86_400_000
AUDIT_ENTRIES = 20_000
#: stands for all tenants where one may be paused; no tenant can have this name
EVERYBODY = "*"

#: running times, and times in a stage, that estimates are made of
RUN_SAMPLES = 500
STAGE_SAMPLES = 100
#: times that renders of a profile took, by which the first look at the next one is timed
RENDER_SAMPLES = 100
#: they are kept for so long after the last one: a backend that tells no more may have become faster
RENDER_SAMPLES_LIFE_MS = 7 * 86_400_000
#: outcomes that are counted of a group of jobs; then all its counts are halved, so that the last ones weigh most
OUTCOMES_PER_GROUP = 1000

#: libraries that are kept in Redis: this one, those of versions that run beside it, and some that one may go back to
_LIBRARIES_KEPT = 8
_NAME = "reelgate_"
#: less than the API waits for any answer
_REPLICATION_MS = 500
#: each may use what stands before it
_SHARED = (
    *("operation", "audit", "queue/pauses", "formats", "msgpack", "json", "queue/queue", "queue/crash_count", "gauges"),
    *("events", "queue/claims", "queue/admission", "queue/queue_position", "queue/processes"),
    *(
        "tokens/first_format",
        "tokens/tokens",
        "tokens/owner_sums",
        "tokens/token_index",
        "tokens/reservations",
        "tokens/taking",
        "tokens/settling",
    ),
    *("sessions", "batches", "deliveries", "idempotency"),
)


class Library(NamedTuple):
    """A library as Redis takes it. `digest` ends its name, and the names of its functions."""

    digest: str
    source: str

    @property
    def name(self) -> str:
        """Name it: ``reelgate_3f2a9c01d4e5``."""
        return _NAME + self.digest

    def function(self, operation: str) -> str:
        """Name the function of an operation: ``claim_job_3f2a9c01d4e5``."""
        return f"{operation}_{self.digest}"


def make_library(body: str) -> Library:
    """Make a library of Lua code that registers its functions under names that end in ``DIGEST``."""
    digest = hashlib.sha256(body.encode()).hexdigest()[:12]
    return Library(digest, f"#!lua name={_NAME}{digest}\nlocal DIGEST = '{digest}'\n{body}")


@cache
def library() -> Library:
    """Put the library of this version together."""
    folder = resources.files("core.store") / "lua"
    shared = [(folder / "shared" / f"{name}.lua").read_text() for name in _SHARED]
    own = [f"do\n{file.read_text()}end" for file in operation_files(folder)]
    return make_library("\n".join([keys_as_lua(), _constants(), *shared, *own]))


def operation_files(folder: Traversable) -> list[Traversable]:
    """Find the file of every operation: ``jobs/commit_job.lua``."""
    subjects = sorted((each for each in folder.iterdir() if each.is_dir()), key=lambda each: each.name)
    files = [file for each in subjects if each.name != "shared" for file in each.iterdir()]
    return sorted((file for file in files if file.name.endswith(".lua")), key=lambda file: file.name)


def _constants() -> str:
    """Write down for Lua what Python knows too."""
    ends = sorted({str(end) for end in (*ENDS, DeliveryState.DELIVERED, DeliveryState.DEAD)})
    constants = {
        "END_STATES": "{" + ", ".join(f"{end} = true" for end in ends) + "}",
        "JOB_ENTRY": _lua_string(JOB_ENTRY),
        "DELIVERY_ENTRY": _lua_string(DELIVERY_ENTRY),
        "ANOTHERS_TURN_MS": ANOTHERS_TURN_MS,
        "ADMITTED_PER_PLACE": ADMITTED_PER_PLACE,
        "REMOVED_NAME": _lua_string(REMOVED_NAME.encode()),
        "FORMAT": THIS_RELEASE.format,
        "READS_FROM": THIS_RELEASE.reads_from,
        "FIRST_FORMAT": FIRST_FORMAT,
        "EVENTS_PER_JOB": EVENTS_PER_JOB,
        "FEED_LIFE_MS": FEED_LIFE_MS,
        "HOUR_MS": 3_600_000,
        "BATCH_LIFE_MS": BATCH_LIFE_MS,
        "BATCH_LISTED_MS": BATCH_LISTED_MS,
        "USAGE_LIFE_MS": USAGE_LIFE_MS,
        "RATE_WINDOW_MS": RATE_WINDOW_MS,
        "REFUSED_EXPORTS": REFUSED_EXPORTS,
        "REFUSAL_FORGOTTEN_MS": REFUSAL_FORGOTTEN_MS,
        "IDLE_POLL_MS": IDLE_POLL_MS,
        "AHEAD_MS": AHEAD_MS,
        "RUN_SAMPLES": RUN_SAMPLES,
        "MESSAGE_COSTS_LIFE_MS": MESSAGE_COSTS_LIFE_MS,
        "TOKENS_REMEMBERED_MS": TOKENS_REMEMBERED_MS,
        "STAGE_SAMPLES": STAGE_SAMPLES,
        "RENDER_SAMPLES": RENDER_SAMPLES,
        "RENDER_SAMPLES_LIFE_MS": RENDER_SAMPLES_LIFE_MS,
        "AUDIT_LIFE_MS": AUDIT_LIFE_MS,
        "AUDIT_ENTRIES": AUDIT_ENTRIES,
        "EVERYBODY": _lua_string(EVERYBODY.encode()),
        "OUTCOMES_PER_GROUP": OUTCOMES_PER_GROUP,
        "SECRET_KEY_USE_KEPT_MS": SECRET_KEY_USE_KEPT_MS,
    }
    return "\n".join(f"local {name} = {value}" for name, value in constants.items())


def _lua_string(raw: bytes) -> str:
    return "'" + "".join(f"\\{byte:03d}" for byte in raw) + "'"


class _Ask(Protocol):
    def __call__(self, *words: Word) -> Awaitable[Any]: ...


class _AskApart(Protocol):
    def __call__(self, *commands: Sequence[Word]) -> Awaitable[list[Any]]: ...


class NotReplicated(RedisConnectionError):  # noqa: N818 - it says what is wrong
    """It is written, but not by as many replicas as are asked for; it may be there after a crash of the primary, or not."""


class Functions:
    """Calls operations of a library, and gives it to a Redis that does not know it."""

    def __init__(self, ask: _Ask, ask_apart: _AskApart, its_library: Library) -> None:
        self._ask = ask
        self._ask_apart = ask_apart
        self._library = its_library

    async def call(self, operation: str, packed: bytes, *, replicas: int = 0) -> Any:
        """Run an operation in one round trip; two more where Redis has to be given the library.

        Raises NotReplicated where fewer than `replicas` have what it wrote within half a second.
        """
        function = self._library.function(operation)
        try:
            return await self._call(function, packed, replicas)
        except ResponseError as refusal:
            if "unction not found" not in str(refusal):
                raise
        await self._load()
        return await self._call(function, packed, replicas)

    async def _call(self, function: str, packed: bytes, replicas: int) -> Any:
        call = ("FCALL", function, 0, packed)
        if not replicas:
            return await self._ask(*call)
        [answer] = await self.ask_replicated(replicas, call)
        return answer

    async def ask_replicated(self, replicas: int, *commands: Sequence[Word]) -> list[Any]:
        """Run commands, and wait until so many replicas have all that was written until then, whoever wrote it.

        WAIT waits for the last write of its own connection: so there is one, also where the commands found all done.
        Raises NotReplicated.
        """
        last = ("PUBLISH", REPLICATED_CHANNEL, ""), ("WAIT", replicas, _REPLICATION_MS)
        *answers, _, having_it = await self._ask_apart(*commands, *last)
        if having_it < replicas:
            raise NotReplicated(f"{having_it} of {replicas} replicas have it")
        return answers

    async def _load(self) -> None:
        """Give Redis the library, in the place of the same one where another process was faster, and tidy up."""
        await self._ask("FUNCTION", "LOAD", "REPLACE", self._library.source)
        seconds, _ = await self._ask("TIME")
        await self._ask("ZADD", key("function_libraries"), int(seconds) * 1000, self._library.name)
        await self._delete_old()

    async def _delete_old(self) -> None:
        """Delete those that were loaded here before the last ones. One that is still used is loaded again.

        No others: all databases of a Redis have its libraries in common, and another one may have its own. And not this one,
        where the clock of a Redis before was ahead, and all others look newer.
        """
        for name in await self._ask("ZREVRANGE", key("function_libraries"), _LIBRARIES_KEPT, -1):
            if name != self._library.name.encode():
                with suppress(ResponseError):  # another process was faster, or Redis's user may load and not delete
                    await self._ask("FUNCTION", "DELETE", name)
        await self._ask("ZREMRANGEBYRANK", key("function_libraries"), 0, -_LIBRARIES_KEPT - 1)
