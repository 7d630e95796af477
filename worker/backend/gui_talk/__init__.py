"""Filters GUI talk: the backend talks as if there were a screen; that is taken out, with what it asked for. Pure.

The steps pass every text through `translate` before a caller sees it, and ask the others when nothing was edited.
What describes content stays, word for word; BACKEND.md, "What the backend says as if there were a GUI", has the table.
"""

from worker.backend.gui_talk.questions import is_question
from worker.backend.gui_talk.refusals import says_nothing_was_done
from worker.backend.gui_talk.rules import GuiAction
from worker.backend.gui_talk.strip import Translated, translate

__all__ = ["GuiAction", "Translated", "is_question", "says_nothing_was_done", "translate"]
