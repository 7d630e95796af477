"""What was asked for is in the file: each test renders an edit of a real clip, and decodes the result."""

import numpy as np
import pytest
import pytest_asyncio

from sandbox.clips import make_audio, make_image, make_talk_clip
from sandbox.edits import edit
from sandbox.media import Media, probe
from sandbox.render import render
from tests.film import Film, color, watch

SMALL = {"resolution": "180p", "quality": "high"}
LENGTH_S = 6.0
SILENCES = ((1.0, 2.0), (4.2, 5.2))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def talk(tmp_path_factory) -> Media:
    path = tmp_path_factory.mktemp("clips") / "talk.mp4"
    await make_talk_clip(path, scenes=2, duration_s=LENGTH_S, silences=SILENCES, size=(320, 180))
    return await probe(path, url="cdn://talk", name="talk.mp4")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def other(tmp_path_factory) -> Media:
    path = tmp_path_factory.mktemp("clips") / "other.webm"
    await make_talk_clip(path, scenes=1, duration_s=2, silences=(), size=(240, 240))
    return await probe(path, url="cdn://other", name="other.webm")


@pytest.fixture
def made(tmp_path):
    async def make(prompt: str, *media: Media, output=None) -> Film:
        edited = edit(prompt, {}, media, media)
        assert not edited.not_understood
        out = {**SMALL, **(output or {})}
        done = await render(
            edited.draft, out, {m.url: m for m in media}, into=tmp_path / "out.mp4", on_progress=lambda _: None
        )
        film = watch(done.path)
        assert film.duration_s == pytest.approx(done.duration_s, abs=0.05)
        assert film.sound_s == pytest.approx(done.duration_s, abs=0.1)
        return film

    return make


def saturation(frame) -> float:
    return float((frame.max(axis=2).astype(int) - frame.min(axis=2)).mean())


def brightness(frame) -> float:
    return float(frame.mean())


async def test_the_pauses_are_gone_and_nothing_else(made, talk):
    whole = await made("add the media to the timeline unchanged", talk)
    assert whole.longest_silence_s() == pytest.approx(1.0, abs=0.08)
    film = await made("cut the silent pauses", talk)
    assert film.longest_silence_s() < 0.2
    assert film.duration_s == pytest.approx(LENGTH_S - 2.0, abs=0.25)


async def test_music_fills_what_was_silent(made, talk):
    film = await made("add background music", talk)
    assert film.loudness(1.2, 1.8) > 0.02
    assert film.loudness(0.2, 0.8) > film.loudness(1.2, 1.8)
    assert film.duration_s == pytest.approx(LENGTH_S, abs=0.05)


async def test_a_transition_blends_two_scenes(made, talk):
    film = await made("add transitions", talk)
    first, last = color(film.at(0.5)), color(film.at(film.duration_s - 0.5))
    middle = color(film.at(film.duration_s / 2))
    assert film.duration_s == pytest.approx(LENGTH_S - 0.5, abs=0.05)
    assert np.abs(first - last).max() > 40
    assert np.allclose(middle, (first + last) / 2, atol=12)


async def test_a_lone_scene_is_split_in_its_middle_for_a_transition(made, other):
    film = await made("add transitions", other)
    assert film.duration_s == pytest.approx(1.6, abs=0.12)


async def test_plain_trim_and_transitions_shorten_and_blend(made, talk):
    film = await made("trim, add transitions", talk)
    assert film.duration_s < LENGTH_S - 0.5


async def test_a_title_is_burnt_in_where_and_while_it_was_asked_for(made, talk):
    plain = await made("add the media to the timeline unchanged", talk)
    film = await made('add the title "Urban Dreams" at the bottom for 2 seconds', talk)
    changed = np.abs(film.at(1.0).astype(int) - plain.at(1.0)).max(axis=2) > 60
    assert changed[120:].mean() > 0.02
    assert changed[:100].mean() < 0.005
    after = np.abs(film.at(3.0).astype(int) - plain.at(3.0)).max(axis=2) > 60
    assert after.mean() < 0.005


async def test_a_chinese_title_is_written_with_signs_not_boxes(made, talk):
    film = await made("添加标题“永远”", talk)
    other_signs = await made("添加标题“城市”", talk)
    assert np.abs(film.at(1.0).astype(int) - other_signs.at(1.0)).max() > 100


async def test_captions_follow_one_another(made, talk):
    film = await made("add captions: One short line. And quite another one here.", talk)
    plain = await made("add the media to the timeline unchanged", talk)
    looks = [np.abs(film.at(t).astype(int) - plain.at(t)).max(axis=2)[120:] > 60 for t in (0.7, 5.3)]
    assert all(look.mean() > 0.01 for look in looks)
    assert (looks[0] ^ looks[1]).mean() > 0.01


async def test_first_and_last_seconds_are_trimmed(made, talk):
    film = await made("trim the first 1 second and the last 2 seconds", talk)
    assert film.duration_s == pytest.approx(3.0, abs=0.05)
    assert film.loudness(0.1, 0.9) < 0.01


