"""The five skills with their typical asks, on real input: the films are decoded, nobody's word is taken."""

import asyncio

import av
import numpy as np
import pytest

from sandbox.clips import make_image, make_talk_clip
from tests.film import boxes, color, watch

SMALL = {"resolution": "360p"}
SILENCES = ((3.0, 5.0), (8.0, 9.5))
TALK_S = 12.0


@pytest.fixture(scope="module")
def talk(gateway):
    """A clip of three scenes whose voice falls silent twice."""
    path = gateway.folder / "talk.mp4"
    asyncio.run(make_talk_clip(path, scenes=3, duration_s=TALK_S, silences=SILENCES, size=(320, 180)))
    return path


@pytest.fixture(scope="module")
def jobs(gateway, talk):
    """Submit all five at once."""
    second = gateway.folder / "second.mp4"
    asyncio.run(make_talk_clip(second, scenes=1, duration_s=6, silences=(), size=(320, 180)))
    long = gateway.folder / "long.mp4"
    asyncio.run(make_talk_clip(long, scenes=4, duration_s=40, silences=((10.0, 12.0),), size=(320, 180)))
    images = []
    for name, shade in (("a", "0xb5541c"), ("b", "0x7a3f8f"), ("c", "0x2f7d4f")):
        path = gateway.folder / f"{name}.png"
        asyncio.run(make_image(path, label=name, color=shade, size=(640, 360)))
        images.append({"upload_id": gateway.upload(path)})
    clips = [{"upload_id": gateway.upload(path)} for path in (talk, second)]
    asked = {
        "free-video-fast": ("trim, add transitions, and export a clean video for free", clips[:1]),
        "ai-video-pro-online": ("cut the pauses, add background music, and export in 1080p", clips[:1]),
        "trimmer-exe": (
            "trim the silent pauses and cut the intro down to 30 seconds",
            [{"upload_id": gateway.upload(long)}],
        ),
        "maker-free": ("turn my clips into a finished video with music and transitions", clips),
        "free-video-generation-automatic": (
            (
                "generate a 30-second promotional video from my text and images automatically. "
                "Text: Harbour Bakery. Fresh bread, every morning."
            ),
            images,
        ),
    }
    return {
        skill: gateway.submit(prompt, media=media, profile=skill, output=SMALL)["id"]
        for skill, (prompt, media) in asked.items()
    }


def film_of(gateway, job_id):
    job = gateway.ended(job_id)
    assert job["status"] == "succeeded", job["error"]
    path = gateway.download(job)
    film = watch(path)
    assert (film.video_codec, film.audio_codec, film.pixel_format) == ("h264", "aac", "yuv420p")
    assert boxes(path).index("moov") < boxes(path).index("mdat"), "not playable from the first byte"
    assert film.size == (640, 360)
    assert abs(job["output"]["duration_s"] - film.duration_s) < 0.2
    assert (job["output"]["width"], job["output"]["height"]) == film.size
    return job, film


def test_free_video_fast_trims_and_puts_a_transition_into_the_frames(gateway, jobs, talk):
    _, film = film_of(gateway, jobs["free-video-fast"])
    assert film.duration_s < TALK_S
    assert blended_frames(film, watch(talk)) >= 3


def blended_frames(film, source):
    """Count frames whose colour is between those of two scenes, and that no frame of the source has."""
    scenes = np.array([color(frame) for frame in source.frames[:: int(source.fps)]])
    shades = np.array([color(frame) for frame in film.frames])
    distance = np.abs(shades[:, None, :] - scenes[None, :, :]).max(axis=2).min(axis=1)
    return int((distance > 12).sum())


def test_ai_video_pro_online_cuts_the_pauses_and_adds_music(gateway, jobs, talk):
    job, film = film_of(gateway, jobs["ai-video-pro-online"])
    silent_s = sum(end - start for start, end in SILENCES)
    assert abs(film.duration_s - (TALK_S - silent_s)) < 1.0
    assert film.longest_silence_s() < 0.3
    assert job["plan"] == {"message": "cut the pauses, add background music", "action": "export"}
    assert any("music" in change.lower() for change in job["changes"])


def test_trimmer_exe_cuts_the_silence_and_ends_at_thirty_seconds(gateway, jobs):
    _, film = film_of(gateway, jobs["trimmer-exe"])
    assert film.duration_s <= 30.1
    assert film.longest_silence_s() < 0.6


def test_maker_free_joins_the_clips_with_music_and_transitions(gateway, jobs):
    job, film = film_of(gateway, jobs["maker-free"])
    assert 6.0 < film.duration_s < TALK_S + 6.1
    assert film.longest_silence_s() < 0.3
    assert "BGM" in job["timeline"] or "usic" in job["timeline"]


def test_free_video_generation_automatic_makes_thirty_seconds_with_sound(gateway, jobs):
    job, film = film_of(gateway, jobs["free-video-generation-automatic"])
    assert abs(film.duration_s - 30.0) <= 0.2
    assert film.loudness(1, 29) > 0.005
    assert len({tuple((color(film.at(second)) // 16).astype(int)) for second in range(2, 28, 4)}) >= 3
    assert job["credits_used"] == 100 or not job["credits_exact"]


def test_the_title_is_burnt_into_the_picture(gateway, talk):
    prompt = 'add a title "HELLO" in the center for the whole video and export in 360p'
    with_title = watch(gateway.download(gateway.run(prompt, upload=talk)))
    plain = watch(
        gateway.download(gateway.run("put the clip on the timeline as it is and export in 360p", upload=talk))
    )
    middle = np.s_[140:220, 160:480]
    difference = np.abs(with_title.at(1.0)[middle].astype(int) - plain.at(1.0)[middle].astype(int))
    assert (difference > 80).mean() > 0.01


def test_without_a_word_about_it_the_film_is_1080p_mp4(gateway):
    job = gateway.run("trim the first 2 seconds", upload=gateway.clip())
    assert job["status"] == "succeeded", job["error"]
    with av.open(str(gateway.download(job))) as container:
        video = container.streams.video[0]
        assert (video.width, video.height, video.codec_context.name) == (1920, 1080, "h264")
        assert abs(container.duration / av.time_base - 2.0) < 0.2


def test_an_aspect_ratio_goes_into_the_message_and_comes_out_in_the_film(gateway):
    job = gateway.run("trim the first second", upload=gateway.clip(), output={"aspect_ratio": "9:16", **SMALL})
    assert job["status"] == "succeeded", job["error"]
    assert "9:16" in job["plan"]["message"]
    assert job["output"]["height"] > job["output"]["width"]


def test_chinese_is_understood_from_the_prompt_to_the_reply(gateway):
    job = gateway.run("剪掉前1秒，添加背景音乐，然后导出360p视频", upload=gateway.clip())
    assert job["status"] == "succeeded", job["error"]
    assert job["language"] == "zh-CN"
    assert "导出" not in job["plan"]["message"]
    assert watch(gateway.download(job)).duration_s == pytest.approx(3.0, abs=0.2)
