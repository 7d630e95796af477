"""What edits do to a draft; pure, on media that exist in name only."""

from copy import deepcopy
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.edits import Edited, edit, empty_draft
from sandbox.media import Media


def film(
    name="city_timelapse.mp4", length_ms=12_000, *, size=(1280, 720), silences=((3000, 5000), (8000, 9500)), scenes=()
):
    return Media(f"cdn://{name}", Path(name), "video", name, length_ms, *size, 25.0, True, "mp4", silences, scenes)


def still(name="a.png"):
    return Media(f"cdn://{name}", Path(name), "image", name, 0, 1280, 720, 0.0, False, "png", ())


def song(name="song.mp3"):
    return Media(f"cdn://{name}", Path(name), "audio", name, 3000, 0, 0, 0.0, True, "mp3", ())


TALK = film()


def on(prompt, *media, draft=None) -> Edited:
    media = media or (TALK,)
    return edit(prompt, draft or {}, media, () if draft else media)


def segments(draft, kind=0):
    return [s for t in draft["t"] if t["tt"] == kind for s in t["sg"]]


def test_cut_pauses_leaves_the_words_and_a_breath():
    draft = on("cut the pauses").draft
    assert [(s["in"], s["d"]) for s in segments(draft)] == [(0, 3050), (4950, 3100), (9450, 2550)]
    assert [s["st"] for s in segments(draft)] == [0, 3050, 6150]
    assert draft["d"] == 8700


def test_cut_pauses_after_another_cut_finds_them_where_they_are_now():
    draft = on("trim the first 4 seconds and cut the pauses").draft
    assert [(s["in"], s["d"]) for s in segments(draft)] == [(4950, 3100), (9450, 2550)]


def test_nothing_is_left_of_a_silent_clip_is_refused():
    silent = film(silences=((0, 12_000),))
    edited = on("cut the pauses", silent)
    assert edited.draft["d"] == 12_000
    assert "leave nothing" in edited.said[0]


def test_a_plain_trim_takes_the_silence_at_both_ends():
    edited = on("trim", film(silences=((0, 1500), (11_000, 12_000))))
    assert segments(edited.draft)[0]["in"] == 1450
    assert edited.draft["d"] == 12_000 - 1450 - 950


def test_a_plain_trim_without_silent_ends_takes_a_little():
    assert on("trim").draft["d"] == 11_000


def test_transitions_stand_at_scene_changes_and_overlap():
    draft = on("add transitions", film(scenes=(4000, 8000))).draft
    assert [(s["st"], s["d"]) for s in segments(draft)] == [(0, 4000), (3500, 4000), (7000, 4000)]
    assert segments(draft)[1]["m"]["transition"] == {"style": "crossfade", "d": 500}


def test_transitions_between_short_pieces_are_shorter():
    draft = on("cut from 0:00.4 to 0:11.6, add 2 second transitions").draft
    assert segments(draft)[1]["m"]["transition"]["d"] == 160


def test_titles_move_with_what_is_cut_before_them():
    first = on('add the title "Hi" from 0:06 to 0:08').draft
    draft = on("trim the first 2 seconds", draft=first).draft
    assert [(s["st"], s["d"]) for s in segments(draft, 7)] == [(4000, 2000)]


def test_a_title_stands_at_the_end_and_is_replaced():
    first = on("add text 'SALE' for the last 2 seconds").draft
    assert [(s["st"], s["d"]) for s in segments(first, 7)] == [(10_000, 2000)]
    draft = on('change the title to "Sold out"', draft=first).draft
    assert [s["m"]["text"] for s in segments(draft, 7)] == ["Sold out"]


def test_a_video_is_made_from_a_text_alone():
    edited = edit("generate a 10-second promotional video from my text: Fresh bread, every morning", {}, [], [])
    assert edited.draft["d"] == 10_000
    assert [s["m"]["text"] for s in segments(edited.draft, 7)] == ["Fresh bread, every morning"]


