"""A file gets a name, whoever names it: browsers, .NET, PowerShell, curl, urllib3, Python or a web server."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.media.file_names import (
    MOST_CHARACTERS,
    filename_of_disposition,
    first_name,
    name_of_disposition,
    name_of_url,
    plain_name,
    plain_name_of_url,
    safe_name,
)

UTF8_AS_LATIN1 = "\u00fcber.mp4".encode().decode("latin-1")


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


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('form-data; name="f"; filename="clip.mp4"', "clip.mp4"),
        ("form-data; name=f; filename=clip.mp4", "clip.mp4"),
        ('form-data; filename="=?utf-8?B?5pel5g==?= =?UTF-8?B?nKzoqp4ubXA0?="', "\u65e5\u672c\u8a9e.mp4"),
        ('form-data; filename="=?utf-8?Q?=E6=97?= =?utf-8?Q?=A5.mp4?="', "\u65e5.mp4"),
        ("attachment;filename = clip.mp4 ;x=1", "clip.mp4"),
        ("attachment; FileName=clip.mp4", "clip.mp4"),
        ("attachment; filename=my clip.mp4", "my clip.mp4"),
        (f'form-data; filename="{UTF8_AS_LATIN1}"', "\u00fcber.mp4"),
        ('form-data; filename="\u00fcber.mp4"', "\u00fcber.mp4"),
        ('form-data; filename="\u526a.mp4"', "\u526a.mp4"),
        ('form-data; filename="\x80uro.mp4"', "\u20acuro.mp4"),
        ("form-data; filename*=utf-8''%C3%BCber.mp4", "\u00fcber.mp4"),
        ("form-data; filename*=UTF-8'de'%C3%BCber.mp4", "\u00fcber.mp4"),
        ("form-data; filename*=\"utf-8''%C3%BCber.mp4\"", "\u00fcber.mp4"),
        ("form-data; filename*=iso-8859-1''%FCber.mp4", "\u00fcber.mp4"),
        ("form-data; filename*=gb18030''%BC%F4.mp4", "\u526a.mp4"),
        ("form-data; filename*=%C3%BCber.mp4", "\u00fcber.mp4"),
        (f"form-data; filename*=utf-8''{UTF8_AS_LATIN1}", "\u00fcber.mp4"),
        ('form-data; filename="=?utf-8?B?w7xiZXIubXA0?="; filename*=utf-8\'\'%C3%BCber.mp4', "\u00fcber.mp4"),
        ('form-data; filename="=?utf-8?B?w7xiZXIubXA0?="', "\u00fcber.mp4"),
        ('form-data; filename="=?utf-8?B?w7xi?= =?utf-8?Q?er.mp4?="', "\u00fcber.mp4"),
        ('form-data; filename="=?utf-8?B?!?="', "=?utf-8?B?!?="),
        ("form-data; filename*0*=UTF-8''%C3%BC; filename*1=\"ber%20.mp4\"", "\u00fcber%20.mp4"),
        ('form-data; filename*0="long"; filename*1="er.mp4"', "longer.mp4"),
        ("form-data; filename=\"a.mp4\"; filename*=nonsense''%FF", "a.mp4"),
        ("form-data; filename=\"a.mp4\"; filename*=utf-8''%FF%", "a.mp4"),
        ('form-data; filename="a.mp4"; filename*=', "a.mp4"),
        ("form-data; filename*=nonsense''%C3%BCber.mp4", "\u00fcber.mp4"),
        ("form-data; filename*=utf-8''%FCber.mp4", "\u00fcber.mp4"),
        ('form-data; filename="a;b=c.mp4"; name="f"', "a;b=c.mp4"),
        ('form-data; filename="a\\"b.mp4"', 'a"b.mp4'),
        ('form-data; filename="a%22b.mp4"', 'a"b.mp4'),
        ('form-data; filename="a%41b.mp4"', "a%41b.mp4"),
        ('form-data; filename="C:\\clips\\a.mp4"', "C:\\clips\\a.mp4"),
        ('form-data; name="filename=\\"x.mp4\\""; filename="y.mp4"', "y.mp4"),
        ('form-data; filename="unended.mp4', "unended.mp4"),
        ('form-data; filename=""', ""),
        ("form-data; filename*=utf-8''", ""),
        ('form-data; name="filename"', None),
        ("", None),
    ],
)  # fmt: skip
def test_a_name_is_read_in_every_way_that_it_is_written(header: str, name: str | None) -> None:
    assert filename_of_disposition(header) == name


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://x.example/%FCber.mp4", "\u00fcber.mp4"),
        ("https://x.example/\u526a%E8%BE%91.mp4", "\u526a\u8f91.mp4"),
        ("https://x.example/%zz%.mp4", "%zz%.mp4"),
        ("https://x.example/clip.mp4:large", "clip.mp4:large"),
        ("https://x.example/clip.mp4;v=2", "clip.mp4;v=2"),
        ("https://x.example/\U0001f469\u200d\U0001f467.mp4", "\U0001f469\u200d\U0001f467.mp4"),
        ("https://x.example?f=a.mp4", ""),
        ("https://x.example/\ud800.mp4", "?.mp4"),
    ],
)
def test_a_url_names_a_file_in_whatever_charset(url: str, name: str) -> None:
    assert plain_name_of_url(url) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("../../etc/passwd.mp4", "passwd.mp4"),
        ("..\\windows\\a.mp4", "a.mp4"),
        ("a\r\n\x1b[2J\x85\u2028b.mp4", "a[2Jb.mp4"),
        ("\u202e4pm.a\u202c\u2066\u200f.mp4", "4pm.a.mp4"),
        ("\U0001f469\u200d\U0001f467\ufe0f.mp4", "\U0001f469\u200d\U0001f467\ufe0f.mp4"),
        ("\U0001f3f4\U000e0067\U000e007f.mp4", "\U0001f3f4\U000e0067\U000e007f.mp4"),
        (" a  b\u3000c\u202f.mp4 ", " a  b\u3000c\u202f.mp4 "),
        ('<a>|"b":*?.mp4', '<a>|"b":*?.mp4'),
        ("..", ""),
        (" /. ", ""),
        ("\0", ""),
    ],
)  # fmt: skip
def test_a_name_loses_its_folders_and_what_does_harm_and_nothing_else(text: str, name: str) -> None:
    assert plain_name(text) == name


TEXTS = st.one_of(
    st.text(st.characters()),
    st.lists(st.sampled_from(["; filename*=", "; filename=", "*0*=", "utf-8''", "utf-7''", "'", '"', "\\", "%", "%FF", "=?", "?B?", "?Q?", "?=", "\0", "\ud800", "idna", "punycode", "99999"])).map("".join),
)  # fmt: skip


@given(TEXTS)
def test_no_text_makes_the_reading_of_a_name_fail(text: str) -> None:
    for header in (text, f"attachment; filename={text}", f"attachment; filename*={text}", f"x; filename*=a'b'{text}"):
        plain_name(filename_of_disposition(header) or "").encode()
    plain_name(plain_name_of_url(text)).encode()
    plain_name(plain_name_of_url(f"https://x.example/{text}")).encode()
