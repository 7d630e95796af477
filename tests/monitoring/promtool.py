"""Prometheus's own programs, where this machine has them: Debian's package `prometheus` brings both."""

import shutil

import pytest


def program(name: str) -> str:
    """Find a program, or skip the test with the reason."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"there is no {name} on this machine's PATH: apt-get install --no-install-recommends prometheus")
    return found
