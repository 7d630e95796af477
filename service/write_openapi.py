"""Writes `openapi/openapi.json` from the code, or with `--check` says whether it has drifted."""

import sys
from pathlib import Path

import click

from service.app import openapi_json

TARGET = Path(__file__).parents[1] / "openapi" / "openapi.json"


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if the file is not what the code makes.")
def write_openapi(check: bool) -> None:
    """Write openapi/openapi.json."""
    wanted = openapi_json()
    if not check:
        TARGET.write_bytes(wanted)
        return
    if not TARGET.is_file() or TARGET.read_bytes() != wanted:
        click.echo("openapi/openapi.json is not what the code makes: ./run openapi", err=True)
        sys.exit(1)


if __name__ == "__main__":
    write_openapi()