async def test_a_stretch_is_cut_out(made, talk):
    film = await made("cut from 0:01 to 0:02", talk)
    assert film.duration_s == pytest.approx(5.0, abs=0.05)
    assert film.loudness(0.5, 1.5) > 0.1


async def test_it_is_cut_down_to_a_length(made, talk):
    assert (await made("cut the intro down to 3 seconds", talk)).duration_s == pytest.approx(3.0, abs=0.05)


async def test_clips_of_different_shape_are_joined(made, talk, other):
    film = await made("join the clips", talk, other)
    assert film.duration_s == pytest.approx(LENGTH_S + 2, abs=0.1)
    assert film.size == (320, 180)
    assert film.at(7.0)[:, :20].max() < 20  # the square clip stands between bars


async def test_it_fades_in_and_out(made, talk):
    film = await made("fade in and fade out", talk)
    assert brightness(film.frames[0]) < 5
    assert brightness(film.frames[-1]) < 12
    assert brightness(film.at(3.0)) > 40
    assert film.loudness(0, 0.1) < film.loudness(0.8, 1.0) / 2


async def test_speed_changes_picture_and_sound(made, talk):
    film = await made("speed it up 2x", talk)
    assert film.duration_s == pytest.approx(LENGTH_S / 2, abs=0.05)
    assert film.loudness(0.55, 0.95) < 0.02  # the pause from 1 to 2 s comes twice as early
    assert film.loudness(0.1, 0.4) > 0.1


async def test_it_is_slowed_down(made, other):
    assert (await made("slow motion", other)).duration_s == pytest.approx(4.0, abs=0.2)


async def test_muted_is_silent_and_still_has_a_track(made, talk):
    film = await made("mute the video", talk)
    assert np.abs(film.sound).max() < 0.001
    assert film.audio_codec == "aac"


async def test_volume_is_turned_down(made, talk):
    whole, film = await made("fade in", talk), await made("set the volume to 50%", talk)
    assert film.loudness(2.2, 3.8) == pytest.approx(whole.loudness(2.2, 3.8) / 2, rel=0.15)


async def test_black_and_white_has_no_color_left(made, talk):
    film = await made("make it black and white", talk)
    assert saturation(film.at(2.0)) < 4


async def test_warmer_has_more_red_and_less_blue(made, talk):
    plain, film = await made("add the media to the timeline unchanged", talk), await made("make it warmer", talk)
    before, after = color(plain.at(2.0)), color(film.at(2.0))
    assert after[0] > before[0] + 4
    assert after[2] < before[2] - 4


async def test_nine_by_sixteen_is_cropped_to_fill(made, talk):
    film = await made("crop it to 9:16", talk)
    assert film.size == (180, 320)
    assert film.at(2.0)[:20].mean() > 30


async def test_a_square_with_bars(made, talk):
    film = await made("make it 1:1 with black bars", talk)
    assert film.size == (180, 180)
    assert film.at(2.0)[:30].max() < 20


async def test_a_finished_video_has_both_clips_music_and_transitions(made, talk, other):
    film = await made("turn my clips into a finished video with music and transitions", talk, other)
    assert film.duration_s == pytest.approx(LENGTH_S + 2 - 0.5, abs=0.1)
    assert film.loudness(1.2, 1.8) > 0.02


async def test_own_audio_becomes_the_music(made, talk, tmp_path):
    await make_audio(tmp_path / "song.m4a", duration_s=2)
    song = await probe(tmp_path / "song.m4a", url="cdn://song", name="song.m4a")
    film = await made("add background music", talk, song)
    assert film.loudness(4.3, 4.9) > 0.01  # after the song's end: it is played again


async def test_a_video_is_made_from_text_and_images(made, tmp_path):
    images = []
    for number, shade in enumerate(("0xb5541c", "0x2f7d4f")):
        await make_image(tmp_path / f"{number}.png", label=str(number), color=shade, size=(320, 180))
        images.append(await probe(tmp_path / f"{number}.png", url=f"cdn://{number}", name=f"{number}.png"))
    film = await made(
        "generate a 10-second promotional video from my text and images automatically: Aurora. Light that follows.",
        *images,
    )
    assert film.duration_s == pytest.approx(10.0, abs=0.05)
    assert film.loudness(1, 9) > 0.02
    assert brightness(film.at(1.0)) > 5
    early, late = film.at(3.2).astype(int), film.at(4.2).astype(int)
    assert np.abs(early - late).mean() > 1  # a still that moves: the slow zoom
    assert (film.at(1.0) > 200).mean() > 0.001  # the headline on its card


@pytest.mark.parametrize("style", ["crossfade", "fade to black", "wipe", "slide", "dissolve", "zoom"])
async def test_every_kind_of_transition_keeps_the_length(made, talk, style):
    film = await made(f"add {style} transitions of 1 second", talk)
    assert film.duration_s == pytest.approx(LENGTH_S - 1.0, abs=0.05)
    first, last = color(film.at(0.5)), color(film.at(film.duration_s - 0.5))
    assert np.abs(first - last).max() > 40
