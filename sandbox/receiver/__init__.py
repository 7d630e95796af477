"""A callback receiver as an integrator would run one, and many bad ones: ``python -m sandbox.receiver``.

It is written from the outside's point of view: plain HTTP over asyncio, signatures checked with the standardwebhooks
library, nothing imported from the gateway. The demo and the tests run it as a process of its own.

    inbox      what came in, and whether its signature holds
    behaviours the paths under /hook and how each answers or misbehaves
    server     HTTP in: reads a request, hands it on, closes the connection
"""
