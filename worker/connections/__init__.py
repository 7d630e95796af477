"""Connections to other hosts, below HTTP: what `worker.outbound` and `worker.backend` both dial, read, write and keep."""
