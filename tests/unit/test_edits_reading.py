"""How prompts are read: which edits, with which details, in both languages."""

import pytest

from sandbox.edits.context import detail
from sandbox.edits.material import apart
from sandbox.edits.phrases import FILLER, RULES
from sandbox.edits.reading import read
from sandbox.edits.words import told


def kinds(prompt: str) -> list[str]:
    reading = read(told(prompt), RULES, FILLER)
    assert not reading.not_understood, reading.not_understood
    return [ask.kind for ask in reading.asks if ask.kind != "aside"]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("trim, add transitions, and export a clean video for free", ["trim", "transitions"]),
        ("trim, add transitions", ["trim", "transitions"]),
        ("cut the pauses, add background music, and export in 1080p", ["pauses", "music"]),
        ("trim the silent pauses and cut the intro down to 30 seconds", ["pauses", "cut_to"]),
        ("turn my clips into a finished video with music and transitions", ["finish", "music", "transitions"]),
        ("generate a 30-second promotional video from my text and images automatically", ["generate"]),
        ("Add the uploaded media to the timeline without any changes.", ["place"]),
        ("put the media on the timeline unchanged", ["place"]),
        ("Please place my clips on the timeline as they are", ["place"]),
        ("Trim the first 2 seconds and the last 3 seconds", ["trim_first", "trim_last"]),
        ("cut 2 seconds off the start", ["trim_first"]),
        ("remove three seconds from the end of the clip", ["trim_last"]),
        ("cut from 0:05 to 0:10", ["cut_range"]),
        ("remove the part between 3s and 5s", ["cut_range"]),
        ("keep only the first 10 seconds", ["keep_first"]),
        ("keep 0:02-0:08", ["keep"]),
        ("shorten it to half a minute", ["cut_to"]),
        ("make the video 30 seconds long", ["cut_to"]),
        ("remove all silences", ["pauses"]),
        ("join the clips with crossfade transitions between them", ["join", "transitions"]),
        ("add 1 second crossfades", ["transitions"]),
        ("merge them into one video", ["join"]),
        ("fade in and out", ["fade"]),
        ("fade to black at the end", ["fade"]),
        ("speed it up 2x and make it 1.5x faster", ["speed", "speed"]),
        ("slow down the video by 20%", ["speed"]),
        ("double the speed", ["speed"]),
        ("mute the video and add lo-fi music at 20%", ["mute", "music"]),
        ("remove the audio", ["mute"]),
        ("set the music volume to 20%", ["volume"]),
        ("turn down the volume", ["volume"]),
        ("make the music quieter", ["volume"]),
        ("make it black and white", ["look"]),
        ("make the colors warmer", ["look"]),
        ("crop to 9:16", ["aspect"]),
        ("Set the aspect ratio to 1:1.", ["aspect"]),
        ("make it vertical", ["aspect"]),
        ("append this clip to the end", ["append"]),
        ("don't cut the pauses, just add music", ["music"]),
        ("without music", ["remove"]),
        ("add music and fade out the music at the end", ["music", "music_fade"]),
        ("keep the first 5 seconds and drop the rest", ["keep_first"]),
        ("tighten it to 20 seconds", ["cut_to"]),
        ("add text 'SALE' in red at the bottom right for the last 2 seconds", ["title"]),
        ("remove the captions", ["remove"]),
        ("add a title 'cut the pauses and export'", ["title"]),
        ("剪掉前两秒，再去掉最后1.5秒", ["trim_first", "trim_last"]),
        ("剪掉停顿，添加背景音乐", ["pauses", "music"]),
        ("把静音部分剪掉，片头剪到30秒", ["pauses", "cut_to"]),
        ("剪掉第5秒到第10秒", ["cut_range"]),
        ("只保留前10秒", ["keep_first"]),
        ("合并这些片段，在片段之间加转场", ["join", "transitions"]),
        ("淡入淡出，加速到2倍", ["fade", "speed"]),
        ("放慢速度", ["speed"]),
        ("视频静音", ["mute"]),
        ("背景音乐音量调到20%", ["volume"]),
        ("黑白滤镜，竖屏", ["look", "aspect"]),
        ("画面暖一点，比例改成1:1", ["look", "aspect"]),
        ("把片段剪成一个完整的视频，配上音乐和转场", ["finish", "music", "transitions"]),
        ("用我的文字和图片自动生成一个30秒的宣传视频", ["generate"]),
        ("把上传的素材原样放到时间线上，不做任何修改", ["place"]),
        ("添加标题“城市之梦”，导出", ["title"]),
        ("去掉背景音乐", ["remove"]),
    ],
)
def test_a_prompt_means_these_edits(prompt, expected):
    assert kinds(prompt) == expected


