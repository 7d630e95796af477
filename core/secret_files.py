"""Folder of settings: one file for each, named as its variable, as Kubernetes and Docker mount secrets.

Kubernetes mounts ``REDIS_URL -> ..data/REDIS_URL`` and ``..data -> ..2026_11_25_…``, so names that begin with a dot are
its own business, and links are followed. What is known as a setting is for the caller to say (`core/settings.py`).
"""

import stat
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

FOLDER = "REELGATE_SECRETS_DIR"
#: as much as Kubernetes puts into a whole secret
_LARGEST_BYTES = 1 << 20
_BYTE_ORDER_MARK = "\ufeff"


class SecretFiles(NamedTuple):
    """What a folder holds. None of it shows a value in `faults`, which are sentences that begin with a name."""

    #: by variable, in capitals, without what is no part of a value
    values: dict[str, str]
    #: files that are no settings
    unknown: list[str]
    faults: list[str]


def value_alone(text: str) -> str:
    """Take off what editors and shells leave around a value: a byte order mark before it, blanks and line breaks."""
    return text.removeprefix(_BYTE_ORDER_MARK).strip()


def read_secret_files(folder: str, is_setting: Callable[[str], bool]) -> SecretFiles:
    """Read the files whose names, in capitals, are settings. ``""`` is no folder, and so nothing."""
    found = SecretFiles({}, [], [])
    for path in _listed(folder, found.faults) if folder else ():
        name = path.name.upper()
        if not is_setting(name):
            if not path.is_dir():
                found.unknown.append(path.name)
        elif name in found.values:
            found.faults.append(f"{name}: stands in {FOLDER} in capitals and in small letters; one must go")
        else:
            _read(path, name, found)
    return found


def _listed(folder: str, faults: list[str]) -> list[Path]:
    try:
        return sorted(path for path in Path(folder).iterdir() if not path.name.startswith("."))
    except OSError as wrong:
        faults.append(f"{FOLDER}: this folder cannot be read ({wrong.strerror})")
        return []


def _read(path: Path, name: str, found: SecretFiles) -> None:
    try:
        found.values[name] = value_alone(_text_of(path))
    except OSError as wrong:
        found.faults.append(f"{name}: its file in {FOLDER} cannot be read ({wrong.strerror})")
    except ValueError as wrong:
        found.faults.append(f"{name}: its file in {FOLDER} {wrong}")


def _text_of(path: Path) -> str:
    """Raises OSError, and ValueError with the rest of a sentence."""
    facts = path.stat()
    if not stat.S_ISREG(facts.st_mode):
        raise ValueError("is no plain file")
    if facts.st_size > _LARGEST_BYTES:
        raise ValueError(f"has more than {_LARGEST_BYTES} bytes")
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError:
        raise ValueError("is no UTF-8") from None
