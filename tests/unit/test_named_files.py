"""Docstrings and comments name files and modules that exist, so that a rename leaves no signpost behind."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("core", "service", "worker", "sandbox", "tests")
SOURCES = sorted(
    [path for room in ROOMS for path in (ROOT / room).rglob("*") if path.suffix in {".py", ".lua"} and path.is_file()]
    + list(ROOT.glob("*.py"))
)
NAMES = {path.name for path in SOURCES}
_PATH = re.compile(r"`((?:core|service|worker|sandbox|tests|openapi|deploy)/[\w/.]+)`")
_MODULE = re.compile(r"`((?:core|service|worker|sandbox|tests)(?:\.\w+)+)`")
_BESIDE = re.compile(r"`(\w+\.(?:py|lua))`")


def exists(dotted: str) -> bool:
    """Whether `core.breaker` is a module or a package, or `core.store.redis.keys.key` a name that stands in one."""
    parts = dotted.split(".")
    if (ROOT / Path(*parts)).is_dir() or (ROOT / Path(*parts)).with_suffix(".py").is_file():
        return True
    module = (ROOT / Path(*parts[:-1])).with_suffix(".py")
    return module.is_file() and re.search(rf"\b{parts[-1]}\b", module.read_text("utf-8")) is not None


def missing_in(source: Path) -> list[str]:
    text = source.read_text("utf-8")
    return [
        *(path for path in _PATH.findall(text) if not (ROOT / path).exists()),
        *(dotted for dotted in _MODULE.findall(text) if not exists(dotted)),
        *(name for name in _BESIDE.findall(text) if name not in NAMES),
    ]


def test_whatever_a_source_names_exists():
    found = {source.relative_to(ROOT).as_posix(): missing_in(source) for source in SOURCES}
    assert {source: missing for source, missing in found.items() if missing} == {}
