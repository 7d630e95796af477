"""The `reelgate` command. Each room brings its own commands as entry points, so that none is named here."""

from importlib.metadata import entry_points

import click

_GROUP = "reelgate.commands"


class _Rooms(click.Group):
    """Loads a command when it is asked for: the API does not import the worker, nor either of them the sandbox."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's interface
        return sorted(entry_points(group=_GROUP).names)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        for entry in entry_points(group=_GROUP, name=cmd_name):
            try:
                command: click.Command = entry.load()
            except ModuleNotFoundError as missing:
                if ctx.invoked_subcommand:
                    raise click.ClickException(f"{cmd_name} is not installed here: {missing.name} is missing") from None
                return None
            return command
        return None


@click.command(cls=_Rooms)
def main() -> None:
    """Reelgate: POST one video edit, get one signed callback with the MP4."""


if __name__ == "__main__":
    main()
