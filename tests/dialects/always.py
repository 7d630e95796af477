"""What a backend may always say to one call, and what must become of a job then: its code, and how often it asked.

The codes come from the documents: where they leave a choice, each code that an integrator could be told is listed. A
group of answers is told in one world. No group has more than five that look like a failing backend, so that a breaker
that counts by call and by distinct job has no cause to hold up any other case.
"""

from collections.abc import Mapping

from tests.dialects.asgi import Reply, page


def _json(status: int, code: int, message: str) -> Reply:
    return Reply(status, f'{{"code":{code},"message":"{message}"}}'.encode())


GROUPS: dict[str, dict[str, Reply]] = {
    "refusals": {
        "1001": _json(200, 1001, "token expired or invalid"),
        "1002": _json(200, 1002, "session not found"),
        "2001": _json(200, 2001, "insufficient credits"),
        "4001": _json(200, 4001, "unsupported file type"),
        "4002": _json(200, 4002, "file too large"),
        "402": _json(402, 402, "export is not available on the free plan"),
        "403-scope": _json(403, 403, "token lacks the scope"),
        "404-json": _json(404, 404, "not found"),
        "429": _json(429, 429, "rate limit exceeded"),
    },
    "pages": {"403-html": page(403), "404-html": page(404), "502-html": page(502), "503": page(503)},
    "broken": {
        "500": _json(500, 500, "internal server error"),
        "reset": Reply(None),
        "empty": Reply(200, b""),
        "null": Reply(200, b'{"code":0,"data":null}'),
        "no-json": Reply(200, b"<html><body>Welcome</body></html>", "text/html"),
    },
}
CALLS = ("token", "session", "upload", "message", "credits", "state", "render", "status", "cancel", "download")
#: a job has at least this long, on a slow machine as many times as long as a good one takes there
LEAST_TIMEOUT_S = 30
TIMES_A_GOOD_ONE = 20
#: one that has the machine to itself, but for other groups, has less
TIMES_ONE_BY_ONE = 10
#: the gateway's waits are a tenth of those in life or less, so in life a bound is kept ten times as easily
MOST_A_MINUTE = {
    "token": 8,
    "session": 10,
    "claim": 10,
    "upload": 10,
    "render": 10,
    # of two renders, each of which is taken back, ever more seldom, while its job has begun another
    "cancel": 20,
    "download": 10,
    # four times without the token and twice with it, of two renders; once more each while the download call is left alone
    "film": 14,
    # read before and after a message, and for as long as an edit may come
    "credits": 40,
    "state": 40,
    # said to have been refused before any work
    "message": 6,
}
#: a render is looked at no more often
LOOK_EVERY_S = 1
#: a message that may have arrived is never sent again
AT_MOST_ONCE = frozenset({"403-html", "404-html", "502-html", "503", "500", "reset", "empty", "null", "no-json"})

#: nothing was sent, and nothing will come: whoever is told of it may try later
_UNAVAILABLE = frozenset({"backend_unavailable"})
#: the token is refused for ever, though it tells its balance: there is no other one
_NO_TOKEN = frozenset({"backend_unavailable", "credits_exhausted"})
_SCOPE = frozenset({"scope_missing"})
_UNCONFIRMED = frozenset({"edit_unconfirmed"})
_RENDERING = frozenset({"render_failed", "render_timeout", "backend_unavailable", "deadline_exceeded"})
_NO_FILM = frozenset({"render_failed", "backend_unavailable", "deadline_exceeded"})
#: tools ran, so it was edited for all that anybody knows: its export costs nothing once there is a state
_NO_STATE = frozenset({"edit_unconfirmed", "nothing_to_export", "session_lost", "backend_unavailable", "render_failed"})
#: as if the call had been made well
FINE = frozenset({"succeeded"})

#: codes for an answer, whatever the call, where the call's own table below says nothing else
_ANY: Mapping[str, frozenset[str]] = {
    "1001": _NO_TOKEN,
    "1002": frozenset({"session_lost", "backend_unavailable"}),
    "2001": frozenset({"credits_exhausted"}),
    # about media only where media is brought or spoken of
    "4001": _UNAVAILABLE,
    "4002": _UNAVAILABLE,
    "402": frozenset({"export_blocked"}),
    "403-scope": _SCOPE,
    "404-json": frozenset({"session_lost", "backend_unavailable"}),
    "429": _UNAVAILABLE,
}


