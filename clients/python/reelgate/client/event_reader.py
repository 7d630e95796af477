"""Following a job's events over as many streams as it takes, from the last event's id on."""

import math

import msgspec

from reelgate.client import calls
from reelgate.client.answers import NO_JSON, PASSING, problem_of
from reelgate.client.effects import Answer, Close, Failure, Open, Pause, Read, Request, Steps
from reelgate.client.errors import NoAnswer
from reelgate.client.exchange import Circumstances, Patience
from reelgate.client.sse import Frame, SseDecoder
from reelgate.client.types import Event

#: a stream brings a comment every 15 s; without one for so long it is opened again
STREAM_SILENCE_S = 60.0
#: how long past its reader's time a stream may stay silent before it is opened anew, with less patience
_LATE_S = 5.0
_OVER = 204
#: when to come back after a stream's end where it does not say
COME_BACK_S = 3.0
#: a stream on which something came lives if it lasts so long; one that is over before may be one that ends every time
_STEADY_S = 1.0
#: the API's events have some ten thousand
MOST_EVENT_BYTES = 16 << 20
#: what a stream may ask for instead
_SOONEST_S, _LATEST_S = 0.5, 60.0


class EventReader:
    """One reader's place in a job's events. `over`: there are no more; `is_open`: a stream is.

    `ends_s`: when its reader goes, by the clock, whenever it was asked to come back. `looks`: it reads the job as well, so
    that a page in the stream's place, as of a proxy that lets none through, is no reason to give up.
    """

    def __init__(
        self,
        here: Circumstances,
        job_id: str,
        *,
        last_id: str = "",
        ends_s: float | None = None,
        looks: bool = False,
    ) -> None:
        self.over = False
        self.is_open = False
        self._job_id = job_id
        self._silence_s = STREAM_SILENCE_S
        self._decoder = SseDecoder(last_id)
        self._clock = here.clock
        self._ends_s = math.inf if ends_s is None else ends_s
        self._looks = looks
        self._patience = Patience(here)
        self._pause_s = 0.0
        self._opened_s = 0.0
        #: whether anything came on the stream that is open, or was; and whether that was a sign of life
        self._heard = self._lives = False

    def read(self) -> Steps[list[Event]]:
        """Give what comes next, often nothing. Raises ReelgateError where it has been failing for too long."""
        left_s = self._left_s()
        if self.is_open and self._silence_s > left_s + _LATE_S:
            yield from self._close()
            self._pause_s = 0.0
        if self.is_open:
            return (yield from self._read())
        if self._pause_s:
            yield Pause(min(self._pause_s, left_s))
        if self._pause_s < left_s:
            self._silence_s = min(STREAM_SILENCE_S, left_s)
            yield from self._open()
        return []

    def reassure(self) -> None:
        """Take note that the API answers, although its streams break."""
        self._patience.restore()

    def _left_s(self) -> float:
        return max(0.0, self._ends_s - self._clock())

    def _open(self) -> Steps[None]:
        answer = yield Open(self._request())
        if self._looks and isinstance(answer, Answer) and is_page(answer):
            yield Close()
            self._pause_s = COME_BACK_S
        elif isinstance(answer, Failure) or answer.is_error:
            self._fail(answer)
        elif answer.status == _OVER:
            self.over = True
        else:
            require_event_stream(answer)
            self.is_open, self._heard, self._lives, self._opened_s = True, False, False, self._clock()

    def _read(self) -> Steps[list[Event]]:
        chunk = yield Read()
        if self._heard and self._clock() - self._opened_s >= _STEADY_S:
            self._live()
        if isinstance(chunk, Failure):
            yield from self._break(chunk)
            return []
        if not chunk:
            yield from self._end()
            return []
        self._heard = True
        events = [event for frame in self._decoder.feed(chunk) if (event := event_of_frame(frame))]
        if events:
            self._live()
        if self._decoder.held_bytes > MOST_EVENT_BYTES:
            yield from self._break(Failure("an event without an end", permanent=True))
        self.over = any(event.job and event.job.ended for event in events)
        return events

    def _live(self) -> None:
        self._lives = True
        self._patience.restore()

    def _break(self, failure: Failure) -> Steps[None]:
        yield from self._close()
        self._fail(failure)

    def _fail(self, outcome: Answer | Failure) -> None:
        """Take note of what went wrong. That a reader whose time is up heard nothing more is none of it."""
        if self._left_s():
            self._pause_s = self._patience.pause_after(self._request(), outcome)

    def _request(self) -> Request:
        return calls.event_stream(self._job_id, last_id=self._decoder.last_id, silence_s=self._silence_s)

    def _end(self) -> Steps[None]:
        """Come back when the stream asked for it: its process ends, or the job has by now.

        Streams that say nothing, one after another, are a proxy's that lets none through: who reads the job hears of its end.
        """
        yield from self._close()
        if not self._lives and not self._looks:
            self._fail(Failure("its streams of events end at once"))
        asked_s = COME_BACK_S if self._decoder.retry_s is None else self._decoder.retry_s
        self._pause_s = min(max(asked_s, _SOONEST_S), _LATEST_S)

    def _close(self) -> Steps[None]:
        self.is_open = False
        self._decoder.cut()
        yield Close()


def require_event_stream(answer: Answer) -> None:
    """Look that it is the API that answers, and not a page. Raises NoAnswer."""
    if not is_event_stream(answer):
        kind = answer.headers.get("content-type", "")
        raise NoAnswer(f"What answered is no event stream ({kind or 'no type'}).", retryable=False)


def is_event_stream(answer: Answer) -> bool:
    return answer.headers.get("content-type", "").startswith("text/event-stream")


def is_page(answer: Answer) -> bool:
    """Whether somebody else answers for good, who says nothing of the job: a proxy that lets no streams through."""
    if answer.is_error:
        return answer.status not in PASSING and not problem_of(answer).code
    return answer.status != _OVER and not is_event_stream(answer)


def event_of_frame(frame: Frame) -> Event | None:
    """Read an event; None for what is none, e.g. the word that history was trimmed, after which a snapshot comes."""
    try:
        event = msgspec.json.decode(frame.data, type=Event)
    except NO_JSON:
        return None
    return msgspec.structs.replace(event, id=frame.last_id)
