"""What drafts say: summary, tracks, whether there is something to export, and what an edit changed."""

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.backend.drafts import (
    changes,
    exportable,
    fingerprint,
    length_s,
    same_draft,
    sound_only,
    state_fingerprint,
    summary,
    timeline,
    tracks,
)


def clip(
    st_ms: int = 0, d: int = 10_000, src: str = "https://cdn/a.mp4", start_in: int = 0, **m: Any
) -> dict[str, Any]:
    return {"id": "sg_1", "st": st_ms, "d": d, "src": src, "in": start_in, "m": {"name": "city timelapse", **m}}


def tune(d: int = 10_000, **m: Any) -> dict[str, Any]:
    return {"id": "sg_2", "st": 0, "d": d, "src": "https://cdn/m.mp3", "m": {"name": "Lo-fi", "volume": 0.35, **m}}


def title(text: str, st_ms: int = 0, d: int = 3_000, **m: Any) -> dict[str, Any]:
    return {"id": "sg_3", "st": st_ms, "d": d, "m": {"text": text, **m}}


def draft(
    *clips: dict[str, Any], tunes: tuple[Any, ...] = (), titles: tuple[Any, ...] = (), **m: Any
) -> dict[str, Any]:
    layers = [(0, list(clips)), (1, list(tunes)), (7, list(titles))]
    return {"t": [{"id": f"t{tt}", "tt": tt, "sg": sg} for tt, sg in layers if sg], "m": m, "updatedAt": 1}


def test_the_summary_reads_as_callers_know_it() -> None:
    made = draft(clip(), tunes=(tune(),), titles=(title("Urban Dreams"),))
    assert summary(timeline(made)) == (
        'Timeline (3 tracks): 1. Video: city timelapse (0-10s) 2. BGM: Lo-fi (0-10s, 35%) 3. Title: "Urban Dreams" (0-3s)'
    )


@pytest.mark.parametrize(
    "made",
    [
        {"d": 3_000, "m": {"title": "Urban Dreams"}},
        {"d": 3_000, "m": {"name": "Urban Dreams"}},
        {"d": 3_000, "title": "Urban Dreams", "m": {}},
    ],
)
def test_a_titles_words_are_found_where_the_metadata_has_its_title(made: dict[str, Any]) -> None:
    titled = {"t": [{"tt": 7, "m": {"title": "Text 1"}, "sg": [made]}]}
    assert summary(timeline(titled)) == 'Timeline (1 track): 1. Title: "Urban Dreams" (0-3s)'
    assert changes({"t": []}, titled) == ['Title added: "Urban Dreams" (0-3s)']


def test_what_a_title_says_counts_more_than_how_it_is_called() -> None:
    named = {"t": [{"tt": 7, "sg": [title("Urban Dreams", title="Text 1", name="Text 1")]}]}
    assert summary(timeline(named)) == 'Timeline (1 track): 1. Title: "Urban Dreams" (0-3s)'


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (None, "Timeline (0 tracks)"),
        ({"t": []}, "Timeline (0 tracks)"),
        (draft(clip(d=8_520)), "Timeline (1 track): 1. Video: city timelapse (0-8.52s)"),
        ({"t": [{"tt": 0, "sg": []}]}, "Timeline (1 track): 1. Video (empty)"),
        ({"t": [{"tt": 0, "sg": [{}]}]}, "Timeline (1 track): 1. Video"),
        (
            {"t": [{"tt": 1, "m": {"name": "BGM"}, "sg": [{"m": {"name": "Lo-fi"}}]}]},
            "Timeline (1 track): 1. BGM: Lo-fi",
        ),
        ({"t": [{"tt": 0, "sg": [{"src": "https://x/b%20c.mp4?sig=1"}]}]}, "Timeline (1 track): 1. Video: b c.mp4"),
        (
            {"t": [{"tt": 5, "m": {"name": "Sticker"}, "sg": [{"d": 900}]}]},
            "Timeline (1 track): 1. Track: Sticker (0-0.9s)",
        ),
        (
            {
                "tracks": [
                    {"type": "audio", "segments": [{"start": 500, "duration": "2000", "title": "Hum", "vol": 40}]}
                ]
            },
            "Timeline (1 track): 1. BGM: Hum (0.5-2.5s, 40%)",
        ),
        ({"t": {"a": {"tt": 0.0, "sg": {"x": {"d": 3_000}}}}}, "Timeline (1 track): 1. Video (0-3s)"),
        (
            draft(titles=tuple(title(name, at, 1_000) for at, name in enumerate("ABCDE"))),
            'Timeline (1 track): 1. Title: "A", "B", "C" and 2 more (0-1s)',
        ),
        (
            draft(clip(d=4_000), clip(4_000, 6_000, name="b.mp4")),
            "Timeline (1 track): 1. Video: city timelapse, b.mp4 (0-10s)",
        ),
    ],
)
def test_a_summary_says_what_is_known_and_no_more(seen: object, words: str) -> None:
    assert summary(timeline(seen)) == words


