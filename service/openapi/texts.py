"""Descriptions in the OpenAPI document that belong to no single route: headers, ids, tags. Data only."""

from typing import Any

Json = dict[str, Any]

DESCRIPTION = (
    "POST one video edit, get one signed callback with the MP4. Every refusal is a problem document (RFC 9457) with a "
    "`code` for programs: the schema `ProblemCode` lists them all, `Code` those of jobs that failed, and [a table](/docs/plain#codes) what to do about each. Times are RFC 3339 in "
    "UTC, durations `*_s`, sizes `*_bytes`. Whatever answers GET answers HEAD with the same status and headers and no body; "
    "OPTIONS says in `Allow` what a path can do. A query parameter without a value is as good as none, but for `metadata[…]`."
)

API_KEY = (
    "An API key: `Authorization: Bearer rg_…`, made with `reelgate keys create` (`rg_eu1.…` in a cell called eu1). It has scopes: `read`, `submit`, `admin`. "
    "It is a secret of your server: whoever has it spends your credits, so it never goes into a page or an app."
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
    "Callbacks": "What your receiver gets: signed by Standard Webhooks.",
}


#: what happened, by the type of the event that tells of it
EVENTS = {
    "job.queued": "A job was accepted.",
    "job.started": "A worker began the job, for the first time.",
    "job.progress": (
        "A long edit still works. Called back every 2 minutes at most, and not tried again; in streams at every step."
    ),
    "job.succeeded": "A job ended well: `data.job.output.url` is a fresh link to the film.",
    "job.failed": "A job ended badly: `data.job.error` says why, and whether a replay helps.",
    "job.canceled": "A job ended because its caller asked.",
    "job.expired": "A job never started within its `start_timeout_s`. Nothing was charged.",
    "batch.completed": "All jobs of a batch have ended, however they did.",
    "webhook.test": "Somebody asked for it with `POST /v1/webhook:test`; `data` is empty.",
}

_UUID = "019a3c1e-7b2f-7c3d-9e4f-0123456789ab"


def _id(prefix: str, words: str) -> Json:
    return {
        "description": f"{words} `{prefix}_` and a UUIDv7, between them the name of a cell and `_` where there are several; "
        "another tenant's is 404.",
        "examples": [f"{prefix}_{_UUID}"],
    }


PATH_IDS: dict[str, Json] = {
    "job_id": _id("job", "The job's id, as the answer to its submit named it."),
    "session_id": _id("ses", "The session's id, as its creation or one of its jobs named it."),
    "upload_id": _id("upl", "The upload's id, as the answer to the upload named it."),
    "batch_id": _id("bat", "The batch's id, as the answer to its submit named it."),
    "delivery_id": _id("dlv", "The callback's id, as a list of deliveries names it."),
}


def _text(words: str, example: str) -> Json:
    return {"description": words, "schema": {"type": "string", "examples": [example]}}


ANSWER_HEADERS: dict[str, Json] = {
    "X-Request-Id": _text(
        "The name of this call: yours, or one of ours. Quote it in reports.", "7f61de60-c238-4ab0-99e8"
    ),
    "Location": _text(
        "Where to read what was made, or where the file is.", f"https://reelgate.example/v1/jobs/job_{_UUID}"
    ),
    "Link": _text(
        'The next page, `rel="next"`; absent on the last one.',
        f'<https://reelgate.example/v1/jobs?after=job_{_UUID}>; rel="next"',
    ),
    "ETag": _text(
        "Names this very representation. Send it as `If-None-Match` to hear of changes only.",
        'W/"5f1d0c7e9b2a4c6d8e0f1a2b"',
    ),
    "Retry-After": {
        "description": "Seconds after which it is worth asking again. Asking sooner gives the same answer.",
        "schema": {"type": "integer", "minimum": 0, "examples": [5]},
    },
    "RateLimit": _text(
        "Submits that this key has left (`r`) until the window ends, in `t` seconds.", '"submit";r=59;t=60'
    ),
    "RateLimit-Policy": _text("Submits that a key has (`q`) in a window of `w` seconds.", '"submit";q=60;w=60'),
    "Idempotency-Replayed": _text("`true`: this is the answer that the first call under the key got.", "true"),
    "Preference-Applied": _text("The wait that was granted.", "wait=30"),
    "Accept": _text("The content type that is taken.", "application/json"),
    "Accept-Encoding": _text("The content encoding that is taken.", "identity"),
    "Last-Modified": _text("When the file was made.", "Fri, 20 Nov 2026 23:00:30 GMT"),
    "Accept-Ranges": _text("`bytes`: parts of the file can be asked for with `Range`.", "bytes"),
    "Cache-Control": _text("How long the answer may be kept, and by whom.", "private, no-cache"),
    "Content-Disposition": _text("The name to save the file under.", f'attachment; filename="job_{_UUID}.mp4"'),
    "Content-Range": _text("Which bytes these are, and how many there are.", "bytes 0-1023/15728640"),
    "WWW-Authenticate": _text("How to authenticate.", 'Bearer realm="reelgate"'),
    "Allow": _text("The methods of this path.", "GET, HEAD, OPTIONS"),
}

