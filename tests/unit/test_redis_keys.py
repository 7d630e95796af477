"""Redis keys: one place makes them, for Python and for Lua, and no two things share one."""

import re
from importlib import resources
from pathlib import Path

import pytest

from core.store.redis.functions import operation_files
from core.store.redis.keys import _SHAPES, key, keys_as_lua

LUA = resources.files("core.store") / "lua"
SCRIPTS = {f.name: f.read_text() for f in (*operation_files(LUA), *Path(str(LUA / "shared")).rglob("*.lua"))}


def example(name: str) -> tuple[list[str], str]:
    parts = [f"part{n}" for n in range(_SHAPES[name].count("{}"))]
    return parts, key(name, *parts)


def test_no_two_shapes_make_the_same_key() -> None:
    made = [example(name)[1] for name in _SHAPES]
    assert len(set(made)) == len(made)


@pytest.mark.parametrize("name", list(_SHAPES))
def test_lua_makes_the_very_key_that_python_makes(name: str) -> None:
    """The body of the Lua function is pieces joined by `..`: literals and parameters."""
    found = re.search(rf"function key\.{name}\((.*?)\) return (.*) end", keys_as_lua())
    assert found is not None
    parts, made = example(name)
    names = dict(zip(found[1].split(", ") if found[1] else [], parts, strict=True))
    pieces = [names.get(piece, piece.strip("'")) for piece in found[2].split(" .. ")]
    assert "".join(pieces) == made


@pytest.mark.parametrize("name", list(SCRIPTS))
def test_a_script_asks_only_for_keys_that_there_are(name: str) -> None:
    assert set(re.findall(r"\bkey\.(\w+)", SCRIPTS[name])) <= set(_SHAPES)


def test_an_unknown_shape_or_a_missing_part_is_an_error() -> None:
    with pytest.raises(KeyError):
        key("unknown")
    with pytest.raises(IndexError):
        key("job")