def test_tracks_are_told_as_json_without_links() -> None:
    made = draft(clip(start_in=500, look=["warmer"]), titles=(title("Hi", position="top", style={"color": "white"}),))
    assert tracks(timeline(made)) == [
        {
            "type": "video",
            "name": None,
            "segments": [
                {"start_s": 0, "duration_s": 10, "source_in_s": 0.5, "name": "city timelapse", "looks": ["warmer"]}
            ],
        },
        {
            "type": "text",
            "name": None,
            "segments": [{"start_s": 0, "duration_s": 3, "text": "Hi", "position": "top", "color": "white"}],
        },
    ]
    assert json.loads(json.dumps(tracks(timeline(made)))) == tracks(timeline(made))


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (draft(clip()), True),
        ({"t": [{"tt": 0, "sg": []}, {"tt": 7, "sg": [{"d": 1}]}]}, True),
        ({"t": {"a": {"tt": 0, "sg": [{"d": 1}]}}}, True),
        ({"t": [{"tt": 0, "sg": {"x": {"d": 1}}}]}, True),
        ({"t": {"video": [{"sg": [{"d": 1}]}], "audio": []}}, True),
        ([{"tt": 0, "sg": [{"d": 1}]}], True),
        ({"t": [{"tt": 0, "sg": ["sg_1", "sg_2"]}]}, True),
        ([{"tt": 0, "sg": []}], False),
        ({"t": [{"tt": 0, "sg": [None]}]}, False),
        ({"t": [{"tt": 0, "sg": []}]}, False),
        ({"t": {"a": {"tt": 0, "sg": {}}}}, False),
        ({"t": [{"tt": 0}]}, False),
        ({"t": {"sg": [1]}}, False),
        ({}, False),
        (None, False),
    ],
)
def test_only_a_timeline_that_holds_something_is_exported(seen: object, *, expected: bool) -> None:
    assert exportable(seen) is expected


def test_a_draft_that_is_nothing_but_its_tracks_is_read_as_any_other() -> None:
    one = draft(clip())
    other = draft(clip(), titles=(title("Hi"),))
    bare, bare_other = one["t"], other["t"]
    assert (summary(timeline(bare_other)), tracks(timeline(bare_other))) == (
        summary(timeline({"t": bare_other})),
        tracks(timeline({"t": bare_other})),
    )
    assert changes(bare, bare_other) == changes({"t": bare}, {"t": bare_other}) != []
    assert fingerprint(bare) == fingerprint({"t": bare}) != fingerprint(bare_other)
    assert same_draft(bare, bare)
    assert not same_draft(bare, bare_other)


def read_again(made: dict[str, Any]) -> Any:
    """Shuffle every dictionary, renew every id and stamp, as another read of the same work would."""

    def renew(value: Any) -> Any:
        if isinstance(value, dict):
            items = [(key, renew(inner)) for key, inner in value.items()]
            random.shuffle(items)
            return dict(items) | ({"id": random.random()} if "id" in value else {})
        return [renew(inner) for inner in value] if isinstance(value, list) else value

    return renew(made) | {"updatedAt": random.random(), "rev": random.random(), "nonce": "x" * random.randint(1, 9)}


@pytest.mark.parametrize(
    "noise",
    [
        {"id": "other"},
        {"trackId": "x"},
        {"updated_at": "2026-11-20T23:00:00Z"},
        {"lastRead": 5},
        {"seen": 1_795_213_575_346},
        {"seen": 1_795_213_575.3},
        {"when": "2026-11-20T23:00:00Z"},
        {"version": 12},
        {"_private": 1},
        {"name": None, "looks": []},
    ],
)
def test_ids_times_and_empty_values_are_no_content(noise: dict[str, Any]) -> None:
    plain, noisy = ({"t": [{"tt": 0, "sg": [{"d": 1_000} | extra]}]} for extra in ({}, noise))
    assert fingerprint(plain) == fingerprint(noisy)
    assert changes(plain, noisy) == []


