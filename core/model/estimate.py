"""What a job will probably cost and take, told before it runs: from jobs like it that ended here, else from what is published. Pure.

Jobs are alike that have the same profile, plan and size (`job_kind_of`), all of it known at submit. Each one that succeeds is
counted in its group (`counted_outcome`, kept by `core/store/jobs/records.py`): how long it took and what it cost, in fixed
classes, so that counts can be added up: 12 % wide for times, exact for credits below 1000.
"""

import math
import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Mapping
from itertools import accumulate
from types import MappingProxyType
from typing import NamedTuple

from core.model.job import Estimate, Job, Status
from core.model.message_cost import EDIT_CREDITS, GENERATION_CREDITS, is_generation
from core.profiles import PROFILES

#: so many jobs must have ended before anything is said by them: fewer tell little, and might tell of one caller alone
ENOUGH_JOBS = 20
#: classes of time for each power of ten: each ends 12 % above the last one
_CLASSES_PER_DECADE = 20
#: digits of what is told
_DIGITS = 3
#: upper ends of the classes of size: how long all uploads of an edit are together, or how large where one does not say its
#: length; and the length that a generation names
_FILM_LENGTHS_S = (10, 30, 60, 120, 300, 900)
_SIZES_BYTES = (1_000_000, 10_000_000, 50_000_000, 200_000_000)
_LENGTHS_S = (10, 30, 60, 120)
_LENGTH = re.compile(
    r"(?<!\d)(?<!\d[.,])(\d{1,4}(?:[.,]\d{1,2})?)[ -]?(?:(s|secs?|seconds?|秒)|(?:m|mins?|minutes?|分钟?))(?![a-z])",
    re.IGNORECASE,
)
#: names of the classes that there may be, of times and of credits: longer ones are no job's
_CLASS = re.compile(r"t[0-9]{1,3}|c[0-9]{1,15}")

#: how often each class was seen in a group, by its name: ``{"t72": 3, "c50": 3}``
Counts = Mapping[str, int]


class Outcome(NamedTuple):
    """One job that has succeeded, as it is counted: its group, and the classes of its time and, where it is exact, of its cost."""

    group: str
    classes: tuple[str, ...]


class TimesMeasured(NamedTuple):
    """How long so many jobs took, in seconds."""

    jobs: int
    p50_s: float
    p90_s: float


class CostsMeasured(NamedTuple):
    """What so many jobs cost, in credits: nine of ten no less than `least`, nine of ten no more than `most`."""

    jobs: int
    least: int
    typical: int
    most: int


class Measured(NamedTuple):
    """What a group of jobs has shown. None: by too few."""

    times: TimesMeasured | None = None
    costs: CostsMeasured | None = None


#: what this installation has measured, by the group, with its size and without
Measurements = Mapping[str, Measured]
NOTHING_MEASURED: Measurements = MappingProxyType({})
_UNMEASURED = Measured()


class JobKind(NamedTuple):
    """Which jobs are like a job. `work` is ``edit``, ``generation`` or ``none``; `group` is one size of `of_any_size`."""

    work: str
    of_any_size: str
    group: str


def job_kind_of(job: Job) -> JobKind:
    """Name the jobs that are like this one: ``maker-free/edit/export/10000000``; by what never changes from its submit on."""
    work = "none" if job.plan.message is None else "generation" if is_generation(job) else "edit"
    of_any_size = f"{job.profile}/{work}/{job.plan.action}"
    return JobKind(work, of_any_size, f"{of_any_size}/{_size_class(job, work)}")


def _size_class(job: Job, work: str) -> str:
    """Say how much work there is, as far as a submit tells: the length that is named or brought, or else the bytes."""
    if work == "generation" and (length := _LENGTH.search(job.plan.message or "")):
        return _class_up_to(_LENGTHS_S, float(length[1].replace(",", ".")) * (1 if length[2] else 60))
    lengths_s = [media.duration_s for media in job.media if media.duration_s is not None]
    if lengths_s and len(lengths_s) == len(job.media):
        return f"{_class_up_to(_FILM_LENGTHS_S, sum(lengths_s))} s"
    sizes = [media.size_bytes for media in job.media]
    if not sizes:
        return "none"
    known = [size for size in sizes if size is not None]
    return _class_up_to(_SIZES_BYTES, sum(known)) if len(known) == len(sizes) else "unknown"


def _class_up_to(ends: tuple[int, ...], value: float) -> str:
    return str([*ends, "more"][bisect_left(ends, value)])


