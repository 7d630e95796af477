"""Reading the longest prompts takes about as long as reading sensible ones: nobody else's stream waits for nonsense."""

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.edits import edit
from sandbox.media import Media

#: what the API allows
LONGEST = 10_000
#: what quadratic patterns took was a hundred times as much and more, what some lists took did not end at all
TIMES = 15
CLIP = Media("cdn://clip.mp4", Path("clip.mp4"), "video", "clip.mp4", 12_000, 1280, 720, 25.0, True, "mp4", ())
SENSIBLE = (
    "Cut the pauses, trim the first 2 seconds and add smooth transitions between the clips. Please make the picture a "
    'bit warmer, put the title "Paradise Found" at the top for 3 seconds, and add lo-fi music at 20%. '
)
#: each was slow on its own account: fillers, digits, Chinese numbers and particles, quotes, lists, open brackets
SENSELESS = (
    *("a ", "the ", "to ", "- ", "add a ", "make it a little ", "clip ", "1", "12", "1:", "5 to ", "to the ", "x"),
    *("一", "的", "把", "“", "'a ", " 'a", '"a" ', '"a", ', "«a» ", "it, ", "\n", "add a title ", "cut the first "),
)
WORDS = (
    *(
        "a",
        "the",
        "to",
        "it",
        "my",
        "all",
        "add",
        "put",
        "make",
        "cut",
        "trim",
        "use",
        "clip",
        "video",
        "title",
        "text",
    ),
    *(
        "music",
        "fade",
        "in",
        "out",
        "and",
        "speed",
        "warm",
        "transition",
        "smooth",
        "set",
        "volume",
        "captions",
        "first",
    ),
    *("1", "30", "2s", "1:30", "9:16", "5-10", "20%", "把", "将", "的", "加", "视频", "音乐", "标题", "一", "十", "半"),
    *(",", ".", ":", "-", "'", '"', "“", "”", "«", "»", "‹0›", "\x00", "\n", " "),
)


def cost_s(prompt: str) -> float:
    """Measure the processor time of an edit, which other processes do not lengthen."""
    began_s = time.process_time()
    edit(prompt, {}, (CLIP,), (CLIP,))
    return time.process_time() - began_s


def at_length(words: str) -> str:
    return (words * (LONGEST // len(words) + 1))[:LONGEST]


@pytest.fixture(scope="module")
def usual_s() -> float:
    return min(cost_s(at_length(SENSIBLE)) for _ in range(3))


@pytest.mark.parametrize("words", SENSELESS)
def test_a_prompt_without_sense_is_read_as_fast_as_one_with_it(words: str, usual_s: float) -> None:
    assert cost_s(at_length(words)) < TIMES * usual_s


@given(words=st.lists(st.sampled_from(WORDS), min_size=1, max_size=5), between=st.sampled_from(("", " ", ", ")))
def test_no_words_repeated_to_the_longest_prompt_take_long(words: list[str], between: str, usual_s: float) -> None:
    assert cost_s(at_length(between.join(words) + between)) < TIMES * usual_s


def test_a_number_that_no_clock_can_hold_is_no_length() -> None:
    assert "9" * 400 in edit(f"trim the first {'9' * 400} seconds", {}, (CLIP,), (CLIP,)).not_understood[0]


def test_a_long_list_of_texts_makes_as_many_titles() -> None:
    texts = ", ".join(f'"Line {number}"' for number in range(30))
    draft = edit(f"add the captions {texts}", {}, (CLIP,), (CLIP,)).draft
    [captions] = [track["sg"] for track in draft["t"] if track["tt"] == 7]
    assert len(captions) > 12
