"""Drawn clips: what the sandbox hears and sees in them, by its own ears and eyes."""

import math

import numpy as np
import pytest
import pytest_asyncio

from sandbox.media import probe
from sandbox.scenery.film import Script, make_scenes_clip, make_still
from sandbox.scenery.scenes import LONGEST_S, SCENES, STILLS
from sandbox.world.demo.skills import ASKS
from tests.film import watch

SILENCES = ((0.8, 1.6), (3.0, 3.8))
SCRIPT = Script(("studio", "harbour"), 2.4, SILENCES, title="A title")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("scenery") / "clip.mp4"
    await make_scenes_clip(path, SCRIPT)
    return path


async def test_its_pauses_are_found_where_the_script_has_them(clip):
    found = await probe(clip, url="cdn://clip", name=clip.name)
    assert len(found.silences_ms) == len(SILENCES)
    for (start_ms, end_ms), (start_s, end_s) in zip(found.silences_ms, SILENCES, strict=True):
        assert start_ms == pytest.approx(start_s * 1000, abs=60)
        assert end_ms == pytest.approx(end_s * 1000, abs=60)


async def test_its_scenes_are_found_where_they_change(clip):
    found = await probe(clip, url="cdn://clip", name=clip.name)
    assert found.scenes_ms == (2400,)
    assert found.duration_ms == pytest.approx(4800, abs=40)


def test_its_picture_moves_in_every_scene_and_its_voice_is_heard(clip):
    film = watch(clip)
    for start_s in (0.2, 2.6):
        before, after = film.at(start_s).astype(int), film.at(start_s + 1).astype(int)
        assert np.abs(after - before).mean() > 0.5
    assert film.loudness(0.1, 0.7) > 0.02
    assert film.loudness(0.9, 1.5) < 0.001


def test_the_mouth_rests_while_the_voice_does(clip):
    film = watch(clip)
    mouth = film.frames[: round(2.3 * film.fps), 400:480, 620:740].astype(int)
    dark = (mouth.sum(axis=3) < 220).sum(axis=(1, 2))
    speaking, resting = dark[: round(0.8 * film.fps)], dark[round(0.85 * film.fps) : round(1.55 * film.fps)]
    assert speaking.max() > 100
    assert resting.max() < speaking.max() / 4


@pytest.mark.parametrize("name", STILLS)
async def test_a_still_is_a_picture_of_many_colours(name, tmp_path):
    path = tmp_path / "still.png"
    await make_still(path, name, sign="Open")
    found = await probe(path, url="cdn://still", name=path.name)
    assert (found.kind, found.width, found.height) == ("image", 1280, 720)


def test_every_script_of_the_demo_names_scenes_there_are_and_no_longer_than_they_last():
    scripts = [getattr(thing, "script", getattr(thing, "instead", None)) for ask in ASKS for thing in ask.material]
    for script in filter(None, scripts):
        assert set(script.scenes) <= set(SCENES)
        assert script.scene_s <= LONGEST_S
        assert math.isclose(script.scene_s * 25, round(script.scene_s * 25), abs_tol=0.6)
