"""A file gets a safe name, whoever names it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.file_names import MOST_CHARACTERS, first_name, name_of_disposition, name_of_url, safe_name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("clip.MP4", "clip.MP4"),
        ("dir/clip.mp4", "clip.mp4"),
        ("C:\\clips\\my clip.mp4", "my clip.mp4"),
        ("../../etc/passwd", "passwd"),
        ("a\0b\n.mp4", "ab.mp4"),
        ('a"<b>|:*?.mp4', "ab.mp4"),
        ("剪.mp4", "剪.mp4"),
        ("..", ""),
        ("dir/", ""),
        ("", ""),
    ],
)
def test_a_name_loses_its_folders_and_what_could_hurt(text, name):
    assert safe_name(text) == name


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://x.example/a/my%20clip.mp4?x=1#y", "my clip.mp4"),
        ("https://x.example/a/clip.mov/", "clip.mov"),
        ("https://x.example/a%2Fb%00.png", "b.png"),
        ("https://x.example/%2e%2e%2fb%0a.mp4", "b.mp4"),
        ("https://x.example/", ""),
        ("https://x.example", ""),
        ("https://[broken/a.mp4", ""),
    ],
)
def test_a_url_names_a_file_by_the_end_of_its_path(url, name):
    assert name_of_url(url) == name


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('attachment; filename="a b.mp4"', "a b.mp4"),
        ("attachment; filename*=UTF-8''%e5%89%aa.mp4", "剪.mp4"),
        ('attachment; filename="C:\\\\clips\\\\a.mp4"', "a.mp4"),
        ("attachment; filename=..", ""),
        ("attachment", ""),
        ("\0;;;=", ""),
        ("", ""),
    ],
)
def test_a_server_names_a_file_in_its_header(header, name):
    assert name_of_disposition(header) == name


def test_the_first_name_with_an_extension_is_chosen_before_one_without():
    assert first_name("get", "real.mov", "other.mp4") == "real.mov"
    assert first_name("", "watch", "x") == "watch"
    assert first_name("", "") == "media"


def test_a_long_name_is_cut_and_keeps_its_extension():
    name = safe_name(f"{'a' * 500}.mp4")
    assert len(name) == MOST_CHARACTERS
    assert name.endswith("a.mp4")


def test_a_long_name_without_an_extension_is_cut():
    assert safe_name("a" * 500) == "a" * MOST_CHARACTERS
    assert safe_name("a" * (MOST_CHARACTERS - 1) + " " + "a" * 100) == "a" * (MOST_CHARACTERS - 1)


@given(st.text())
def test_every_name_is_safe_and_safe_names_stay(text):
    name = safe_name(text)
    assert len(name) <= MOST_CHARACTERS
    assert name.isprintable()
    assert not set(name) & set('/\\"<>|:*?')
    assert safe_name(name) == name


@given(st.text(), st.text())
def test_nothing_breaks_the_reading(url, header):
    assert name_of_url(url).isprintable()
    assert name_of_disposition(header).isprintable()
