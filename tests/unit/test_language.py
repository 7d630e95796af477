"""A session's language, told from the prompt's own words."""

import pytest

from core.profiles import PROFILES
from worker.jobs.language import detect_language


@pytest.mark.parametrize("prompt", [profile.typical_ask for profile in PROFILES.values()])
def test_the_typical_asks_are_english(prompt: str) -> None:
    assert detect_language(prompt) == "en"


@pytest.mark.parametrize(
    ("prompt", "language"),
    [
        ("剪掉停顿，导出1080p视频", "zh-CN"),
        ("把video导出", "zh-CN"),
        ("最初の5秒をカットして、音楽を追加して", "ja"),
        ("음악을 추가하고 처음 5초를 잘라줘", "ko"),
        ("corta los silencios y añade música de fondo", "es"),
        ("corte as pausas e adicione música", "pt"),
        ("coupe les silences et ajoute de la musique", "fr"),
        ("schneide die Pausen heraus und füge Musik hinzu", "de"),
        ("taglia le pause e aggiungi musica", "it"),
        ("обрежь паузы и добавь музыку", "ru"),
    ],
)
def test_a_sentence_tells_its_language(prompt: str, language: str) -> None:
    assert detect_language(prompt) == language


@pytest.mark.parametrize(
    "prompt",
    [
        "trim intro.mp4 to 10s pls. thx",
        "translate the captions to Français",
        "add text Bonjour tout le monde and trim it",
    ],
)
def test_what_an_english_wish_names_or_shortens_is_no_other_language(prompt: str) -> None:
    assert detect_language(prompt) == "en"


@pytest.mark.parametrize("prompt", ["", "???", "mute", "trim", "crop to 9:16", "2x", "\x00\u202e", "[[story:silent]]"])
def test_a_prompt_that_does_not_tell_counts_as_english(prompt: str) -> None:
    assert detect_language(prompt) == "en"


def test_quoted_titles_tags_and_links_are_no_evidence() -> None:
    assert detect_language('add a title "你好，世界，今天天气很好" at the top') == "en"
    assert (
        detect_language('加标题"Hello big beautiful world" [[story:silent]] https://example.com/some-clip.mp4')
        == "zh-CN"
    )
