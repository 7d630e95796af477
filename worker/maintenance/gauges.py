"""The gauges over all of Redis that every worker shows: the queue, dead callbacks, tokens and their credits."""

from collections import Counter

from core.metrics import CALLBACKS_DEAD, CREDITS, QUEUE_DUE_JOBS, QUEUE_OLDEST_SECONDS, TOKENS
from core.model.token import TokenState
from worker.context import WorkerContext


async def update_gauges(context: WorkerContext) -> None:
    """Read how everything stands now."""
    due, oldest_ms = await context.admission.due(), await context.admission.oldest_queued_ms()
    QUEUE_DUE_JOBS.set(due)
    QUEUE_OLDEST_SECONDS.set((context.clock.now_ms() - oldest_ms) / 1000 if oldest_ms else 0)
    CALLBACKS_DEAD.set(await context.deliveries.dead_count())
    await _update_token_gauges(context)


async def _update_token_gauges(context: WorkerContext) -> None:
    tokens = await context.token_pool.all_tokens()
    states = Counter(token.state for token in tokens)
    for state in TokenState:
        TOKENS.labels(state).set(states[state])
    CREDITS.labels("available").set(sum(token.available or 0 for token in tokens))
    CREDITS.labels("frozen").set(sum(token.frozen or 0 for token in tokens))
    CREDITS.labels("reserved").set(sum(token.reserved for token in tokens))
