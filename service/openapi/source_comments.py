"""What `#:` comments say of the fields of a struct and the members of an enum: read from their source.

A comment costs nothing when a value is read or written, and stands where the field does. It is only looked for when the
document is made.
"""

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping
from functools import cache

_SHOWN = "#:"
#: whose sources are read
_ROOMS = {"core", "service"}


def comments_of(kind: type) -> dict[str, str]:
    """Read the comments of a class and its bases, by attribute: ``{"url": "Where callbacks go."}``."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if base.__module__.partition(".")[0] in _ROOMS:
            found |= _comments_in(base.__module__).get(base.__qualname__, {})
    return found


@cache
def _comments_in(module: str) -> Mapping[str, dict[str, str]]:
    """Read all classes of a module, by name."""
    source = inspect.getsource(sys.modules[module])
    lines = source.splitlines()
    classes = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    return {node.name: dict(_comments_within(node, lines)) for node in classes}


def _comments_within(node: ast.ClassDef, lines: list[str]) -> Iterator[tuple[str, str]]:
    for statement in node.body:
        match statement:
            case ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]):
                if words := _comment_above(lines, statement.lineno - 1):
                    yield name, words


def _comment_above(lines: list[str], index: int) -> str:
    """Join the lines that begin with ``#:`` in the comment right above a line."""
    block: list[str] = []
    while index > 0 and lines[index - 1].lstrip().startswith("#"):
        index -= 1
        block.insert(0, lines[index].strip())
    return " ".join(line.removeprefix(_SHOWN).strip() for line in block if line.startswith(_SHOWN))