def test_music_is_as_long_as_the_video_also_after_a_cut():
    first = on("add background music").draft
    assert [(s["st"], s["d"], s["m"]["volume"]) for s in segments(first, 1)] == [(0, 12_000, 0.35)]
    assert segments(on("cut it to 5 seconds", draft=first).draft, 1)[0]["d"] == 5000


def test_a_fade_stays_at_the_end_when_the_end_is_cut():
    first = on("fade out").draft
    draft = on("cut the pauses, trim the last 3 seconds", draft=first).draft
    assert [s["m"].get("fade_out") for s in segments(draft)] == [None, 1000]


def test_new_media_start_afresh_and_are_appended_where_asked():
    first = on("add transitions").draft
    second = film("second.mp4", 4000)
    fresh = edit("add music", first, [TALK, second], [second]).draft
    assert [s["src"] for s in segments(fresh)] == [second.url]
    longer = edit("append this clip", first, [TALK, second], [second]).draft
    assert [s["src"] for s in segments(longer)] == [TALK.url, TALK.url, second.url]


def test_an_empty_timeline_takes_all_media_in_upload_order():
    media = [film("b.mp4", 2000), still(), film("a.mp4", 3000)]
    draft = edit("join the clips", {}, media, []).draft
    assert [s["src"] for s in segments(draft)] == [m.url for m in media]
    assert draft["d"] == 2000 + 4000 + 3000


def test_own_audio_lies_below_and_becomes_the_music():
    placed = on("put the media on the timeline unchanged", TALK, song()).draft
    assert segments(placed, 1)[0]["m"]["volume"] == 1.0
    music = on("add background music", TALK, song()).draft
    assert [(s["src"], s["d"], s["m"]["volume"]) for s in segments(music, 1)] == [("cdn://song.mp3", 12_000, 0.35)]


@pytest.mark.parametrize(
    ("size", "canvas"), [((1080, 1920), (1080, 1920)), ((600, 600), (1080, 1080)), ((640, 480), (1920, 1080))]
)
def test_the_canvas_is_turned_like_the_first_clip(size, canvas):
    m = on("add music", film(size=size)).draft["m"]
    assert (m["width"], m["height"]) == canvas


@pytest.mark.parametrize("prompt", ["make a unicorn dance", "make it better", "独角兽跳舞", "???", ""])
def test_where_nothing_is_understood_nothing_changes(prompt):
    before = on("cut the pauses").draft
    edited = edit(prompt, before, [TALK], [film("new.mp4")])
    assert not edited.changed
    assert edited.draft == before
    assert edited.not_understood == ([prompt] if prompt else [])


def test_one_edit_out_of_two_is_done_and_the_other_told():
    edited = on("cut the pauses and make a unicorn dance")
    assert edited.changed
    assert edited.not_understood == ["make a unicorn dance"]


def test_without_media_it_says_so():
    edited = edit("cut the pauses", {}, [], [])
    assert not edited.changed
    assert "upload" in edited.said[0]


def test_answers_come_in_the_language_of_the_prompt():
    assert on('add the title "永远"').said == ['Title added: "永远" (white, center, 0-3s).']
    assert on("剪掉前两秒").said == ["已剪掉开头2秒。"]


def test_a_finished_video_has_what_was_not_denied():
    draft = on("turn my clips into a finished video without music", TALK, film("b.mp4")).draft
    assert not segments(draft, 1)
    assert "transition" in segments(draft)[1]["m"]


@pytest.mark.parametrize("length_s", [5, 10, 30, 47, 60])
@pytest.mark.parametrize("images", [0, 1, 3, 7])
def test_a_made_video_is_exactly_as_long_as_asked(length_s, images):
    media = [still(f"{n}.png") for n in range(images)]
    prompt = f"generate a {length_s}-second video from my text and images: Aurora. Light that follows. Order now."
    edited = edit(prompt, {}, media, media)
    assert edited.draft["d"] == length_s * 1000
    assert edited.generated
    assert [s["src"] for s in segments(edited.draft) if s["src"].startswith("cdn")] == [m.url for m in media]


