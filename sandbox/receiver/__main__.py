"""``RECEIVER_SECRETS=whsec_… python -m sandbox.receiver --port 0``: prints a line when it is ready, stops on SIGTERM.

Secrets come by the environment alone: a command line can be read by everybody on the machine.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence

import click

from sandbox.receiver.server import receiving

SECRETS = "RECEIVER_SECRETS"


@click.command()
@click.option("--port", default=0, show_default=True, help="Port on 127.0.0.1; 0 takes a free one.")
def main(port: int) -> None:
    """Receive callbacks, check their signatures and list them at /_received.

    RECEIVER_SECRETS holds the webhook's secret, whsec_…; several, with blanks, while one is rotated.
    """
    asyncio.run(_run(port, os.environ.get(SECRETS, "").split()))


async def _run(port: int, secrets: Sequence[str]) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with receiving(port, secrets) as address:
        sys.stdout.write(f"receiver ready {address}\n")
        sys.stdout.flush()
        await stop.wait()


main()
