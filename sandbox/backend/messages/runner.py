"""Runs one message: which events are sent when, when the edit lands in the draft, and what becomes of its credits.

`accept.py` starts it; the run goes on when nobody listens any more, as the real backend edits and bills on.
What is said, `answers.py` decides. Knows nothing of tokens' rules or HTTP.
"""

import asyncio
import contextlib
import logging
from typing import Any

from sandbox.backend.clock import Clock
from sandbox.backend.messages import answers, stories, talk
from sandbox.backend.messages.channel import Closed
from sandbox.backend.messages.run import Run
from sandbox.backend.messages.stream import Failure, Heartbeat, Text, ToolCall, ToolResult
from sandbox.backend.pseudo_random import pseudo_random
from sandbox.backend.settings import Settings

log = logging.getLogger(__name__)

_HALF = 0.5


class MessageRunner:
    def __init__(self, settings: Settings, clock: Clock, once: stories.FiredStories) -> None:
        self._settings = settings
        self._clock = clock
        self._once = once

    async def perform(self, run: Run) -> None:
        """Go through one run to its end. The credits are settled and the stream is closed whatever happens."""
        try:
            await self._tell(run)
        except Exception:  # the sandbox's own fault; its client must still see an end
            log.exception("a message broke the sandbox")
            run.channel.say(Failure("internal error"))
        finally:
            self._settle(run, landed=False)
            run.channel.say(Closed())

    async def _tell(self, run: Run) -> None:
        """Open, work, and end in the way that the story wants."""
        _open(run)
        match run.plan.ending:
            case "close":
                await self._edit_and_answer(run)
            case "cut" | "cut-lost":
                await self._drop(run)
            case "mute":
                await self._beat_until_left(run)
            case "error":
                await self._break(run)

    async def _edit_and_answer(self, run: Run) -> None:
        stages = _stages(run)
        pause_s = self._span_s(run) / (len(stages) + 1)
        await self._work(run, pause_s)
        if stages and "two-stage" in run.plan.stories:
            _answer_early(run)
            await self._land_unheard(run)
            return
        for stage in stages:
            run.session.draft = stage
            await self._work(run, pause_s)
        self._land(run)
        self._answer(run)

    async def _land_unheard(self, run: Run) -> None:
        """With nobody listening any more: the raw video first, where there is one, music and title later."""
        for stage in _stages(run):
            run.session.draft = stage
            await self._clock.pass_time(self._settings.second_stage_s)
        self._land(run)

    async def _drop(self, run: Run) -> None:
        await self._work(run, self._span_s(run) / 2)
        run.channel.say(Text(talk.STARTING[run.language]))
        run.channel.say(Closed(cut=True))
        await self._clock.pass_time(self._settings.drop_s)
        if run.plan.lands:
            await self._land_unheard(run)

    async def _beat_until_left(self, run: Run) -> None:
        beat_s = self._clock.real_s(self._settings.heartbeat_s)
        with contextlib.suppress(TimeoutError):  # the longest stream is over; the client sees it close
            async with asyncio.timeout(self._clock.real_s(self._settings.stream_s)):
                while not await _came(run.channel.left, within_s=beat_s):
                    run.channel.say(Heartbeat())

    async def _break(self, run: Run) -> None:
        await self._work(run, self._span_s(run) / 2)
        run.channel.say(Text(talk.STARTING[run.language]))
        run.channel.say(Failure("upstream exploded", modelled=run.draw < _HALF))

    async def _work(self, run: Run, nominal_s: float) -> None:
        """Let time pass, with heartbeats."""
        beat_s = self._settings.heartbeat_s
        while nominal_s > beat_s:
            await self._clock.pass_time(beat_s)
            run.channel.say(Heartbeat())
            nominal_s -= beat_s
        await self._clock.pass_time(nominal_s)

    def _span_s(self, run: Run) -> float:
        """How long the work takes, in nominal seconds."""
        settings = self._settings
        if "slow" in run.plan.stories:
            return settings.slow_s
        if run.edited.generated and run.plan.edits:
            return settings.generate_s
        return settings.edit_min_s + (settings.edit_max_s - settings.edit_min_s) * run.draw

    def _land(self, run: Run) -> None:
        """The edit is in the draft and paid for, also when it changed nothing: talking costs as well."""
        session = run.session
        if run.plan.edits and run.edited.changed:
            session.draft = run.edited.draft
            session.new_media = [media for media in session.new_media if media.url not in run.used_urls]
            if run.edited.generated:
                session.generated_media.append({"type": "video", "prompt": run.plan.prompt, "status": "ready"})
        session.export_blocked = "export-blocked" in run.plan.stories
        session.render_stories.extend(stories.rendering(run.plan, run.message.text, self._once))
        self._settle(run, landed=True)

    def _settle(self, run: Run, *, landed: bool) -> None:
        """Spend the frozen credits, or thaw them. Safe to repeat: the first time decides."""
        if run.message.status != "running":
            return
        run.message.status = "done" if landed else "lost"
        run.session.busy = False
        run.session.used_at_s = self._clock.now_s()
        if landed:
            run.token.credit_account.spend(run.cost)
            run.message.charged = run.cost
        else:
            run.token.credit_account.thaw(run.cost)

    def _answer(self, run: Run) -> None:
        _report_tools(run)
        settings = self._settings
        if answers.is_silent(run.plan, run.edited, draw=run.draw, silent_rate=settings.silent_rate):
            return
        draw = pseudo_random("gui", run.draw)
        said = answers.sentences(run.plan, run.edited, run.language, draw=draw, gui_rate=settings.gui_rate)
        if run.shape == "adk" and pseudo_random("joined", run.draw) < _HALF:
            said = ["\u2028".join(said)]  # models do send it, and it breaks readers that split lines on it
        for sentence in said:
            run.channel.say(Text(sentence))


def _open(run: Run) -> None:
    run.channel.say(Heartbeat())
    if run.plan.ending != "mute" and not run.plan.talks_only:
        run.channel.say(ToolCall(_call_id(run), "edit_timeline", {"instruction": run.plan.prompt}))


def _report_tools(run: Run) -> None:
    if run.plan.edits:
        result = {"status": "ok", "tracks": len(run.session.draft.get("t", []))}
        run.channel.say(ToolResult(_call_id(run), "edit_timeline", result))


def _answer_early(run: Run) -> None:
    """The stream ends when the raw video is there, as if that were all."""
    _report_tools(run)
    if "silent" not in run.plan.stories:
        run.channel.say(Text(talk.RAW_READY[run.language]))
    run.channel.say(Closed())


def _stages(run: Run) -> list[dict[str, Any]]:
    """Drafts to be seen before the last one: the edit's own, or for `two-stage` the bare video."""
    if not run.plan.edits or not run.edited.changed:
        return []
    final, stages = run.edited.draft, run.edited.stages
    if stages or "two-stage" not in run.plan.stories:
        return stages
    return [{**final, "t": [track for track in final.get("t", []) if track.get("tt") == 0]}]


def _call_id(run: Run) -> str:
    return f"adk-{run.session.messages}"


async def _came(event: asyncio.Event, *, within_s: float) -> bool:
    try:
        async with asyncio.timeout(within_s):
            await event.wait()
    except TimeoutError:
        return False
    return True
