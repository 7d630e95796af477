"""Files that play everywhere and are put together in an unusual way: each renders as the plain clip in it does."""

import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from sandbox import ffmpeg
from sandbox.clips import make_audio, make_talk_clip
from sandbox.edits import edit
from sandbox.media import Media, NotMedia, probe
from sandbox.render import RenderFailed, render
from tests.film import Film, color, watch

LENGTH_S = 4.0
COPY = ("-c", "copy")
#: Times as a recording has them that was cut out of a longer one, kept as they are.
EARLIER, LATER = (
    ("-output_ts_offset", offset, "-avoid_negative_ts", "disabled") for offset in ("-0.5", "10")
)  # fmt: skip
COVER = ("-f", "lavfi", "-i", "color=orange:s=300x300:r=25:d=0.04")
MADE_OVER = ("-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "1M", "-c:a", "libopus")
BROKEN_SOUND = b"mp4a\0\0\0\0\0\0\0\1"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def clip(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("odd") / "clip.mp4"
    await make_talk_clip(path, scenes=2, duration_s=LENGTH_S, silences=((2.5, 3.0),), size=(320, 180))
    return path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def plain(clip, tmp_path_factory) -> Film:
    """The plain clip without its first second, which every odd one is held against."""
    return await rendered("trim the first 1 second", await known(clip), tmp_path_factory.mktemp("plain"))


async def known(path: Path) -> Media:
    return await probe(path, url=f"cdn://{path.name}", name=path.name)


async def rendered(prompt: str, media: Media, folder: Path) -> Film:
    draft = edit(prompt, {}, [media], [media]).draft
    output = {"resolution": "180p"}
    await render(draft, output, {media.url: media}, into=folder / "out.mp4", on_progress=lambda _: None)
    return watch(folder / "out.mp4")


async def made(into: Path, *args: str) -> Path:
    await ffmpeg.run(["-v", "error", *args, str(into)])
    return into


def with_unknown_sound(clip: Path, into: Path, *, last: bool = True) -> Path:
    """Rename a sound track's codec to one that nothing decodes (Apple's spatial sound of 2024)."""
    data = bytearray(clip.read_bytes())
    at = data.rfind(BROKEN_SOUND) if last else data.find(BROKEN_SOUND)
    data[at : at + 4] = b"apac"
    esds = data.find(b"esds", at)
    data[esds : esds + 4] = b"free"
    into.write_bytes(data)
    return into


def same_picture(film: Film, other: Film, at_s: float) -> bool:
    return bool(np.abs(color(film.at(at_s)) - color(other.at(at_s))).max() < 8)


ODD: dict[str, tuple[str, Callable[[str], tuple[str, ...]]]] = {
    "times from 10 s on in Matroska": ("mkv", lambda clip: ("-i", clip, *COPY, *LATER)),
    "times from 10 s on in WebM": ("webm", lambda clip: ("-i", clip, *MADE_OVER, *LATER)),
    "times from 10 s on in MP4": ("mp4", lambda clip: ("-i", clip, *COPY, *LATER)),
    "times below zero in Matroska": ("mkv", lambda clip: ("-i", clip, *COPY, *EARLIER)),
    "a picture of one frame before the film in Matroska": (
        "mkv",
        lambda clip: (*COVER, "-i", clip, "-map", "0", "-map", "1", "-c:v:0", "mjpeg", "-c:v:1", "copy", "-c:a", "copy"),
    ),
    "a picture of one frame before the film in MP4": (
        "mp4",
        lambda clip: (*COVER, "-i", clip, "-map", "0", "-map", "1", "-c:v:0", "mjpeg", "-c:v:1", "copy", "-c:a", "copy"),
    ),
    "cover art after the film": (
        "mp4",
        lambda clip: (
            *("-i", clip, *COVER, "-map", "0", "-map", "1", "-c", "copy"),
            *("-c:v:1", "mjpeg", "-disposition:v:1", "attached_pic"),
        ),
    ),
    "sound before the picture": ("mkv", lambda clip: ("-i", clip, "-map", "0:a", "-map", "0:v", *COPY)),
}  # fmt: skip


@pytest.mark.parametrize("oddity", ODD)
async def test_an_odd_file_is_cut_at_the_same_places_as_a_plain_one(clip, plain, tmp_path, oddity):
    form, args = ODD[oddity]
    media = await known(await made(tmp_path / f"odd.{form}", *args(str(clip))))

    assert (media.kind, media.width, media.height) == ("video", 320, 180)
    assert media.duration_ms == pytest.approx(LENGTH_S * 1000, abs=60)
    assert media.scenes_ms == (pytest.approx(2000, abs=100),)
    assert media.silences_ms == ((pytest.approx(2500, abs=100), pytest.approx(3000, abs=100)),)

    film = await rendered("trim the first 1 second", media, tmp_path)
    assert film.duration_s == pytest.approx(LENGTH_S - 1, abs=0.1)
    assert all(same_picture(film, plain, at_s) for at_s in (0.0, 0.8, 1.2, 2.8))
    assert film.loudness(0.2, 1.3) == pytest.approx(plain.loudness(0.2, 1.3), rel=0.2)
    assert film.loudness(1.65, 1.85) < 0.01


async def test_a_film_of_which_no_frame_is_found_fails_instead_of_being_empty(clip, tmp_path):
    early = await known(await made(tmp_path / "early.mkv", "-i", str(clip), *COPY, *EARLIER))

    with pytest.raises(RenderFailed, match="nothing of the media"):
        await rendered("trim the first 1 second", replace(early, seeks_until_ms=1000), tmp_path)

    assert not (tmp_path / "out.mp4").exists()


async def test_a_picture_that_begins_later_than_the_sound_stays_with_it(clip, tmp_path):
    late = ("-itsoffset", "1", "-i", str(clip), "-i", str(clip), "-map", "0:v", "-map", "1:a", *COPY)
    media = await known(await made(tmp_path / "late.mkv", *late))

    film = await rendered("add the media to the timeline unchanged", media, tmp_path)

    assert film.duration_s == pytest.approx(LENGTH_S + 1, abs=0.1)
    assert np.abs(color(film.at(2.8)) - color(film.at(3.2))).max() > 40  # the second scene begins at 2 s of its own
    assert film.loudness(2.6, 2.9) < 0.01


async def test_a_picture_that_ends_before_the_sound_stands_until_its_end(clip, tmp_path):
    short = ("-t", "1", "-i", str(clip), "-i", str(clip), "-map", "0:v", "-map", "1:a", *COPY)
    media = await known(await made(tmp_path / "short.mp4", *short))

    film = await rendered("trim the first 3.2 seconds", media, tmp_path)

    assert film.duration_s == pytest.approx(LENGTH_S - 3.2, abs=0.1)
    assert same_picture(film, watch(clip), 0.5)
    assert film.loudness(0.1, 0.7) > 0.1


@pytest.mark.parametrize("form", ["mp4", "mkv"])
async def test_one_picture_under_a_long_sound_can_be_cut_anywhere(clip, tmp_path, form):
    still = (*COVER, "-i", str(clip), "-map", "0:v", "-map", "1:a", "-c:v", "libx264", "-c:a", "copy")
    media = await known(await made(tmp_path / f"still.{form}", *still))

    film = await rendered("cut from 0:01 to 0:02", media, tmp_path)

    assert film.duration_s == pytest.approx(LENGTH_S - 1, abs=0.1)
    assert color(film.at(2.9))[0] > 150
    assert film.loudness(2.2, 2.9) > 0.1


async def test_a_recording_that_stands_still_for_a_while_can_be_cut_there(clip, tmp_path):
    pause = ("-filter_complex", "[0:v]setpts='if(lt(T,2),PTS,PTS+3/TB)'[v]", "-map", "[v]", "-fps_mode", "passthrough")
    media = await known(await made(tmp_path / "pause.mkv", "-i", str(clip), *pause, "-c:v", "libx264"))

    film = await rendered("keep only 0:03 to 0:04", media, tmp_path)

    assert media.duration_ms == pytest.approx(7000, abs=60)
    assert film.duration_s == pytest.approx(1.0, abs=0.1)


async def test_of_two_sound_tracks_the_one_that_can_be_decoded_is_heard(clip, plain, tmp_path):
    twice = ("-i", str(clip), "-map", "0:v", "-map", "0:a", "-map", "0:a", *COPY)
    both = await made(tmp_path / "both.mp4", *twice)
    for last in (False, True):
        media = await known(with_unknown_sound(both, tmp_path / "odd.mp4", last=last))
        film = await rendered("trim the first 1 second", media, tmp_path)
        assert media.has_audio
        assert film.loudness(0.2, 1.3) == pytest.approx(plain.loudness(0.2, 1.3), rel=0.1)


async def test_a_film_whose_only_sound_nobody_can_decode_is_silent(clip, plain, tmp_path):
    media = await known(with_unknown_sound(clip, tmp_path / "odd.mp4"))

    film = await rendered("trim the first 1 second", media, tmp_path)

    assert not media.has_audio
    assert same_picture(film, plain, 0.8)
    assert np.abs(film.sound).max() < 0.001


async def test_sound_alone_that_nobody_can_decode_is_refused(tmp_path):
    await make_audio(tmp_path / "tone.m4a", duration_s=1)

    with pytest.raises(NotMedia):
        await known(with_unknown_sound(tmp_path / "tone.m4a", tmp_path / "odd.m4a"))


MOVING = ("-f", "lavfi", "-i", "color=red:s=320x180:r=10:d=1", "-f", "lavfi", "-i", "color=blue:s=320x180:r=10:d=1")


@pytest.mark.parametrize(
    ("form", "args"),
    [("webp", ("-c:v", "libwebp_anim")), ("gif", ()), ("png", ("-c:v", "apng", "-f", "apng"))],
)
async def test_a_picture_that_moves_is_a_film(tmp_path, form, args):
    joined = ("-filter_complex", "[0][1]concat=n=2,noise=alls=20:allf=t")
    media = await known(await made(tmp_path / f"moving.{form}", *MOVING, *joined, *args))

    film = await rendered("trim the first 0.5 seconds", media, tmp_path)

    assert (media.kind, media.format, media.width, media.height) == ("video", form, 320, 180)
    assert media.duration_ms == pytest.approx(2000, abs=20)
    assert film.duration_s == pytest.approx(1.5, abs=0.1)
    assert color(film.at(0.2))[0] > 150
    assert color(film.at(0.8))[2] > 150


async def test_a_moving_picture_of_one_frame_is_a_still(tmp_path):
    still = (await made(tmp_path / "still.webp", *COVER, "-frames:v", "1", "-c:v", "libwebp")).read_bytes()
    (tmp_path / "odd.webp").write_bytes(as_animation(still[12:], size=(300, 300), pause_ms=500))

    media = await known(tmp_path / "odd.webp")
    film = await rendered("add the media to the timeline unchanged", media, tmp_path)

    assert (media.kind, media.duration_ms, media.width) == ("image", 0, 300)
    assert color(film.at(1.0))[0] > 150


@pytest.mark.parametrize("cut_at", [20, 40, 60])
async def test_a_moving_picture_that_is_cut_off_is_refused(tmp_path, cut_at):
    whole = await made(tmp_path / "moving.webp", *MOVING, "-filter_complex", "[0][1]concat=n=2", "-c:v", "libwebp_anim")
    (tmp_path / "odd.webp").write_bytes(whole.read_bytes()[:cut_at])

    with pytest.raises(NotMedia):
        await known(tmp_path / "odd.webp")


def as_animation(frame: bytes, *, size: tuple[int, int], pause_ms: int) -> bytes:
    """Wrap one frame's chunk as an animated WebP of that frame alone."""
    sides = b"".join(struct.pack("<I", side - 1)[:3] for side in size)
    head = b"VP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + sides + b"ANIM" + struct.pack("<I", 6) + bytes(6)
    one = bytes(6) + sides + struct.pack("<I", pause_ms)[:3] + b"\0" + frame
    body = b"WEBP" + head + b"ANMF" + struct.pack("<I", len(one)) + one
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize("mark", [b"RF64", b"BW64"])
async def test_a_wave_file_for_more_than_4_gb_is_a_wave_file(tmp_path, mark):
    tone = ("-f", "lavfi", "-i", "sine=440:d=2", "-c:a", "pcm_s16le", "-rf64", "always")
    path = await made(tmp_path / "big.wav", *tone)
    path.write_bytes(mark + path.read_bytes()[4:])

    media = await known(path)

    assert (media.kind, media.format, media.duration_ms) == ("audio", "wav", pytest.approx(2000, abs=20))


@pytest.mark.parametrize("box", [b"styp", b"uuid", b"emsg", b"prft"])
async def test_a_film_in_pieces_may_begin_with_another_box(clip, tmp_path, box):
    pieces = ("-movflags", "frag_keyframe+empty_moov+default_base_moof")
    whole = (await made(tmp_path / "pieces.mp4", "-i", str(clip), *COPY, *pieces)).read_bytes()
    first = whole[:4] + b"styp" + whole[8:] if box == b"styp" else struct.pack(">I", 32) + box + bytes(24) + whole
    (tmp_path / "odd.mp4").write_bytes(first)

    media = await known(tmp_path / "odd.mp4")

    assert (media.kind, media.format) == ("video", "mp4")
    assert media.duration_ms == pytest.approx(LENGTH_S * 1000, abs=60)


@pytest.mark.parametrize("form", ["mp3", "aac"])
@pytest.mark.parametrize(
    "junk", [bytes(3000), b"APETAGEX" + bytes(400), b"half a frame"], ids=["padding", "tag", "junk"]
)
async def test_sound_behind_something_that_players_skip_is_known(tmp_path, form, junk):
    bare = await made(tmp_path / f"bare.{form}", "-f", "lavfi", "-i", "sine=d=2", "-id3v2_version", "0")
    path = tmp_path / f"behind.{form}"
    path.write_bytes(junk + bare.read_bytes())
    media = await known(path)
    assert (media.kind, media.format) == ("audio", form)
    assert media.duration_ms == pytest.approx(2000, abs=150)


async def test_sound_alone_is_cut_where_it_was_asked_for(tmp_path):
    halves = ("-f", "lavfi", "-i", "aevalsrc='if(lt(t,2),0,0.5*sin(2*PI*440*t))':d=4:s=48000")
    media = await known(await made(tmp_path / "halves.wav", *halves))

    film = await rendered("trim the first 2 seconds", media, tmp_path)

    assert film.sound_s == pytest.approx(2.0, abs=0.1)
    assert film.loudness(0.1, 1.9) > 0.1


@pytest.mark.parametrize(("prompt", "length_s"), [("slow motion", 8.0), ("speed it up 2x", 2.0)])
async def test_sound_alone_goes_slower_and_faster(tmp_path, prompt, length_s):
    halves = ("-f", "lavfi", "-i", "aevalsrc='if(lt(t,2),0,0.5*sin(2*PI*440*t))':d=4:s=48000")
    media = await known(await made(tmp_path / "halves.wav", *halves))

    film = await rendered(prompt, media, tmp_path)

    assert film.sound_s == pytest.approx(length_s, abs=0.1)
    assert film.loudness(length_s * 0.1, length_s * 0.4) < 0.01
    assert film.loudness(length_s * 0.6, length_s * 0.9) > 0.1


async def test_a_click_of_sound_is_a_film_of_one_frame(tmp_path):
    media = await known(await made(tmp_path / "click.wav", "-f", "lavfi", "-i", "sine=440:d=0.01"))

    film = await rendered("add the media to the timeline unchanged", media, tmp_path)

    assert len(film.frames) == 1
