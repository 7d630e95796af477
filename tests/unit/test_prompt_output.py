"""What the caller set, the session and the media do to a reading: the output's fields, aspect ratio, need of media."""

import pytest

from core.model.plan import Output, Plan, Reading, RequestedOutput
from core.profiles import PROFILES
from service.prompt import UNCHANGED_MEDIA, needs_media, read_prompt

VIDEO, TEXT = PROFILES["trimmer-exe"], PROFILES["free-video-generation-automatic"]
NOTHING_SET = RequestedOutput()


def read(
    prompt: str,
    asked: RequestedOutput = NOTHING_SET,
    *,
    media: tuple[str, ...] = ("mp4",),
    continues: bool = False,
) -> Reading:
    return read_prompt(prompt, asked=asked, profile=VIDEO, media_formats=media, continues_session=continues)


def test_what_nobody_names_has_its_default() -> None:
    assert read("mute it").output == Output(
        export=True, format="mp4", quality="high", resolution="1080p", aspect_ratio=None
    )


def test_a_field_that_the_caller_set_wins_over_the_prompt() -> None:
    asked = RequestedOutput(format="webm", quality="medium", resolution="480p", aspect_ratio="1:1")

    output = read("mute it, export in 720p mov, low quality, 9:16", asked).output

    assert output == Output(
        format="webm", quality="medium", resolution="480p", aspect_ratio="1:1", resolution_asked=True
    )


@pytest.mark.parametrize(
    ("output", "wanted"),
    [
        (read("mute it and export").output, None),
        (read("mute it and export in 1080p").output, "1080p"),
        (read("mute it and export in 4k").output, "1080p"),
        (read("mute it", RequestedOutput(resolution="1080p")).output, "1080p"),
        # as older versions wrote them down
        (Output(resolution="720p"), "720p"),
        (Output(resolution="1080p"), None),
    ],
)
def test_a_resolution_is_wanted_only_where_one_was_asked_for(output: Output, wanted: str | None) -> None:
    assert output.wanted_resolution == wanted


def test_a_field_that_the_caller_left_out_comes_from_the_prompt() -> None:
    output = read("mute it, export in 720p mov, low quality", RequestedOutput(format="mp4")).output

    assert (output.format, output.resolution, output.quality) == ("mp4", "720p", "low")


@pytest.mark.parametrize(
    ("words", "resolution"),
    [
        ("export in 4k", "1080p"),
        ("export in full hd", "1080p"),
        ("export at 1920x1080", "1080p"),
        ("export at 1280x720", "720p"),
        ("export in 1080p60", "1080p"),
        ("export in 600p", "540p"),
        ("export in 240p", "360p"),
        ("export in 720", "720p"),
        ("导出全高清", "1080p"),
        ("导出超清", "1080p"),
    ],
)
def test_a_resolution_becomes_the_nearest_that_is_rendered(words: str, resolution: str) -> None:
    assert read(f"mute it, {words}").output.resolution == resolution


@pytest.mark.parametrize(
    ("words", "quality"),
    [
        ("export in best quality", "high"),
        ("export in draft quality", "low"),
        ("export in medium quality", "medium"),
        ("set the quality to low", "low"),
        ("高画质导出", "high"),
        ("导出低画质", "low"),
    ],
)
def test_quality_is_read_from_a_request(words: str, quality: str) -> None:
    assert read(f"mute it, {words}").output.quality == quality


def test_what_a_refused_export_names_is_not_taken() -> None:
    assert read("don't export in 480p, mute it").output.resolution == "1080p"


def test_an_export_of_the_session_as_it_is_needs_no_message() -> None:
    assert read("export 1080p MP4", media=(), continues=True).plan == Plan(None, "export")


def test_new_media_are_put_on_the_timeline_before_they_are_exported() -> None:
    assert read("export 1080p MP4", continues=True).plan == Plan(UNCHANGED_MEDIA, "export")


def test_the_caller_may_forbid_an_export() -> None:
    reading = read("mute it and export", RequestedOutput(export=False))

    assert reading.plan == Plan("mute it", "none")
    assert not reading.output.export
    assert any("output.export says no" in hint for hint in reading.hints)


def test_the_caller_may_insist_on_an_export() -> None:
    assert read("mute it, don't export", RequestedOutput(export=True)).plan == Plan("mute it", "export")


@pytest.mark.parametrize("prompt", ["credits", "status", "upload this"])
def test_what_edits_nothing_exports_nothing(prompt: str) -> None:
    assert not read(prompt, RequestedOutput(export=True)).output.export


def test_an_aspect_ratio_that_the_caller_set_goes_into_the_message() -> None:
    asked = RequestedOutput(aspect_ratio="9:16")

    assert read("mute it", asked).plan.message == "mute it. Change the aspect ratio to 9:16."
    assert read("Mute it!", asked).plan.message == "Mute it! Change the aspect ratio to 9:16."
    assert read("export", asked).plan == Plan("Change the aspect ratio to 9:16.", "export")
    assert read("export", asked, media=(), continues=True).plan == Plan("Change the aspect ratio to 9:16.", "export")


@pytest.mark.parametrize("prompt", ["9:16", "vertical please", "export in 9:16", "9:16, don't export"])
def test_an_aspect_ratio_is_an_edit_also_where_no_film_is_wanted(prompt: str) -> None:
    assert read(prompt, RequestedOutput(export=False)).plan == Plan("Change the aspect ratio to 9:16.", "none")


def test_an_aspect_ratio_that_the_message_names_is_not_said_twice() -> None:
    assert read("make it vertical", RequestedOutput(aspect_ratio="9:16")).plan.message == "make it vertical"


def test_the_callers_aspect_ratio_is_the_last_word_over_the_prompts() -> None:
    reading = read("make it vertical", RequestedOutput(aspect_ratio="1:1"))

    assert reading.plan.message == "make it vertical. Change the aspect ratio to 1:1."
    assert reading.output.aspect_ratio == "1:1"
    assert any("output.aspect_ratio" in hint for hint in reading.hints)


def test_a_question_takes_no_aspect_ratio() -> None:
    assert read("credits", RequestedOutput(aspect_ratio="9:16")).plan == Plan(None, "credits")


def test_a_message_or_an_export_needs_media_in_a_new_session() -> None:
    for prompt in ("mute it", "export"):
        reading = read(prompt, media=())
        assert needs_media(reading.plan, VIDEO, continues_session=False)
        assert not needs_media(reading.plan, VIDEO, continues_session=True)
        assert not needs_media(reading.plan, TEXT, continues_session=False)


@pytest.mark.parametrize("prompt", ["credits", "status", "upload", "don't export"])
def test_what_edits_nothing_needs_no_media(prompt: str) -> None:
    assert not needs_media(read(prompt, media=()).plan, VIDEO, continues_session=False)
