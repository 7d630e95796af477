"""Five rules of the house that no linter knows: who reads the time, who makes Redis keys, who reads the environment, that
a public name stands in one module alone, and that the TypeScript client needs nothing at run time.

`./run check` runs it over the working tree and prints one line per breach. It looks at syntax alone, imports nothing.
"""

import ast
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

ROOMS = ("core", "service", "worker")
TIME_READERS = {"core/clock.py"}
KEY_MAKERS = {"core/store/redis/keys.py"}
#: each part of the sandbox reads settings of its own, since it must not know ours
ENVIRONMENT_READERS = {
    "core/settings.py",
    "sandbox/main.py",
    "sandbox/receiver/__main__.py",
    "sandbox/world/settings.py",
}
KEY_PREFIX = "rg:"
DATETIME_READS = {"now", "utcnow", "today"}
ENVIRONMENT_NAMES = {"environ", "environb", "getenv"}
#: names that mean the same wherever they stand: a module's logger and its type variables
SHARED_NAMES = {"log", "T", "R"}

TYPESCRIPT_CLIENT = "clients/typescript"
_IMPORTED = re.compile(r"""^(?:(?:import|export|}).*\bfrom |import )"([^"]+)"|\bimport\("([^"]+)"\)""")


class Breach(NamedTuple):
    """One place that breaks a rule, printed as ``core/model/job.py:12: reads the time``."""

    path: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what}"


def reads_time(node: ast.AST) -> bool:
    """Tell whether this is ``import time``, ``from time import ...``, or a call like ``datetime.now()``."""
    match node:
        case ast.Import(names=names):
            return any(alias.name == "time" for alias in names)
        case ast.ImportFrom(module="time"):
            return True
        case ast.Attribute(value=ast.Name(id="datetime" | "date") | ast.Attribute(attr="datetime" | "date"), attr=attr):
            return attr in DATETIME_READS
    return False


def makes_key(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith(KEY_PREFIX)


def reads_environment(node: ast.AST) -> bool:
    match node:
        case ast.Attribute(value=ast.Name(id="os"), attr=attr):
            return attr in ENVIRONMENT_NAMES
        case ast.ImportFrom(module="os", names=names):
            return any(alias.name in ENVIRONMENT_NAMES for alias in names)
    return False


def breaches_in(source: str, path: str) -> Iterator[Breach]:
    """Judge one module's text. `path` is relative to the repository, with forward slashes: ``core/model/job.py``."""
    sandbox = path.startswith("sandbox/")
    for node in ast.walk(ast.parse(source)):
        line = getattr(node, "lineno", 0)
        if not sandbox and path not in TIME_READERS and reads_time(node):
            yield Breach(path, line, "reads the time; ask core/clock.py for it")
        if not sandbox and path not in KEY_MAKERS and makes_key(node):
            yield Breach(path, line, "spells a Redis key; core/store/redis/keys.py makes them")
        if path not in ENVIRONMENT_READERS and reads_environment(node):
            yield Breach(path, line, "reads the environment; core/settings.py does")


def breaches_in_script(text: str, path: str) -> Iterator[Breach]:
    """Judge a Lua file: it makes its keys by the functions of `key`, and spells none."""
    for number, line in enumerate(text.splitlines(), 1):
        if f'"{KEY_PREFIX}' in line or f"'{KEY_PREFIX}" in line:
            yield Breach(path, number, "spells a Redis key; make it by a function of `key`")


def public_names(source: str) -> Iterator[tuple[str, int]]:
    """List the names that a module defines for others, each with its line."""
    for node in ast.parse(source).body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                found = [name]
            case ast.Assign(targets=targets):
                found = [target.id for target in targets if isinstance(target, ast.Name)]
            case ast.AnnAssign(target=ast.Name(id=name)):
                found = [name]
            case _:
                found = []
        yield from ((name, node.lineno) for name in found if not name.startswith("_") and name not in SHARED_NAMES)


def names_that_stand_twice(sources: Mapping[str, str]) -> Iterator[Breach]:
    """Judge all modules together, by path: one public name has one meaning, and one place."""
    first: dict[str, str] = {}
    for path, source in sources.items():
        for name, line in public_names(source):
            if first.setdefault(name, path) != path:
                yield Breach(path, line, f"defines {name}, as {first[name]} does; one of them means something else")


def breaches_in_typescript(text: str, path: str) -> Iterator[Breach]:
    """Judge a module of the TypeScript client: it imports its own, so that it runs in Node and in browsers as it is."""
    for number, line in enumerate(text.splitlines(), 1):
        found = _IMPORTED.search(line)
        if found and not (name := found[1] or found[2]).startswith("./"):
            yield Breach(path, number, f"imports {name}; the client needs nothing at run time")


def breaches_in_package(text: str, path: str) -> Iterator[Breach]:
    wanted = {"dependencies", "peerDependencies", "optionalDependencies"} & json.loads(text).keys()
    yield from (Breach(path, 1, f"has {name}; the client needs nothing at run time") for name in sorted(wanted))


def all_breaches(root: Path) -> Iterator[Breach]:
    for room in (*ROOMS, "sandbox"):
        for file in sorted((root / room).rglob("*.py")):
            yield from breaches_in(file.read_text("utf-8"), file.relative_to(root).as_posix())
    modules = (file for room in ROOMS for file in sorted((root / room).rglob("*.py")))
    yield from names_that_stand_twice({file.relative_to(root).as_posix(): file.read_text("utf-8") for file in modules})
    for room in ROOMS:
        for file in sorted((root / room).rglob("*.lua")):
            yield from breaches_in_script(file.read_text("utf-8"), file.relative_to(root).as_posix())
    for file in sorted((root / TYPESCRIPT_CLIENT / "src").glob("*.ts")):
        yield from breaches_in_typescript(file.read_text("utf-8"), file.relative_to(root).as_posix())
    package = root / TYPESCRIPT_CLIENT / "package.json"
    yield from breaches_in_package(package.read_text("utf-8"), package.relative_to(root).as_posix())


def main() -> int:
    found = list(all_breaches(Path(__file__).resolve().parent.parent))
    for breach in found:
        print(breach)  # noqa: T201 - its output is this list
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
