"""Takes an answer out of its envelope: ``{"code":0,"data":{…}}``, ``{"success":true,"data":{…}}`` or none."""

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
    data = answer.get("data") if isinstance(answer, dict) else None
    inner = answer if data is None else data
    if isinstance(inner, list):
        return {"files": inner}
    if not isinstance(inner, dict):
        raise UnreadableAnswer("the answer is no JSON object", Surprise.NO_OBJECT)
    return inner
