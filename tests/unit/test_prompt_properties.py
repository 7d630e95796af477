"""What holds for any text at all: it is read, in linear work, and what the caller quoted stays as it was written."""

import sys
import time
from itertools import pairwise
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.plan import Plan, Reading, RequestedOutput
from core.opaque_text import stretches
from core.profiles import PROFILES
from service.prompt import questions, read_prompt
from service.prompt.clauses import split_clauses
from service.prompt.intent import Intent, classify_clauses
from service.prompt.lexer import tokenize
from service.prompt.requests import split_requests

QUESTION_WORDS = (
    "how many",
    "can I",
    "is it",
    "could you",
    "cost",
    "?",
    "吗",
    "请问",
    "？",
    "if",
    "I have",
    "would you mind",
)
REQUEST_WORDS = (
    "export", "don't", "and", "then", ",", ".", "(", ")", "video", "1080p", "mp4", "in", "as", "credits", "upload",
    "status", "trim", "before", "with", "send me", "9:16", '"', "'", "“", "”", "[[story:adk]]", "[[", "]]", "\n", "1.",
    "-", "导出", "不要", "视频", "，", "。", "剪掉", "后", "\u202e", "\x00", "https://a.b/c.mp4", "to", "a", "Bob",
)  # fmt: skip
ANY_WORDS = st.lists(st.sampled_from(REQUEST_WORDS), max_size=30).map(" ".join)
QUESTIONING = st.lists(st.sampled_from((*REQUEST_WORDS, *QUESTION_WORDS)), max_size=30).map(" ".join)
ANY_TEXT = st.text(max_size=300) | ANY_WORDS | QUESTIONING
ASCII = st.characters(codec="ascii")
QUOTABLE = st.text(st.characters(exclude_characters='"\r\n', exclude_categories=("Cs",)), min_size=1, max_size=40)
REQUESTS = st.sampled_from(
    ["export in 1080p", "then send me the video", "and download it as mp4", "don't export", "导出", "不要导出"]
)


def read(prompt: str, *, media: bool = True) -> Reading:
    return read_prompt(
        prompt,
        asked=RequestedOutput(),
        profile=PROFILES["trimmer-exe"],
        media_formats=["mp4"] if media else [],
        continues_session=False,
    )


@given(ANY_TEXT, st.booleans())
def test_any_text_gives_a_reading(prompt: str, media: bool) -> None:
    reading = read(prompt, media=media)

    assert reading.plan.message is None or reading.plan.message.strip()
    assert reading.output.export == (reading.plan.action == "export")


@given(ANY_TEXT)
def test_every_token_stands_where_it_says_and_none_overlap(prompt: str) -> None:
    lexemes = tokenize(prompt)

    edges = [edge for lexeme in lexemes for edge in (lexeme.start, lexeme.end)]
    assert edges == sorted(edges)
    assert all(len(lexeme.text) == lexeme.end - lexeme.start for lexeme in lexemes)


@given(ANY_TEXT)
def test_dividing_clauses_loses_no_token(prompt: str) -> None:
    clauses = split_clauses(tokenize(prompt))

    parts = [part for clause in clauses for part in split_requests(clause)]
    assert [lexeme.start for part in parts for lexeme in part.lexemes] == [
        lexeme.start for clause in clauses for lexeme in clause.lexemes
    ]


@given(ANY_TEXT)
def test_opaque_stretches_are_in_order_and_apart(prompt: str) -> None:
    found = stretches(prompt)

    assert all(one.end <= other.start for one, other in pairwise(found))


@given(QUOTABLE, REQUESTS)
def test_quoted_text_stays_to_the_letter_and_never_routes(words: str, request: str) -> None:
    edit = f'add a title "{words}" at the top'

    assert read(edit).plan == Plan(edit, "export")
    assert read(f"{edit}, {request}").plan.message == edit
    assert f'"{words}"' in (read(f"{request}. {edit}").plan.message or "")


@given(QUOTABLE, st.sampled_from(["how many credits would {} cost?", "can I export {}?", "加{}要多少积分？"]))
def test_a_question_is_never_paid_for_whatever_it_quotes(words: str, question: str) -> None:
    assert read(question.format(f'"{words}"')).plan.message is None


@given(st.sampled_from(questions._FORMS).flatmap(lambda form: st.from_regex(rf"\b(?:{form})", alphabet=ASCII)))
def test_a_prompt_without_a_word_that_asks_holds_no_question(question: str) -> None:
    assert not questions._ASKING_WORDS.isdisjoint(questions._LETTERS.findall(question.lower()))


@given(ANY_WORDS)
def test_no_request_for_the_file_is_left_in_a_message(prompt: str) -> None:
    message = read(prompt).plan.message or ""

    clauses = [part for clause in split_clauses(tokenize(message)) for part in split_requests(clause)]
    assert not {Intent.EXPORT, Intent.NO_EXPORT} & set(classify_clauses(clauses))


@pytest.mark.parametrize(
    "word",
    [
        *REQUEST_WORDS,
        *QUESTION_WORDS,
        "how many,",
        "多少，",
        "if it,",
        *"\"'“‘「[(",
        "a-",
        "so that i can",
        "before exporting x",
        "720p a",
    ],
)
def test_work_grows_no_faster_than_the_prompt(word: str) -> None:
    short, long = (lines_run_by((word + " ") * (length // len(word))) for length in (150, 1200))

    assert long < 14 * short


def test_a_usual_prompt_is_read_in_few_lines() -> None:
    assert lines_run_by("cut the pauses, add background music, and export in 1080p") < 850


@pytest.mark.parametrize(
    "word",
    [
        *("export", "how many, ", "多少，", "if it, ", "can I a, ", "1. ", "I have ", "'", "吗", "、"),
        *(
            "a, export, ",
            "text: export, ",
            "looks great, export. ",
            "很好，导出，",
            "能",
            "怎么",
            "🎂",
            "9*",
            "when I say, export, ",
        ),
    ],
)
def test_the_longest_prompt_is_read_in_a_fraction_of_a_second(word: str) -> None:
    prompt = word * (10_000 // len(word))
    assert min(cpu_s_of(prompt) for _ in range(3)) < 0.3


def test_what_may_lead_to_a_question_is_read_one_way_alone() -> None:
    """As many clauses, of which the one kind begins as questions do, and none is one."""
    leading, others = (min(cpu_s_of(word * 400) for _ in range(5)) for word in ("when x:, hi, ", "many x:, hi, "))
    assert leading < 6 * others


def cpu_s_of(prompt: str) -> float:
    before = time.process_time()
    read(prompt)
    return time.process_time() - before


def lines_run_by(prompt: str) -> int:
    """Count the lines of Python that reading a prompt runs: a measure of work that no busy machine disturbs."""
    count = 0

    def counting(_frame: FrameType, event: str, _arg: Any) -> Any:
        nonlocal count
        count += event == "line"
        return counting

    before = sys.gettrace()
    sys.settrace(counting)
    try:
        read(prompt)
    finally:
        sys.settrace(before)
    return count
