"""A command that makes tenants in a running world, each with an API key and perhaps a backend token of its own.

Reads ``{"tenant": "token or nothing"}`` from standard input and prints ``{"tenant": "key"}``. It calls the gateway's own
`keys` and `tokens` commands in one process, since a process for each would take a second.
"""

import json
import sys
from importlib.metadata import entry_points

import click
from click.testing import CliRunner


def command(name: str) -> click.Command:
    (entry,) = entry_points(group="reelgate.commands", name=name)
    loaded: click.Command = entry.load()
    return loaded


def run(name: str, *arguments: str, stdin: str = "") -> str:
    done = CliRunner().invoke(command(name), list(arguments), input=stdin, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def enrol(tenant: str, token: str) -> str:
    """Make a tenant and give its key."""
    if token:
        run("tokens", "add", "--tenant", tenant, stdin=token + "\n")
    return str(json.loads(run("keys", "create", "--tenant", tenant, "--json"))["key"])


if __name__ == "__main__":
    keys = {tenant: enrol(tenant, token) for tenant, token in json.load(sys.stdin).items()}
    sys.stdout.write(json.dumps(keys))