#: what every call takes
REQUEST_ID = _text(
    "A name for this call, which comes back and stands in our logs; absent: we make one. Helps to find a call of yours again.",
    "7f61de60-c238-4ab0-99e8",
)

CALLBACK_HEADERS: dict[str, Json] = {
    "webhook-id": _text(
        "The event's id: the same at every attempt. Remember it to take each event once.", f"evt_{_UUID}"
    ),
    "webhook-timestamp": _text(
        "Unix seconds of this attempt. Refuse one that is 5 minutes off, so that nobody can play a call again.",
        "1795213575",
    ),
    "webhook-signature": _text(
        "`v1,` and base64 of HMAC-SHA256 over `id.timestamp.body`; several, separated by spaces, while two secrets are valid. "
        "One that matches is enough; without checking it anybody can tell you anything.",
        "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
    ),
}

CALLBACK_ANSWERS: Json = {
    "2XX": {"description": "Received. Nothing else is success; redirects are not followed. Answer first, then work."},
    "410": {"description": "Stop, and disable this URL. So does the answer header `webhook-delivery: disable`."},
    "default": {
        "description": "Sent again, ten times over three days; `Retry-After` is honoured up to twice the step. The answer "
        "header `webhook-delivery: abort-message` ends it."
    },
}

#: a file as it is; `format` is of OpenAPI 3.0, and what the makers of clients look for
BYTES: Json = {"type": "string", "format": "binary"}

#: schemas that no struct stands behind, by name: what a form, a stream and a test call carry
NAMED: dict[str, Json] = {
    "UploadForm": {
        "title": "UploadForm",
        "type": "object",
        "description": "A form with the file; the first part that is a file is taken.",
        "required": ["file"],
        "properties": {
            "file": {**BYTES, "description": "The file, up to 500,000,000 bytes. A second file in the form refuses it."}
        },
    },
    # As OpenAPI 3.1 has it, where each event is described, not the stream.
    "ServerSentEvent": {
        "title": "ServerSentEvent",
        "type": "object",
        "description": "One event of the stream. It ends with the job; a comment comes every 15 s.",
        "properties": {
            "id": {
                "type": "string",
                "description": "Give it back as `Last-Event-ID` to go on after it.",
                "examples": [f"evt_{_UUID}"],
            },
            "event": {
                "type": "string",
                "examples": ["job.succeeded"],
                "description": "`snapshot` at first, `reset` before one that could not follow the id given, then as `type`.",
            },
            "data": {
                "type": "string",
                "contentMediaType": "application/json",
                "description": "As an event of the list, but for its id.",
                "examples": ['{"type":"job.started","timestamp":"2026-11-20T22:26:14.713Z","data":{"job":{}}}'],
            },
            "retry": {
                "type": "integer",
                "description": "Milliseconds until a reader should come back after a break.",
                "examples": [3000],
            },
        },
    },
    "WebhookTestBody": {
        "title": "WebhookTestBody",
        "type": "object",
        "description": "The body of a test: like the others, about nothing.",
        "required": ["type", "timestamp", "data"],
        "properties": {
            "type": {"type": "string", "const": "webhook.test", "description": "What it is."},
            "timestamp": {
                "type": "string",
                "format": "date-time",
                "description": "When it was asked for.",
                "examples": ["2026-11-20T22:26:14.713Z"],
            },
            "data": {"type": "object", "description": "Empty.", "examples": [{}]},
        },
    },
}


def named(name: str) -> Json:
    """Refer to one of the schemas above."""
    return {"$ref": f"#/components/schemas/{name}"}
