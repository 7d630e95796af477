"""Threads for calls to a folder, which hang for as long as its volume does: they keep no thread that others need, nor a process's end."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


def call_within(call: Callable[[], T], within_s: float) -> T:
    """Call it in a thread of its own, where no loop runs yet. Raises what the call does, and TimeoutError: the thread goes on."""
    answer = Future[T]()
    _start(call, answer)
    return answer.result(within_s)


def _start(call: Callable[[], T], answer: "Future[T]", then: Callable[[], None] = lambda: None) -> None:
    """Raises OSError where the system gives no thread."""
    try:
        Thread(target=_answer, args=(call, answer, then), daemon=True).start()
    except RuntimeError:
        raise OSError("no thread is left") from None


def _answer(call: Callable[[], T], answer: "Future[T]", then: Callable[[], None]) -> None:
    try:
        answer.set_result(call())
    except BaseException as error:  # noqa: BLE001 - it is who asked that hears of it
        answer.set_exception(error)
    then()


class HangingThreads:
    """So many threads at most. An executor's would be waited for at the process's end, which a volume that hangs puts off for ever."""

    def __init__(self, most: int) -> None:
        self._free = asyncio.Semaphore(most)

    async def run(self, call: Callable[[], T]) -> T:
        """Call it in a thread of its own. Who is stopped meanwhile leaves that one, which counts until the call is over.

        Raises what the call does, and OSError where the system gives no thread.
        """
        await self._free.acquire()
        answer, loop = Future[T](), asyncio.get_running_loop()
        answer.set_running_or_notify_cancel()  # from now on nobody can take it back
        try:
            _start(call, answer, then=partial(self._give_back, loop))
        except OSError:
            self._free.release()
            raise
        return await asyncio.wrap_future(answer)

    def _give_back(self, loop: asyncio.AbstractEventLoop) -> None:
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(self._free.release)