def _all(answers: str, codes: frozenset[str]) -> dict[str, frozenset[str]]:
    return dict.fromkeys(answers.split(), codes)


_FAILURES = "403-html 404-html 502-html 503 500 reset empty null no-json"
_BY_CALL: Mapping[str, Mapping[str, frozenset[str]]] = {
    # without a token there is nothing at all; a scope can't be lacking there, but it is said so
    "token": {
        **_all(f"1001 1002 2001 4001 4002 402 404-json 429 {_FAILURES}", _NO_TOKEN),
        "403-scope": _NO_TOKEN | _SCOPE,
    },
    "upload": {
        "4001": frozenset({"unsupported_media"}),
        "4002": frozenset({"media_too_large"}),
        # "believed only where they say so": it answered, and brought nothing
        **_all("empty null", frozenset({"media_unreachable", "backend_unavailable"})),
    },
    "message": {
        **_all("500 502-html 503 reset empty null", _UNCONFIRMED),
        # a page before the backend is no word of the backend's: the answer behind it may be lost
        **_all("403-html 404-html no-json", _UNCONFIRMED),
        "404-json": _UNAVAILABLE | {"session_lost"},
        "4001": frozenset({"unsupported_media"}),
        "4002": frozenset({"media_too_large"}),
    },
    # a balance that can't be read is a witness less, and no more
    "credits": {
        **_all(f"1002 4001 4002 402 404-json 429 {_FAILURES}", FINE),
        "1001": FINE | _NO_TOKEN,
        "2001": FINE | {"credits_exhausted"},
        "403-scope": FINE | _SCOPE,
    },
    # without a state there is nothing to export; a session that has none may still be a fresh one
    "state": {
        "2001": frozenset({"credits_exhausted", "backend_unavailable"}),
        **_all("404-json 404-html null empty", _NO_STATE),
    },
    # the edit is paid for: what hinders its export is told
    "render": {
        "1001": _NO_TOKEN | {"session_lost"},
        **_all("2001 4001 4002", frozenset({"render_failed"})),
        **_all(f"404-json 429 {_FAILURES}", _RENDERING),
        "404-json": _RENDERING | {"session_lost"},
    },
    "status": {
        "1001": _RENDERING | {"session_lost", "credits_exhausted"},
        "1002": _RENDERING | {"session_lost"},
        **_all("2001 4001 4002", frozenset({"render_failed"})),
        "402": _RENDERING | {"export_blocked"},
        "404-json": frozenset({"render_failed"}),
        # "a page instead of JSON is no unknown render": it is there, and can't be seen
        **_all(f"429 {_FAILURES}", _RENDERING - {"render_failed"}),
    },
    # whoever cancels is not told of the backend's troubles
    "cancel": _all(f"1001 1002 2001 4001 4002 402 403-scope 404-json 429 {_FAILURES}", frozenset({"canceled"})),
    "download": {
        "1001": _NO_FILM | {"session_lost", "credits_exhausted"},
        "1002": _NO_FILM | {"session_lost"},
        **_all("2001 4001 4002", frozenset({"render_failed"})),
        "402": _NO_FILM | {"export_blocked"},
        "403-scope": _NO_FILM | _SCOPE,
        **_all(f"404-json 429 {_FAILURES}", _NO_FILM),
    },
}


def codes_of(call: str, answer: str) -> frozenset[str]:
    """Name the ends that are right: error codes, or the status of a job that ended without one."""
    return _BY_CALL.get(call, {}).get(answer) or _ANY.get(answer) or _UNAVAILABLE


def most_calls(call: str, answer: str, asked: str, *, minutes: float, doublings: int) -> int:
    """Bound how often `asked` may be called in so many minutes, one at least, by a job to whose `call` the answer is
    always `answer`. `doublings`: of the time that a job has on a quick machine; with pauses that double each is a try.
    """
    if asked == "message" and (call != "message" or answer in AT_MOST_ONCE):
        return 1
    if asked == "status":
        return int(max(LEAST_TIMEOUT_S, 60 * minutes) / LOOK_EVERY_S)
    return int(MOST_A_MINUTE.get(asked, 0) * max(1.0, minutes)) + (doublings if asked in MOST_A_MINUTE else 0)
