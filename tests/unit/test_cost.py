"""What a message will probably cost, and what two balances say that it has cost."""

import msgspec
import pytest

from core.model.job import Job, MediaRef, Sent
from core.model.plan import Plan
from tests.store_fixture import make_job
from worker.backend.responses import Credits
from worker.jobs.steps.settlement import CreditReading, cost
from worker.tokens.estimate import estimate, is_generation, usual_cost

GENERATES = "free-video-generation-automatic"


def asks(message: str | None, *, profile: str = "free-video-fast", **facts) -> Job:
    return make_job(profile=profile, plan=Plan(message=message, action="none"), **facts)


@pytest.mark.parametrize(
    ("message", "profile", "expected"),
    [
        ("trim the first 2 seconds", "free-video-fast", 50),
        ("generate a 30-second promotional video from my text", GENERATES, 100),
        ("make me a short video about bread", GENERATES, 100),
        ("生成一个关于面包的视频", GENERATES, 100),
        ("add a title", GENERATES, 50),
        ("generate a 30-second promotional video", "trimmer-exe", 100),
        ("Create an upbeat 10 second ad about our bread", "maker-free", 100),
        ("制作一段30秒的宣传视频", "maker-free", 100),
        ("make my video brighter", "maker-free", 50),
        ("make it warmer and create a fade between the clips", "maker-free", 50),
        ("create a title for the video", "maker-free", 50),
        ("turn my clips into a finished video with music and transitions", "maker-free", 50),
        ("把视频做成黑白", "maker-free", 50),
        (None, GENERATES, 0),
    ],
)
def test_an_edit_a_generation_and_nothing_have_their_usual_cost(message, profile, expected):
    job = asks(message, profile=profile)
    assert (usual_cost(job), estimate(job), is_generation(job)) == (expected, expected, expected == 100)


@pytest.mark.parametrize(
    ("message", "names", "expected"),
    [
        ("make a highlight video", ["a.mp4", "b.MOV"], 50),
        ("make a highlight video", ["a.png", "b.jpg"], 100),
        ("make a highlight video", [], 100),
        ('make a highlight video with the text "Paris"', ["a.mp4"], 100),
        ("generate a video: Fresh bread, every morning", ["a.mp4"], 100),
    ],
)
def test_who_brings_footage_and_no_text_wants_it_edited(message, names, expected):
    assert estimate(asks(message, media=tuple(MediaRef(name=name, url="https://x") for name in names))) == expected


def test_what_a_refusal_has_taught_is_reserved_from_then_on():
    assert estimate(asks("trim", cost_at_least=200)) == 200
    assert estimate(asks("trim", cost_at_least=10)) == 50


def after_sending(*, alone_at: int | None = 3, total: int | None = 500) -> Job:
    return msgspec.structs.replace(asks("trim"), sent=Sent(at_ms=0, before="d", credits_total=total, alone_at=alone_at))


def balance(available: int, frozen: int = 0) -> Credits:
    return Credits(available=available, frozen=frozen, total=available + frozen)


@pytest.mark.parametrize(
    ("job", "now", "used", "exact"),
    [
        (after_sending(), CreditReading(balance(450), 0, 3), 50, True),
        (after_sending(), CreditReading(balance(500), 0, 3), 0, True),
        (after_sending(), CreditReading(balance(400, 50), 0, 3), 50, False),
        (after_sending(), CreditReading(balance(900), 0, 3), 0, True),
        # others ran meanwhile, or a balance is missing: the usual
        (after_sending(), CreditReading(balance(300), 0, 4), 50, False),
        (after_sending(), CreditReading(balance(300), 50, None), 50, False),
        (after_sending(alone_at=None), CreditReading(balance(450), 0, 3), 50, False),
        (after_sending(total=None), CreditReading(balance(450), 0, 3), 50, False),
        (after_sending(), CreditReading(None, 0, 3), 50, False),
    ],
)
def test_the_cost_is_exact_only_where_the_job_was_alone_on_its_token(job, now, used, exact):
    assert cost(job, now, confirmed=True) == {"credits_used": used, "credits_exact": exact}


def test_of_an_edit_that_is_not_confirmed_nothing_is_guessed():
    assert cost(after_sending(), CreditReading(None, 0, None), confirmed=False) == {}
    assert cost(after_sending(), CreditReading(balance(500), 0, 3), confirmed=False)["credits_used"] == 0


def test_without_a_message_nothing_was_spent():
    assert cost(asks(None), CreditReading(None, 0, None), confirmed=True) == {"credits_used": 0, "credits_exact": True}
