"""A whole small world on one machine: Redis, backend, receiver, API and workers as real processes on free ports.

`./run up` leaves it running, `./run demo` shows five jobs in it. It starts the gateway by its commands, as an operator
would, and knows nothing of it but the addresses and the outside interface.
"""
