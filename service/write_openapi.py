"""Writes what is generated in `openapi/` from the code, or with `--check` says what has drifted or is not explained."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from service.app import openapi_json
from service.openapi.catalogue import catalogue_markdown
from service.openapi.undescribed import undescribed

TARGET = Path(__file__).parents[1] / "openapi" / "openapi.json"
ERRORS = TARGET.with_name("errors.md")


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if a file is not what the code makes.")
def write_openapi(check: bool) -> None:
    """Write openapi/openapi.json and openapi/errors.md."""
    written = openapi_json()
    document = json.loads(written)
    files = {TARGET: written, ERRORS: catalogue_markdown(document).encode()}
    if not check:
        for path, content in files.items():
            path.write_bytes(content)
    found = [*_drift(files), *undescribed(document)]
    for line in found:
        click.echo(line, err=True)
    sys.exit(1 if found else 0)


def _drift(files: dict[Path, bytes]) -> Iterator[str]:
    for path, content in files.items():
        if not path.is_file() or path.read_bytes() != content:
            yield f"openapi/{path.name} is not what the code makes: ./run openapi"


if __name__ == "__main__":
    write_openapi()
