"""Every way in which the real backend may say what the sandbox says, each by name, and mixed at random by a seed.

A dialect is data: which shapes an answer gets, and which manners `proxy.py` has. Lags are in seconds of the real
backend; the tests' whole world runs `PACE` times faster, and so do they.
"""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import reduce
from typing import Any, Literal

from tests.dialects import shapes
from tests.dialects.shapes import Envelope, Shape

#: how many times faster than in life the gateway's waits and these lags are, in the tests of dialects
PACE = 20

#: where a film is, and what its link is like
Film = Literal["plain", "redirect", "other-host", "needs-token", "late", "expired", "download-redirect", "gone"]
Coding = Literal["", "gzip", "br"]


@dataclass(frozen=True)
class Dialect:
    """One way of saying it. What is left out is said as the sandbox says it."""

    name: str
    shapes: tuple[Shape, ...] = ()
    envelope: Envelope | None = None
    coding: Coding = ""
    #: a CDN's page of this status comes first to every call that may be made again, once
    page: int | None = None
    #: one answer of each reading call is ``{"code":0,"data":null}``
    null_once: bool = False
    lag_s: float = 0.0
    film: Film = "plain"
    #: renders go by ids of the backend's own
    own_ids: bool = False
    #: what is done to each chunk of a message's stream
    frames: Callable[[bytes], bytes] | None = None
    #: added to a message, for the sandbox tells in it how it speaks
    story: str = ""
    #: what changed can't be read off the draft, so the words for it are plain
    hides_changes: bool = False


def _shaped(name: str, shape: Shape, *, hides_changes: bool = False) -> Dialect:
    return Dialect(name, shapes=(shape,), hides_changes=hides_changes)


AS_IT_IS = Dialect("as-it-is")

#: of each kind one dialect can be spoken at a time
KINDS: tuple[tuple[Dialect, ...], ...] = (
    (
        Dialect("bare", envelope=shapes.bare),
        Dialect("code-and-data", envelope=shapes.code_and_data),
        Dialect("success-and-data", envelope=shapes.success_and_data),
        Dialect("code-as-text", envelope=shapes.code_as_text),
    ),
    (_shaped("numbers-as-text", shapes.numbers_as_text),),
    (_shaped("ids-as-numbers", shapes.ids_as_numbers),),
    (_shaped("unknown-keys", shapes.unknown_keys),),
    (
        Dialect("null-once", null_once=True),
        *(Dialect(f"page-{status}", page=status) for status in (403, 404, 502, 503)),
    ),
    (Dialect("state-1s-late", lag_s=1.0), Dialect("state-20s-late", lag_s=20.0)),
    (
        _shaped("draft-as-text", shapes.draft_as_text),
        _shaped("draft-nested", shapes.draft_nested),
        _shaped("draft-under-another-key", shapes.draft_elsewhere),
        _shaped("change-in-canvas", shapes.change_in_canvas, hides_changes=True),
        _shaped("change-in-generated-media", shapes.change_in_generated_media, hides_changes=True),
        _shaped("change-in-material", shapes.change_in_material, hides_changes=True),
    ),
    (_shaped("infos-by-name", shapes.infos_by_name),),
    (_shaped("without-frozen", shapes.without_frozen), _shaped("others-frozen", shapes.others_frozen)),
    (Dialect("gzip", coding="gzip"), Dialect("brotli", coding="br")),
    tuple(
        Dialect(f"film-{way}", film=way)
        for way in ("redirect", "other-host", "needs-token", "late", "expired", "download-redirect")
    ),
    (_shaped("progress-as-share", shapes.progress_as_share), _shaped("progress-as-words", shapes.progress_as_words)),
    (_shaped("status-in-capitals", shapes.status_in_capitals), _shaped("status-as-title", shapes.status_as_title)),
    (Dialect("own-render-ids", own_ids=True),),
    (
        Dialect("agent-stream", story="adk-partial"),
        Dialect("older-agent-stream", story="adk", frames=shapes.snake_case),
        Dialect("heartbeat-words", frames=shapes.heartbeat_words),
    ),
)
DIALECTS = (AS_IT_IS, *(dialect for kind in KINDS for dialect in kind))


def mixed(seed: int) -> Dialect:
    """Speak most kinds at once, each in a way that the seed chooses; the name tells them all."""
    dice = random.Random(seed)
    chosen = [dice.choice(kind) for kind in KINDS if dice.random() < 0.7]
    return reduce(_both, chosen, Dialect(f"mix-{seed}"))


def covering() -> list[Dialect]:
    """Speak all kinds at once, so often that every dialect is spoken once: with one of each other kind beside it."""
    rounds = max(len(kind) for kind in KINDS)
    return [
        reduce(
            _both, (kind[(turn + place) % len(kind)] for place, kind in enumerate(KINDS)), Dialect(f"all-kinds-{turn}")
        )
        for turn in range(rounds)
    ]


def _both(one: Dialect, other: Dialect) -> Dialect:
    return Dialect(
        name=f"{one.name}+{other.name}",
        shapes=(*one.shapes, *other.shapes),
        envelope=other.envelope or one.envelope,
        coding=other.coding or one.coding,
        page=other.page or one.page,
        null_once=other.null_once or one.null_once,
        lag_s=max(one.lag_s, other.lag_s),
        film=other.film if other.film != "plain" else one.film,
        own_ids=one.own_ids or other.own_ids,
        frames=other.frames or one.frames,
        story=other.story or one.story,
        hides_changes=one.hides_changes or other.hides_changes,
    )


#: how values are written comes after what is shown, whatever the order in which they were mixed
_VALUES = (shapes.numbers_as_text, shapes.ids_as_numbers, shapes.unknown_keys, shapes.draft_as_text)


def shaped(dialect: Dialect, call: str, data: Any) -> Any:
    """Say one answer's data as the dialect has it."""
    ordered: Iterable[Shape] = sorted(dialect.shapes, key=lambda shape: shape in _VALUES)
    return reduce(lambda value, shape: shape(call, value), ordered, data)
