"""Says before the tests begin how long they take, from what stands in `tests/times.json`, folder by folder.

`./run test --record-times` writes there what a run took: on a quiet machine, or it lies. What stands there before any
was recorded was estimated, and its `machine` says so.
"""

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

RECORD = Path(__file__).with_name("times.json")
MINUTE_S = 60


class Folder(NamedTuple):
    """What the tests of one folder took of a whole run, side by side with the others."""

    tests: int
    seconds: float


def recorded(file: Path = RECORD) -> tuple[str, dict[str, Folder]]:
    """Read on what machine it was, ``2 quiet cores``, and what each folder took there."""
    record = json.loads(file.read_text())
    return record["machine"], {name: Folder(**times) for name, times in record["folders"].items()}


def expected_s(collected: Mapping[str, int], folders: Mapping[str, Folder]) -> float:
    """Scale what was recorded by how many tests there are now; folders that are new count as nothing."""
    return sum(n * folders[name].seconds / folders[name].tests for name, n in collected.items() if name in folders)


def in_words(seconds: float) -> str:
    """Write ``less than half a minute`` or ``about 16 minutes``: more exactly nobody can know it."""
    if seconds < MINUTE_S / 2:
        return "less than half a minute"
    minutes = round(seconds / MINUTE_S)
    return "about a minute" if minutes <= 1 else f"about {minutes} minutes"


def folder_of(test_id: str) -> str:
    """Read ``unit`` out of ``tests/unit/test_x.py::test_y``."""
    parts = test_id.partition("::")[0].split("/")
    return parts[1] if len(parts) > 2 else ""


def shares(spent_s: Mapping[str, float], tests: Mapping[str, int], *, whole_s: float) -> dict[str, Folder]:
    """Divide the time of a whole run among its folders, by what their tests took one after the other."""
    of_all = whole_s / (sum(spent_s.values()) or 1.0)
    return {name: Folder(tests[name], round(spent_s[name] * of_all, 1)) for name in sorted(spent_s)}


def this_machine() -> str:
    """Name this machine, ``2 quiet cores``: that it is quiet is for whoever records to see to."""
    cores = os.cpu_count() or 1
    return f"{cores} quiet core{'s' if cores > 1 else ''}"


def anew(machine: str, before: Mapping[str, Folder], ran: Mapping[str, Folder]) -> tuple[str, dict[str, Folder]]:
    """Put what a run took in the place of what stood there; after a part of the folders the machine is the others' still."""
    return this_machine() if ran.keys() >= before.keys() else machine, {**before, **ran}


class HowLong:
    """Hears from pytest, or from its several processes, which tests there are and what they took."""

    def __init__(self, config: pytest.Config, *, record: bool) -> None:
        self._config = config
        self._record = record
        self._told = False
        self._tests: Counter[str] = Counter()
        self._spent_s: Counter[str] = Counter()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._tell([item.nodeid for item in session.items])

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Iterable[str]) -> None:
        """Every process collects the same ones, so the first speaks for all."""
        self._tell(ids)

    def _tell(self, ids: Iterable[str]) -> None:
        if self._told:
            return
        self._told = True
        self._tests.update(folder_of(test_id) for test_id in ids)
        machine, folders = recorded()
        words = in_words(expected_s(self._tests, folders))
        self._say(f"{self._tests.total():,} tests: {words} on {machine}.")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._spent_s[folder_of(report.nodeid)] += report.duration

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self._record:
            return
        whole_s = terminalreporter._session_start.elapsed().seconds
        machine, folders = anew(*recorded(), shares(self._spent_s, self._tests, whole_s=whole_s))
        times = {name: folder._asdict() for name, folder in folders.items()}
        RECORD.write_text(json.dumps({"machine": machine, "folders": times}, indent=2) + "\n")
        self._say(f"Recorded in {RECORD.name}: {in_words(whole_s)}.")

    def _say(self, line: str) -> None:
        reporter = self._config.pluginmanager.getplugin("terminalreporter")
        if reporter is not None:
            reporter.ensure_newline()
            reporter.write_line(line)
