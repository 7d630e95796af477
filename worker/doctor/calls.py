"""The doctor's way to call the backend: the gateway's own client, each answer a finding with its shape.

`worker.doctor.free_checks` and `paid` decide what is called, and what an answer settles.
"""

from collections.abc import Awaitable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from worker.backend.client import Backend, Credentials
from worker.backend.faults import BackendFault
from worker.backend.transport import RecordedAnswer
from worker.doctor.findings import Finding, Verdict
from worker.doctor.shapes import decoded, describe

T = TypeVar("T")


class RecordedCalls:
    """Makes calls on one token. `findings` fill up; `private` is what must not get into a report."""

    def __init__(self, backend: Backend, credentials: Credentials, *, base_url: str) -> None:
        self.backend = backend
        self.credentials = credentials
        self.host = urlsplit(base_url).hostname or ""
        #: to the call that was made last
        self.answers: list[RecordedAnswer] = []
        self.findings: list[Finding] = []
        self.private: set[str] = {credentials.token}
        backend.record_answers(self.answers.append)

    async def make(self, what: str, expected: str, call: Awaitable[T], *, otherwise: Verdict = Verdict.BAD) -> T | None:
        """Make a call and judge it; None: it failed, which is as bad as `otherwise` says."""
        self.answers.clear()
        try:
            value = await call
        except BackendFault as fault:
            self.findings.append(self.failure(what, expected, fault, otherwise))
            return None
        except TimeoutError:
            self.findings.append(Finding("backend", what, otherwise, expected, "it did not end in time"))
            return None
        self.findings.append(Finding("backend", what, Verdict.OK, expected, self.shapes()))
        return value

    def failure(self, what: str, expected: str, fault: BackendFault, verdict: Verdict) -> Finding:
        """Make a finding of a call that failed."""
        return Finding("backend", what, verdict, expected, f"{fault.fault}; {self.shapes()}")

    def shapes(self) -> str:
        """Write the shapes of the answers to the last call."""
        return "; ".join(describe(answer, host=self.host) for answer in self.answers) or "no answer"

    def last_data(self) -> dict[str, Any]:
        """Take the last answer out of its envelope; nothing where it has none."""
        answer = decoded(self.answers[-1].body) if self.answers else None
        if not isinstance(answer, dict):
            return {}
        data = answer.get("data")
        return data if isinstance(data, dict) else answer

    def judge_last(self, verdict: Verdict) -> None:
        """Judge the last finding otherwise: its answer came, and says something that it should not."""
        last = self.findings.pop()
        self.findings.append(Finding(last.area, last.what, verdict, last.expected, last.came))

    def skip(self, what: str, why: str) -> None:
        """Note what was not done."""
        self.findings.append(Finding("backend", what, Verdict.SKIPPED, "", why))
