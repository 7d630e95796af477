"""The open doubts about the backend (BACKEND.md, "Open doubts"), and what one run has seen of each. Pure."""

from dataclasses import dataclass, field

from worker.doctor.findings import Doubt


@dataclass
class Seen:
    """What a run has seen; None or empty: it did not look, or could not."""

    anonymous: bool = False
    #: is the key `frozen` in the balance, and how many credits were frozen before anything was done
    has_frozen: bool | None = None
    frozen_at_first: int | None = None
    #: e.g. ``401 text/html``: what a made-up token, and a made-up session, were answered
    bad_token: str | None = None
    no_session: str | None = None
    #: of a session that was opened a moment ago: is there a state
    fresh_state: bool | None = None
    #: did the state show the clip that came by URL at the first look; None: no URL was given, or it was refused
    url_applied: bool | None = None
    url_refused: str | None = None
    #: seconds from the end of the stream to the first look that showed a change, and under which keys it showed
    change_after_s: float | None = None
    changed_keys: list[str] = field(default_factory=list)
    unchanged_s: float | None = None
    heartbeats: list[str] = field(default_factory=list)
    streamed: bool = False
    #: credits before the message, right after it, and at the end
    balances: list[int] = field(default_factory=list)
    #: the id that the answer to a render named, in words, and what became of the render
    render_answer: str | None = None
    exported: bool | None = None
    #: where the finished render's link led, in words
    output_link: str | None = None


def doubts_after(seen: Seen) -> tuple[Doubt, ...]:
    """Say of each doubt what this run has settled."""
    return (
        Doubt("Does the state show an edit at once, and under which keys?", _edit(seen)),
        Doubt("Is `frozen` there at all, and can something else of the account be frozen?", _frozen(seen)),
        Doubt(
            "Which render ids and `output` fields are accepted? Is it polled by our id or by its own?", _render(seen)
        ),
        Doubt(
            "Is the output link public, on the same host, redirected, there when the status says completed?",
            _link(seen),
        ),
        Doubt("What do a 401 and a 404 look like? (A 403 cannot be asked for.)", _refusals(seen)),
        Doubt("Does a fresh session have a state (404)?", _fresh(seen)),
        Doubt("Are uploads by URL applied at once, and how does it say that one was not?", _by_url(seen)),
        Doubt("What does an edit cost, and when is it taken?", _cost(seen)),
        Doubt("Does a renewed anonymous token see old sessions; may it export?", _anonymous(seen)),
        Doubt("Are heartbeats comments, empty data, `event:` or `data: heartbeat`?", _heartbeats(seen)),
    )


def _edit(seen: Seen) -> str | None:
    if seen.change_after_s is not None:
        keys = ", ".join(seen.changed_keys) or "no key of the state"
        return f"{seen.change_after_s:.1f} s after the stream's end, under {keys}"
    return f"no change within {seen.unchanged_s:.0f} s" if seen.unchanged_s is not None else None


def _frozen(seen: Seen) -> str | None:
    if seen.has_frozen is None:
        return None
    if not seen.has_frozen:
        return "the balance has no `frozen`"
    return "it is there, " + ("and something was frozen before this run" if seen.frozen_at_first else "and was 0")


def _render(seen: Seen) -> str | None:
    if seen.render_answer is None:
        return None
    ending = {True: "the render ended in a film", False: "the render did not end well", None: "its end was not seen"}
    return f"`render_` and digits, `output` with format and quality: {seen.render_answer}; {ending[seen.exported]}"


def _link(seen: Seen) -> str | None:
    return seen.output_link


def _refusals(seen: Seen) -> str | None:
    said = {"a made-up token": seen.bad_token, "a made-up session": seen.no_session}
    return "; ".join(f"{what}: {answer}" for what, answer in said.items() if answer) or None


def _fresh(seen: Seen) -> str | None:
    return {True: "it has one", False: "it has none", None: None}[seen.fresh_state]


def _by_url(seen: Seen) -> str | None:
    if seen.url_refused:
        return f"it was refused: {seen.url_refused}"
    return {True: "shown at the first look", False: "not shown at the first look", None: None}[seen.url_applied]


def _cost(seen: Seen) -> str | None:
    if len(seen.balances) < 3:  # noqa: PLR2004 - before, after the message, at the end
        return None
    before, after, end = seen.balances[0], seen.balances[1], seen.balances[-1]
    return f"{before - end} credits in all, {before - after} of them taken when the stream had ended"


def _anonymous(seen: Seen) -> str | None:
    if not seen.anonymous or seen.exported is None:
        return None
    return "it may export" if seen.exported else "its export did not work"


def _heartbeats(seen: Seen) -> str | None:
    if not seen.streamed:
        return None
    return ", ".join(seen.heartbeats) or None
