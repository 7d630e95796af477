"""Every flow ends alike in every dialect of the backend: same status, same changes, charged once, same film.

Every flow is run in every dialect: mixes that speak all kinds at once are spoken in all flows, as many as it takes for
each dialect to be in one of them; so are three that a seed has chosen. By itself each dialect is spoken in two flows, which
between them edit twice in one session, render twice, and replay: there its name tells what is wrong. The sandbox's own
dialect, by which the others are judged, is judged itself by what stands in `flows.py`. All run side by side in one world
whose waits, like the dialects' lags, are a fraction of those in life; nothing here is bound by the clock.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

import pytest

from tests.dialects.dialects import AS_IT_IS, DIALECTS, KINDS, Dialect, covering, mixed
from tests.dialects.flows import FLOWS, End, end_of, make_files
from tests.dialects.harness import Case, Harness, running_harness, running_stand_in
from tests.dialects.patience import awaited
from tests.dialects.proxy import Conversation
from tests.until import PATIENCE_S, wait_until

#: `awaited` sees long before whether something stands still
pytestmark = pytest.mark.timeout(3600)

SEEDS = (1, 7, 10)
EACH = ("replay", "iterative")
AT_ONCE = 24
#: a fraction of the waits in life, where the sandbox is not as quick anyway; what ends something is far off, since the
#: machine may be slow
SHORT = {
    "REELGATE_SETTLE_S": "0.4",
    "REELGATE_RECOVER_FIRST_S": "1",
    "REELGATE_RECOVER_EVERY_S": "1",
    "REELGATE_UNSEEN_EDIT_S": "24",
    "REELGATE_STREAM_QUIET_S": "600",
    "REELGATE_STREAM_LIMIT_S": "900",
    "REELGATE_RENDER_POLL_S": "0.3",
    "REELGATE_RENDER_POLLS": "3000",
    "REELGATE_LEASE_S": "60",
}
#: silence is a flow of its own, so that chance makes none
STEADY = {"SANDBOX_SILENT_RATE": "0", "SANDBOX_SECOND_STAGE_S": "0.1", "SANDBOX_SLOW_S": "3"}

PLAN: tuple[tuple[Dialect, str], ...] = (
    *((AS_IT_IS, flow) for flow in FLOWS),
    *((mix, flow) for mix in (*covering(), *map(mixed, SEEDS)) for flow in FLOWS),
    *((dialect, flow) for dialect in DIALECTS[1:] for flow in EACH),
)


@dataclass(frozen=True)
class Outcome:
    """How one flow went in one dialect."""

    ends: tuple[End, ...]
    charged: int
    leaked: bool
    #: renders that nobody fetched or ended
    left: int


@dataclass(frozen=True)
class Told:
    """All flows in all dialects that are planned, each as it runs."""

    harness: Harness
    running: dict[str, Future[Outcome]]


def name_of(spoken: tuple[Dialect, str]) -> str:
    dialect, flow = spoken
    return f"{flow}-in-{dialect.name.split('+')[0]}"


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """Let all flows run in all dialects that are planned; each test waits for its own."""
    folder = tmp_path_factory.mktemp("dialects")
    with running_stand_in(**STEADY) as sandbox, running_harness(folder, sandbox, **SHORT) as harness:
        files = make_files(folder)
        cases = harness.open_cases({name_of(spoken).replace(".", "-"): Conversation(spoken[0]) for spoken in PLAN})
        with ThreadPoolExecutor(AT_ONCE) as pool:
            running = {
                name_of(spoken): pool.submit(outcome_of, cases[name_of(spoken)], spoken[1], files) for spoken in PLAN
            }
            yield Told(harness, running)
            pool.shutdown(cancel_futures=True)


def outcome_of(case: Case, flow: str, files) -> Outcome:
    ends = tuple(end_of(case, job) for job in FLOWS[flow].run(case, files))
    with suppress(TimeoutError):  # one that a job has left is ended a moment after it
        wait_until(lambda: not left_by(case), within_s=PATIENCE_S, every_s=0.1)
    return Outcome(ends, len(case.messages()), case.conversation.leaked, left_by(case))


def left_by(case: Case) -> int:
    return sum(not row["fetched"] and row["status"] not in ("failed", "cancelled") for row in case.renders())


def seen(told: Told, dialect: Dialect, flow: str) -> Outcome:
    return awaited(told.running[name_of((dialect, flow))], told.harness.calls)


def test_every_flow_is_run_in_every_dialect_and_each_dialect_also_by_itself():
    for kind in KINDS:
        for dialect in kind:
            mixes = [mix for mix, _ in PLAN if mix.name.startswith("all-kinds") and dialect.name in mix.name.split("+")]
            flows = {flow for mix, flow in PLAN if mix in mixes}
            assert flows == set(FLOWS), dialect.name
            assert {flow for alone, flow in PLAN if alone == dialect} == set(EACH)


@pytest.mark.parametrize("flow", FLOWS)
def test_as_it_is_every_flow_ends_as_it_should(told, flow):
    outcome, wanted = seen(told, AS_IT_IS, flow), FLOWS[flow]
    assert tuple(end.status for end in outcome.ends) == wanted.statuses, outcome
    assert wanted.allows_charges(outcome.charged)
    assert outcome.left == 0
    assert all(end.changes for end in outcome.ends[:1] if end.status == "succeeded")


@pytest.mark.parametrize("spoken", PLAN[len(FLOWS) :], ids=name_of)
def test_a_flow_ends_alike_in_every_dialect(told, spoken):
    dialect, flow = spoken
    outcome, wanted = seen(told, dialect, flow), seen(told, AS_IT_IS, flow)
    assert told_of(outcome, dialect) == told_of(wanted, dialect)
    assert FLOWS[flow].allows_charges(outcome.charged)
    assert outcome.left == 0
    assert not outcome.leaked, "the token went to a host that is not the backend's"


def told_of(outcome: Outcome, dialect: Dialect) -> list[tuple[object, ...]]:
    """What is compared; where a dialect hides what changed, that something did is all that can be said."""
    return [
        (end.status, end.code, bool(end.changes) if dialect.hides_changes else end.changes, end.film)
        for end in outcome.ends
    ]


@pytest.mark.parametrize(
    ("flow", "film"),
    [
        ("quick", [(1.0, 640, 360)]),
        ("batch", [(1.0, 640, 360), (2.0, 640, 360), (1.0, 640, 360)]),
        ("iterative", [None, (2.0, 640, 360)]),
        ("silent", [(2.0, 640, 360)]),
        ("replay", [(1.0, 640, 360)] * 2),
        ("cancel", [None]),
        ("cancel-render", [None]),
        ("ai-video-pro-online", [(3.0, 640, 360)]),
        ("trimmer-exe", [(2.0, 640, 360)]),
        ("free-video-generation-automatic", [(4.0, 640, 360)]),
    ],
)
def test_as_it_is_the_films_have_the_length_that_was_asked_for(told, flow, film):
    films = [end.film for end in seen(told, AS_IT_IS, flow).ends]
    assert [seen and seen[1:] for seen in films] == [asked and asked[1:] for asked in film]
    lengths = zip(films, film, strict=True)
    assert all(seen is None or abs(seen[0] - asked[0]) <= 0.2 for seen, asked in lengths), films
