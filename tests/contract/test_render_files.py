"""The file itself: form, size, progress, what is refused, what is left behind."""

import asyncio

import pytest
import pytest_asyncio

from sandbox.clips import make_audio, make_image, make_talk_clip
from sandbox.edits import edit, empty_draft
from sandbox.formats import FORMATS
from sandbox.media import NotMedia, probe
from sandbox.render import RenderFailed, render
from tests.film import boxes, watch


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clips") / "it's a, [clip].mp4"
    await make_talk_clip(path, scenes=2, duration_s=2, silences=((0.5, 1.0),), size=(320, 180))
    return await probe(path, url="cdn://clip", name=path.name)


@pytest.fixture
def draft(clip):
    return edit("add a title \"It's 100%: [a] \\ 'test'; %{pts}\"", {}, [clip], [clip]).draft


def nothing(_: int) -> None:
    pass


async def test_by_default_it_is_a_1080p_mp4_that_plays_from_the_first_byte(clip, draft, tmp_path):
    told: list[int] = []
    done = await render(draft, {}, {clip.url: clip}, into=tmp_path / "out.mp4", on_progress=told.append)
    film = watch(done.path)
    assert film.size == (done.width, done.height) == (1920, 1080)
    assert (film.video_codec, film.audio_codec, film.pixel_format) == ("h264", "aac", "yuv420p")
    found = boxes(done.path)
    assert found.index("moov") < found.index("mdat")
    assert done.size_bytes == done.path.stat().st_size
    assert done.duration_s == pytest.approx(2.0)
    assert told == sorted(told)
    assert told[-1] == 100


@pytest.mark.parametrize(
    ("output", "size"),
    [
        ({"resolution": "480p"}, (854, 480)),
        ({"resolution": "720p", "fps": 15}, (1280, 720)),
        ({"resolution": "320x180"}, (320, 180)),
    ],
)
async def test_resolution_and_fps_are_kept(clip, draft, tmp_path, output, size):
    done = await render(draft, output, {clip.url: clip}, into=tmp_path / "out.mp4", on_progress=nothing)
    film = watch(done.path)
    assert film.size == size
    assert film.fps == output.get("fps", 25)


@pytest.mark.parametrize(("form", "codec"), [("mov", "h264"), ("webm", "vp8")])
async def test_other_formats(clip, draft, tmp_path, form, codec):
    into = tmp_path / f"out.{form}"
    await render(draft, {"format": form, "resolution": "180p"}, {clip.url: clip}, into=into, on_progress=nothing)
    assert watch(into).video_codec == codec


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ({"resolution": "4320p"}, "resolution"),
        ({"resolution": "huge"}, "resolution"),
        ({"format": "gif"}, "format"),
        ({"fps": 1000}, "fps"),
        ({"quality": "best"}, "quality"),
    ],
)
async def test_what_cannot_be_rendered_is_refused_plainly(clip, draft, tmp_path, output, reason):
    with pytest.raises(RenderFailed, match=reason):
        await render(draft, output, {clip.url: clip}, into=tmp_path / "out.mp4", on_progress=nothing)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "broken",
    [
        {},
        empty_draft(),
        {"t": [{"tt": 0, "sg": [{"st": 0, "d": 1000}]}]},
        {"t": [{"tt": 0, "sg": [{"st": "x", "d": 1000, "src": "cdn://clip"}]}]},
        {"t": [{"tt": 0, "sg": [{"st": -5, "d": 1000, "src": "cdn://clip"}]}]},
        {"t": [{"tt": 0, "sg": [{"st": 0, "d": 1000, "src": "cdn://somebody-else's"}]}]},
        {"t": [{"tt": 0, "sg": [{"st": 0, "d": 1000, "in": -500, "src": "cdn://clip"}]}]},
        {"t": [{"tt": 0, "sg": [{"st": 0, "d": 1000, "src": "sandbox:color/red[x];[x]null"}]}]},
        {"t": [{"tt": 0, "sg": [{"st": 0, "d": float("inf"), "src": "cdn://clip"}]}]},
        {"t": [{"tt": 0, "sg": [{"st": 0, "d": 9e9, "src": "cdn://clip"}]}]},
        {"t": 7},
    ],
)
async def test_a_broken_draft_is_refused(clip, tmp_path, broken):
    with pytest.raises(RenderFailed):
        await render(broken, {}, {clip.url: clip}, into=tmp_path / "out.mp4", on_progress=nothing)
    assert not list(tmp_path.iterdir())


