"""How edits are asked for, in English and Chinese: all rules, in the order in which they are tried.

Called by `edit`. A rule names an edit and says nothing about how it is done. What is more particular comes first: quoted
titles before all else, so that no title is taken for an instruction; "cut the pauses" before "cut".
"""

from sandbox.edits.phrases import asides, cuts, flow, look, making, sound, titles
from sandbox.edits.phrases.asides import FILLER
from sandbox.edits.phrases.words import FINISHED, SHAPE

__all__ = ["FILLER", "FINISHED", "RULES", "SHAPE"]

RULES = [
    *making.PLACING,
    *asides.DENIALS,
    *titles.QUOTED,
    *asides.EXPORTS,
    *making.WHOLE[:-1],
    *making.APPENDING,
    *titles.UNQUOTED,
    *titles.REMOVALS,
    *cuts.CUTS,
    *flow.FADES,
    *flow.TRANSITIONS,
    *flow.SPEED,
    *sound.VOLUME,
    *sound.MUSIC,
    *sound.SILENCE,
    *look.LOOKS,
    *look.SHAPES,
    *cuts.GENERAL,
    *making.WHOLE[-1:],
]
