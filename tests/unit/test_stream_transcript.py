"""Events into what a stream amounts to."""

import itertools
import json
import pickle
from collections.abc import Callable, Iterable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.backend.events import Heartbeat, StreamDecoder, StreamError, StreamEvent, Text, ToolCall, ToolResult
from worker.backend.transcript import Transcript

ISSUE = "I encountered a temporary issue. Please try again later."


def transcript(events: Iterable[StreamEvent]) -> Transcript:
    made = Transcript()
    for event in events:
        made.add(event)
    return made


def said(*texts: str) -> str:
    return transcript(Text(text) for text in texts).text


def test_chunks_and_the_whole_after_them_count_once() -> None:
    events = [Text("I cut ", "chunk"), Text("it.", "chunk"), Text("I cut it.", "whole"), Text("Done.", "whole")]
    assert transcript(events).text == "I cut it.\nDone."


def test_a_tool_whose_result_never_came_is_neither_run_nor_failed() -> None:
    called = transcript([ToolCall("cut"), Text("Cut.")])
    assert (called.kept_results_back, called.tools_ran) == (True, ())
    assert not transcript([ToolCall("cut"), ToolResult("cut", failed=True)]).kept_results_back
    assert not transcript([Text("Cut.")]).kept_results_back


def test_chunks_whose_whole_never_came_count() -> None:
    assert transcript([Text("One.", "whole"), Text("I cut ", "chunk"), Text("it", "chunk")]).text == "One.\nI cut it"


def test_chunks_that_no_whole_repeats_are_kept() -> None:
    assert transcript([Text("I cut it.", "chunk"), Text("Title added.", "whole")]).text == "I cut it.\nTitle added."


def test_a_tool_call_between_chunks_and_their_whole_changes_nothing() -> None:
    events = [Text("I cut ", "chunk"), ToolCall("cut"), Text("it.", "chunk"), Text("I cut it.", "whole")]
    assert transcript(events).text == "I cut it."


@pytest.mark.parametrize(
    ("texts", "text"),
    [
        (("I cut", " the", " pauses", "."), "I cut the pauses."),
        (("Pauses cut.", "Title added."), "Pauses cut.\nTitle added."),
        (("Length: 30", ".", "5", " s"), "Length: 30.5 s"),
        (("剪掉了停顿。", "添加了标题。"), "剪掉了停顿。\n添加了标题。"),
        (("剪", "掉了", "停顿"), "剪掉了停顿"),
        (("One.\n", "Two."), "One.\nTwo."),
    ],
)
def test_pieces_join_and_sentences_stand_apart(texts: tuple[str, ...], text: str) -> None:
    assert said(*texts) == text


@pytest.mark.parametrize(
    "texts",
    [
        ("Title added.", ISSUE),
        ("Title added. " + ISSUE,),
        ("Title added.", "I encountered", " a temporary", " issue."),
        ("Title added.", "Sorry, I encountered a temporary issue while saving."),
        ("Title added.", "I encountered a temporary issue，请稍后再试。"),
        ("Title added.", "I encountered a temporary issue.\n\nPlease try again later."),
        ("Title added.", "I encountered a temporary issue while saving.\nSorry about that!\nPlease try again."),
    ],
)
def test_a_last_temporary_issue_after_an_answer_is_ignored(texts: tuple[str, ...]) -> None:
    assert said(*texts) == "Title added."


@pytest.mark.parametrize(
    "answer", ["Title added ✅", "已添加标题", 'Title added: "X"', "**Done**", "Title added at 0:05"]
)
def test_a_last_temporary_issue_is_ignored_however_the_answer_before_it_ends(answer: str) -> None:
    assert said(answer, ISSUE) == answer


def test_lines_that_only_ask_politely_are_part_of_the_answer() -> None:
    assert said("Title added.", "Please check the spelling.") == "Title added.\nPlease check the spelling."


def test_a_temporary_issue_alone_is_no_answer() -> None:
    assert said(ISSUE) == ""


def test_a_temporary_issue_that_work_follows_is_told() -> None:
    assert said(ISSUE, "Title added.") == f"{ISSUE}\nTitle added."


def test_a_title_of_those_words_is_no_temporary_issue() -> None:
    told = 'Title added: "I encountered a temporary issue".'
    assert said(told) == told


