"""What was lost or done twice, counted from outside: the answers to submits, the backend's ledger, the receiver's inbox.

Pure. The chaos run and the crash tests call `judged` when everything has come to rest. A job's prompt holds a title that
no other prompt holds, and renders what its message has left in its session: by these the ledger's rows find their job.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

ENDS = frozenset({"succeeded", "failed", "canceled", "expired"})
END_EVENTS = frozenset(f"job.{end}" for end in ENDS)
#: renders that nobody has to fetch
_GONE = frozenset({"failed", "cancelled"})


class Accepted(NamedTuple):
    """A job that got its 202. `title` stands in its prompt, and in no other."""

    id: str
    title: str


class Verdict(NamedTuple):
    """The counts. All but `accepted` and `ended` name the jobs that something bad happened to."""

    accepted: int
    #: how many came to which end, with the code of those that failed: ``{"succeeded": 9, "failed: poisoned": 1}``
    ended: dict[str, int]
    #: it has no end, or nobody knows it any more
    lost: tuple[str, ...]
    charged_twice: tuple[str, ...]
    #: it says that it knows exactly what it has cost, and that is not what was charged
    cost_told_wrong: tuple[str, ...]
    #: more than one of its renders was completed
    rendered_twice: tuple[str, ...]
    #: a render of its that is neither failed nor cancelled, and was never read as completed
    orphaned: tuple[str, ...]
    #: it ended, and no signed callback said so
    callbacks_missing: tuple[str, ...]
    #: callbacks about its end under more than one id, or of more than one kind
    ended_twice: tuple[str, ...]

    @property
    def bad(self) -> dict[str, tuple[str, ...]]:
        """The columns that must be empty."""
        return {name: value for name, value in self._asdict().items() if name not in ("accepted", "ended")}

    @property
    def holds(self) -> bool:
        return not any(self.bad.values())


def judged(
    accepted: Sequence[Accepted],
    *,
    jobs: Mapping[str, dict[str, Any]],
    ledger: Mapping[str, Any],
    received: Iterable[Mapping[str, Any]],
) -> Verdict:
    """Count. `jobs`: what the gateway says of each by id; a job that it does not know is not in it."""
    ended = {job.id for job in accepted if jobs.get(job.id, {}).get("status") in ENDS}
    told = _told(received)
    renders = _renders_of(accepted, ledger)
    return Verdict(
        accepted=len(accepted),
        ended=dict(Counter(_end_of(jobs[job_id]) for job_id in sorted(ended))),
        lost=tuple(job.id for job in accepted if job.id not in ended),
        charged_twice=tuple(job.id for job in accepted if _charges(job, ledger["messages"]) > 1),
        cost_told_wrong=tuple(
            job.id for job in accepted if _tells_wrong_cost(jobs.get(job.id, {}), _charged(job, ledger["messages"]))
        ),
        rendered_twice=tuple(job_id for job_id, rows in renders.items() if _completed(rows) > 1),
        orphaned=tuple(job_id for job_id, rows in renders.items() if any(map(_is_orphan, rows))),
        callbacks_missing=tuple(job.id for job in accepted if job.id in ended and not told[job.id]),
        ended_twice=tuple(job.id for job in accepted if len(told[job.id]) > 1),
    )


def _end_of(job: Mapping[str, Any]) -> str:
    code = (job.get("error") or {}).get("code")
    return f"{job['status']}: {code}" if code else str(job["status"])


def _charges(job: Accepted, messages: Iterable[Mapping[str, Any]]) -> int:
    return sum(1 for row in messages if job.title in row["text"] and row["charged"])


def _charged(job: Accepted, messages: Iterable[Mapping[str, Any]]) -> int:
    return sum(row["charged"] for row in messages if job.title in row["text"])


def _tells_wrong_cost(job: Mapping[str, Any], charged: int) -> bool:
    return bool(job.get("credits_exact")) and job.get("credits_used") != charged


def _renders_of(accepted: Sequence[Accepted], ledger: Mapping[str, Any]) -> dict[str, list[Mapping[str, Any]]]:
    """Sort the ledger's renders by job; one that is nobody's counts as its own."""
    found: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in ledger["renders"]:
        said = _last_before(row, ledger["messages"])
        owner = next((job.id for job in accepted if job.title in said), row["id"])
        found[owner].append(row)
    return dict(found)


def _last_before(render: Mapping[str, Any], messages: Iterable[Mapping[str, Any]]) -> str:
    """Find what was said last in a render's session when it began."""
    mine = (row for row in messages if row["session_id"] == render["session_id"] and row["at"] <= render["at"])
    last = max(mine, key=lambda row: str(row["at"]), default=None)
    return "" if last is None else str(last["text"])


def _completed(rows: Iterable[Mapping[str, Any]]) -> int:
    return sum(1 for row in rows if row["status"] == "completed")


def _is_orphan(row: Mapping[str, Any]) -> bool:
    return row["status"] not in _GONE and not row["fetched"]


def _told(received: Iterable[Mapping[str, Any]]) -> defaultdict[str, set[tuple[str, str]]]:
    """Collect which ends each job's signed callbacks told, by their ids."""
    told: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
    for callback in received:
        if callback["verified"] and callback["type"] in END_EVENTS and callback["job_id"]:
            told[callback["job_id"]].add((str(callback["id"]), str(callback["type"])))
    return told
