"""A page of the guide, cut into its code blocks, and the comment lines above a block that say what to do with it.

``<!-- not run: needs a cluster -->`` says why a block is only read; ``<!-- save as: receiver.py -->`` that it is a file
of the reader's; ``<!-- schema: GET /v1/jobs 200 -->`` which answer of the API's document it is; ``<!-- part of: … -->``
which file of this project holds it word for word; ``<!-- setup -->`` that every page begins with it.
"""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
MARKS = {"not run", "save as", "schema", "part of", "tested by", "setup"}
#: those of blocks that a page's reader does not run as they stand
_ELSEWHERE = {"not run", "save as", "part of", "tested by"}
#: what is run, by the program that it needs
RUN_BY = {"sh": "bash", "python": "python", "javascript": "node", "go": "go"}
#: what a run has said, or an answer that stands alone
ANSWERS = {"json", "http", "text"}

_BLOCK = re.compile(r"((?:^<!-- .+ -->\n)*)^```(.*)\n((?:.*\n)*?)^```$", re.MULTILINE)
_MARK = re.compile(r"<!-- ([a-z ]+?)(?:: (.+?))? -->")


class Block(NamedTuple):
    """One fenced block. `marks` are the comments above it: ``{"not run": "needs a cluster"}``."""

    page: str
    line: int
    language: str
    code: str
    marks: dict[str, str]

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def is_run(self) -> bool:
        return self.language in RUN_BY and not self.marks.keys() & _ELSEWHERE

    @property
    def is_answer(self) -> bool:
        return self.language in ANSWERS and not self.marks.keys() & {*_ELSEWHERE, "schema"}


def pages() -> list[Path]:
    """List the guide's pages, and the project's first one."""
    return [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]


def blocks_of(page: Path) -> list[Block]:
    text, name = page.read_text("utf-8"), page.relative_to(ROOT).as_posix()
    return [
        Block(
            name,
            text.count("\n", 0, found.start()) + 1,
            found[2].partition(" ")[0],
            found[3],
            dict(_MARK.findall(found[1])),
        )
        for found in _BLOCK.finditer(text)
    ]


def setup_of_all_pages() -> Block:
    """Give the block of the quick start that a reader has run before any other page."""
    [setup] = [block for block in blocks_of(DOCS / "quickstart.md") if "setup" in block.marks]
    return setup