def test_a_made_video_comes_raw_first():
    media = [still("a.png"), still("b.png")]
    edited = edit("generate a 10-second promo from my text and images: Aurora. Light that follows.", {}, media, media)
    raw, final = edited.stages[0], edited.draft
    assert {t["tt"] for t in raw["t"]} == {0}
    assert {t["tt"] for t in final["t"]} == {0, 1, 7}
    assert raw["d"] == final["d"] == 10_000
    assert next(s["m"]["text"] for s in segments(final, 7)) == "Aurora"
    assert all("zoom" in s["m"] for s in segments(final) if s["src"].startswith("cdn"))


def test_a_made_video_takes_title_shape_and_music_from_the_prompt():
    edited = edit(
        'make a 12-second vertical ad from my images with the title "Luna Cafe" and calm music',
        {},
        [still()],
        [still()],
    )
    assert (edited.draft["m"]["width"], edited.draft["m"]["height"]) == (1080, 1920)
    assert edited.draft["m"]["title"] == "Luna Cafe"
    assert segments(edited.draft, 1)[0]["m"]["name"] == "Calm"


PROMPTS = [
    "cut the pauses",
    "trim",
    "trim the first 2 seconds",
    "trim the last 1.5 seconds",
    "cut from 0:01 to 0:02",
    "cut it down to 5 seconds",
    "add transitions",
    "add 3 second wipe transitions",
    "remove the transitions",
    "fade in and out",
    "speed up 2x",
    "slow motion",
    "add lo-fi music",
    "set the music to 10%",
    "remove the music",
    'add the title "A" at the end',
    "add captions: One. Two. Three.",
    "remove the captions",
    "make it 9:16",
    "black and white",
    "mute",
    "剪掉停顿，添加背景音乐",
    "generate a 9-second video about rain",
    "append this clip",
    "keep 0:01-0:04",
]


@given(prompts=st.lists(st.sampled_from(PROMPTS), min_size=1, max_size=6))
def test_whatever_is_done_the_draft_stays_whole(prompts):
    draft = empty_draft()
    media = [film(scenes=(4000,)), still(), film("b.mp4", 900, silences=())]
    for number, prompt in enumerate(prompts):
        given_draft = deepcopy(draft)
        edited = edit(prompt, draft, media, media if number == 0 else [])
        assert draft == given_draft
        assert edited == edit(prompt, draft, media, media if number == 0 else [])
        draft = edited.draft
        assert_whole(draft)


def assert_whole(draft):
    main = segments(draft)
    assert all(s["d"] > 0 and s["st"] >= 0 and s["in"] >= 0 for s in main)
    for before, after in pairwise(main):
        assert after["st"] == before["st"] + before["d"] - after["m"].get("transition", {}).get("d", 0)
    assert draft["d"] == (main[-1]["st"] + main[-1]["d"] if main else 0)
    over = segments(draft, 7) + segments(draft, 1)
    assert all(s["d"] > 0 and s["st"] >= 0 and s["st"] + s["d"] <= draft["d"] for s in over)
    names = [t["id"] for t in draft["t"]] + [s["id"] for t in draft["t"] for s in t["sg"]]
    assert len(names) == len(set(names))
    assert all(t["sg"] for t in draft["t"])


@given(prompt=st.text(max_size=80) | st.lists(st.sampled_from(PROMPTS), max_size=3).map(" and ".join))
def test_any_text_is_read_without_trouble(prompt):
    edited = edit(prompt, {}, [TALK], [TALK])
    assert edited.changed == (edited.draft != empty_draft())


def test_a_speed_at_its_limit_still_plays_the_whole_film():
    once = on("speed it up 4x").draft
    (segment,) = segments(on("speed it up 4x", draft=once).draft)
    assert segment["m"]["speed"] == 8
    assert segment["d"] * segment["m"]["speed"] == TALK.duration_ms


def test_sound_alone_changes_its_speed_and_music_below_a_film_does_not():
    (alone,) = segments(on("speed it up 2x", song()).draft, 1)
    (below,) = segments(on("speed it up 2x", TALK, song()).draft, 1)
    assert (alone["m"]["speed"], alone["d"]) == (2.0, 1500)
    assert "speed" not in below["m"]