def test_another_read_of_the_same_work_is_no_change() -> None:
    made = draft(clip(speed=1.0), tunes=(tune(),), titles=(title("A"),), width=1920, height=1080)
    assert fingerprint(made) == fingerprint(read_again(made))
    assert changes(made, read_again(made)) == []


def test_a_link_that_is_signed_anew_is_no_change() -> None:
    assert fingerprint(draft(clip(src="https://c/a.mp4?sig=1"))) == fingerprint(
        draft(clip(src="https://c/a.mp4?sig=2"))
    )


def test_a_change_under_an_unknown_key_is_one() -> None:
    assert changes(draft(clip()), draft(clip(sparkle=3))) == ["Timeline changed"]
    assert fingerprint(draft(titles=(title("2026-11-20 10:00"),))) != fingerprint(
        draft(titles=(title("2026-11-21 10:00"),))
    )


BASE = draft(clip(d=12_000))


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (
            BASE,
            draft(
                clip(d=12_000),
                titles=(title("Paradise Found", color="white", position="top-center", animation="fade-in"),),
            ),
            ['Title added: "Paradise Found" (white, top-center, 3s fade-in)'],
        ),
        (BASE, draft(clip(d=12_000), titles=(title("Urban Dreams"),)), ['Title added: "Urban Dreams" (0-3s)']),
        (
            BASE,
            draft(clip(d=12_000), titles=(title("Hi", 2_000, position={"x": 0.5, "y": 0.9}, fade_in=500),)),
            ['Title added: "Hi" (bottom-center, 2-5s, fade-in)'],
        ),
        (
            draft(titles=(title("A"),)),
            draft(titles=(title("B", style={"color": "red"}),)),
            ['Title changed from "A" to "B" (red, 0-3s)'],
        ),
        (draft(titles=(title("A"),)), draft(titles=(title("A", 1_000),)), ['Title changed: "A" (1-4s)']),
        (draft(clip(), titles=(title("A"),)), draft(clip()), ['Title removed: "A"']),
        (
            draft(clip()),
            draft(clip(), titles=tuple(title(str(at), at * 1_000, 1_000) for at in range(5))),
            ["5 titles added (0-5s)"],
        ),
        (BASE, draft(clip(d=8_500)), ["Video shortened from 12s to 8.5s"]),
        (draft(clip(d=8_500)), BASE, ["Video lengthened from 8.5s to 12s"]),
        (
            BASE,
            draft(*(clip(at * 2_000, 2_000, start_in=at * 3_000) for at in range(4))),
            ["3 cuts made", "Video shortened from 12s to 8s"],
        ),
        (draft(clip(0, 5_000), clip(5_000, 5_000, start_in=6_000)), draft(clip()), ["1 cut undone"]),
        (draft(clip(start_in=0)), draft(clip(start_in=500)), ["Another part of the video is used"]),
        (
            draft(clip(0, 1_000, "a"), clip(1_000, 1_000, "b")),
            draft(clip(0, 1_000, "b"), clip(1_000, 1_000, "a")),
            ["Clips put in another order"],
        ),
        (
            draft(clip(d=5_000)),
            draft(clip(d=5_000), clip(5_000, 5_000, "b", name="b.mp4")),
            ["Clip added: b.mp4", "Video lengthened from 5s to 10s"],
        ),
        (None, draft(clip(name="a.mp4")), ["Video added: a.mp4 (0-10s)"]),
        (draft(clip(), tunes=(tune(),)), draft(tunes=(tune(),)), ["Video removed"]),
        (draft(clip()), {"t": []}, ["Timeline cleared"]),
        (draft(clip()), draft(clip(), tunes=(tune(),)), ["Background music added: Lo-fi (0-10s, 35%)"]),
        (draft(clip(), tunes=(tune(),)), draft(clip()), ["Background music removed: Lo-fi"]),
        (
            draft(clip(), tunes=(tune(),)),
            draft(clip(), tunes=(tune(volume=0.2),)),
            ["Background music volume changed from 35% to 20%"],
        ),
        (
            draft(clip(), tunes=(tune(),)),
            draft(clip(), tunes=(tune(8_500, fade_out=1_000),)),
            ["Background music now plays (0-8.5s)", "Background music fade-out added"],
        ),
        (draft(clip(), width=16, height=9), draft(clip(), width=1080, height=1920), ["Aspect ratio changed to 9:16"]),
        (draft(clip()), draft(clip(), ratio="1:1"), ["Aspect ratio changed to 1:1"]),
        (draft(clip()), draft(clip(), width=500, height=300), ["Aspect ratio changed to 500:300"]),
        (draft(clip()), draft(clip(speed=2)), ["Speed changed to 2x"]),
        (draft(clip(), clip(10_000)), draft(clip(speed=2), clip(10_000)), ["Speed changed in 1 clip"]),
        (draft(clip()), draft(clip(transition={"style": "crossfade"})), ["Transition added: crossfade"]),
        (draft(clip(transition="wipe")), draft(clip()), ["Transition removed: wipe"]),
        (draft(clip()), draft(clip(transition={"d": 500})), ["Transition added"]),
        (draft(clip()), draft(clip(fade_in=1_000, fade_out=500)), ["Fade-in added (1s)", "Fade-out added (0.5s)"]),
        (draft(clip(fade_in=1_000)), draft(clip(fade_in=2_000)), ["Fade-in changed to 2s"]),
        (draft(clip(fade_in=1_000)), draft(clip()), ["Fade-in removed"]),
        (draft(clip()), draft(clip(look=["black and white"])), ["Look added: black and white"]),
        (draft(clip(filter="warmer")), draft(clip()), ["Look removed: warmer"]),
        (draft(clip()), draft(clip(volume=0)), ["Video muted"]),
        (draft(clip()), draft(clip(muted=True)), ["Video muted"]),
        (draft(clip()), draft(clip(volume=50)), ["Video volume changed to 50%"]),
        (draft(clip()), draft(clip(fit="cover")), ["Picture cropped to fill the frame"]),
        (draft(clip()), {"t": [*draft(clip())["t"], {"tt": 5, "sg": [{"d": 1}]}]}, ["1 track added"]),
    ],
)
def test_a_change_is_told_in_specific_words(before: object, after: object, words: list[str]) -> None:
    assert changes(before, after) == words


