"""Makes clips of drawn scenes with a voice, and stills, by ffmpeg. Called by the demo."""

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from sandbox import ffmpeg
from sandbox.render.text import FONT
from sandbox.scenery import sky, voice
from sandbox.scenery.canvas import FINER, Canvas
from sandbox.scenery.scenes import HEIGHT, SCENES, STILLS, WIDTH, Layer, Scene

_FPS = 25
_PICTURE = ("-c:v", "libx264", "-preset", "superfast", "-crf", "20", "-pix_fmt", "yuv420p", "-threads", "2")
_SOUND = ("-c:v", "copy", "-c:a", "aac", "-b:a", "128k", "-movflags", "+faststart")
#: A canvas holds columns, so it is turned; and it is drawn larger than it is shown.
_TURNED = "transpose=cclock_flip,scale=iw/{finer}:ih/{finer}:flags=area"


class Script(NamedTuple):
    """A clip to be made: scenes by name, each `scene_s` long; a voice that pauses in `silences` ((from, to) in seconds)."""

    scenes: tuple[str, ...]
    scene_s: float
    silences: voice.Silences
    pitch_hz: int = 120
    #: words over the first scene
    title: str = ""


async def make_scenes_clip(path: Path, script: Script) -> None:
    """Make an MP4 of a script."""
    with tempfile.TemporaryDirectory() as folder:
        parts = [Path(folder) / f"{number}.mp4" for number in range(len(script.scenes))]
        for number, part in enumerate(parts):
            await _make_scene(part, script, number)
        await _join(parts, path, voice.line(len(parts) * script.scene_s, script.silences, script.pitch_hz))


async def make_still(path: Path, name: str, *, sign: str = "") -> None:
    """Make the PNG of a still, with the words on its shop's sign."""
    with tempfile.TemporaryDirectory() as folder:
        shown = _shown(STILLS[name]) + _words(sign, Path(folder), "y=176", 46)
        await ffmpeg.run(
            [*_given(STILLS[name], Path(folder)), "-filter_complex", shown, "-frames:v", "1", "-update", "1", str(path)]
        )


async def _make_scene(path: Path, script: Script, number: int) -> None:
    scene = SCENES[script.scenes[number]]
    with tempfile.TemporaryDirectory() as folder:
        given = await asyncio.to_thread(_given, scene, Path(folder))
        shown = _shown(scene, script.silences, number * script.scene_s)
        title = _words("" if number else script.title, Path(folder), "y=h*0.24", 84)
        length = ("-t", f"{script.scene_s}")
        await ffmpeg.run([*given, "-filter_complex", shown + title, *length, *_PICTURE, str(path)])


async def _join(parts: Sequence[Path], path: Path, speech: str) -> None:
    listed = parts[0].with_suffix(".txt")
    listed.write_text("".join(f"file '{part}'\n" for part in parts))
    shown = ("-f", "concat", "-safe", "0", "-i", str(listed))
    spoken = ("-f", "lavfi", "-i", speech)
    await ffmpeg.run(["-v", "error", *shown, *spoken, "-shortest", *_SOUND, str(path)])


def _given(scene: Scene, folder: Path) -> list[str]:
    """Paint a scene's sky and layers and give them as ffmpeg's inputs."""
    sky.save_sky(scene.sky, folder / "sky")
    given = ["-v", "error", *_raw("rgb24", sky.WIDTH, sky.HEIGHT, folder / "sky")]
    for number, layer in enumerate(scene.layers):
        given += _drawn(layer, folder / f"{number}")
    return given


def _shown(scene: Scene, silences: voice.Silences = (), start_s: float = 0) -> str:
    """Lay the layers over the sky, each a still that goes on and moves."""
    layers = scene.layers
    lines = [f"[0]scale={WIDTH}:{HEIGHT}:flags=bicubic,format=yuv444p,{_goes_on()}[on0]"]
    for number, layer in enumerate(layers):
        lines.append(f"[{number + 1}]{_TURNED.format(finer=FINER)},format=yuva444p,{_goes_on()}[layer{number}]")
        shown = f":enable='{voice.is_open(silences, start_s)}'" if layer.speaks else ""
        over = f"overlay=x='{layer.x}':y='{layer.y}':format=yuv444{shown}"
        lines.append(f"[on{number}][layer{number}]{over}[on{number + 1}]")
    return ";".join(lines) + f";[on{len(layers)}]null"


def _goes_on() -> str:
    return f"loop=-1:1:0,setpts=N/{_FPS}/TB"


def _words(text: str, folder: Path, place: str, size: int) -> str:
    if not text:
        return ""
    words = folder / "words"
    words.write_text(text, encoding="utf-8")
    return (
        f",drawtext=fontfile='{FONT}':textfile='{words}':expansion=none:fontsize={size}:fontcolor=white"
        f":shadowcolor=black@0.35:shadowx=2:shadowy=2:x=(w-tw)/2:{place}"
    )


def _drawn(layer: Layer, path: Path) -> list[str]:
    canvas = Canvas(layer.width, layer.height)
    layer.paint(canvas)
    canvas.save(path)
    return _raw("rgba", layer.height * FINER, layer.width * FINER, path)


def _raw(pixels: str, width: int, height: int, path: Path) -> list[str]:
    return [
        "-f",
        "rawvideo",
        "-pixel_format",
        pixels,
        "-video_size",
        f"{width}x{height}",
        "-r",
        f"{_FPS}",
        "-i",
        str(path),
    ]
