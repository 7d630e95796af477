"""Tables fit the terminal, and nothing that is shown is obeyed by it."""

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from service.cli.terminal import fitting, printable, table_lines

ROWS = [("job_1", "running 60 %", "cut the pauses, add background music"), ("job_22", "failed", "剪掉停顿并加音乐")]
TITLES = ("ID", "STATUS", "PROMPT")


def test_a_table_is_as_wide_as_it_must_be():
    assert table_lines(TITLES, ROWS, width=None) == [
        "ID      STATUS        PROMPT",
        "job_1   running 60 %  cut the pauses, add background music",
        "job_22  failed        剪掉停顿并加音乐",
    ]


def test_what_is_too_wide_is_cut_from_the_right():
    lines = table_lines(TITLES, ROWS, width=34)
    assert lines[1] == "job_1   running 60 %  cut the paus"
    assert table_lines(TITLES, ROWS, width=25)[1] == "job_1   running 60 %"
    assert table_lines(TITLES, ROWS, width=3)[1] == "job_1"


@given(
    st.lists(st.tuples(st.text(max_size=9), st.text(max_size=30), st.text(max_size=99)), max_size=5),
    st.integers(min_value=20, max_value=120),
)
def test_no_line_is_wider_than_the_terminal(rows, width):
    lines = table_lines(TITLES, rows, width=width)
    assert len(lines) == len(rows) + 1
    assert all(cell_len(line) <= width for line in lines)


def test_an_empty_table_has_its_titles():
    assert table_lines(TITLES, [], width=80) == ["ID  STATUS  PROMPT"]
    assert fitting([3, 4], 80) == [3, 4]


def test_escape_sequences_in_prompts_are_not_obeyed():
    assert printable("a\x1b[2Jb\r\nc") == "a [2Jb  c"
    assert printable("a\nb\x07", breaks=True) == "a\nb "
