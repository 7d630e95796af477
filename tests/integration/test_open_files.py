"""How many files a process may have open: as many as the system allows, whatever the shell that started it did."""

import sys
from subprocess import run

STARTED_BY_A_SHELL = """
import resource
import click
from core.process.command import ProcessCommand

_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, most))

@click.command(cls=ProcessCommand)
def process():
    print(*resource.getrlimit(resource.RLIMIT_NOFILE), most)

process([])
"""


def test_a_process_takes_as_many_open_files_as_it_is_allowed() -> None:
    told = run([sys.executable, "-c", STARTED_BY_A_SHELL], capture_output=True, text=True, check=True).stdout
    allowed, bound, most = (int(each) for each in told.split())
    assert bound == most
    assert allowed == (1 << 20 if most < 0 else min(most, 1 << 20))