def test_new_media_with_effects_are_told_together() -> None:
    made = draft(clip(0, 5_000), clip(4_500, 5_500, start_in=5_000, transition={"style": "crossfade"}), ratio="9:16")
    assert changes({}, made) == [
        "Video added: city timelapse (0-10s)",
        "1 cut made",
        "Transition added: crossfade",
        "Aspect ratio changed to 9:16",
    ]


def test_no_token_of_the_backend_leaves_a_draft() -> None:
    made = draft(clip(name="nmv_usr_secret"), titles=(title("see nmv_usr_secret"),))
    assert "nmv_usr" not in summary(timeline(made)) + json.dumps(tracks(timeline(made))) + "".join(changes(None, made))


KEYS = st.sampled_from(
    ["t", "sg", "d", "m", "st", "src", "name", "volume", "text", "position", "style", "ratio", "look"]
)
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from([0, 1, 7, "7"])
HOSTILE = VALUES | st.lists(VALUES, max_size=2) | st.dictionaries(KEYS, VALUES, max_size=3)
SEGMENTS = st.dictionaries(KEYS, HOSTILE, max_size=5)
TRACKS = st.fixed_dictionaries({"tt": VALUES, "sg": st.lists(SEGMENTS, max_size=2) | HOSTILE})
DRAFTS = st.fixed_dictionaries({"t": st.lists(TRACKS | HOSTILE, max_size=3), "m": HOSTILE}) | HOSTILE


@given(DRAFTS, DRAFTS)
def test_no_draft_breaks_it(before: Any, after: Any) -> None:
    assert summary(timeline(after)).startswith("Timeline (")
    assert "\n" not in summary(timeline(after))
    assert isinstance(exportable(after), bool)
    json.dumps(tracks(timeline(after)))
    assert (changes(before, after) == []) == (fingerprint(before) == fingerprint(after))
    assert changes(after, after) == []


def test_a_draft_nested_without_end_is_read() -> None:
    deep: Any = {}
    for _ in range(5_000):
        deep = {"t": [deep]}
    assert fingerprint(deep) == fingerprint(deep)
    assert summary(timeline(deep)) == "Timeline (1 track): 1. Track (empty)"


