"""A voice that says nothing: a low buzz through two changing vowels, in syllables, with pauses where they are wanted.

Written as expressions of ffmpeg, in the time `t` in seconds.
"""

from collections.abc import Sequence

#: (from, to) in seconds
Silences = Sequence[tuple[float, float]]

#: Two vowels, a and i, by their formants: (frequency in Hz, strength).
_VOWELS = (((730, 1.0), (1090, 0.6), (2440, 0.2)), ((300, 1.0), (2100, 0.35), (2900, 0.2)))
_FORMANT_WIDTH_HZ = 160
_HARMONICS = 22
#: Syllables come 4.3 times a second, and none is silent by itself.
_SYLLABLES = "(0.18+0.82*pow(abs(sin(PI*4.3*t+0.9*sin(1.1*t))),1.3))"
_PHRASES = "(0.75+0.25*sin(2*PI*0.37*t))"
#: How long the voice takes to fall silent.
_SOFT_S = 0.04


def line(length_s: float, silences: Silences, pitch_hz: int) -> str:
    """Write an audio source of stereo sound."""
    turns = f"(2*PI*({pitch_hz}*t-{pitch_hz}*0.014*cos(2*PI*0.6*t)-{pitch_hz}*0.004*cos(2*PI*2.1*t)))"
    vowel = "(0.5+0.5*sin(2*PI*1.9*t+2*sin(0.7*t)))"
    tones = "+".join(f"({_a(k, pitch_hz)})*sin({k}*ld(0))" for k in range(1, _HARMONICS + 1))
    sound = f"st(0,{turns});st(1,{vowel});0.2*{_SYLLABLES}*{_PHRASES}*{_gate(silences)}*({tones})"
    return f"aevalsrc=exprs='{sound}':s=24000:d={length_s},aresample=48000,aformat=channel_layouts=stereo"


def is_open(silences: Silences, start_s: float) -> str:
    """Say when the mouth is open, for a scene that begins at `start_s` of the clip."""
    quiet = "+".join(f"between(t+{start_s},{begin},{end})" for begin, end in silences) or "0"
    return f"gt(abs(sin(PI*4.3*t)),0.45)*not({quiet})"


def _gate(silences: Silences) -> str:
    parts = (f"clip(max({begin}-t,t-{end})/{_SOFT_S},0,1)" for begin, end in silences)
    return "*".join(parts) or "1"


def _a(harmonic: int, pitch_hz: int) -> str:
    """Write how loud a harmonic is, between the two vowels by ``ld(1)``."""
    first, second = (_strength(harmonic * pitch_hz, vowel) for vowel in _VOWELS)
    return f"{second:.4f}+{first - second:.4f}*ld(1)"


def _strength(frequency_hz: float, vowel: Sequence[tuple[int, float]]) -> float:
    return sum(loud / (1 + ((frequency_hz - middle) / _FORMANT_WIDTH_HZ) ** 2) for middle, loud in vowel)
