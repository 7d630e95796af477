"""`./run demo`: five skills from POST to verified callback, as somebody sees it who runs it for the first time."""

import os
import re
import subprocess
import sys
from html import escape
from pathlib import Path

import av
import pytest

from sandbox.world.demo.skills import ASKS
from tests.until import PATIENCE_S

SKILLS = (
    "free-video-fast",
    "ai-video-pro-online",
    "trimmer-exe",
    "maker-free",
    "free-video-generation-automatic",
)


@pytest.fixture(scope="module")
def shown(tmp_path_factory, pytestconfig):
    """Run the demo once, in an empty folder, with a token in the environment that it must not use.

    Its clips are kept for the next run of the tests, as they are for a user.
    """
    folder = tmp_path_factory.mktemp("demo")
    env = {**os.environ, "NEMO_TOKEN": "nmv_usr_real", "XDG_CACHE_HOME": str(pytestconfig.cache.mkdir("demo"))}
    command = [sys.executable, "-m", "sandbox.world", "demo"]
    ended = subprocess.run(
        command,
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=4 * PATIENCE_S,  # two minutes of processor time, for which a busy machine takes ten times as long
        check=False,
    )
    return ended, folder


def test_the_demo_ends_well_and_its_table_names_every_skill(shown):
    ended, _ = shown
    assert ended.returncode == 0, ended.stderr
    for skill in SKILLS:
        assert f"│ {skill} " in ended.stdout


def test_it_says_at_the_start_how_long_it_takes_and_at_the_end_in_80_columns_what_came_of_it(shown):
    ended, _ = shown
    lines = ended.stdout.splitlines()
    assert "about a minute" in lines[0]
    assert lines[-1].endswith("demo-output/index.html")
    table = lines[next(number for number, line in enumerate(lines) if line.startswith("┏")) :]
    assert max(map(len, table)) == 80


def test_the_page_shows_every_film_with_its_prompt_and_needs_nothing_from_elsewhere(shown):
    _, folder = shown
    page = (folder / "demo-output" / "index.html").read_text()
    for ask in ASKS:
        assert escape(ask.prompt) in page
    linked = set(re.findall(r'(?:src|srcset|href|poster)="([^"]+)"', page))
    assert len([name for name in linked if name.endswith(".jpg")]) == 5 * 5
    for name in linked:
        assert (folder / "demo-output" / name).stat().st_size > 0
    assert "<script" not in page
    assert "://" not in page


def test_the_demo_leaves_five_films_that_can_be_played(shown):
    _, folder = shown
    films = sorted((folder / "demo-output").glob("*.mp4"))
    assert [film.name for film in films] == sorted(f"{skill}.mp4" for skill in SKILLS)
    for film in films:
        with av.open(str(film)) as container:
            assert (container.streams.video[0].width, container.streams.video[0].height) == (1920, 1080)


def test_the_demo_shows_no_token_and_logs_none(shown):
    ended, folder = shown
    texts = [ended.stdout, ended.stderr]
    texts += [log.read_text(errors="replace") for log in Path(folder).rglob("*.log")]
    assert not [text for text in texts if "nmv_usr_" in text]
