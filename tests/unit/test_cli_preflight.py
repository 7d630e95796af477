"""What the command line looks at before anything is sent, and what it says where a command ends early."""

from pathlib import Path
from tempfile import TemporaryDirectory

import click
import pytest

from reelgate.client.types import Profile
from service.cli.job_run import advice, largest_of
from service.cli.preflight import check_files, check_output, format_of_output, read_words
from tests.no_rights import as_nobody

MP4 = b"\0\0\0\x18ftypisom\0\0\2\0isomiso2"


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clip.mp4").write_bytes(MP4)
    (tmp_path / "notes").write_text("words")


def test_the_last_word_is_the_prompt():
    words = read_words(["clip.mp4", "https://x.example/b.mp4", "trim it"])
    assert (words.media, words.prompt) == (("clip.mp4", "https://x.example/b.mp4"), "trim it")
    assert words.files == [Path("clip.mp4")]


@pytest.mark.parametrize("prompt", ["clip.mp4", "notes", "missing.MOV", "a/b/clip.webm", "https://x.example/b.mp4"])
def test_a_prompt_that_is_a_files_name_is_refused(prompt):
    with pytest.raises(click.UsageError, match="name of a file") as told:
        read_words(["clip.mp4", prompt])
    assert told.value.exit_code == 2


@pytest.mark.parametrize(
    "prompt", ["trim clip.mp4 by 2 seconds", "export as mp4", "trim", "剪掉停顿.导出", "x" * 10_000]
)
def test_words_that_name_a_file_among_others_are_a_prompt(prompt):
    assert read_words([prompt]).prompt == prompt


@pytest.mark.parametrize("prompt", ["", "  \n", "x" * 10_001])
def test_no_prompt_and_a_prompt_that_is_too_long_are_refused(prompt):
    with pytest.raises(click.UsageError):
        read_words(["clip.mp4", prompt])


def test_good_files_pass():
    check_files([Path("clip.mp4")], largest_bytes=len(MP4))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("missing.mp4", None, "there is no file missing.mp4"),
        ("empty.mp4", b"", "empty.mp4 is empty"),
        ("page.mp4", b"<html>" * 99, "page.mp4 is none of mp4, mov"),
        ("clip2.mp4", MP4 + b"\0", "at most 24 are taken"),
    ],
)
def test_a_file_that_cannot_be_edited_is_named(name, content, words):
    if content is not None:
        Path(name).write_bytes(content)
    with pytest.raises(click.ClickException, match=words):
        check_files([Path("clip.mp4"), Path(name)], largest_bytes=len(MP4))


def test_a_folder_is_no_file():
    Path("folder.mp4").mkdir()
    with pytest.raises(click.ClickException, match="is no file"):
        check_files([Path("folder.mp4")])


@pytest.mark.parametrize("output", ["out.mp4", "there/out.mp4", "clip.mp4"])
def test_a_place_for_the_film_passes(output):
    Path("there").mkdir()
    check_output(Path(output))


@pytest.mark.parametrize(
    ("output", "words"),
    [("nowhere/out.mp4", "there is no folder"), ("folder", "is a folder"), ("clip.mp4/out.mp4", "there is no folder")],
)
def test_a_place_that_no_film_can_go_to_is_refused(output, words):
    Path("folder").mkdir()
    with pytest.raises(click.ClickException, match=words):
        check_output(Path(output))


def test_a_folder_that_cannot_be_written_is_refused():
    with TemporaryDirectory() as closed:
        Path(closed).chmod(0o555)
        with as_nobody(), pytest.raises(click.ClickException, match="nothing can be written"):
            check_output(Path(closed, "out.mp4"))


def test_a_link_is_followed_to_where_the_film_would_go():
    Path("out.mp4").symlink_to(Path("gone", "film.mp4").absolute())
    with pytest.raises(click.ClickException, match="there is no folder"):
        check_output(Path("out.mp4"))


def test_a_film_that_may_not_be_written_over_is_refused():
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        film = Path(folder, "out.mp4")
        film.touch(0o444)
        with as_nobody(), pytest.raises(click.ClickException, match="cannot be written"):
            check_output(film)


@pytest.mark.parametrize(("output", "format_"), [("a.mp4", "mp4"), ("a.MOV", "mov"), ("a", None), (None, None)])
def test_the_films_format_is_its_ending(output, format_):
    assert format_of_output(output and Path(output)) == format_


def test_an_ending_that_no_film_has_is_refused():
    with pytest.raises(click.ClickException, match="films come as mp4, mov, webm"):
        format_of_output(Path("out.gif"))


def test_sizes_are_those_of_the_profile_or_the_largest_of_all():
    profiles = (Profile(name="small", max_bytes=2), Profile(name="large", max_bytes=5))
    assert (largest_of(profiles, None), largest_of(profiles, "small")) == (5, 2)
    with pytest.raises(click.ClickException, match="no profile medium; there are small, large"):
        largest_of(profiles, "medium")


def test_advice_says_how_to_go_on_and_how_to_cancel():
    said = "\n".join(advice("waiting", "job_1", Path("my film.mp4")))
    assert "reelgate wait job_1 -o 'my film.mp4'" in said
    assert "reelgate cancel job_1" in said
    assert advice("downloading", "job_1", None)[0].endswith("reelgate download job_1")
    assert "nothing is charged" in advice("checking", "", None)[0]
    assert "reelgate list" in advice("submitting", "", None)[0]
    assert advice("ended", "job_1", None) == []
