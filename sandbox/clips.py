"""Makes input material of known content: clips with scenes and silences, images, audio files.

Called by the demo and by tests, which compare what comes out with what they put in here.
"""

from collections.abc import Sequence
from pathlib import Path

from sandbox import ffmpeg
from sandbox.render.text import FONT

_HUES = ("0x2a5d8f", "0xb5541c", "0x2f7d4f", "0x7a3f8f", "0x9a8a1e", "0x8f2f45")
_FPS = 25
#: A voice-like sound: harmonics of a low tone, swelling four times a second, never silent by itself.
_VOICE = "(0.35*sin(2*PI*140*t)+0.2*sin(2*PI*280*t)+0.12*sin(2*PI*560*t))*(0.65+0.35*sin(2*PI*4*t))"


async def make_talk_clip(
    path: Path,
    *,
    scenes: int = 3,
    duration_s: float = 12.0,
    silences: Sequence[tuple[float, float]] = ((3.0, 5.0), (8.0, 9.5)),
    size: tuple[int, int] = (1280, 720),
) -> None:
    """Make a clip of equal scenes of different colours, something moving in each, and a voice that pauses in `silences`.

    The silences (in seconds) are digital zero; the path's suffix chooses the container.
    """
    graph = ";".join([*_scene_lines(scenes, duration_s / scenes, size), _voice_line(duration_s, silences)])
    streams = ("-map", "[v]", "-map", "[a]", "-t", f"{duration_s}")
    await ffmpeg.run(["-v", "error", "-filter_complex", graph, *streams, *_codecs(path), str(path)])


async def make_image(path: Path, *, label: str, color: str = "0x2a5d8f", size: tuple[int, int] = (1280, 720)) -> None:
    """Make a still with a frame and a label in its middle; the path's suffix chooses the format."""
    width, height = size
    words = path.with_suffix(".label.txt")
    words.write_text(label, encoding="utf-8")
    look = (
        f"color=c={color}:s={width}x{height},drawbox=x=iw/10:y=ih/10:w=iw*8/10:h=ih*8/10:color=white@0.25:t=fill,"
        f"drawtext=fontfile='{FONT}':textfile='{words}':expansion=none:fontsize={height // 8}:fontcolor=white"
        ":x=(w-tw)/2:y=(h-th)/2"
    )
    try:
        await ffmpeg.run(["-v", "error", "-f", "lavfi", "-i", look, "-frames:v", "1", "-update", "1", str(path)])
    finally:
        words.unlink()


async def make_audio(path: Path, *, duration_s: float = 8.0, frequency_hz: int = 330) -> None:
    """Make an audio file of one steady tone."""
    tone = f"sine=frequency={frequency_hz}:sample_rate=48000:duration={duration_s}"
    await ffmpeg.run(["-v", "error", "-f", "lavfi", "-i", tone, str(path)])


def _scene_lines(scenes: int, scene_s: float, size: tuple[int, int]) -> list[str]:
    return [*(_scene_line(k, scene_s, size) for k in range(scenes)), _joined(scenes)]


def _scene_line(k: int, scene_s: float, size: tuple[int, int]) -> str:
    width, height = size
    box = f"{height // 4}"
    ground = f"color=c={_HUES[k % len(_HUES)]}:s={width}x{height}:r={_FPS}:d={scene_s}"
    mover = f"color=c=white:s={box}x{box}:r={_FPS}:d={scene_s}"
    path = f"x='(W-w)*(0.5+0.5*sin({k + 1}+2*t))':y='(H-h)*(0.5+0.5*cos(3*t))'"
    return f"{ground}[g{k}];{mover}[m{k}];[g{k}][m{k}]overlay={path}[s{k}]"


def _joined(scenes: int) -> str:
    return "".join(f"[s{k}]" for k in range(scenes)) + f"concat=n={scenes}:v=1:a=0,format=yuv420p[v]"


def _voice_line(duration_s: float, silences: Sequence[tuple[float, float]]) -> str:
    pauses = "+".join(f"between(t,{a},{b})" for a, b in silences) or "0"
    return f"aevalsrc=exprs='{_VOICE}*(1-min(1,{pauses}))':s=48000:d={duration_s},aformat=channel_layouts=stereo[a]"


def _codecs(path: Path) -> list[str]:
    if path.suffix == ".webm":
        return ["-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "1M", "-c:a", "libopus"]
    return ["-c:v", "libx264", "-preset", "ultrafast", "-qp", "22", "-threads", "2", "-c:a", "aac"]
