"""A nursery of workers that send a message again when they find that it was to be sent: the rule that the check must miss.

Run by one test alone, which wants to see double charges reported.
"""

from core.job import Stage
from tests.crash.nursery import serve_orders
from worker import steps
from worker.work import Next, Work

_careful = steps._STEPS[Stage.EDITING]


async def _careless(work: Work) -> Next:
    work.may_send = True
    return await _careful(work)


if __name__ == "__main__":
    steps._STEPS[Stage.EDITING] = _careless
    serve_orders()
