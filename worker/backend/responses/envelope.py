"""Takes an answer out of its envelopes: ``{"code":0,"data":{…}}``, ``{"success":true,"data":{…}}``, several or none."""

from typing import Any

from worker.backend import json_text
from worker.backend.surprises import Surprise

#: What may stand around an answer, and says nothing by itself.
ENVELOPE = {"code", "data", "success", "message", "msg", "request_id", "requestId", "trace_id", "traceId"}

#: By what an answer says that something is wrong, and what else may stand beside that.
ERROR_KEYS = {"error", "errors", "error_code", "errorCode", "error_message", "errorMessage", "error_msg", "errorMsg"}
COMPLAINT = {
    "detail",
    "details",
    "reason",
    "ok",
    "status",
    "status_code",
    "statusCode",
    "timestamp",
    "path",
    "type",
    "title",
}
COMPLAINT |= ERROR_KEYS

#: what stands in the place of ``data`` at some servers
_OTHER_DATA = "result"
#: how many envelopes an answer may stand in, one in the other, beside the outer one
_DEEPEST = 2


class UnreadableAnswer(Exception):  # noqa: N818 - reads as what happened
    """The answer is no JSON object, or lacks the one thing it was asked for. `kind` says which."""

    def __init__(self, words: str, kind: Surprise = Surprise.MISSING_FIELD) -> None:
        self.kind = kind
        super().__init__(words)


class NothingTold(UnreadableAnswer):
    """The answer says that all is well, and nothing besides: ``{"code": 0, "data": null}``."""


def open_envelope(body: bytes) -> dict[str, Any]:
    """Decode an answer and take it out of its envelope. Raises UnreadableAnswer."""
    if not body.strip():
        return {}
    try:
        answer = json_text.parse(body)
    except ValueError as error:
        raise UnreadableAnswer("the answer is no JSON", Surprise.PAGE) from error
    if isinstance(answer, list):
        return {"files": answer}
    if not isinstance(answer, dict):
        raise UnreadableAnswer("the answer is no JSON object", Surprise.NO_OBJECT)
    return _inner(answer)


def _inner(answer: dict[str, Any], depth: int = _DEEPEST) -> dict[str, Any]:
    """Open an envelope, and another one in it. What only says that all is well, ``{"code": 0, "data": true}``, holds nothing."""
    held = answer.get("data")
    if held is None and answer.keys() - ENVELOPE == {_OTHER_DATA}:
        held = answer[_OTHER_DATA]
    held = _written_out(held)
    if isinstance(held, list):
        return {"files": held}
    if isinstance(held, dict):
        is_envelope = depth > 0 and bool(held) and not held.keys() - ENVELOPE
        return _inner(held, depth - 1) if is_envelope else held
    if held is None or held is True or isinstance(held, str):
        return answer
    raise UnreadableAnswer("the answer is no JSON object", Surprise.NO_OBJECT)


def _written_out(held: object) -> object:
    """Decode what stands in an envelope as JSON text; what is no object stays a text."""
    if not (isinstance(held, str) and held.lstrip().startswith("{")):
        return held
    try:
        return json_text.parse(held)
    except ValueError:
        return held
