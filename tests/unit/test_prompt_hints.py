"""Which prompts and media earn a hint, and which earn none."""

import pytest

from core.media.formats import format_of_name
from core.model.plan import RequestedOutput
from core.profiles import PROFILES
from service.prompt import read_prompt

PRO = "ai-video-pro-online"


def hints(prompt: str, *media: str, profile: str = PRO, continues: bool = True) -> str:
    formats = [format_of_name(name) for name in media]
    reading = read_prompt(
        prompt, asked=RequestedOutput(), profile=PROFILES[profile], media_formats=formats, continues_session=continues
    )
    return "\n".join(reading.hints)


@pytest.mark.parametrize(
    "prompt",
    [
        "make it look better",
        "edit my video",
        "improve this",
        "please edit my raw footage and export it",
        "make it look better [[story:silent]]",
        "美化一下视频",
        "把视频做得好看一点",
    ],
)
def test_a_vague_prompt_is_shown_a_concrete_one(prompt: str) -> None:
    assert PROFILES[PRO].typical_ask in hints(prompt)


@pytest.mark.parametrize(
    "prompt",
    [*(profile.typical_ask for profile in PROFILES.values()), "mute it", "剪掉前2秒", 'add a title "Better"', "export"],
)
def test_a_concrete_prompt_earns_no_hint(prompt: str) -> None:
    assert hints(prompt, "clip.mp4") == ""


def test_a_format_that_is_not_among_the_best_is_named_once() -> None:
    found = hints("mute it", "a.mkv", "https://cdn.example/b.mkv?sig=abc", "c.mp4")

    assert found == "MKV files are taken, but MP4, MOV, AVI, WEBM work most smoothly."


def test_music_and_pictures_are_no_poor_format_for_a_video_skill() -> None:
    assert hints("mute it", "song.mp3", "logo.webp") == ""


def test_a_poor_picture_format_is_named_where_pictures_are_the_media() -> None:
    assert "WEBP files are taken" in hints("make a film of 9 s", "a.webp", profile="free-video-generation-automatic")


@pytest.mark.parametrize(
    ("prompt", "profile", "warned"),
    [
        ("trim my 10-minute screen recording", PRO, True),
        ("trim my 90 second raw clip", PRO, True),
        ("trim my 90 second raw clip", "maker-free", False),
        ("trim my 45-second clip", PRO, False),
        ("make a 2-minute summary", PRO, False),
        ("trim my 0.75 minute clip", PRO, False),
        ("trim my 1.5 minute clip", PRO, True),
    ],
)
def test_a_long_clip_is_told_what_goes_fastest(prompt: str, profile: str, *, warned: bool) -> None:
    assert ("go fastest" in hints(prompt, profile=profile)) is warned


def test_a_resolution_above_the_largest_is_told_of_it() -> None:
    assert hints("export in 4k") == "2160p is not rendered; the largest is 1080p, which is used."


@pytest.mark.parametrize("prompt", ["can I export in 4k?", "能导出4K吗？"])
def test_a_question_about_what_cannot_be_had_is_answered_by_a_hint(prompt: str) -> None:
    assert hints(prompt) == "2160p is not rendered; the largest is 1080p, which is used."


def test_a_format_that_no_video_comes_in_is_told_of_it() -> None:
    assert hints("export as gif") == "Videos come out as mp4, mov, webm, not as gif; mp4 is used."


@pytest.mark.parametrize(
    "prompt", ["export in 1080p 60fps", "export as mp4 with h265", "export under 10 MB", "导出60帧"]
)
def test_what_the_renderer_chooses_is_told_of(prompt: str) -> None:
    assert "cannot be chosen" in hints(prompt)


@pytest.mark.parametrize("prompt", ["export in 720p, h264", "slow it to 24fps and export", "trim 2 s, 25 fps"])
def test_no_one_is_told_that_who_wants_it_in_the_edit_or_as_it_comes(prompt: str) -> None:
    assert hints(prompt) == ""


def test_a_question_beside_an_edit_is_told_to_stand_alone() -> None:
    assert "in a prompt of its own" in hints("how many credits are left, and mute it")


def test_a_wish_to_post_is_told_where_the_file_comes() -> None:
    assert "Nothing is posted" in hints("mute it and upload to TikTok")


def test_an_upload_without_media_is_told_so() -> None:
    assert "names no media" in hints("upload this")


def test_an_export_of_nothing_is_told_so() -> None:
    assert "nothing to export yet" in hints("export", continues=False)
