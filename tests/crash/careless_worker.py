"""A fork server of workers that send a message again when they find that it was to be sent: the rule that the check must miss.

Run by one test alone, which wants to see double charges reported.
"""

import msgspec

from core.model.job import Stage
from tests.crash.fork_server import serve_orders
from worker.jobs import steps
from worker.jobs.execution import JobExecution
from worker.jobs.step_result import StepResult

_careful = steps._STEPS[Stage.EDITING]


async def _careless(execution: JobExecution) -> StepResult:
    execution.handover = msgspec.structs.replace(execution.handover, may_send=True)
    return await _careful(execution)


if __name__ == "__main__":
    steps._STEPS[Stage.EDITING] = _careless
    serve_orders()
