"""What the backend says, when it says nothing, and in which language."""

import pytest

from sandbox.backend.messages import stories, talk
from sandbox.backend.messages.answers import is_silent, sentences
from sandbox.edits import Edited

DONE = Edited(draft={}, said=["I added a title."], not_understood=[], changed=True, generated=False, stages=[])
LOST = Edited(draft={}, said=[], not_understood=["fly"], changed=False, generated=False, stages=[])


def said(prompt, edited=DONE, language="en", draw=0.99):
    return sentences(stories.read(prompt), edited, language, draw=draw, gui_rate=0.25)


@pytest.mark.parametrize(
    ("prompt", "edited", "draw", "silent"),
    [
        ("trim", DONE, 0.29, True),
        ("trim", DONE, 0.3, False),
        ("trim [[story:silent]]", DONE, 0.99, True),
        ("trim [[story:slow]]", DONE, 0.0, False),
        ("trim [[story:gui]] [[story:silent]]", DONE, 0.0, False),
        ("fly", LOST, 0.0, False),
        ("fly [[story:question]]", DONE, 0.0, False),
    ],
)
def test_only_edits_are_silent_and_by_chance_only_where_no_story_is_told(prompt, edited, draw, silent):
    assert is_silent(stories.read(prompt), edited, draw=draw, silent_rate=0.3) is silent


def test_an_answer_is_what_was_done():
    assert said("add a title") == ["I added a title."]


def test_what_was_not_understood_is_said():
    answer = " ".join(said("fly", LOST))

    assert "fly" in answer
    assert talk.NOTHING_CHANGED["en"] in answer


@pytest.mark.parametrize("language", ["en", "zh"])
def test_gui_talk_mixes_with_what_was_done(language):
    answer = said("add a title [[story:gui]]", language=language)

    assert all(any(phrase in text for text in answer) for phrase in talk.GUI[language])
    assert any("I added a title." in text for text in answer)


def test_now_and_then_an_answer_ends_with_a_gui_sentence_unasked():
    assert said("add a title", draw=0.2)[-1] in talk.GUI["en"]


def test_a_temporary_issue_comes_last():
    assert said("add a title [[story:temporary-issue]]")[-1].startswith("I encountered a temporary issue")


def test_a_question_asks_and_tells_of_no_edit():
    (question,) = said("add a title [[story:question]]")

    assert question.endswith("?")


@pytest.mark.parametrize(
    ("prompt", "session_language", "language"),
    [
        ("add music", "zh-CN", "en"),
        ("加背景音乐", "en", "zh"),
        ("加 BGM", None, "zh"),
        ("16:9", "zh-CN", "zh"),
        ("16:9", None, "en"),
    ],
)
def test_the_prompt_chooses_the_language_and_the_session_where_it_cannot(prompt, session_language, language):
    assert talk.language_of(prompt, session_language) == language
