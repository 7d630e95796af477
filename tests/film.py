"""Looks at and listens to a finished file by decoding it, for the tests of what the renderer really did."""

from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

_RATE_HZ = 8000


@dataclass(frozen=True)
class Film:
    """A decoded file. `frames` are RGB, `sound` is mono at 8 kHz between -1 and 1."""

    frames: NDArray[np.uint8]
    sound: NDArray[np.float32]
    fps: float
    video_codec: str
    audio_codec: str
    pixel_format: str

    @property
    def size(self) -> tuple[int, int]:
        return self.frames.shape[2], self.frames.shape[1]

    @property
    def duration_s(self) -> float:
        return len(self.frames) / self.fps

    @property
    def sound_s(self) -> float:
        return len(self.sound) / _RATE_HZ

    def at(self, moment_s: float) -> NDArray[np.uint8]:
        return self.frames[min(len(self.frames) - 1, round(moment_s * self.fps))]

    def loudness(self, from_s: float, until_s: float) -> float:
        """Root mean square of a stretch of sound; 0 is silence."""
        stretch = self.sound[int(from_s * _RATE_HZ) : int(until_s * _RATE_HZ)]
        return float(np.sqrt(np.mean(np.square(stretch))))

    def longest_silence_s(self, below: float = 0.01) -> float:
        step = _RATE_HZ // 50
        quiet = [float(np.abs(self.sound[at : at + step]).max()) < below for at in range(0, len(self.sound), step)]
        longest = run = 0
        for is_quiet in quiet:
            run = run + 1 if is_quiet else 0
            longest = max(longest, run)
        return longest / 50


def watch(path: Path) -> Film:
    """Decode a whole file."""
    with av.open(str(path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        frames, sounds = [], []
        resampler = av.AudioResampler(format="flt", layout="mono", rate=_RATE_HZ)
        for frame in container.decode(video, audio):
            if isinstance(frame, av.VideoFrame):
                frames.append(frame.to_ndarray(format="rgb24"))
            else:
                sounds += [part.to_ndarray().ravel() for part in resampler.resample(frame)]
        codecs = video.codec_context.name, audio.codec_context.name, str(video.codec_context.pix_fmt)
        rate = float(video.average_rate or 0)
    return Film(np.stack(frames), np.concatenate(sounds), rate, *codecs)


def color(frame: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The colour of most of a frame: its median."""
    return np.median(frame.reshape(-1, 3), axis=0)


def boxes(path: Path) -> list[str]:
    """List an MP4's outermost boxes in their order in the file."""
    data, at, found = path.read_bytes(), 0, []
    while at + 8 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        found.append(data[at + 4 : at + 8].decode("latin-1"))
        at += length if length >= 8 else len(data)
    return found