async def test_a_place_past_the_films_end_is_refused(clip, tmp_path):
    past = {"t": [{"tt": 0, "sg": [{"st": 0, "d": 1000, "src": clip.url, "in": 60_000}]}]}
    with pytest.raises(RenderFailed, match="past the end"):
        await render(past, {}, {clip.url: clip}, into=tmp_path / "out.mp4", on_progress=nothing)
    assert not list(tmp_path.iterdir())


async def test_a_source_that_is_gone_fails_without_its_path(clip, draft, tmp_path):
    gone = type(clip)(**{**vars(clip), "path": tmp_path / "secret-folder" / "gone.mp4"})
    with pytest.raises(RenderFailed) as failure:
        await render(draft, {}, {clip.url: gone}, into=tmp_path / "out.mp4", on_progress=nothing)
    assert "secret-folder" not in str(failure.value)
    assert not list(tmp_path.iterdir())


async def test_cancelling_ends_ffmpeg_and_leaves_nothing(clip, tmp_path):
    draft = edit("slow it down 4x", {}, [clip], [clip]).draft
    begun = asyncio.Event()
    work = asyncio.create_task(
        render(draft, {}, {clip.url: clip}, into=tmp_path / "out.mp4", on_progress=lambda _: begun.set())
    )
    await begun.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert not list(tmp_path.iterdir())


async def test_sound_alone_is_shown_over_black(tmp_path):
    await make_audio(tmp_path / "tone.mp3", duration_s=1)
    tone = await probe(tmp_path / "tone.mp3", url="cdn://tone", name="tone.mp3")
    draft = edit("add the media to the timeline unchanged", {}, [tone], [tone]).draft
    await render(draft, {"resolution": "180p"}, {tone.url: tone}, into=tmp_path / "out.mp4", on_progress=nothing)
    film = watch(tmp_path / "out.mp4")
    assert film.frames.max() < 20
    assert film.loudness(0.2, 0.8) > 0.05


@pytest.mark.parametrize("form", FORMATS)
async def test_each_of_the_13_formats_is_known_by_its_content(tmp_path, form):
    path = tmp_path / f"sample.{form}"
    if form in {"jpg", "png", "webp", "gif"}:
        await make_image(path, label="A", size=(160, 90))
    elif form in {"mp3", "wav", "m4a", "aac"}:
        await make_audio(path, duration_s=1)
    else:
        await make_talk_clip(path, scenes=1, duration_s=1, silences=(), size=(160, 90))
    nameless = path.rename(tmp_path / "upload")
    media = await probe(nameless, url="cdn://x", name="x.bin")
    kind = (
        "image"
        if form in {"jpg", "png", "webp", "gif"}
        else "audio"
        if form in {"mp3", "wav", "m4a", "aac"}
        else "video"
    )
    assert (media.format, media.kind) == (form, kind)
    assert media.duration_ms == (0 if kind == "image" else pytest.approx(1000, abs=150))
    assert (media.width, media.height) == ((0, 0) if kind == "audio" else (160, 90))


@pytest.mark.parametrize(
    "content",
    [b"", b"hello, I am no film", b"\x89PNG\r\n\x1a\n" + b"x" * 500, b"RIFF1234WAVEjunk", b"ID3" + b"\0" * 900],
)
async def test_what_is_no_media_is_refused(tmp_path, content):
    (tmp_path / "film.mp4").write_bytes(content)
    with pytest.raises(NotMedia):
        await probe(tmp_path / "film.mp4", url="cdn://x", name="film.mp4")


async def test_a_probe_tells_silences_and_scenes(clip):
    assert clip.silences_ms == ((pytest.approx(500, abs=30), pytest.approx(1000, abs=30)),)
    assert clip.scenes_ms == (pytest.approx(1000, abs=50),)
    assert clip.fps == 25
