"""How a process collects garbage: what was there at its start is never looked at again, all the rest seldom as a whole."""

import sys
from subprocess import run

CHURN = """
import gc
from core.process.garbage import collect_rarely

class Node:
    pass

def full_looks():
    return gc.get_stats()[2]["collections"]

def looks_while_much_lives():
    before = full_looks()
    kept = [[n] for n in range(1_000_000)]
    return full_looks() - before

def cycle():
    one, other = Node(), Node()
    one.other, other.other = other, one

python_s_own = looks_while_much_lives()
collect_rarely()
frozen, looked_at = gc.get_freeze_count(), len(gc.get_objects())
ours = looks_while_much_lives()
for _ in range(100_000):
    cycle()
cycles = sum(isinstance(each, Node) for each in gc.get_objects())
print(python_s_own, ours, frozen, looked_at, cycles)
"""


def test_full_looks_are_rare_what_was_loaded_is_left_out_and_cycles_still_go() -> None:
    """In a process of its own, since what is frozen stays so."""
    told = run([sys.executable, "-c", CHURN], capture_output=True, text=True, check=True)
    python_s_own, ours, frozen, looked_at, cycles = (int(each) for each in told.stdout.split())
    assert ours == 0 < python_s_own
    assert looked_at < frozen / 10
    assert cycles < 10_000