def test_the_first_error_is_kept() -> None:
    made = transcript([Text("Working."), StreamError("no credits", 2001), StreamError("it broke")])
    assert (made.text, made.error) == ("Working.", "no credits")


def test_tools_are_noticed_and_not_told() -> None:
    assert not transcript([Heartbeat()]).saw_tools
    made = transcript([ToolCall("cut"), ToolResult("cut")])
    assert (made.saw_tools, made.text, made.error) == (True, "", None)


def test_tools_that_ran_are_told_from_those_that_failed() -> None:
    events = [ToolCall("cut"), ToolResult("cut"), ToolCall("title"), ToolResult("title", failed=True), ToolCall("mix")]
    made = transcript(events)
    assert (made.tools_ran, made.tools_failed, made.saw_tools) == (("cut",), ("title",), True)


@pytest.mark.parametrize(
    "event",
    [
        Text,
        partial(Text, form="chunk"),
        partial(Text, form="whole"),
        ToolResult,
        partial(ToolResult, failed=True),
    ],
)
def test_a_stream_that_goes_on_and_on_holds_little_memory(event: Callable[[str], StreamEvent]) -> None:
    made = transcript([Text("Cut.")])
    for number in range(2_000):
        made.add(event(f"and so on, {number} " * 500))
    assert len(pickle.dumps(vars(made))) < 200_000, "of 15 MB"
    assert made.text.startswith("Cut.")


@pytest.mark.parametrize("failed", [False, True])
def test_a_call_without_a_result_neither_ran_nor_failed(failed: bool) -> None:
    assert transcript([ToolCall("cut")]).tools_ran == ()
    made = transcript([ToolResult("cut", failed)])
    assert (bool(made.tools_ran), bool(made.tools_failed)) == (not failed, failed)


RESULTS = st.sampled_from(
    [
        {"ok": True},
        {"error": "no such clip"},
        {"status": "error", "error_message": "no"},
        {"status": "queued"},
        "Error: no",
    ]
)
STREAM_FRAMES = st.one_of(
    st.builds(lambda result: {"type": "tool_result", "name": "cut", "result": result}, RESULTS),
    st.builds(
        lambda result: {"content": {"parts": [{"functionResponse": {"name": "cut", "response": result}}]}}, RESULTS
    ),
    st.sampled_from(
        [
            {"type": "tool_call", "name": "cut", "args": {"error": "none"}},
            {"content": {"parts": [{"functionCall": {"name": "cut", "args": {}}}]}},
            {"type": "text", "content": "No error: all is well. ⏳"},
            {"error": "it broke"},
        ]
    ),
)


@given(st.lists(STREAM_FRAMES, max_size=6), st.sampled_from(["\n", "\r", "\r\n"]))
def test_a_stream_cut_at_every_byte_amounts_to_the_same(frames: list[dict[str, object]], end: str) -> None:
    said = [*(json.dumps(frame, ensure_ascii=False) for frame in frames), '{"error": "Tool "cut" failed"}', "heartbeat"]
    stream = "".join(f"data: {data}{end}{end}" for data in said).encode()
    whole = amount(stream)
    assert whole[0] + whole[1] == ("cut",) * sum("esult" in data or "functionResponse" in data for data in said)
    assert all(amount(stream[:cut], stream[cut:]) == whole for cut in range(len(stream) + 1))


def amount(*chunks: bytes) -> tuple[tuple[str, ...], tuple[str, ...], str, str | None, bool]:
    decoder, made = StreamDecoder(), Transcript()
    for chunk in chunks:
        for event in decoder.feed(chunk):
            made.add(event)
    return made.tools_ran, made.tools_failed, made.text, made.error, made.saw_tools


@given(st.lists(st.builds(Text, st.text(), st.sampled_from(["plain", "chunk", "whole"]))))
def test_no_texts_break_it(events: list[Text]) -> None:
    assert isinstance(transcript(events).text, str)


@given(st.text(min_size=1), st.lists(st.integers(0, 50)))
def test_any_text_in_any_chunks_is_told_once(text: str, cuts: list[int]) -> None:
    places = [0, *sorted(cut for cut in cuts if cut < len(text)), len(text)]
    chunks = [Text(text[start:end], "chunk") for start, end in itertools.pairwise(places)]
    assert transcript([*chunks, Text(text, "whole")]).text == transcript([Text(text, "whole")]).text
