"""What is looked at before anything is sent, let alone paid for: the words, the files, and where the film shall go."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import click

from core.media.formats import FORMATS, HEAD_BYTES, format_of_content, format_of_name

_FILMS = ("mp4", "mov", "webm")
_LONGEST_PROMPT = 10_000
#: ask with the rights that a write will have, where the system can tell
_EFFECTIVE = os.access in os.supports_effective_ids
_EXAMPLE = 'reelgate run clip.mp4 "trim the first 2 seconds" -o out.mp4'


class Words(NamedTuple):
    """A command line's arguments: files and URLs, and the prompt behind them."""

    media: tuple[str, ...]
    prompt: str

    def __repr__(self) -> str:
        return f"Words(media={len(self.media)})"

    @property
    def files(self) -> list[Path]:
        return [Path(each) for each in self.media if "://" not in each]


def read_words(words: Sequence[str]) -> Words:
    """Tell the prompt from the media; ``-``: it is on the input. Raises UsageError where it is a file's name, or empty."""
    *media, prompt = words
    if prompt == "-":
        prompt = _read_prompt()
    if _names_a_file(prompt):
        raise click.UsageError(
            f"The last argument is the prompt, and '{prompt}' is the name of a file. Say what to do: {_EXAMPLE}"
        )
    if not prompt.strip():
        raise click.UsageError(f"The prompt is empty. Say what to do: {_EXAMPLE}")
    if not prompt.isascii() and not _is_utf8(prompt):
        raise click.UsageError("The prompt is not UTF-8.")
    if len(prompt) > _LONGEST_PROMPT:
        raise click.UsageError(f"The prompt has {len(prompt)} characters; it may have {_LONGEST_PROMPT}.")
    return Words(tuple(media), prompt)


def _read_prompt() -> str:
    try:
        return sys.stdin.read().strip()
    except UnicodeDecodeError:
        raise click.UsageError("The prompt is not UTF-8.") from None


def _is_utf8(text: str) -> bool:
    try:
        return bool(text.encode())
    except UnicodeEncodeError:  # bytes that were none, as the system hands them over
        return False


def _names_a_file(prompt: str) -> bool:
    if "://" in prompt.partition(" ")[0] and " " not in prompt:
        return True
    if " " not in prompt and format_of_name(prompt):
        return True
    try:
        return Path(prompt).is_file()
    except OSError:  # too long for a name
        return False


def check_files(files: Sequence[Path], *, largest_bytes: int | None = None) -> None:
    """Look that each file is there, can be read, and is a film, a sound or a picture. Raises ClickException."""
    for file in files:
        _check_file(file)
        size_bytes = file.stat().st_size
        if largest_bytes is not None and size_bytes > largest_bytes:
            raise click.ClickException(f"{file} has {size_bytes:,} bytes; at most {largest_bytes:,} are taken.")


def _check_file(file: Path) -> None:
    if not file.exists():
        raise click.ClickException(f"there is no file {file}")
    if not file.is_file():
        raise click.ClickException(f"{file} is no file")
    try:
        with file.open("rb") as opened:
            head = opened.read(HEAD_BYTES)
    except OSError as error:
        raise click.ClickException(f"{file} cannot be read: {error.strerror}") from None
    if not head:
        raise click.ClickException(f"{file} is empty")
    if format_of_content(head) is None:
        raise click.ClickException(f"{file} is none of {', '.join(FORMATS)}")


def check_output(output: Path) -> None:
    """Look that a film can be written there. Raises ClickException, OSError."""
    if str(output) == "-":
        raise click.ClickException("films do not go to stdout: name a file")
    folder = Path(os.path.realpath(output)).parent  # a link leads to where the film goes
    if output.is_dir():
        raise click.ClickException(f"{output} is a folder: name the file that the film shall go to")
    if not folder.is_dir():
        raise click.ClickException(f"there is no folder {folder}")
    if output.exists() and not output.is_file():
        raise click.ClickException(f"{output} is there already, and no file")
    if not os.access(folder, os.W_OK | os.X_OK, effective_ids=_EFFECTIVE):
        raise click.ClickException(f"nothing can be written in {folder}")
    if output.exists() and not os.access(output, os.W_OK, effective_ids=_EFFECTIVE):
        raise click.ClickException(f"{output} cannot be written")


def format_of_output(output: Path | None) -> str | None:
    """Read the film's container from where it shall go. Raises ClickException for an ending that no film has."""
    ending = output.suffix.removeprefix(".").lower() if output else ""
    if ending and ending not in _FILMS:
        raise click.ClickException(f"{output}: films come as {', '.join(_FILMS)}")
    return ending or None