def state(**facts: Any) -> dict[str, Any]:
    """Make a session's state after one upload."""
    infos = [{"filename": "a.mp4", "hash": "h1", "duration": 10}]
    return {"draft": draft(clip()), "video_infos": infos, "generated_media": [], "canvas_config": {"fps": 30}} | facts


def seen(made: dict[str, Any], uploads: int = 1) -> str:
    return state_fingerprint(made, uploads=uploads)


@pytest.mark.parametrize(
    "changed",
    [
        state(draft=draft(clip(d=9_000))),
        state(draft=draft(clip() | {"material_id": "mat_2"})),
        state(draft=draft(clip()) | {"subtitles": [{"text": "Hi"}]}),
        state(canvas_config={"fps": 30, "elements": {"t": 1}}),
        state(canvas_config={"fps": 25}),
        state(generated_media=[{"type": "video"}]),
        state(generated_media={"g1": {"type": "video"}}),
        state(video_infos=[{"filename": "a.mp4"}, {"filename": "made.mp4"}]),
        state(video_infos={"h1": {"filename": "a.mp4"}, "h2": {"filename": "made.mp4"}}),
        state(overlays=[{"kind": "sparkle"}]),
        state(subtitle_style="bold"),
        state(bgm_volume=0.2),
        state(project_timeline=draft(clip(), titles=(title("Hi"),))),
    ],
)
def test_a_change_under_any_key_of_a_state_that_is_content_is_an_edit(changed: dict[str, Any]) -> None:
    assert seen(changed) != seen(state())


@pytest.mark.parametrize(
    "noise",
    [
        {"video_infos": []},
        {"video_infos": [{"filename": "a.mp4", "hash": "h1", "duration": 10, "analysis": "done"}]},
        {"video_infos": {"h1": {"filename": "a.mp4"}}},
        {"video_analyses": [{"scene": "beach"}]},
        {"messages": [{"role": "model"}]},
        {"session_id": "5", "updated_at": "2026-11-25T10:00:00Z", "revision": 8, "state_version": 3},
        {"turn_count": 9, "mood": "busy", "suggestions": ["add music"]},
        {"draft": draft(clip()) | {"updatedAt": 17, "ticks": 12}},
        {"overlays": []},
    ],
)
def test_ids_times_counters_talk_and_what_is_known_of_the_uploads_are_no_edit(noise: dict[str, Any]) -> None:
    assert seen(state(**noise)) == seen(state())


def track(kind: int, *segments: dict[str, Any]) -> dict[str, Any]:
    return {"tt": kind, "sg": list(segments)}


@pytest.mark.parametrize(
    ("layers", "length"),
    [
        # three of sixty seconds, by themselves and left where they stood
        ([track(0, {"st": 0, "d": 3000, "in": 12_000})], 3),
        ([track(0, {"st": 57_000, "d": 3000})], 3),
        # twice as fast, and slower: nobody says whose length that is
        ([track(0, {"st": 0, "d": 60_000, "m": {"speed": 2.0}})], None),
        ([track(0, {"st": 0, "d": 60_000, "speed": 0.5})], None),
        # stills one after the other, that overlap or not
        ([track(0, *({"st": n * 2000, "d": 2000} for n in range(5)))], 10),
        ([track(0, *({"st": n * 1500, "d": 2000} for n in range(5)))], 8),
        # sounds and words that go on after the picture ask for nothing
        ([track(0, {"st": 0, "d": 4000}), track(1, {"st": 0, "d": 60_000}), track(7, {"st": 0, "d": 9000})], 4),
        ([track(1, {"st": 0, "d": 60_000})], None),
        ([], None),
    ],
)
def test_a_film_must_be_as_long_as_what_is_surely_shown_in_it(
    layers: list[dict[str, Any]], length: float | None
) -> None:
    assert length_s(timeline({"t": layers})) == length


def test_a_timeline_of_sounds_alone_shows_nothing() -> None:
    sound, empty = track(1, {"st": 0, "d": 4000}), track(0)
    assert [
        sound_only(timeline({"t": layers})) for layers in ([sound], [sound, empty], [sound, track(0, {"d": 1})], [])
    ] == [
        True,
        True,
        False,
        False,
    ]
