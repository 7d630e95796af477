"""Descriptions in the OpenAPI document that belong to no single route: headers, ids, tags. Data only."""

from typing import Any

Json = dict[str, Any]

DESCRIPTION = (
    "POST one video edit, get one signed callback with the MP4. Every refusal is a problem document (RFC 9457) with a "
    "`code` for programs. Times are RFC 3339 in UTC, durations `*_s`, sizes `*_bytes`. Whatever answers GET answers HEAD "
    "with the same status and headers and no body; OPTIONS says in `Allow` what a path can do."
)

TAGS = {
    "Jobs": "One edit each, from its prompt to its file.",
    "Batches": "Many jobs at once, and one callback when all have ended.",
    "Sessions": "A timeline to refine over several jobs.",
    "Uploads": "Files that are not on a public URL.",
    "Deliveries": "What was sent to whom, and again.",
    "Webhook": "The tenant's default callback target.",
    "Events": "Everything that happened, in order.",
    "Account": "Skills, credits, usage.",
    "Operation": "For those who run it.",
    "Callbacks": "What your receiver gets: Standard Webhooks.",
}


def _id(prefix: str) -> Json:
    words = f"`{prefix}_` and a UUIDv7; between them the name of a cell and `_`, where the service has several."
    return {"description": words, "examples": [f"{prefix}_019a3c1e-7b2f-7c3d-9e4f-0123456789ab"]}


PATH_IDS: dict[str, Json] = {
    "job_id": _id("job"),
    "session_id": _id("ses"),
    "upload_id": _id("upl"),
    "batch_id": _id("bat"),
    "delivery_id": _id("dlv"),
}


def _text(words: str, example: str | None = None) -> Json:
    schema: Json = {"type": "string"}
    if example is not None:
        schema["examples"] = [example]
    return {"description": words, "schema": schema}


def _seconds(words: str) -> Json:
    return {"description": words, "schema": {"type": "integer", "minimum": 0}}


ANSWER_HEADERS: dict[str, Json] = {
    "X-Request-Id": _text("The caller's, or one of ours."),
    "Location": _text("Where it is."),
    "Link": _text('The next page, `rel="next"`.'),
    "ETag": _text("Of the representation."),
    "Retry-After": _seconds("When it is worth asking again, in seconds."),
    "RateLimit": _text("What is left of the window.", '"submit";r=59;t=60'),
    "RateLimit-Policy": _text("Submits per key and window.", '"submit";q=60;w=60'),
    "Idempotency-Replayed": _text("`true`: this is the answer that the first call got."),
    "Preference-Applied": _text("The wait that was granted.", "wait=30"),
    "Accept": _text("The content type that is taken.", "application/json"),
    "Accept-Encoding": _text("The content encoding that is taken.", "identity"),
    "Accept-Ranges": _text("`bytes`."),
    "Cache-Control": _text("How long the answer may be kept, and by whom.", "private, no-cache"),
    "Content-Disposition": _text("The name to save it under."),
    "Content-Range": _text("Which bytes these are."),
    "WWW-Authenticate": _text("How to authenticate."),
    "Allow": _text("The methods of this path."),
}

#: what every call takes
REQUEST_ID = _text("A name for this call, which comes back and stands in our logs.")

CALLBACK_HEADERS: dict[str, Json] = {
    "webhook-id": _text("The event's id: the same at every attempt."),
    "webhook-timestamp": _text("Unix seconds of this attempt.", "1795213575"),
    "webhook-signature": _text(
        "`v1,` and base64 of HMAC-SHA256 over `id.timestamp.body`; several, separated by spaces, while two secrets are valid."
    ),
}

#: one event of a stream, as OpenAPI 3.1 has it: each is described, not the stream
SERVER_SENT_EVENT: Json = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "description": "Give it back as Last-Event-ID to go on after it."},
        "event": {
            "type": "string",
            "description": "`snapshot` at first, `reset` before one that could not follow the id given, then as `type`.",
        },
        "data": {"type": "string", "contentMediaType": "application/json", "description": "As an event of the list."},
        "retry": {"type": "integer", "description": "Milliseconds until a reader should come back."},
    },
}
