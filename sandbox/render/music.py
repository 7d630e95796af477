"""Composes the background music: four chords in a loop, plucked on the beat over a bass, as ffmpeg expressions. Pure.

A style is a tempo, a chord progression and a touch; nothing is downloaded, so nothing needs a licence.
"""

import math
from dataclasses import dataclass

RATE_HZ = 48_000
_BEATS_A_BAR = 4

_NOTES = {name: n for n, name in enumerate(("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"))}
_CHORDS = {"": (0, 4, 7), "m": (0, 3, 7), "maj7": (0, 4, 7, 11), "m7": (0, 3, 7, 10)}


@dataclass(frozen=True)
class Style:
    """How a tune goes. `decay` is how fast a chord dies away, per beat; `hat` how loud the hiss between beats is."""

    beats_a_minute: int
    chords: tuple[str, ...]
    decay: float
    hat: float


STYLES = {
    "upbeat": Style(120, ("C", "G", "Am", "F"), 2.2, 0.05),
    "lo-fi": Style(80, ("Fmaj7", "Em7", "Dm7", "Cmaj7"), 1.2, 0.03),
    "calm": Style(60, ("C", "Am", "F", "G"), 0.6, 0.0),
    "cinematic": Style(72, ("Am", "F", "C", "G"), 0.4, 0.0),
    "happy": Style(132, ("G", "D", "Em", "C"), 2.6, 0.06),
    "sad": Style(60, ("Am", "Em", "F", "C"), 0.6, 0.0),
    "electronic": Style(126, ("Am", "F", "G", "Em"), 3.0, 0.09),
}
DEFAULT_STYLE = "upbeat"


def music_line(style: str) -> str:
    """Write an endless source of a style; an unknown one plays the default."""
    tune = STYLES.get(style, STYLES[DEFAULT_STYLE])
    bar_s = 60 / tune.beats_a_minute * _BEATS_A_BAR
    size = round(bar_s * RATE_HZ) * len(tune.chords)
    lines = [f"aevalsrc=exprs='{_bar(tune, chord)}':s={RATE_HZ}:d={bar_s:.6f}[{tag}]" for tag, chord in _tagged(tune)]
    heads = "".join(f"[{tag}]" for tag, _ in _tagged(tune))
    return ";".join([*lines, f"{heads}concat=n={len(tune.chords)}:v=0:a=1,aloop=loop=-1:size={size}"])


def _tagged(tune: Style) -> list[tuple[str, str]]:
    return [(f"bar{number}", chord) for number, chord in enumerate(tune.chords)]


def _bar(tune: Style, chord: str) -> str:
    beat_s = 60 / tune.beats_a_minute
    root, *upper = _pitches_hz(chord)
    since = f"mod(t\\,{beat_s:.6f})"
    attack = f"min(1\\,{since}*60)"
    keys = "+".join(f"sin({_turns(hz)}*t)+0.3*sin({_turns(2 * hz)}*t)" for hz in (root * 2, *upper))
    pluck = f"0.11*({keys})*{attack}*exp(-{tune.decay / beat_s:.3f}*{since})"
    bass = f"0.3*sin({_turns(root)}*t)*min(1\\,t*30)*min(1\\,({beat_s * _BEATS_A_BAR:.6f}-t)*30)"
    hat = f"+{tune.hat}*(2*random(0)-1)*exp(-40*mod(t+{beat_s / 2:.6f}\\,{beat_s:.6f}))" if tune.hat else ""
    return f"{pluck}+{bass}{hat}"


def _turns(hz: float) -> str:
    return f"{hz * 6.283185:.3f}"


def _pitches_hz(chord: str) -> list[float]:
    """Spell a chord as frequencies: ``Am`` is A2 (the bass), then C4 and E4."""
    name = chord[:2] if chord[1:2] == "#" else chord[:1]
    root = _NOTES[name]
    steps = _CHORDS[chord[len(name) :]]
    return [_hz(root - 24), *(_hz(root + step) for step in steps[1:])]


def _hz(half_tones_over_c4: int) -> float:
    return 261.626 * math.pow(2, half_tones_over_c4 / 12)