@pytest.mark.parametrize(
    ("prompt", "missed"),
    [
        ("make a unicorn dance", ["make a unicorn dance"]),
        ("cut the pauses and make a unicorn dance", ["make a unicorn dance"]),
        ("make it better", ["make it better"]),
        ("speed up the first 5 seconds", ["speed up the first 5 seconds"]),
        ("reverse the video", ["reverse the video"]),
        ("add fireworks, then trim the first 2 seconds", ["add fireworks"]),
        ("添加背景音乐，让独角兽跳舞", ["让独角兽跳舞"]),
        ("make it look like an exported poster", ["make it look like an exported poster"]),
    ],
)
def test_what_is_not_understood_is_kept_in_its_own_words(prompt, missed):
    assert read(told(prompt), RULES, FILLER).not_understood == missed


@pytest.mark.parametrize(
    ("words", "times_ms"),
    [
        ("the first 2 seconds", [2000]),
        ("a 30-second video", [30_000]),
        ("1 minute 30 seconds", [90_000]),
        ("from 1:05 to 1:07.5", [65_000, 67_500]),
        ("from 5 to 10 seconds", [5000, 10_000]),
        ("half a second", [500]),
        ("a couple of seconds", [2000]),
        ("the last second", [1000]),
        ("250ms", [250]),
        ("两秒", [2000]),
        ("三十五秒", [35_000]),
        ("半分钟", [30_000]),
        ("一分半", [90_000]),
        ("第5秒到第10秒", [5000, 10_000]),
        ("in 9:16", []),
        ("at 1080p with 2x zoom", []),
    ],
)
def test_times_are_read_in_both_languages(words, times_ms):
    assert told(words).times_ms == times_ms


@pytest.mark.parametrize("quoted", ['"Hi"', "“Hi”", "「Hi」", "'Hi'", "《Hi》", "«Hi»"])
def test_texts_are_read_in_any_quotes(quoted):
    assert told(f"add the title {quoted}, don't stop").texts == ["Hi"]


def test_runs_of_blanks_and_empty_lines_mean_no_more_than_one_and_stay_within_quotes():
    prompt = told('cut the  pauses,\n \n\t\nadd the\ttitle    "A   B"')
    assert prompt.text == "cut the pauses,\n\nadd the\ttitle «0»"
    assert prompt.texts == ["A   B"]


def test_the_users_own_words_come_back():
    prompt = told('add "A 9:16 film" for 2 seconds')
    assert prompt.original(prompt.text) == 'add "A 9:16 film" for 2 seconds'


@pytest.mark.parametrize(
    ("prompt", "details"),
    [
        (
            'add the title "Hi" at the top left in yellow for 4 seconds with a 1s fade-in',
            {"position": "top left", "color": "yellow", "length": "4 seconds", "fading": "1s fade-in"},
        ),
        ('show "Hi" from 0:02 to 0:05', {"span": "0:02 to 0:05"}),
        ('add the caption "Hi" at the end', {"ending": "at the end"}),
        ("在左上角添加标题“你好”，持续5秒", {"position": "左上角", "length": "5秒"}),
        ("add calm piano music at 20%", {"style": "calm", "percent": "20"}),
        ("add slow wipe transitions of 2 seconds", {"length": "2 seconds"}),
        ("crop it to 9:16 without cropping", {"ratio": "9:16", "fit": "without cropping"}),
    ],
)
def test_details_are_found_around_the_edit(prompt, details):
    kept = told(prompt)
    ask = next(ask for ask in read(kept, RULES, FILLER).asks if ask.kind != "aside")
    assert {name: kept.original(detail(ask, name)) for name in details} == details


def test_a_product_text_is_no_instruction():
    orders, texts = apart(
        told(
            "Generate a 30-second promo from my text and images: Aurora Lamp. Warm light. Cut the dark in half! "
            "It is 3.5 times brighter. Add calm music."
        )
    )
    assert texts == ["Aurora Lamp.", "Warm light.", "Cut the dark in half!", "It is 3.5 times brighter."]
    assert [ask.kind for ask in read(orders, RULES, FILLER).asks] == ["generate", "music"]


def test_without_a_video_to_make_all_is_instruction():
    orders, texts = apart(told("cut the pauses. Add music."))
    assert not texts
    assert [ask.kind for ask in read(orders, RULES, FILLER).asks] == ["pauses", "music"]