def counted_outcome(old: Job, new: Job) -> Outcome | None:
    """Say what is counted of a change of a job. None: of all but those that succeed, nothing."""
    if old.ended or new.status is not Status.SUCCEEDED or new.took_ms is None:
        return None
    classes = [f"t{_time_class(new.took_ms)}"]
    if new.credits_exact and new.credits_used is not None:
        classes.append(f"c{_rounded_credits(new.credits_used)}")
    return Outcome(job_kind_of(new).group, tuple(classes))


def _time_class(took_ms: int) -> int:
    return math.floor(_CLASSES_PER_DECADE * math.log10(max(took_ms, 1)))


def _upper_end_s(time_class: int) -> float:
    """Say how long a job of this class took at most, in seconds: three digits, rounded up."""
    end_ms = 10 ** ((time_class + 1) / _CLASSES_PER_DECADE)
    step_ms = 10.0 ** max(0, math.floor(math.log10(end_ms)) - _DIGITS + 1)
    return float(math.ceil(end_ms / step_ms) * step_ms / 1000)


def _rounded_credits(number: int) -> int:
    return int(float(f"{number:.{_DIGITS}g}"))


def measurements_of(counted: Mapping[str, Counts]) -> Measurements:
    """Read what was counted, group by group: each by itself, and with all sizes of its kind together."""
    of_any_size: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for group, counts in counted.items():
        of_any_size[group.rpartition("/")[0]].update(counts)
    return {group: _measured(counts) for group, counts in (*of_any_size.items(), *counted.items())}


def _measured(counts: Counts) -> Measured:
    times, costs = _distribution(counts, "t"), _distribution(counts, "c")
    return Measured(
        times=TimesMeasured(times.total, *(_upper_end_s(times.at(share)) for share in (0.5, 0.9)))
        if times.total >= ENOUGH_JOBS
        else None,
        costs=CostsMeasured(costs.total, *(costs.at(share) for share in (0.1, 0.5, 0.9)))
        if costs.total >= ENOUGH_JOBS
        else None,
    )


class _Distribution(NamedTuple):
    """Values in order, and how many there are up to each."""

    values: tuple[int, ...]
    up_to: tuple[int, ...]

    @property
    def total(self) -> int:
        return self.up_to[-1] if self.up_to else 0

    def at(self, share: float) -> int:
        """Give the smallest value that this share of all does not exceed."""
        return self.values[bisect_left(self.up_to, share * self.total)]


def _distribution(counts: Counts, kind: str) -> _Distribution:
    """Sort the counts of one kind of class; other names are left out: the jobs, and what a newer release may count."""
    found = sorted(
        (int(name[1:]), count) for name, count in counts.items() if name[:1] == kind and _CLASS.fullmatch(name)
    )
    return _Distribution(tuple(value for value, _ in found), tuple(accumulate(count for _, count in found)))


def estimate_of(job: Job, measurements: Measurements) -> Estimate:
    """Say what a job will cost and take: by jobs of its size, else by those of any size, else by what is published."""
    kind = job_kind_of(job)
    own = measurements.get(kind.group, _UNMEASURED)
    wider = measurements.get(kind.of_any_size, _UNMEASURED)
    costs = own.costs or wider.costs or _published_costs(job, kind)
    times = own.times or wider.times
    p50_s, p90_s = (times.p50_s, times.p90_s) if times else _published_times_s(job)
    return Estimate(
        credits=(costs.least, costs.most),
        credits_typical=costs.typical,
        credits_basis="measured" if costs.jobs else "contract",
        credits_jobs=costs.jobs,
        p50_s=p50_s,
        p90_s=p90_s,
        time_basis="measured" if times else "contract",
        time_jobs=times.jobs if times else 0,
    )


def _published_costs(job: Job, kind: JobKind) -> CostsMeasured:
    """Give the backend's published prices, behind which no job of ours stands.

    What an edit costs more is that the backend may decide to generate something for it, e.g. music. A generation has its
    price for each clip, and a clip for each file is the most that a submit can tell.
    """
    match kind.work:
        case "none":
            return CostsMeasured(0, 0, 0, 0)
        case "edit":
            return CostsMeasured(0, EDIT_CREDITS, EDIT_CREDITS, GENERATION_CREDITS)
    return CostsMeasured(0, GENERATION_CREDITS, GENERATION_CREDITS, GENERATION_CREDITS * max(1, len(job.media)))


def _published_times_s(job: Job) -> tuple[float | None, float | None]:
    """Give what the skill's publisher calls typical, which holds for a message and the film of it."""
    if job.plan.message is None or job.plan.action != "export" or job.profile not in PROFILES:
        return None, None
    from_s, to_s = PROFILES[job.profile].typical_time_s
    return (from_s + to_s) / 2, float(to_s)  # what is read again is a float, and would not be the same bytes
