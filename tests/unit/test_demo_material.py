"""The demo's material: made once and kept, and footage that is optional."""

import hashlib

import pytest

from sandbox.scenery.film import Script
from sandbox.world.demo.material import Footage, Image, credits_of, lay_out, missing
from sandbox.world.settings import cache_folder

LOAF = Image("loaf.png", "loaf")
INSTEAD = Script(("studio",), 0.4, ())


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Install a package that brings one clip."""
    (tmp_path / "reels").mkdir()
    (tmp_path / "reels" / "__init__.py").write_text("raise ImportError('is not to be imported')")
    (tmp_path / "reels" / "clip.mp4").write_bytes(b"footage")
    monkeypatch.syspath_prepend(tmp_path)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "input").mkdir()
    return tmp_path / "input"


def footage(*, package="reels", content=b"footage"):
    sha256 = hashlib.sha256(content).hexdigest()
    return Footage("clip.mp4", package, "clip.mp4", sha256, credit="Somebody, CC BY", instead=INSTEAD)


async def test_what_was_made_once_is_kept_for_the_next_time(folder, tmp_path):
    assert missing([LOAF], tmp_path / "kept") == 1
    await lay_out([LOAF], folder, tmp_path / "kept")
    assert missing([LOAF], tmp_path / "kept") == 0
    [kept] = (tmp_path / "kept").iterdir()
    kept.write_bytes(b"the same one")
    await lay_out([LOAF], folder, tmp_path / "kept")
    assert (folder / "loaf.png").read_bytes() == b"the same one"


async def test_a_changed_picture_is_made_anew(folder, tmp_path):
    await lay_out([LOAF], folder, tmp_path / "kept")
    assert missing([LOAF._replace(still="oven")], tmp_path / "kept") == 1


@pytest.mark.usefixtures("package")
async def test_installed_footage_is_taken_as_it_is_and_credited(folder, tmp_path):
    assert missing([footage()], tmp_path / "kept") == 0
    await lay_out([footage()], folder, tmp_path / "kept")
    assert (folder / "clip.mp4").read_bytes() == b"footage"
    assert credits_of([footage(), LOAF]) == ["Somebody, CC BY"]


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize("other", [{"package": "not_installed"}, {"content": b"another one"}])
async def test_footage_that_is_missing_or_another_one_is_drawn_instead(folder, tmp_path, other):
    await lay_out([footage(**other)], folder, tmp_path / "kept")
    assert b"ftyp" in (folder / "clip.mp4").read_bytes()[:16]
    assert credits_of([footage(**other)]) == []


def test_the_cache_is_where_the_user_has_theirs(tmp_path):
    assert cache_folder({"XDG_CACHE_HOME": str(tmp_path)}) == tmp_path / "reelgate"
    assert cache_folder({"XDG_CACHE_HOME": "relative"}) == cache_folder({})
    assert cache_folder({}).parts[-2:] == (".cache", "reelgate")
