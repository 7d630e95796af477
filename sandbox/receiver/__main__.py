"""``python -m sandbox.receiver --port 0 --secret whsec_…``: prints one line when it is ready, stops on SIGTERM."""

import asyncio
import signal
import sys
from collections.abc import Sequence

import click

from sandbox.receiver.server import receiving


@click.command()
@click.option("--port", default=0, show_default=True, help="Port on 127.0.0.1; 0 takes a free one.")
@click.option("--secret", "secrets", multiple=True, help="A webhook secret, whsec_…; several while one is rotated.")
def main(port: int, secrets: tuple[str, ...]) -> None:
    """Receive callbacks, check their signatures and list them at /_received."""
    asyncio.run(_run(port, secrets))


async def _run(port: int, secrets: Sequence[str]) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with receiving(port, secrets) as address:
        sys.stdout.write(f"receiver ready {address}\n")
        sys.stdout.flush()
        await stop.wait()


main()
