"""The five skills, as the backend's contract lists them."""

import msgspec

from core.media.formats import FORMATS
from core.profiles import PROFILES

FOUR = {"free-video-fast", "ai-video-pro-online", "trimmer-exe", "maker-free"}
FIFTH = "free-video-generation-automatic"


def test_the_five_skills_are_known_by_their_names() -> None:
    assert set(PROFILES) == {*FOUR, FIFTH}
    assert all(profile.name == name for name, profile in PROFILES.items())
    assert {profile.version for profile in PROFILES.values()} == {"1.0.0"}


def test_sizes_are_decimal_megabytes() -> None:
    assert {PROFILES[name].max_bytes for name in FOUR} == {500_000_000}
    assert PROFILES[FIFTH].max_bytes == 200_000_000


def test_every_skill_takes_all_formats_and_has_best_ones_among_them() -> None:
    for profile in PROFILES.values():
        assert profile.formats == FORMATS
        assert set(profile.best_formats) < set(FORMATS)
    assert PROFILES[FIFTH].best_formats == ("mp4", "mov", "png", "jpg")


def test_only_the_skill_that_makes_videos_from_text_works_without_media() -> None:
    assert {profile.name for profile in PROFILES.values() if not profile.needs_media} == {FIFTH}


def test_maker_free_takes_longer_clips_as_short() -> None:
    assert {profile.name: profile.short_clip_s for profile in PROFILES.values() if profile.short_clip_s != 60} == {
        "maker-free": 120
    }


def test_every_skill_gives_advice_with_its_own_typical_ask() -> None:
    for profile in PROFILES.values():
        assert profile.typical_ask in profile.advice[0]
        assert profile.title
        assert profile.typical_time


def test_a_profile_can_be_written_as_json_as_it_stands() -> None:
    written = msgspec.json.decode(msgspec.json.encode(PROFILES[FIFTH]))

    assert written["max_bytes"] == 200_000_000
    assert written["needs_media"] is False
