"""The tags in a prompt, and what they make of a message."""

import pytest

from sandbox.backend.messages import stories


def test_tags_are_no_part_of_the_prompt():
    assert stories.read("trim it [[story:slow]], then [[story:gui]] add music").prompt == "trim it, then add music"


def test_several_stories_stand_together():
    plan = stories.read("a [[story:adk-partial]] [[story:silent]] [[story:render-failed]]")

    assert plan.stories == {"adk-partial", "silent", "render-failed"}
    assert plan.shape == "adk-partial"


def test_unknown_stories_of_strangers_change_nothing():
    assert stories.refusing(stories.read("a [[story:rm-rf]]"), "a [[story:rm-rf]]", stories.FiredStories()) is None


@pytest.mark.parametrize(
    ("story", "ending", "edits"),
    [
        ("slow", "close", True),
        ("question", "close", False),
        ("unchanged", "close", False),
        ("drop-stream", "cut", True),
        ("drop-stream-lost", "cut-lost", False),
        ("heartbeats-only", "mute", False),
        ("error-frame", "error", False),
    ],
)
def test_each_story_says_how_the_stream_ends_and_whether_it_edits(story, ending, edits):
    plan = stories.read(f"cut [[story:{story}]]")

    assert (plan.ending, plan.edits) == (ending, edits)


def test_a_fault_drops_a_stream_that_no_story_drops():
    assert stories.read("cut", dropped=True).ending == "cut"


def test_refusals_fire_one_after_another_and_once_per_text():
    once, text = stories.FiredStories(), "a [[story:no-credits]] [[story:rate-limited]]"
    plan = stories.read(text)

    assert [stories.refusing(plan, text, once) for _ in range(3)] == ["no-credits", "rate-limited", None]
    assert stories.refusing(plan, text + "!", once) == "no-credits"


def test_a_stuck_render_is_stuck_every_time_but_a_failed_one_fails_once():
    once, text = stories.FiredStories(), "a [[story:render-stuck]] [[story:render-failed]]"
    plan = stories.read(text)

    assert stories.rendering(plan, text, once) == ["render-failed", "render-stuck"]
    assert stories.rendering(plan, text, once) == ["render-stuck"]
