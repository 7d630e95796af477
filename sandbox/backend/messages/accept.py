"""Takes messages in: checks, refuses or charges them, and starts their runs, which outlive the call.

`routes/sessions.py` calls `start` and streams what the run says. Which story it is, `stories.py` reads; how a run goes,
`runner.py` knows. Nothing here knows HTTP.
"""

import asyncio

from sandbox.backend import refusals
from sandbox.backend.clock import Clock
from sandbox.backend.messages import stories, talk
from sandbox.backend.messages.channel import Closed
from sandbox.backend.messages.run import Message, Run
from sandbox.backend.messages.runner import MessageRunner
from sandbox.backend.messages.stories import Plan
from sandbox.backend.pseudo_random import pseudo_random
from sandbox.backend.sessions import Session, Sessions
from sandbox.backend.settings import Settings
from sandbox.backend.tokens import Token, Tokens
from sandbox.edits import Edited, edit

_HALF = 0.5


class Messages:
    def __init__(self, settings: Settings, clock: Clock, tokens: Tokens, sessions: Sessions) -> None:
        self._settings = settings
        self._clock = clock
        self._tokens = tokens
        self._sessions = sessions
        self._once = stories.FiredStories()
        self._performance = MessageRunner(settings, clock, self._once)
        self._tasks: set[asyncio.Task[None]] = set()
        self.received: list[Message] = []

    def start(self, token: Token, session_id: object, text: str, *, dropped: bool) -> Run:
        """Accept a message and begin its run. `dropped`: a fault cuts its stream. Raises Refused before any work."""
        message = Message(str(session_id), token.id, text, self._clock.now_s())
        self.received.append(message)
        try:
            run = self._accept(token, message, dropped=dropped)
        except refusals.Refused:
            message.status = "refused"
            raise
        task = asyncio.create_task(self._performance.perform(run))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # a run that is ended before its first step says no word by itself, and its client would listen for ever
        task.add_done_callback(lambda _: run.channel.say(Closed()))
        return run

    async def stop(self) -> None:
        """End all runs; their credits thaw."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _accept(self, token: Token, message: Message, *, dropped: bool) -> Run:
        session = self._sessions.find(message.session_id, token)
        plan = stories.read(message.text, dropped=dropped)
        self._refuse_by_story(plan, message.text, token, session)
        if session.busy:
            raise refusals.session_busy()
        edited = edit(plan.prompt, session.draft, list(session.media().values()), list(session.new_media))
        return self._run(session, token, message, plan, edited)

    def _run(self, session: Session, token: Token, message: Message, plan: Plan, edited: Edited) -> Run:
        """Freeze what it costs, and have the session busy with it. Raises Refused where there are no such credits."""
        cost = self._cost(plan, edited)
        token.credit_account.freeze(cost)
        session.busy = True
        session.messages += 1
        return Run(
            session=session,
            token=token,
            plan=plan,
            message=message,
            edited=edited,
            used_urls=frozenset(media.url for media in session.new_media),
            cost=cost,
            draw=pseudo_random(session.number, plan.prompt, session.messages),
            shape=self._shape(plan, session),
            language=talk.language_of(plan.prompt, session.language),
        )

    def _cost(self, plan: Plan, edited: Edited) -> int:
        generates = edited.generated and not plan.talks_only
        return self._settings.generate_credits if generates else self._settings.edit_credits

    def _refuse_by_story(self, plan: Plan, text: str, token: Token, session: Session) -> None:
        name = stories.refusing(plan, text, self._once)
        if name is None:
            return
        if name == "token-expired":
            self._tokens.expire(token)
        if name == "session-lost":
            session.ended = True
        refusal = stories.REFUSING[name]
        raise refusal()

    def _shape(self, plan: Plan, session: Session) -> stories.Shape:
        """The story's shape, else the setting's, else one that stays the same for the session."""
        if plan.shape is not None:
            return plan.shape
        seed = self._settings.seed_shape
        if seed == "vendor" or (seed == "mixed" and pseudo_random("shape", session.number) < _HALF):
            return "vendor"
        return "adk-partial" if pseudo_random("partial", session.number) < _HALF else "adk"
